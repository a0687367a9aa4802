"""Recorded trainings with known ends, read from files into what a live search would have seen: epochs and facts.

A data set is two files, ``<name>_runs.parquet`` and ``<name>_points.parquet``. A row of the first is a run: ``run`` (its number),
``study``, ``label`` (dead, poor, late_collapse or healthy), ``top10`` (among the study's best tenth), ``best`` (its final score),
``chance`` (the score of a model that has learned nothing), ``Lchance`` (the same of the loss; none where the score is the
negative loss) and, where known, ``K`` classes, ``n_val`` validation samples, ``L0`` (loss before the first step), ``warm_frac``
(share of the budget that is warm-up), ``family`` and ``hp`` (JSON). A row of the second is a report point: ``run``, ``t``, the
score ``metric`` (higher is better), the losses, and whichever of `READINGS` were recorded.

A row may name its ``objective``, such as ``val/bleu`` or ``val/wer``: then ``best``, ``chance`` and ``metric`` are in its own
unit and direction, and whatever is not known (``chance``, ``Lchance``, losses, ``warm_frac``) is left out. ``maximize`` says the
direction of a metric whose name does not tell it. Points whose ``evaluated`` is false hold no validation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pitprop.detection.facts import Facts
from pitprop.telemetry import Epoch

from tests.bench.detect import known

ENDINGS = ("_runs.parquet", "_points.parquet")
READINGS = {
    "train_loss": "train/loss",
    "val_loss": "val/loss",
    "auc": "val/auc",
    "spread": "val/probability_spread",
    "logit_std_across": "val/logit_spread",
    "grad_norm": "grad_norm",
    "upd_ratio": "update_ratio",
    "lr": "lr",
    "clip_frac": "clipped",
    "dead_relu": "dormant/hidden",
    "erank": "embedding/rank",
    "mean_cos": "embedding/cosine",
    "chance": "chance/loss",
    "batch_classes": "batch/classes",
    "n_grad": "params/with_grad",
    "zero_grad_frac": "zero_gradients",
}
"""Columns of the points by their names in ``telemetry.VOCABULARY``; the last is read by peers only."""
ALWAYS = ("train/loss", "val/loss")
BRANCHES = ("a", "b")


@dataclass(frozen=True, slots=True)
class Run:
    """One training from start to end. ``scores`` holds the objective an epoch, higher is better, NaN where it has none;
    ``best`` and ``chance`` are on that scale, and ``broken`` says of each epoch whether a step's loss was not finite."""

    number: int
    study: str
    label: str
    top10: bool
    best: float
    chance: float
    scores: tuple[float, ...]
    broken: tuple[bool, ...]
    epochs: tuple[Epoch, ...]
    facts: Facts

    def reached(self, end: int | None = None) -> float:
        """The best score of the first ``end`` epochs, by default of all; -inf if there is none."""
        return max((score for score in self.scores[:end] if not math.isnan(score)), default=-math.inf)


def datasets(folder: Path, only: Sequence[str] = ()) -> list[str]:
    """The names of the data sets in ``folder``, or those of ``only``; ``FileNotFoundError`` if there are none, or not those."""
    runs, points = ({path.name.removesuffix(end) for path in folder.glob(f"*{end}")} for end in ENDINGS)
    if not runs & points:
        raise FileNotFoundError(f"{folder} holds no data set, which is a pair of files named x{ENDINGS[0]} and x{ENDINGS[1]}")
    if unknown := set(only) - (runs & points):
        raise FileNotFoundError(f"{folder} holds no data set {min(unknown)!r}: it holds {', '.join(sorted(runs & points))}")
    return sorted(set(only) or runs & points)


