"""The MLflow exporter, against the real MLflow with a SQLite store."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import re
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop import telemetry
from pitprop.addresses import Addresses, sqlite_url
from pitprop.detection.detect import Verdict
from pitprop.space import Objective
from pitprop.study import record as row
from pitprop.study.record import Record, StudyCard
from pitprop.telemetry import Epoch
from pitprop.track import ENVIRONMENT, Exporter, sqlite, trial_run, ui_command
from pitprop.track.view import TAG, Kept, addresses_of, views

os.environ.update(ENVIRONMENT)

CARD = StudyCard(
    "focal_alpha", "Which alpha beats plain cross entropy?", Objective("val/macro_f1"), "name: focal_alpha\n", {"paper": 0.6}
)
VERDICT = Verdict(
    "constant_prediction",
    3,
    "prune",
    "every sample is predicted as class 0",
    {"val/predicted/0": 295.0},
    "raise alpha for the minority class",
)
PARKED = replace(VERDICT, signature="chance_plateau", action="park", reason="no better than chance in epochs 1-3")
WARNING = replace(VERDICT, signature="overfit", action="warn", reason="the loss rises", remedy="more data")


def trial(folder: Path, number: int, state: str = "COMPLETE", value: float | None = 0.5, epochs: int = 3, **more: Any) -> Record:
    """A record, and its telemetry on the disk."""
    home = folder / f"{number:04d}"
    home.mkdir(parents=True, exist_ok=True)
    scores = [Epoch(s, {"val/macro_f1": s / 10, "val/loss": 1 / s, "seconds": 0.5}) for s in range(1, epochs + 1)]
    telemetry.rewrite(home / "telemetry.jsonl", scores)
    started = 1_700_000_000.0 + number
    ended = None if state == "RUNNING" else started + 10
    values = None if value is None or state == "RUNNING" else (value,)
    given_params = {"loss.alpha": [0.5, 2.0], "lr": 1e-3, "note": None}
    fields: dict[str, Any] = {"baseline": None, "verdicts": (), "error": None} | more
    return Record(number, state, given_params, values, epochs=epochs, folder=str(home), started=started, ended=ended, **fields)


def export(uri: str, folder: Path, records: Sequence[Record], card: StudyCard = CARD, close: bool = True) -> None:
    from pitprop.track.store import Store

    store = Store(uri, folder / "artifacts", card)
    store.export(records)
    if close:
        store.close()


def rows(uri: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that the database says of runs."""
    database = sqlite3.connect(uri.removeprefix("sqlite:///"))
    tables = ("experiments", "experiment_tags", "runs", "tags", "params", "metrics", "latest_metrics")
    found = {table: sorted(database.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}
    database.close()
    return found


def runs(uri: str) -> dict[str, Any]:
    """The runs of the study by trial number as text; the parent's under ``""``."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(CARD.name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    by_trial = {r.data.tags.get("pitprop.trial", ""): r for r in found}
    assert len(by_trial) == len(found)
    return by_trial


def history(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    return sorted((m.step, m.value) for m in MlflowClient(uri).get_metric_history(run_id, name))


def shown(uri: str, run: str) -> list[tuple[Any, ...]]:
    """What the page shows as the values of a run's metrics."""
    database = sqlite3.connect(uri.removeprefix("sqlite:///"))
    found = database.execute(
        "SELECT key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_uuid = ?", (run,)
    ).fetchall()
    database.close()
    return sorted(found)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def seen(saved: str) -> dict[str, Any]:
    """What MLflow's page makes of a saved view."""
    state: dict[str, Any] = json.loads(json.loads(saved)["state"])
    return state


# what a run says


@settings(deadline=None)
@given(st.text())
def test_every_metric_name_becomes_one_that_mlflow_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    assert 0 < len(trial_run.key(name)) <= 250
    _validate_metric_name(trial_run.key(name))  # type: ignore[no-untyped-call]


def test_a_record_survives_its_json(tmp_path: Path) -> None:
    record = trial(tmp_path, 4, "PRUNED", verdicts=(VERDICT,))
    assert row.loads(row.dumps(record)) == record
    assert math.isnan((row.loads(row.dumps(replace(record, values=(math.nan,)))).values or ())[0])


@pytest.mark.parametrize(("maximize", "lead"), [(True, 0.2), (False, -0.2)])
def test_a_lead_over_a_baseline_is_positive_when_better(tmp_path: Path, maximize: bool, lead: float) -> None:
    said = trial_run.measures(
        trial(tmp_path, 0, value=0.8),
        replace(CARD, objective=Objective("val/macro_f1", "maximize" if maximize else "minimize")),
        {"paper": 0.6},
    )
    assert said["delta/paper"] == pytest.approx(lead)


# the store


def test_each_state_has_its_status_name_and_tags(uri: str, tmp_path: Path) -> None:
    records = [
        trial(tmp_path, 0, baseline="model_1"),
        trial(tmp_path, 1, value=0.7),
        trial(tmp_path, 2, "PRUNED", None, verdicts=(VERDICT,)),
        trial(tmp_path, 3, "FAIL", None, error="the worker died"),
        trial(tmp_path, 4, "PRUNED", None, verdicts=(PARKED,)),
        trial(tmp_path, 5, value=0.6, baseline="trial 13"),
    ]
    export(uri, tmp_path, records)
    found = runs(uri)
    states = ["FINISHED", "FINISHED", "KILLED", "FAILED", "SCHEDULED", "FINISHED"]
    assert [found[n].info.status for n in (*map(str, range(6)), "")] == [*states, "FINISHED"]
    names = [
        "baseline model_1",
        "0001",
        "0002 pruned: constant_prediction",
        "0003 failed",
        "0004 parked: chance_plateau",
        "trial 13",
    ]
    assert [found[str(n)].info.run_name for n in range(6)] == names
    pruned, failed = found["2"].data.tags, found["3"].data.tags
    assert (pruned["pitprop.signature"], pruned["pitprop.reason"]) == (VERDICT.signature, VERDICT.reason)
    assert (pruned["pitprop.remedy"], failed["pitprop.reason"]) == (VERDICT.remedy, "the worker died")
    assert {found[str(n)].data.tags["mlflow.parentRunId"] for n in range(4)} == {found[""].info.run_id}
    assert found["1"].data.params == {"loss.alpha": "[0.5, 2.0]", "lr": "0.001", "note": "None"}
    assert found["1"].data.metrics["delta/model_1"] == pytest.approx(0.2)
    assert found["1"].info.end_time == round((records[1].ended or 0) * 1000)
    assert found[""].data.metrics["best"] == 0.7
    assert history(uri, found["1"].info.run_id, "val/macro_f1") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    kept = {path.name for path in (tmp_path / "artifacts").rglob("*.*")}
    assert kept == {"space.yaml", "telemetry.jsonl", "verdict.json"}


def test_a_parked_run_says_so_and_the_one_that_revives_it_links_to_it(uri: str, tmp_path: Path) -> None:
    records = [
        trial(tmp_path, 0, "PRUNED", None, verdicts=(PARKED,)),
        trial(tmp_path, 1, value=0.7, epochs=5, revives=0),
        trial(tmp_path, 2, "PRUNED", None, verdicts=(PARKED, WARNING), revives=0),
    ]
    for _ in range(2):
        export(uri, tmp_path, records)
        found = runs(uri)
        names = ["0000 parked: chance_plateau", "0001 revives 0000", "0002 revives 0000 parked: chance_plateau"]
        assert [found[str(n)].info.run_name for n in range(3)] == names
        assert [found[str(n)].data.tags["pitprop.state"] for n in range(3)] == ["parked", "complete", "parked"]
        assert found["1"].data.tags["pitprop.revives"] == "0"
        address = f"#/experiments/{found['0'].info.experiment_id}/runs/{found['0'].info.run_id}?workflowType=machine_learning"
        assert found["1"].data.tags["mlflow.note.content"] == f"Continues [trial 0]({address}) from epoch 3"
        assert found[""].data.metrics["trials/parked"] == 2


def test_exporting_twice_changes_nothing(uri: str, tmp_path: Path) -> None:
    from pitprop.track.store import Store

    values = [0.5, math.nan, math.inf]
    records = [trial(tmp_path, n, value=value, baseline="model_1" if n == 0 else None) for n, value in enumerate(values)]
    records += [trial(tmp_path, 3, "PRUNED", None, verdicts=(VERDICT,)), trial(tmp_path, 4, "FAIL", None, error="e" * 10_000)]
    records += [trial(tmp_path, 5, "PRUNED", None, verdicts=(PARKED, WARNING)), trial(tmp_path, 6, revives=5)]
    export(uri, tmp_path, records)
    before = rows(uri)
    export(uri, tmp_path, records)
    assert rows(uri) == before
    store = Store(uri, tmp_path / "artifacts", CARD)
    for record in records:
        store.export([record])
    store.close()
    assert rows(uri) == before


def test_an_excluded_trial_is_retracted_at_the_next_export_and_comes_back(uri: str, tmp_path: Path) -> None:
    worse, better = trial(tmp_path, 0, value=0.5), trial(tmp_path, 1, value=0.7)
    seen = []
    for one in (better, replace(better, excluded=True), better):
        export(uri, tmp_path, [worse, one])
        found = runs(uri)
        pinned = [number for number, run in found.items() if run.data.tags.get("pitprop.pinned") == "best"]
        seen.append((found[""].data.metrics["best"], pinned, "pitprop.excluded" in found["1"].data.tags))
    assert seen == [(0.7, ["1"], False), (0.5, ["0"], True), (0.7, ["1"], False)]


def test_not_a_number_and_infinity_survive(uri: str, tmp_path: Path) -> None:
    record = trial(tmp_path, 0, value=math.nan)
    telemetry.append(Path(record.folder) / "telemetry.jsonl", Epoch(4, {"val/loss": math.nan, "grad_norm": math.inf}))
    export(uri, tmp_path, [record])
    metrics = runs(uri)["0"].data.metrics
    assert math.isnan(metrics["val/loss"])
    assert math.isnan(metrics["objective"])
    assert metrics["grad_norm"] > 1e308


def test_the_lead_over_a_baseline_appears_when_that_ends_later(uri: str, tmp_path: Path) -> None:
    from pitprop.track.store import Store

    store = Store(uri, tmp_path / "artifacts", CARD)
    store.export([trial(tmp_path, 0, "RUNNING", baseline="model_1"), trial(tmp_path, 1, value=0.7)])
    assert "delta/model_1" not in runs(uri)["1"].data.metrics
    store.export([trial(tmp_path, 0, value=0.5, baseline="model_1")])
    assert runs(uri)["1"].data.metrics["delta/model_1"] == pytest.approx(0.2)


def test_the_answer_links_to_the_experiments_of_other_studies_that_are_there(uri: str, tmp_path: Path) -> None:
    from pitprop.track.store import Store

    Store(uri, tmp_path / "artifacts", replace(CARD, name="again"))
    store = Store(uri, tmp_path / "artifacts", CARD)
    store.export([trial(tmp_path, 0, value=0.5)])
    store.conclude(None, "Trained again: `again`, `gone`.", studies=["again", "gone"])
    told = store._parent.tags["mlflow.note.content"] if store._parent else ""
    assert re.match(r"Trained again: \[again\]\(#/experiments/\w+/runs\?workflowType=machine_learning\), `gone`\.", told)


def test_a_running_trial_gets_its_new_epochs_only(uri: str, tmp_path: Path) -> None:
    from pitprop.track.store import Store

    store = Store(uri, tmp_path / "artifacts", CARD)
    store.export([trial(tmp_path, 0, "RUNNING", epochs=2)])
    first = set(rows(uri)["metrics"])
    assert runs(uri)["0"].info.status == "RUNNING"
    record = trial(tmp_path, 0, epochs=5)
    telemetry.append(Path(record.folder) / "telemetry-1.jsonl", Epoch(1, {"val/loss": 2.0}))
    store.export([record])
    assert first < set(rows(uri)["metrics"])
    found = runs(uri)["0"]
    assert [step for step, _ in history(uri, found.info.run_id, "val/loss")] == [1, 2, 3, 4, 5]
    assert found.data.metrics["seed1/val/loss"] == 2.0


def test_long_curves_are_exported_whole(uri: str, tmp_path: Path) -> None:
    export(uri, tmp_path, [trial(tmp_path, 0, epochs=700)])
    assert len(history(uri, runs(uri)["0"].info.run_id, "val/loss")) == 700


def test_an_interrupted_trial_is_closed_and_taken_up_again(uri: str, tmp_path: Path) -> None:
    export(uri, tmp_path, [trial(tmp_path, 0, "RUNNING", epochs=1)])
    stopped = runs(uri)
    assert {stopped[n].info.status for n in ("0", "")} == {"KILLED"}
    assert "interrupted" in stopped["0"].data.tags["pitprop.reason"]
    export(uri, tmp_path, [trial(tmp_path, 0, "PRUNED", None, verdicts=(VERDICT,))])
    pruned = runs(uri)
    assert pruned["0"].info.run_name.endswith("pruned: constant_prediction")
    assert pruned["0"].data.metrics["val/macro_f1"] == 0.3
    assert pruned[""].info.status == "FINISHED"
    assert "pitprop.reason" not in pruned[""].data.tags


def test_runs_that_a_killed_search_left_are_mended(uri: str, tmp_path: Path) -> None:
    export(uri, tmp_path, [trial(tmp_path, 0, "RUNNING", epochs=1)], close=False)
    assert runs(uri)["0"].info.status == "RUNNING"
    export(uri, tmp_path, [trial(tmp_path, 0)])
    assert {found.info.status for found in runs(uri).values()} == {"FINISHED"}


def test_a_new_study_of_the_same_name_does_not_write_into_the_old_ones_runs(uri: str, tmp_path: Path) -> None:
    old = trial(tmp_path, 0)
    export(uri, tmp_path, [old])
    export(uri, tmp_path, [replace(old, params={"lr": 1.0}, started=old.started + 99)])
    assert len(rows(uri)["runs"]) == 3


def test_a_run_that_mlflow_refuses_does_not_hold_up_the_others(uri: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from pitprop.track.store import Store

    store = Store(uri, tmp_path / "artifacts", CARD)
    store.export([trial(tmp_path, 0, "RUNNING"), trial(tmp_path, 1, "RUNNING")])
    MlflowClient(uri).delete_run(runs(uri)["0"].info.run_id)
    store.export([trial(tmp_path, 0), trial(tmp_path, 1)])
    store.close()
    assert (store.refused, store.stale) == ({0}, set())
    assert runs(uri)["1"].info.status == "FINISHED"


# the process


def test_the_process_exports_what_it_is_sent_and_tells_how_far_it_is(uri: str, tmp_path: Path) -> None:
    told: list[str] = []
    with Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log") as exporter:
        for number in range(100):
            exporter.send(trial(tmp_path, number, "RUNNING", epochs=0))
        for number in range(3):
            exporter.send(trial(tmp_path, number))
        for number in range(3, 100):
            exporter.send(trial(tmp_path, number, "FAIL", None, epochs=0, error="e" * 2000))
        assert exporter.finish(600, told=told.append) == f"100 trials are in MLflow at {uri}"
    assert told[-1].startswith("MLflow: 100 of 100 trials; ")
    found = runs(uri)
    assert len(found) == 101
    assert {found[str(n)].info.status for n in range(3)} == {"FINISHED"}
    assert not [n for n, r in found.items() if r.info.status == "RUNNING"]


def test_one_process_exports_a_study_and_those_that_confirm_it(uri: str, tmp_path: Path) -> None:
    other = replace(CARD, name="focal_alpha.confirm5")
    with Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log") as exporter:
        beside = exporter.beside(other, tmp_path / "other" / "track.log")
        for number in range(3):
            exporter.send(trial(tmp_path, number))
            beside.send(trial(tmp_path / "other", number, baseline=f"trial {number}"))
        beside.conclude([], "The answer is on the run of `focal_alpha`.", ["focal_alpha"])
        exporter.conclude([2], "Use trial 2. Trained again: `focal_alpha.confirm5`.", [other.name])
        told: list[str] = []
        said = exporter.finish(600, told=told.append)
        assert said == f"3 trials and 3 that were trained again are in MLflow at {uri}", (
            "each count is one that a search has said"
        )
        assert told[-1].startswith("MLflow: 6 of 6 (3 trials, 3 trained again); ")
        assert beside.complete
    assert {run.info.status for run in runs(uri).values()} == {"FINISHED"}
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(other.name)
    assert experiment is not None
    again = {run.data.tags.get("pitprop.trial", ""): run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(again) == ["", "0", "1", "2"]
    assert f"[focal_alpha](#/experiments/{runs(uri)[''].info.experiment_id}" in again[""].data.tags["mlflow.note.content"]
    assert f"[{other.name}](#/experiments/{experiment.experiment_id}" in runs(uri)[""].data.tags["mlflow.note.content"]


def test_a_study_whose_export_fails_is_incomplete_with_those_beside_it(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{closed_port()}"
    with Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log") as exporter:
        beside = exporter.beside(replace(CARD, name="focal_alpha.confirm5"), tmp_path / "other.log")
        exporter.send(trial(tmp_path, 0))
        beside.send(trial(tmp_path / "other", 0))
        assert "2 trials are not exported" in exporter.finish(600)
    assert (exporter.complete, beside.complete) == (False, False)


def locked(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@pytest.mark.slow
def test_a_search_waits_for_the_exporter_of_the_one_before(uri: str, tmp_path: Path) -> None:
    folder, log = tmp_path / "artifacts", tmp_path / "track.log"
    with Exporter(uri, folder, CARD, log) as killed:
        killed.send(trial(tmp_path, 0, "RUNNING"))
        deadline = time.monotonic() + 300
        while not locked(log):
            assert time.monotonic() < deadline
            select.select([], [], [], 0.01)
        with Exporter(uri, folder, CARD, log) as resumed:
            resumed.send(trial(tmp_path, 0))
            for exporter in (killed, resumed):
                assert exporter.finish(600) == f"1 trial is in MLflow at {uri}"
    assert {found.info.run_name for found in runs(uri).values()} == {"focal_alpha", "0000"}
    assert {found.info.status for found in runs(uri).values()} == {"FINISHED"}


@pytest.mark.parametrize("begun", [0, 7])
def test_what_gives_way_while_something_trains_weighs_at_the_end_as_it_was_begun(begun: int) -> None:
    code = (
        "import os\nfrom pathlib import Path\n"
        "from pitprop.processes import weigh\n"
        f"os.nice({begun} - os.nice(0))\n"
        "for nice in (19, 0):\n"
        "    weigh(nice)\n"
        "    print(Path('/proc/self/autogroup').read_text().split()[-1])\n"
    )
    if not Path("/proc/self/autogroup").exists() or os.nice(0) > begun:
        pytest.skip("this kernel weighs no sessions, or the tests were begun with a niceness")
    done = subprocess.run([sys.executable, "-c", code], start_new_session=True, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["19", str(begun)]


def test_an_unreachable_store_harms_nobody_and_is_told(tmp_path: Path) -> None:
    uri = f"http://user:secret@127.0.0.1:{closed_port()}"
    with Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log") as exporter:
        for number in range(2000):
            exporter.send(trial(tmp_path, number % 12, error="e" * 500))
        said = exporter.finish()
    assert "did not answer: 12 trials are not exported" in said
    assert "pitprop export focal_alpha" in said
    assert "secret" not in said


def test_a_process_that_dies_or_cannot_start_harms_nobody(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for log in (tmp_path / "track.log", tmp_path / "mlflow.db" / "track.log"):
        with Exporter(uri, tmp_path / "artifacts", CARD, log) as exporter:
            for number in range(100):
                exporter.send(trial(tmp_path, 0, error="e" * 5000 + str(number)))
            assert "up to 1 trial is not exported" in exporter.finish()


DRIVER = """
import os, select, signal, sqlite3, sys
from pathlib import Path
from pitprop.study import record as row
from pitprop.space import Objective
from pitprop.study.record import StudyCard
from pitprop.track import Exporter
uri, folder, line, waits = sys.argv[1:]
card = StudyCard("focal_alpha", "", Objective("val/macro_f1"), "", {})
database = sqlite3.connect(uri.removeprefix("sqlite:///")) if waits else None
with Exporter(uri, Path(folder) / "artifacts", card, Path(folder) / "track.log") as exporter:
    exporter.send(row.loads(line))
    while database and not database.execute("select 1 from tags where key = 'pitprop.epochs'").fetchall():
        select.select([], [], [], 0.02)
    print(exporter._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def orphaned(uri: str, folder: Path, record: Record, waits: str) -> None:
    """Returns when the exporter has ended whose driver was killed: at once, or (``waits``) once it had exported the trial."""
    command = [sys.executable, "-c", DRIVER, uri, str(folder), row.dumps(record), waits]
    driver = subprocess.run(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1], check=False)
    assert driver.returncode == -signal.SIGKILL
    with contextlib.suppress(ProcessLookupError):
        orphan = os.pidfd_open(int(driver.stdout))
        select.select([orphan], [], [])
        os.close(orphan)


def test_the_death_of_the_driver_leaves_no_run_open(uri: str, tmp_path: Path) -> None:
    orphaned(uri, tmp_path, trial(tmp_path, 0, "RUNNING", epochs=2), "waits")
    found = runs(uri)
    assert {r.info.status for r in found.values()} == {"KILLED"}
    assert {r.data.tags["pitprop.reason"] for r in found.values()} == {"the driver is gone"}
    assert found["0"].data.metrics["val/macro_f1"] == 0.2


def test_an_exporter_whose_driver_dies_begins_nothing_more(uri: str, tmp_path: Path) -> None:
    before = rows(uri)
    orphaned(uri, tmp_path, trial(tmp_path, 0), "")
    assert rows(uri) == before


# a store that is made, or was half made


def export_many(uri: str, folder: Path, numbers: Sequence[int]) -> list[str]:
    """What the exporters of so many studies say that begin at once."""
    with contextlib.ExitStack() as stack:
        exporters = []
        for number in numbers:
            home, card = folder / str(number), replace(CARD, name=f"study{number}")
            exporters.append(stack.enter_context(Exporter(uri, folder / "artifacts", card, home / "track.log")))
            exporters[-1].send(trial(home, 0))
        return [exporter.finish() for exporter in exporters]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["runs", "größe 100%2F?#{x}"])
def test_eight_exporters_that_begin_at_once_share_one_new_store(name: str, tmp_path: Path) -> None:
    uri = sqlite_url(tmp_path / name / "mlflow.db")
    assert export_many(uri, tmp_path / name, range(8)) == [f"1 trial is in MLflow at {uri}"] * 8
    with contextlib.closing(sqlite3.connect(tmp_path / name / "mlflow.db")) as database:
        names = {found for (found,) in database.execute("select name from experiments")}
        assert names == {"Default", *(f"study{number}" for number in range(8))}
    found = list((tmp_path / name / "artifacts").glob("study*/*/artifacts/telemetry.jsonl"))
    assert len(found) == 8
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_a_search_on_a_machine_that_others_keep_busy_has_all_its_trials_in_mlflow_at_its_end(
    write_space: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_space(trials=30, epochs=3, signatures="off", confirm=None)
    command = [sys.executable, "-m", "pitprop.cli.main", "search", str(path), "--inline", "--no-report"]
    with contextlib.ExitStack() as stack:
        for _ in range(2 * (os.cpu_count() or 1)):
            busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True))
            stack.callback(busy.kill)
        done = subprocess.run([*command, "--runs", str(tmp_path / "runs")], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "30 trials are in MLflow" in done.stdout


MAKER = """
import sys
from pathlib import Path
from pitprop.track import sqlite
import mlflow.store.db.utils
sqlite.TABLES = Path("/dev/null")  # so that it migrates, as with an MLflow whose tables are others
sqlite.make(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("tables", [1, 12, 25])
def test_a_process_that_is_killed_while_it_makes_a_store_leaves_none(tables: int, tmp_path: Path) -> None:
    path, new = tmp_path / "mlflow.db", tmp_path / ".mlflow.db.new"
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", MAKER, str(path)], stderr=subprocess.DEVNULL) as maker:
        while count_tables(new) < tables:
            assert maker.poll() is None
            select.select([], [], [], 0.02)
        maker.kill()
    assert not path.exists()
    export(sqlite_url(path), tmp_path, [trial(tmp_path, 0)])
    assert runs(sqlite_url(path))["0"].info.status == "FINISHED"
    assert not new.exists()


def count_tables(path: Path) -> int:
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(sqlite3.OperationalError):
        return int(database.execute("select count(*) from sqlite_master where type = 'table'").fetchone()[0])
    return 0


def test_the_store_that_is_made_of_our_statements_is_the_one_that_mlflow_migrates(tmp_path: Path) -> None:
    made, migrated = tmp_path / "made.db", tmp_path / "migrated.db"
    sqlite.make(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own use of SQLAlchemy
        sqlite.migrate(migrated)
    with contextlib.closing(sqlite3.connect(made)) as ours, contextlib.closing(sqlite3.connect(migrated)) as theirs:
        words = [sorted(sorted(re.findall(r"[\w']+", one)) for one in each.iterdump()) for each in (ours, theirs)]
    assert words[0] == words[1], "run make docs"  # the order of a table's constraints is that of a set


def half_migrated(path: Path, revision: str = "84291f40a231") -> None:
    """As MLflow leaves it when it is killed between two steps of a migration."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("update alembic_version set version_num = ?", [revision])
        database.execute("create table _alembic_tmp_latest_metrics (key text)")


def test_a_half_made_store_that_holds_nothing_is_set_aside_and_made_anew(uri: str, tmp_path: Path) -> None:
    half_migrated(tmp_path / "mlflow.db")
    export(uri, tmp_path, [trial(tmp_path, 0)])
    assert runs(uri)["0"].info.status == "FINISHED"
    assert len(list(tmp_path.glob("mlflow.db.broken-*"))) == 1


@pytest.mark.parametrize(
    "kind", ["half migrated", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("no database", "of another program"))]
)
def test_a_broken_store_that_may_hold_something_is_named_with_what_to_do(kind: str, uri: str, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    if kind == "half migrated":
        export(uri, tmp_path, [trial(tmp_path, 0)])
        half_migrated(path)
    else:
        path.unlink()
        if kind == "no database":
            path.write_bytes(b"x" * 5000)
        else:
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("create table songs (name text)")
    before = path.read_bytes()
    with Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log", export="pitprop export x.yaml") as exporter:
        exporter.send(trial(tmp_path, 0))
        said = exporter.finish()
    assert said.startswith(f"the MLflow store {path} is broken (")
    assert "move that file away, then `pitprop export x.yaml` makes a new one" in said
    assert "alembic_tmp" not in said
    assert not exporter.complete
    assert path.read_bytes() == before


def test_ctrl_c_ends_the_waiting_and_names_the_command_for_the_rest(uri: str, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        assert line == "MLflow: 0 of 3 trials; Ctrl-C leaves the rest to `pitprop export x.yaml`"
        signal.raise_signal(signal.SIGINT)

    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs in the background
    store = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    exporting = Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log", export="pitprop export x.yaml")
    with contextlib.closing(store), exporting as exporter:
        store.execute("BEGIN EXCLUSIVE")  # so that none can be exported before the first line is told
        for number in range(3):
            exporter.send(trial(tmp_path, number))
        said = exporter.finish(told=interrupt)
    signal.signal(signal.SIGINT, heeded)
    assert said == "the export to MLflow was interrupted after 0 of 3 trials: `pitprop export x.yaml` exports the rest"


def test_a_folder_that_takes_nothing_is_not_called_a_store_that_does_not_answer(uri: str, tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("")
    with Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log") as exporter:
        exporter.send(trial(tmp_path, 0))
        said = exporter.finish()
    assert "failed (" in said
    assert "Not a directory" in said
    assert "1 trial is not exported; the next search or `pitprop export focal_alpha` exports what is missing" in said


def test_the_driver_does_not_import_mlflow() -> None:
    check = "import sys, pitprop.track; sys.exit('mlflow' in sys.modules or 'sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=Path(__file__).parents[1], check=False).returncode == 0


# the UI


def test_the_ui_stays_on_the_loopback_and_a_taken_port_is_told(uri: str, tmp_path: Path) -> None:
    port = closed_port()
    command = ui_command(uri, tmp_path / "artifacts", port)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ValueError, match=f"port {port} cannot be used"):
            ui_command(uri, tmp_path / "artifacts", port)
    with pytest.raises(ValueError, match="a server already"):
        ui_command("http://tracking:5000", tmp_path, port)


def test_the_page_shows_the_best_trial_first_and_the_parameters_that_vary(tmp_path: Path) -> None:
    both = [replace(trial(tmp_path, n), params={"lr": n, "gamma": 2.0}) for n in (0, 1)]
    shown = seen(views(replace(CARD, objective=Objective("val/macro_f1", "minimize")), both, ["model_1"])[TAG])
    assert (shown["orderByKey"], shown["orderByAsc"]) == ("metrics.`objective`", True)
    assert shown["selectedColumns"] == ["metrics.`objective`", "params.`lr`", "tags.`pitprop.reason`"]


def test_a_pruned_run_is_described_by_its_reason_and_remedy_and_a_finished_one_is_not(tmp_path: Path) -> None:
    pruned = trial_run.tags(trial(tmp_path, 0, "PRUNED", verdicts=(VERDICT,)))["mlflow.note.content"]
    assert VERDICT.reason in pruned
    assert VERDICT.remedy in pruned
    assert "mlflow.note.content" not in trial_run.tags(trial(tmp_path, 1))


def test_a_run_lists_its_warnings_with_their_reasons_and_one_tag_names_them(tmp_path: Path) -> None:
    other = replace(WARNING, signature="bad_start", reason="the loss starts high", remedy="")
    said = trial_run.tags(trial(tmp_path, 0, "PRUNED", verdicts=(VERDICT, WARNING, other)))
    assert said["pitprop.warnings"] == "bad_start, overfit"
    assert said["pitprop.signature"] == "constant_prediction"
    assert said["mlflow.note.content"].endswith(
        "Warnings:\n\n- **overfit**, epoch 3: the loss rises *Remedy:* more data\n- **bad_start**, epoch 3: the loss starts high"
    )
    finished = trial_run.tags(trial(tmp_path, 1, verdicts=(WARNING,)))
    assert finished["mlflow.note.content"].startswith("Warnings:")
    assert "pitprop.reason" not in finished


def test_a_trial_is_linked_to_its_run_and_one_that_is_not_exported_yet_to_where_it_will_stand(uri: str, tmp_path: Path) -> None:
    known, new = trial(tmp_path, 0), trial(tmp_path, 1)
    where = Addresses(tmp_path, "", uri, None)
    assert addresses_of(where, CARD.name, [known]) == {}
    export(uri, tmp_path, [known])
    found, run = addresses_of(where, CARD.name, [known, new]), runs(uri)["0"].info
    assert found[0] == f"http://127.0.0.1:5000/#/experiments/{run.experiment_id}/runs/{run.run_id}"
    assert found[1].endswith("?searchFilter=tags.%60pitprop.trial%60%20%3D%20%271%27")


def test_a_trial_on_a_server_is_linked_there_without_asking_it(tmp_path: Path) -> None:
    known, new = trial(tmp_path, 0), trial(tmp_path, 1)
    folder = tmp_path / CARD.name
    folder.mkdir()
    Kept("https://mlflow.example:5000/base", "7", [(0, "abc", round(1000 * known.started))]).write(folder)
    where = Addresses(tmp_path, "", "https://anna:geheim@mlflow.example:5000/base/", None)
    links = addresses_of(where, CARD.name, [known, new])
    assert links[0] == "https://mlflow.example:5000/base/#/experiments/7/runs/abc"
    assert links[1].startswith("https://mlflow.example:5000/base/#/experiments/7/runs?searchFilter=")
    assert addresses_of(replace(where, mlflow="https://other.example"), CARD.name, [known]) == {}


@pytest.mark.parametrize("address", ["http://localhost:1", "sqlite:///no/such.db"])
def test_where_there_is_no_store_of_our_own_no_trial_is_linked(address: str, tmp_path: Path) -> None:
    assert addresses_of(Addresses(tmp_path, "", address, None), CARD.name, [trial(tmp_path, 0)]) == {}


def test_points_written_by_statements_are_shown_as_those_that_mlflow_writes(uri: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    export(uri, tmp_path, [trial(tmp_path, 0)])
    client, names = MlflowClient(uri), ("a", "b", "c")
    ours, theirs = (client.create_run("1").info.run_id for _ in range(2))
    for steps in ([1, 2, 3], [5, 4], [2, 6], [6]):  # a later call may bring earlier steps, and a step again
        values = {"a": 0.5, "b": math.nan, "c": 1e300}
        points = [trial_run.Point(name, values[name] * step, 1000 * step, step) for step in steps for name in names]
        assert sqlite.insert(Path(uri.removeprefix("sqlite:///")), ours, points)
        client.log_batch(theirs, [Metric(*point) for point in points])
        assert shown(uri, ours) == shown(uri, theirs)
    assert history(uri, ours, "a") == history(uri, theirs, "a")
