"""What the MLflow run of a trial says: its name, tags, parameters and metrics, from the trial's record."""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pitprop import telemetry
from pitprop.study import ranking
from pitprop.study.record import Record, State, StudyCard, continued_from

STATUS = {State.RUNNING: "RUNNING", State.COMPLETE: "FINISHED", State.PRUNED: "KILLED", State.FAIL: "FAILED"}
"""MLflow's word for each state of a trial; it has none for parked, and shows KILLED as a crash."""
PARKED = "SCHEDULED"
"""How a parked trial stands there, and one that waits: it can go on."""

_LONGEST_EPOCH = 1e7  # seconds; of many such no date can be made
_LONGEST_NAME, _LONGEST_VALUE = 250, 5000  # MLflow takes names of 250, parameters of 6,000 and tags of 8,000 characters
_LARGEST = 1.7976931348623157e308


class Point(NamedTuple):
    """One metric at one step; ``timestamp`` in unix milliseconds."""

    key: str
    value: float
    timestamp: int
    step: int


def title(record: Record) -> str:
    """The run's name: ``0012``, ``0012 pruned: constant_prediction``, ``0017 parked: chance_plateau``, ``baseline model_1``."""
    again = bool(re.fullmatch(r"trial \d+", record.baseline or ""))  # a confirmation trains a trial of the search again
    name = f"{'' if again else 'baseline '}{record.baseline}" if record.baseline else f"{record.number:04d}"
    if record.revives is not None:
        name += f" revives {record.revives:04d}"
    if record.state == State.FAIL:
        return f"{name} failed"
    if record.state == State.PRUNED:
        verdict = record.ending
        return f"{name} {record.word}: {verdict.signature}" if verdict else f"{name} {record.word}"
    return name


def tags(record: Record, parked: str = "") -> dict[str, str]:
    """The tags that tell how the trial stands; one that does not apply is left out. ``parked`` is where the run that it
    revives is shown."""
    verdict = record.ending
    said = {
        "mlflow.note.content": _note(record, parked),  # tags are cut on the page, this is not
        "pitprop.state": record.word,
        "pitprop.params": json.dumps(dict(record.params), default=str),
        "pitprop.baseline": record.baseline,
        "pitprop.pinned": "baseline" if record.baseline else None,
        "pitprop.excluded": "from every answer" if record.excluded else None,
        "pitprop.revives": None if record.revives is None else str(record.revives),
        "pitprop.signature": verdict and verdict.signature,
        "pitprop.reason": verdict.reason if verdict else record.error,
        "pitprop.remedy": verdict and verdict.remedy,
        "pitprop.warnings": ", ".join(sorted({warning.signature for warning in record.warnings})),
    }
    return {key: str(value)[:_LONGEST_VALUE] for key, value in said.items() if value}


def _note(record: Record, parked: str) -> str:
    """The run's description, in Markdown: why it ended, what it continues, what it was warned of."""
    verdict, origin = record.ending, continued_from(record)
    reason, remedy = (verdict.reason, verdict.remedy) if verdict else (record.error, "")
    if parked:
        origin = origin.replace(f"trial {record.revives}", f"[trial {record.revives}]({parked})")
    warned = [
        f"- **{warning.signature}**, epoch {warning.step}: {warning.reason}"
        + (f" *Remedy:* {warning.remedy}" if warning.remedy else "")
        for warning in record.warnings
    ]
    parts = (
        reason,
        remedy and f"Remedy: {remedy}",
        origin[:1].upper() + origin[1:],
        warned and "Warnings:\n\n" + "\n".join(warned),
    )
    return "\n\n".join(part for part in parts if part)


def status(record: Record) -> str:
    """MLflow's word for how a trial stands."""
    return PARKED if record.parked or record.waits else STATUS[record.state]


def params(record: Record) -> dict[str, str]:
    """The hyperparameters as text, numbers in four digits; a tag holds them exactly."""
    shown = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in record.params.items()}
    return {key(name): value[:_LONGEST_VALUE] for name, value in shown.items()}


def measures(record: Record, card: StudyCard, baselines: Mapping[str, float]) -> dict[str, float]:
    """The numbers of an ended trial: objective, epochs or steps spent and saved, the lead over each baseline; in four digits,
    as MLflow shows all that there are. Its curve has them exactly."""
    if record.state == State.RUNNING:
        return {}
    said = {"epochs_spent": float(record.epochs), "epochs_saved": float(record.saved)}
    if record.values:
        said |= dict(zip(objectives(card), record.values, strict=False))
        others = {name: value for name, value in baselines.items() if name != record.baseline}
        leads = {name: ranking.lead(card.objective, record.values[0], value) for name, value in others.items()}
        said |= {key(f"delta/{name}"): lead for name, lead in leads.items()}
    return {name: stored(float(f"{value:.4g}")) for name, value in said.items()}


def objectives(card: StudyCard) -> list[str]:
    """The metrics that hold a trial's values: ``objective``, and ``objective/METRIC`` for each further one."""
    return ["objective", *(key(f"objective/{goal.metric}") for goal in card.further)]


def known_baselines(records: Iterable[Record], card: StudyCard) -> dict[str, float]:
    """The objective of each baseline known so far: the recorded ones, and the trained ones that are COMPLETE."""
    trained = {r.baseline: r.values[0] for r in records if r.baseline and r.state == State.COMPLETE and r.values}
    return {**card.baselines, **trained}


def curves(record: Record, logged: Sequence[int]) -> tuple[list[Point], list[int]]:
    """The metrics of the epochs after ``logged``, and the last steps with these; both by replica.

    Metrics of further seeds stand under ``seed<replica>/``. A point's time is when its epoch ended, counted up from the
    trial's start by the epochs' ``seconds``, so that the same telemetry always gives the same points.
    """
    files = {int(path.stem.partition("-")[2] or 0): path for path in Path(record.folder).glob("telemetry*.jsonl")}
    points: list[Point] = []
    steps = [0] * (max(files, default=-1) + 1)
    for replica, path in sorted(files.items()):
        done = logged[replica] if replica < len(logged) else 0
        prefix = f"seed{replica}/" if replica else ""
        clock = record.started
        for epoch in telemetry.read(path):
            seconds = epoch.metrics.get("seconds", 0.0)
            clock += seconds if 0 <= seconds <= _LONGEST_EPOCH else 0.0
            if epoch.step > done:
                time = round(clock * 1000)
                points += [Point(key(prefix + name), value, time, epoch.step) for name, value in epoch.metrics.items()]
                done = epoch.step
        steps[replica] = done
    return points, steps


@lru_cache(4096)
def key(name: str) -> str:
    """``name`` with what MLflow does not allow in one replaced."""
    return posixpath.normpath("/" + re.sub(r"[^\w\-. :/]", "_", name)).lstrip("/")[:_LONGEST_NAME] or "_"


def stored(value: float) -> float:
    """``value`` as an SQL store gives it back: NaN stays NaN, infinity becomes the largest float."""
    return math.copysign(_LARGEST, value) if math.isinf(value) else float(value)


def same(one: float | None, other: float) -> bool:
    """Equality to which NaN is equal to itself."""
    return one is not None and (one == other or (math.isnan(one) and math.isnan(other)))