def load(folder: Path, name: str) -> list[Run]:
    """The runs of one data set, in the order of their numbers."""
    runs, points = (pd.read_parquet(folder / f"{name}{end}", use_threads=False) for end in ENDINGS)
    studies = dict(zip(runs["run"], runs["study"], strict=True))
    points = points.sort_values(["run", "t"], kind="stable")
    groups: dict[Any, pd.DataFrame] = {}
    for _, study in points.groupby(points["run"].map(studies)):
        groups |= dict(iter(study.dropna(axis=1, how="all").groupby("run")))  # what no run of a study has was never reported
    rows = [{key: value for key, value in row.items() if _known(value)} for row in runs.to_dict("records")]
    starts = {row["run"]: groups[row["run"]]["train_loss"].iloc[0] for row in rows if "L0" in row}
    before = any(abs(row["L0"] - first) > 1e-3 for row in rows if "L0" in row and math.isfinite(first := starts[row["run"]]))
    return [_run(row, groups[row["run"]], before) for row in sorted(rows, key=lambda row: row["run"])]


def unstated(run: Run) -> Run:
    """The run as a search over one's own script sees it: nothing is known of classes, chance or warm-up, and none is reported."""
    hidden = ("chance/loss", "val/labels/")
    epochs = (Epoch(e.step, {name: v for name, v in e.metrics.items() if not name.startswith(hidden)}) for e in run.epochs)
    return replace(run, facts=known.unstated(run.facts), epochs=tuple(epochs))


def answered(run: Run) -> Run:
    """The same, whose author has answered what is asked for before a search."""
    return replace(unstated(run), facts=known.answered(run.facts))


def _run(row: Mapping[str, Any], points: pd.DataFrame, before: bool) -> Run:
    """``before`` says whether ``L0`` was measured before the first step, and is not the first report again."""
    metric = known.metric_of(row)
    told, loss = "objective" in row, metric == "val/loss"
    stated = known.facts(row, len(points))
    sign = stated.sign if told else 1
    scores = tuple(sign * float(score) for score in points["metric"])
    columns = dict(_columns(points))
    if loss:
        columns["val/loss"] = [-score for score in scores]
    else:
        columns[metric] = points["metric"].astype(float).tolist()
    if "train_metric" in points and not loss:
        columns[metric.replace("val/", "train/")] = points["train_metric"].tolist()
    if "embedding/rank" in columns and "dout" in stated.params:
        columns["embedding/dimensions"] = [stated.params["dout"]] * len(scores)
    counts = _counts(points, len(scores))
    looked = points["evaluated"].tolist() if "evaluated" in points else [True] * len(scores)
    epochs = [
        {name: float(values[t]) for name, values in columns.items() if looked[t] or name.startswith("train/") or name == "lr"}
        | more
        for t, more in enumerate(counts)
    ]
    if before and "L0" in row:
        epochs[0]["start/loss"] = row["L0"]
    return Run(
        row["run"],
        row["study"],
        row["label"],
        bool(row["top10"]),
        sign * row["best"],
        sign * row["chance"],
        scores,
        tuple(bool(flag) for flag in points["nonfinite_step"]),
        tuple(Epoch(t + 1, metrics) for t, metrics in enumerate(epochs)),
        stated,
    )


def _columns(points: pd.DataFrame) -> Iterator[tuple[str, list[float]]]:
    """The readings by name. One that the run never took is left out; a loss that was NaN from the start is a reading."""
    for column, name in READINGS.items():
        values = points[column].to_numpy(float) if column in points else None
        if values is not None and (name in ALWAYS or np.isfinite(values).any()):
            yield name, values.tolist()


def _counts(points: pd.DataFrame, length: int) -> Iterator[dict[str, float]]:
    """Predictions by class and the accuracy of each branch, epoch by epoch; the last of the branches is the whole model."""
    predicted = points["pred_counts"] if "pred_counts" in points else [None] * length
    branches = points["branch_acc"] if "branch_acc" in points else [None] * length
    for classes, accuracies in zip(predicted, branches, strict=True):
        counts = {f"val/predicted/{c}": float(count) for c, count in enumerate(_list(classes))}
        yield counts | {f"val/{b}/accuracy": float(value) for b, value in zip(BRANCHES, _list(accuracies), strict=False)}


def _known(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _list(value: object) -> Sequence[float]:
    """A list that was stored as an array or as JSON; empty if there is none."""
    if isinstance(value, str):
        return list(json.loads(value))
    return [] if value is None or isinstance(value, float) else list(value)  # type: ignore[call-overload]
