"""What an author looks for in the curve of a training that learned: a flat start, precision near recall, the shares predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from pitprop.detection import levels, stopping
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns, finite


def course(telemetry: Telemetry, facts: Facts) -> list[Message]:
    """The sentences on it; none where the objective never rose above its first reading."""
    scored = [epoch for epoch in telemetry if finite(epoch.metrics.get(facts.metric, math.nan))]
    values = [epoch.metrics[facts.metric] for epoch in scored]
    best = stopping.best(values, facts.maximize)
    if not best:
        return []
    found = [_flat(facts, scored, values, best), *_halves(scored[best]), _balance(scored[best], levels.labels(telemetry, facts))]
    return [one for one in found if one is not None]


def _flat(facts: Facts, scored: Sequence[Epoch], values: Sequence[float], best: int) -> Message | None:
    """Three evaluations or more, and a fifth of all, that brought less than a tenth of the gain; a steady rise spends a tenth."""
    gain = values[best] - values[0]
    count = next(index for index, value in enumerate(values) if (value - values[0]) / gain >= 0.1)
    if count < max(3, len(values) / 5):
        return None
    where = {"first": scored[0].step, "last": scored[count - 1].step}
    return message(
        "flat start: {metric} made less than a tenth of its gain in epochs {first}-{last}", metric=facts.metric, **where
    )


def _halves(there: Epoch) -> Iterator[Message]:
    """Precision and recall of the best epoch, by their names but for the word."""
    for name, precision in sorted(there.metrics.items()):
        recall = there.metrics.get(name.replace("precision", "recall"), math.nan)
        if name.startswith("val/") and "precision" in name and "average" not in name and math.isfinite(precision - recall):
            values = {"precision": precision, "recall": recall, "apart": abs(precision - recall), "step": there.step}
            yield message(
                "at epoch {step}, its best, precision {precision:.4g} and recall {recall:.4g} are {apart:.4f} apart", **values
            )


def _balance(there: Epoch, labels: Mapping[str, float]) -> Message | None:
    """How often a class is predicted, against how often it occurs: of two the frequent one, else the one that is most off."""
    predicted = columns(there, "val/predicted/")
    known, given = sum(labels.values()), sum(predicted.values())
    if len(labels) < 2 or not 0 < known < math.inf or not 0 < given < math.inf:
        return None
    off = {label: abs(predicted.get(label, 0.0) / given - count / known) for label, count in labels.items()}
    label = max(labels, key=lambda one: (labels if len(labels) == 2 else off)[one])
    ratios = {"said": _to_others(predicted.get(label, 0.0), given), "true": _to_others(labels[label], known)}
    return message(
        "at epoch {step}, its best, class {label} is predicted {said} against all others, and occurs {true}",
        **{"step": there.step, "label": label, **ratios},
    )


def _to_others(part: float, whole: float) -> str:
    return f"{part / (whole - part):.1f} : 1" if part < whole else f"{part:.0f} : 0"
