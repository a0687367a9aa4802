"""Constant prediction: every sample is predicted as one class, the majority or a minority, and there is no sign of life."""

from __future__ import annotations

import math
from collections.abc import Mapping

from search import chance, levels, life
from search.facts import Facts
from search.telemetry import Telemetry, columns

READS = ("val/predicted/",)  # without them a constant macro F1 is still recognised by its value
ACTION = "prune"

Constant = tuple[str, int, str]
"""The class that is predicted ("" if it changes), the first epoch of the window, and how it was seen."""


def detect(
    telemetry: Telemetry, facts: Facts, *, patience: int = 5, grace: float = 0.25, blind: float = 0.67, share: float = 0.995
) -> str | None:
    """``patience`` readings in which one class holds at least ``share`` of the predictions, and no life sign.

    Waits for ``grace``, a share of the budget; half as long again if a minority class is predicted, which usually mends
    itself; for the share ``blind`` if neither loss nor AUC nor logit spread could show life: the winner of a real search
    was constant for 60 % of its budget. A model that ranks (AUC of .7 and more) is not dead, its threshold is wrong.
    """
    if not telemetry or telemetry[-1].step < levels.grace(telemetry, facts, grace):
        return None
    count, step = levels.window(facts, patience), telemetry[-1].step
    found = _by_counts(telemetry, count, share) or _by_score(telemetry, facts, count)
    if found is None or life.ranks(telemetry, facts, count) or life.signs(telemetry, facts, count):
        return None
    label, since, seen = found
    kind = _kind(label, levels.labels(telemetry, facts))
    if kind == "minority" and step < levels.grace(telemetry, facts, 1.5 * grace):
        return None
    if step < blind * facts.budget and not life.watched(telemetry, count):
        return None
    which = f"only class {label} is" if label else "a single class, not always the same, is"
    return f"{kind} collapse: {which} predicted in {count} reports from epoch {since} to {step}{seen}, without a life sign"


def _by_counts(telemetry: Telemetry, count: int, share: float) -> Constant | None:
    """Whether one class holds the predictions in each of the last ``count`` reports that count them."""
    tops: list[tuple[int, str, float]] = []
    for epoch in reversed(telemetry):
        if counts := columns(epoch, "val/predicted/"):
            total = sum(counts.values())
            top = max(counts, key=lambda label: counts[label])
            if not (math.isfinite(total) and total > 0 and counts[top] >= share * total):
                return None
            tops.append((epoch.step, top, counts[top] / total))
            if len(tops) == count:
                label = tops[0][1] if len({top for _, top, _ in tops}) == 1 else ""
                least = min(held for _, _, held in tops)
                return label, tops[-1][0], "" if least == 1 else f" (at least {least:.1%} of the predictions)"
    return None


def _by_score(telemetry: Telemetry, facts: Facts, count: int) -> Constant | None:
    """Whether macro F1 stands within 0.001 of (1/K) 2 p / (1 + p), its value when only a class of share p is predicted."""
    labels = levels.labels(telemetry, facts)
    if facts.metric.rsplit("/", 1)[-1] not in ("macro_f1", "f1_macro") or len(labels) < 2:
        return None
    readings = levels.recent(telemetry, facts.metric, count)
    if len(readings) < count:
        return None
    prior = list(labels.values())
    for index in sorted(range(len(prior)), key=lambda c: -prior[c]):
        value = chance.macro_f1(prior, index)
        if prior[index] > 0 and all(abs(score - value) <= 0.001 for _, score in readings):
            note = f" (macro F1 {readings[-1][1]:.4f}, what that alone gives is {value:.4f})"
            return list(labels)[index], readings[0][0], note
    return None


def _kind(label: str, labels: Mapping[str, float]) -> str:
    """``majority``, ``minority``, or ``one-class`` where the classes are alike or the class changes."""
    if label not in labels or min(labels.values()) == max(labels.values()):
        return "one-class"
    return "majority" if labels[label] == max(labels.values()) else "minority"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    labels = levels.labels(telemetry, facts)
    found = _by_counts(telemetry, 1, 0.0) or _by_score(telemetry, facts, 1)
    kind = _kind(found[0], labels) if found else "one-class"
    ratio = max(labels.values()) / max(min(labels.values()), 1) if labels else math.nan
    if kind == "minority":
        return "lower the weight (alpha) of that class, clip gradients to norm 1, warm up for longer, lower the learning rate"
    towards = f" towards {ratio:.1f} : 1, the inverse of the class counts" if ratio > 1 else ""
    return (
        f"raise the minority's alpha ratio or class weight{towards}, start the output bias at the class prior, draw balanced "
        "batches, warm up for longer; if the loss does not move at all, change the learning rate tenfold"
    )
