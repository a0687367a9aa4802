"""MLflow's page: the command that serves it, on loopback, and the saved views by which it first shows an experiment.

As it comes, the page folds all trials into the study's run and shows none of their numbers. Saved views, which are tags on the
experiment, set that right: they stand in the page's menu *Views*, and `page` gives the address of the first.
A view holds filter, order, columns and charts. It cannot hold runs pinned by hand, which MLflow keeps in each browser, so the
baselines and the best trial bear a tag, and one view shows these alone.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from pitprop.addresses import Addresses, safe, sqlite_file
from pitprop.study.record import Record, StudyCard
from pitprop.track.trial_run import key, objectives

TAG = "mlflow.sharedViewState.pitprop"
PORT = 5000
"""Where the page is served unless another port is asked for."""
_EXPERIMENT = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
_RUNS = """
SELECT tags.value, runs.run_uuid, runs.start_time FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
WHERE runs.experiment_id = ? AND runs.lifecycle_stage = 'active' AND tags.key = 'pitprop.trial'
"""
KEPT = "mlflow.json"
"""The file in the folder of a study that says where a server keeps it."""
LIMIT = 6
"""Parameters shown: a table that is wider than the screen hides the reasons."""


def ui_command(uri: str, artifacts: Path, port: int = PORT) -> list[str]:
    """The command that serves the UI of the store at ``uri`` on 127.0.0.1; run it with the environment `served` of ``uri``, in
    which the address stands: what is in a command line, every user of the machine can read.

    ``ValueError``, in a sentence, if the store is a server (which has its own UI) or if the port is taken.
    """
    if uri.startswith("http"):
        raise ValueError(f"MLflow is a server already: open {safe(uri)} in a browser")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            look = f"the UI may run already, look at http://127.0.0.1:{port}, or choose another port"
            raise ValueError(f"port {port} cannot be used ({error}): {look}") from error
    store = ["--default-artifact-root", artifacts.resolve().as_uri()]
    calm = ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    return [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port), *calm]


def page(address: str, experiment: str) -> str:
    """Where the server at ``address`` shows the trials of the experiment with this id."""
    return f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=pitprop"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a server keeps a study: its address, the id of the experiment, and of each run the trial, the id and the start."""

    server: str
    experiment: str
    runs: Sequence[tuple[int, str, int]]

    def write(self, folder: Path) -> None:
        """Notes it in the folder of the study, since nobody asks a server for the sake of a link."""
        draft = folder / f".{KEPT}.part"
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(folder / KEPT)


def public(uri: str) -> str:
    """The address of a server for a browser: without user and password, which the browser asks for."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")


def _on_server(uri: str, folder: Path) -> Kept | None:
    """Where the server at ``uri`` keeps the study of the ``folder``, as noted there; None if that is not known."""
    try:
        found = Kept(**json.loads((folder / KEPT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.server == public(uri) else None


def _in_file(file: Path, study: str) -> Kept | None:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            found = store.execute(_EXPERIMENT, (study,)).fetchone()
            rows = store.execute(_RUNS, found).fetchall() if found else []
    except sqlite3.Error:  # an older store, one that is being made, or no store at all
        return None
    runs = [(int(number), run, started) for number, run, started in rows]
    return Kept(f"http://127.0.0.1:{PORT}", str(found[0]), runs) if found else None


def addresses_of(where: Addresses, study: str, records: Sequence[Record]) -> dict[int, str]:
    """By trial the address of its run on the server, or on the page that ``pitprop ui`` serves; of one that is not exported yet,
    that of the list in which it will stand. Empty where the study is not in MLflow, or in a store that is another's."""
    file = sqlite_file(where.mlflow)
    kept = _on_server(where.mlflow, where.folder(study)) if where.mlflow.startswith("http") else None
    if file is not None and file.exists():
        kept = _in_file(file, study)
    if kept is None:
        return {}
    page, known = f"{kept.server}/#/experiments/{kept.experiment}/runs", dict[int, list[tuple[str, int]]]()
    for number, run, started in kept.runs:
        known.setdefault(number, []).append((run, started))
    links = {}
    for record in records:
        runs = [run for run, started in known.get(record.number, ()) if abs(started - record.started * 1000) < 1000]
        waiting = f"{page}?searchFilter={quote(f'tags.`pitprop.trial` = {str(record.number)!r}')}"
        links[record.number] = f"{page}/{runs[0]}" if runs else waiting
    return links


