"""What is known of a recorded training before its first epoch, from its row among the runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pitprop.detection import metrics, questions
from pitprop.detection.facts import Facts
from pitprop.telemetry import Telemetry

DROPS = {"steps": (0.6,), "halves": tuple(step / 10 for step in range(1, 10))}
"""The shares of the budget after which the rate of a made training is lowered by a step, by its schedule."""
ALIKE = 0.3
"""How far the share of the largest of K classes may be from 1/K, relative to that, where a person calls them of one size."""
METRICS = {
    "": "val/accuracy",
    "imb": "val/balanced_accuracy",
    "multi": "val/balanced_accuracy",
    "two": "val/balanced_accuracy",
    "con": "val/knn",
}
"""What the score of a family of runs is: two unequal classes, ten equal ones, two branches, contrastive."""


def metric_of(row: Mapping[str, Any]) -> str:
    """The name of the objective, if the row says none: a run without a chance loss is scored by the negative loss itself."""
    return row["objective"] if "objective" in row else METRICS[row.get("family", "")] if "Lchance" in row else "val/loss"


def facts(row: Mapping[str, Any], budget: int) -> Facts:
    """The facts of a live search. The chance loss of weighted classes and of several branches is not that of ``val/loss``."""
    if "objective" in row:
        return _told(row, budget)
    metric, family = metric_of(row), row.get("family", "")
    loss = metric == "val/loss"
    params = json.loads(row["hp"]) if "hp" in row else {name: row[name] for name in ("opt", "lr") if name in row}
    batch = params.get("bs")
    if family == "con":  # two views, or as many samples of each class as there are: the N of which the chance loss is ln(N - 1)
        batch = round(math.exp(row["Lchance"])) + 1
    return Facts(
        budget=budget,
        metric=metric,
        maximize=not loss,
        warmup=row.get("warm_frac", 0.0) * budget,
        labels=_labels(row),
        batch=batch,
        chance_score=-row["chance"] if loss else row["chance"],
        chance_loss=-row["chance"] if loss else None if family in ("imb", "two") else row["Lchance"],
        params=params,
    )


def _told(row: Mapping[str, Any], budget: int) -> Facts:
    """The facts of a run that names its objective, whose scores are in the metric's own unit and direction."""
    params = json.loads(row["hp"]) if "hp" in row else {}
    return Facts(
        budget=budget,
        metric=row["objective"],
        maximize=bool(row.get("maximize", metrics.of(row["objective"]).maximize)),
        warmup=row["warm_frac"] * budget if "warm_frac" in row else None,
        drops=[share * budget for share in DROPS.get(params.get("schedule", ""), ())],
        classes=int(row["K"]) if "K" in row else None,
        chance_score=row.get("chance"),
        chance_loss=row.get("Lchance"),
        params=params,
    )


def unstated(known: Facts) -> Facts:
    """The facts of a search over one's own script that says nothing of classes, chance or warm-up."""
    return replace(known, chance_score=None, chance_loss=None, labels={}, classes=None, warmup=None, drops=None, batch=None)


def answered(told: Facts) -> Facts:
    """What is known where a person answers what `pitprop.detection.questions` asks for, of ``told``, and nothing beside.

    Of an accuracy the number of classes is asked for, if they are of one size, or else what predicting only the largest scores.
    """
    hidden, before = unstated(told), Telemetry()
    if (asked := questions.schedule(before, hidden)) is not None:
        hidden = replace(hidden, drops=told.drops, warmup=told.warmup if "warmup" in asked.option else None)
    question = questions.chance(before, hidden)
    if question is None:
        return hidden
    if "classes" in question.facts and told.chance_score:
        share = told.chance_score / (100 if told.chance_score > 1 else 1)
        share = share if told.maximize else 1 - share
        by_loss = math.exp(min(told.chance_loss, 10.0)) if told.chance_loss else 0.0
        alike = by_loss > 1 and abs(by_loss - round(by_loss)) < 0.01
        classes = told.classes or round(by_loss if alike else 1 / share)
        if abs(share * classes - 1) < ALIKE:
            return replace(hidden, classes=classes)
    return replace(hidden, chance_score=told.chance_score, chance_loss=told.chance_loss)


def _labels(row: Mapping[str, Any]) -> dict[str, int]:
    """Validation samples by class: of two classes the counts whose entropy is the chance loss, of more as many of each."""
    if "n_val" not in row or row.get("family") == "con":
        return {}
    total, classes = row["n_val"], row["K"]
    if classes > 2:
        return {str(c): (total + classes - 1 - c) // classes for c in range(classes)}
    low, high = 1e-6, 0.5
    for _ in range(60):
        p = (low + high) / 2
        entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
        low, high = (p, high) if entropy < row["Lchance"] else (low, p)
    rare = round(low * total)
    return {"0": total - rare, "1": rare}
