"""Whether a model predicts one class for all samples, and which: from counts of predictions, or from macro F1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pitprop.detection import chance, reading
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

ALIKE = 1.5
"""The ratio of class counts up to which no class is a minority."""
COLLAPSES = {
    "majority": message("majority collapse"),
    "minority": message("minority collapse"),
    "one-class": message("one-class collapse"),
}


@dataclass(frozen=True, slots=True)
class Constant:
    """One class is all that is predicted: ``label`` ("" if it changes), since epoch ``since``, and how that was seen."""

    label: str
    since: int
    samples: int
    seen: Message | None = None

    def kind(self, labels: Mapping[str, float]) -> str:
        """``majority``, ``minority``, or ``one-class`` where the classes are equally frequent or the class changes."""
        if self.label not in labels or max(labels.values()) < ALIKE * min(labels.values()):
            return "one-class"
        return "majority" if labels[self.label] == max(labels.values()) else "minority"

    def sentence(self, kind: str, step: int) -> Message:
        """Which class is predicted for how many samples in which epochs."""
        label = message("class {label}", label=self.label)
        samples = message("all {count} validation samples", count=self.samples)
        said = message(
            "{kind}: predicted {what} for {many} in epochs {since}-{step}",
            kind=COLLAPSES[kind],
            what=label if self.label else message("a single class, not always the same,"),
            many=samples if self.samples else message("every sample"),
            since=self.since,
            step=step,
        )
        return message("{said} ({seen})", said=said, seen=self.seen) if self.seen else said


@reading.once
def constant(telemetry: Telemetry, facts: Facts, count: int, share: float = 0.995) -> Constant | None:
    """Whether one class held ``share`` of the predictions in each of the last ``count`` reports, by counts or by scores.

    Where that class is nearly all there is, others have to be predicted less than a tenth as often as they occur.
    """
    labels = reading.labels(telemetry, facts).values()
    if total := sum(labels):
        share = max(share, 1 - 0.1 * (1 - max(labels) / total))
    return _by_counts(telemetry, count, share) or _by_score(telemetry, facts, count) or _by_pair(telemetry, count)


def _by_counts(telemetry: Telemetry, count: int, share: float) -> Constant | None:
    tops: list[Top] = []
    for top in reversed(telemetry.each(_top)):
        if top is not None:
            if not top.share >= share:
                return None
            tops.append(top)
            if len(tops) == count:
                break
    if len(tops) < count:
        return None
    label = tops[0].label if len({top.label for top in tops}) == 1 else ""
    least = min(top.share for top in tops)
    seen = message("except {share:.1%} of them", share=1 - least) if least != 1 else None
    return Constant(label, tops[-1].step, round(tops[0].samples), seen)


class Top(NamedTuple):
    """The class that most samples are predicted as in one epoch, and its share of them; NaN if they cannot be counted."""

    step: int
    label: str
    share: float
    samples: float


def _top(epoch: Epoch) -> Top | None:
    counts = columns(epoch, "val/predicted/")
    if not counts:
        return None
    total, label = sum(counts.values()), max(counts, key=lambda label: counts[label])
    share = counts[label] / total if math.isfinite(total) and total > 0 else math.nan
    return Top(epoch.step, label, share, total)


def tells(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether the score itself tells that one class is all that is predicted: macro F1 does, of classes whose sizes are known."""
    macro = facts.metric.rsplit("/", 1)[-1] in ("macro_f1", "f1_macro")
    return macro and len(reading.labels(telemetry, facts)) >= 2


def _by_score(telemetry: Telemetry, facts: Facts, count: int) -> Constant | None:
    """Whether macro F1 stands within 0.001 of (1/K) 2 p / (1 + p), its value when only a class of share p is predicted."""
    if not tells(telemetry, facts):
        return None
    readings, labels = reading.recent(telemetry, facts.metric, count), reading.labels(telemetry, facts)
    if len(readings) < count:
        return None
    prior, whole = list(labels.values()), reading.unit(telemetry, facts)
    readings = [(step, score / whole) for step, score in readings]
    for index in sorted(range(len(prior)), key=lambda c: -prior[c]):
        value = chance.macro_f1(prior, index)
        if prior[index] > 0 and all(abs(score - value) <= 0.001 for _, score in readings):
            note = message(
                "macro F1 {score:.4f}, predicting only that class gives {value:.4f}", score=readings[-1][1], value=value
            )
            return Constant(list(labels)[index], readings[0][0], 0, note)
    return None


def _by_pair(telemetry: Telemetry, count: int) -> Constant | None:
    """Whether F1 is 2 a / (1 + a) for an accuracy a, both unchanged: then no sample is rightly predicted as negative."""
    accuracy, f1 = (reading.recent(telemetry, name, count) for name in ("val/accuracy", "val/f1"))
    if len(accuracy) < count or len(f1) < count or len({value for _, value in (*accuracy, *f1)}) > 2:
        return None
    (since, a), (_, score) = accuracy[0], f1[0]
    if not 0 < a < 1 or abs(score - 2 * a / (1 + a)) > 2e-4:
        return None
    note = message("accuracy {a:.4f} and F1 {score:.4f}, as where only the positive class is predicted", a=a, score=score)
    return Constant("1", since, 0, note)


def halves(there: Epoch) -> Iterator[Message]:
    """Precision and recall of the best epoch, by their names but for the word."""
    for name, precision in sorted(there.metrics.items()):
        recall = there.metrics.get(name.replace("precision", "recall"), math.nan)
        if name.startswith("val/") and "precision" in name and "average" not in name and math.isfinite(precision - recall):
            values = {"precision": precision, "recall": recall, "apart": abs(precision - recall), "step": there.step}
            yield message(
                "at epoch {step}, its best, precision {precision:.4g} and recall {recall:.4g} are {apart:.4f} apart", **values
            )


def balance(there: Epoch, labels: Mapping[str, float]) -> Message | None:
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
