"""No positives: every F1, recall, mAP, Dice, IoU and number of true positives is exactly 0: the model never detects anything."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import metrics, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

READS = ("val/true_positives/ or val/*f1 or val/*recall* or val/*map* or val/*ap or val/*dice* or val/*iou*",)
KIND = "soft"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5) -> Message | None:
    """0 in the last ``patience`` epochs for all F1, recall, mAP and Dice, and true positives but those of the background."""
    count = reading.window(telemetry, facts, patience)
    window, found = telemetry[-count:], telemetry.each(_positives)[-count:]
    if len(window) < count or not all(found) or any(any(one.values()) for one in found):
        return None
    said = {"names": Message.join(sorted(found[-1])[:3]), "first": window[0].step, "last": window[-1].step}
    if len(found[-1]) > 3:
        return message("no positives: {names} and others are exactly 0 in epochs {first}-{last}", **said)
    return message("no positives: {names} exactly 0 in epochs {first}-{last}", **said)


def _positives(epoch: Epoch) -> dict[str, float]:
    """What is 0 where nothing is found, by name; true positives without those of the most frequent class, the background."""
    found = {name: v for name, v in epoch.metrics.items() if name.startswith("val/") and metrics.of(name).empty}
    hits, labels = columns(epoch, "val/true_positives/"), columns(epoch, "val/labels/")
    background = max(hits, key=lambda label: labels.get(label, hits[label]), default="")
    return found | {f"val/true_positives/{label}": v for label, v in hits.items() if label != background}


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    """What makes it find more, where the trial has not got it: a low threshold, a weight of the positives, more of them."""
    at, weight = facts.own("threshold"), facts.own("weight", "pos_weight", "class_weight")
    lower = message("lower the decision threshold (or the gate's), and look at whether anything is detected")
    if isinstance(at, float):
        lower = message("lower the decision threshold from {at:g} to {lower:g}", at=at, lower=0.1)
    low = isinstance(at, float) and at <= 0.1
    positives = message("weight the positive class towards negatives / positives")
    counts = Advice(message("check label counts and input files"))
    return (
        None if low else Advice(lower, {"threshold": 0.1} if at else {}, "threshold-"),
        None if weight else Advice(positives, moves="weight+"),
        None if facts.own("oversample") else Advice(message("oversample the positive class"), moves="oversample+"),
        advice.rate(telemetry, facts),
        counts,
    )
