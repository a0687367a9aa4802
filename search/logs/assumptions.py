"""The facts that a training is judged from, out of what a person says and what its log shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from pitprop.detection import chance, directions
from pitprop.detection.detect import Bound
from pitprop.detection.facts import Facts
from pitprop.errors import UserError
from pitprop.telemetry import Epoch, Telemetry, columns, reports

FEW = 5
"""Epochs of which fewer tell nothing: then each reading of training is looked at."""
BEST = ("val/macro_f1", "val/balanced_accuracy", "val/auc", "val/top1", "val/accuracy", "val/mean1", "val/f1")
"""Objectives, the first that is reported counts; otherwise any score of validation, or the loss."""
ASIDE = ("predicted/", "labels/", "true_positives/", "loss", "logit_spread", "probability_spread")
SHARES = ("accuracy", "acc", "top1", "top5", "mean1", "macro_f1", "f1", "auc", "balanced_accuracy", "precision", "recall")
"""Scores that lie between 0 and 1, where they are not printed in percent."""
CONTRASTIVE = {"supcon": chance.supervised_contrastive, "ntxent": chance.nt_xent, "clip": chance.clip}


@dataclass(frozen=True, slots=True)
class Given:
    """What a person says beside the logs; what is None is read off them, or not known."""

    metric: str | None = None
    maximize: bool | None = None
    epochs: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    classes: int | None = None
    batch: int | None = None
    loss: str | None = None
    chance_loss: float | None = None
    checkpoint: Mapping[str, float] = field(default_factory=dict)
    gates: Sequence[Bound] = ()
    format: str | None = None
    pattern: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def objective(telemetry: Telemetry) -> str:
    """What to judge by: the usual score, any other of the whole model, the loss of validation, or that of training."""
    counts: dict[str, int] = {}
    for epoch in telemetry:
        for name in epoch.metrics:
            counts[name] = counts.get(name, 0) + 1
    scores = [name for name in counts if name.startswith("val/") and not name.removeprefix("val/").startswith(ASIDE)]
    ordered = [*BEST, *sorted(scores, key=lambda name: name.count("/")), "val/loss"]
    enough = (name for name in ordered if counts.get(name, 0) >= max(1, min(FEW, counts.get("train/loss", 0))))
    return next(enough, "train/loss" if "train/loss" in counts else next(iter(counts)))


def shares(telemetry: Telemetry) -> Telemetry:
    """``telemetry`` with scores that are printed in percent brought to shares."""
    readings = ((name, value) for epoch in telemetry for name, value in epoch.metrics.items())
    percent = {name for name, value in readings if name.rsplit("/", 1)[-1] in SHARES and 1.5 < value <= 100}
    if not percent:
        return telemetry
    return Telemetry(
        Epoch(epoch.step, {name: value / 100 if name in percent else value for name, value in epoch.metrics.items()})
        for epoch in telemetry
    )


def facts(telemetry: Telemetry, metric: str, given: Given, said: Mapping[str, int], budget: int, notes: list[str]) -> Facts:
    """The facts; to ``notes`` is added what was concluded. ``UserError`` for a loss that lacks what it is computed from."""
    counts = columns(telemetry[-1], "val/labels/")
    labels = given.labels or {name: int(count) for name, count in counts.items() if math.isfinite(count)}
    level = _chance(telemetry, given, labels, said, notes)
    classes = given.classes or (said.get("num_classes") if level is not None else None)
    guess = metric.rsplit("/", 1)[-1] in ("accuracy", "acc", "top1", "mean1") and not labels
    return Facts(
        budget,
        metric,
        directions.rises(metric) is not False if given.maximize is None else given.maximize,
        labels=labels,
        batch=given.batch,
        chance_score=1 / classes if classes and guess else None,
        chance_loss=level,
        checkpoint=given.checkpoint,
    )


def budget(given: Given, said: Mapping[str, int], last: int, steps: int, few: bool, notes: list[str]) -> int:
    """The epochs of the whole training, as a person or its log says; else those it has had. ``few`` if these are no epochs."""
    if given.epochs is not None:
        return given.epochs
    total = next((said[name] for name in ("max_epochs", "num_epochs", "num_train_epochs") if name in said), 0)
    if total >= last and not few:
        notes.append(f"a training of {total} epochs, as its log says")
        return total
    planned = next((said[name] for name in ("max_iters", "max_steps") if name in said), 0)
    if planned >= steps > 0:
        notes.append(f"a training of {planned} steps, as its log says")
        return max(last, round(last * planned / steps))
    return max(last, 1)


def _chance(
    telemetry: Telemetry, given: Given, labels: Mapping[str, int], said: Mapping[str, int], notes: list[str]
) -> float | None:
    """The loss of a model that has learned nothing: given, computed, read off the log, or the start of one that never moved."""
    if given.chance_loss is not None:
        return given.chance_loss
    if given.loss in CONTRASTIVE:
        if given.batch is None:
            raise UserError(f"what --loss {given.loss} is at chance depends on the batch: say --batch N too")
        return CONTRASTIVE[given.loss](given.batch)
    if given.loss == "cross_entropy" and labels:
        return chance.cross_entropy(list(labels.values()))
    start, classes = _start(telemetry), given.classes or said.get("num_classes") or said.get("vocab_size") or 0
    if classes > 1 and start is not None and abs(start / math.log(classes) - 1) < 0.15:
        notes.append(f"chance is a loss of ln {classes} = {math.log(classes):.4g}, near which it began")
        return math.log(classes)
    learned = given.checkpoint or said.get("pretrained")  # such a start is not chance
    if learned or labels or start is None or reports(telemetry, "chance/loss") or _moved(telemetry, start):
        return None
    notes.append(f"its loss never left {start:.4g}, where it began, which is taken for chance; --chance-loss says better")
    return start


def _start(telemetry: Telemetry) -> float | None:
    """The loss of the untrained model, or about that: the larger of the first one and the middle one of the first five."""
    begun = telemetry.column("start/loss").values
    found = begun or (telemetry.column("train/loss").values or telemetry.column("val/loss").values)[:FEW]
    return max(found[0], median(found)) if found and found[0] > 0 else None


def _moved(telemetry: Telemetry, start: float) -> bool:
    """Whether the mean of five losses running, of training or validation, ever lay 5 % below the start, or there are too few."""
    found = [telemetry.column(name).values for name in ("train/loss", "val/loss")]
    means = [sum(values[i : i + FEW]) / FEW for values in found for i in range(len(values) - FEW + 1)]
    return not means or min(means) < 0.95 * start