def views(card: StudyCard, records: Sequence[Record], baselines: Iterable[str]) -> dict[str, str]:
    """The tags of the experiment that hold the saved views: all trials, those to beat, those that were stopped."""
    names = list(baselines)
    return {
        TAG: _saved("Trials, best first", _state(card, records, names), records),
        f"{TAG}-pinned": _saved("Best and baselines", _state(card, records, names, 'tags.`pitprop.pinned` != ""'), records),
        f"{TAG}-stopped": _saved("Stopped, and why", _state(card, records, names, 'tags.`pitprop.signature` != ""'), records),
    }


def varied(records: Iterable[Record]) -> list[str]:
    """The parameters of which there is more than one value, in the order in which they came up."""
    values: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.params.items():
            values.setdefault(name, set()).add(str(value))
    return [name for name, found in values.items() if len(found) > 1]


def _saved(name: str, state: dict[str, Any], records: Sequence[Record]) -> str:
    """A view in MLflow's envelope. It bears the time of the first trial, so that exporting twice changes nothing."""
    created = round(1000 * min((record.started for record in records), default=0.0))
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": json.dumps(state)})


def _state(card: StudyCard, records: Sequence[Record], baselines: Sequence[str], filter: str = "") -> dict[str, Any]:
    """Columns are the objective, the parameters that vary, and the reason: MLflow sorts numbers by name, and a window shows
    few. The state, and the signature that ended a trial, stand in the run's name, which comes first."""
    leads = [key(f"delta/{name}") for name in baselines]
    params = [key(name) for name in varied(records)]
    columns = [
        *(f"metrics.`{name}`" for name in objectives(card)),
        *(f"params.`{name}`" for name in params[:LIMIT]),
        "tags.`pitprop.reason`",
    ]
    return {
        "searchFilter": filter,
        "orderByKey": "metrics.`objective`",
        "orderByAsc": card.objective.sign < 0,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "runsHiddenMode": "FIRST_20_RUNS",
        "isAccordionReordered": True,  # or the page puts its own sections, by name, before ours
        "compareRunSections": [{"uuid": "pitprop", "name": "Trials", "display": True, "isReordered": False, "deleted": False}],
        "compareRunCharts": _charts(card, params, leads),
    }


def _charts(card: StudyCard, params: Sequence[str], leads: Sequence[str]) -> list[dict[str, Any]]:
    """Parallel coordinates of what was searched, of all trials; the scores; the leads; the curves of the first twenty."""
    place = {"runsCountToCompare": 10, "metricSectionId": "pitprop", "deleted": False, "isGenerated": True}
    metric = key(card.objective.metric)
    coordinates = {"selectedParams": list(params), "selectedMetrics": objectives(card), "showAllRuns": True}
    bars = [{"type": "BAR", "metricKey": name, "displayName": name} for name in (*objectives(card), *leads)]
    curves = [
        {"type": "LINE", "metricKey": name, "selectedMetricKeys": [name], "displayName": name, "lineSmoothness": 0}
        | {"xAxisKey": "step", "xAxisScaleType": "linear", "scaleType": "linear", "yAxisKey": "metric", "yAxisExpressions": []}
        | {"range": {}, "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True, "ignoreOutliers": False}
        for name in dict.fromkeys((metric, "train/loss", "val/loss"))
    ]
    charts: list[dict[str, Any]] = [{"type": "PARALLEL", **coordinates}, *_scatter(card), *curves, *bars]
    return [{"uuid": f"pitprop-{index}", **place, **chart} for index, chart in enumerate(charts)]


def _scatter(card: StudyCard) -> list[dict[str, Any]]:
    """Each further objective against the first."""
    first, *further = ({"type": "METRIC", "key": name} for name in objectives(card))
    return [{"type": "SCATTER", "xaxis": other, "yaxis": first} for other in further]
