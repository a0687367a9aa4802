"""No positives: every F1 (or recall, or number of true positives) is exactly 0: the model never detects anything."""

from __future__ import annotations

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

READS = ("val/true_positives/ or val/*f1 or val/*recall",)
KIND = "soft"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5) -> Message | None:
    """0 in each of the last ``patience`` epochs for all of F1, recall and, but for the most frequent class, true positives."""
    count = levels.window(telemetry, facts, patience)
    window, found = telemetry[-count:], telemetry.each(_positives)[-count:]
    if len(window) < count or not all(found) or any(any(one.values()) for one in found):
        return None
    said = {"names": Message.join(sorted(found[-1])[:3]), "first": window[0].step, "last": window[-1].step}
    if len(found[-1]) > 3:
        return message("no positives: {names} and others are exactly 0 in epochs {first}-{last}", **said)
    return message("no positives: {names} exactly 0 in epochs {first}-{last}", **said)


def _positives(epoch: Epoch) -> dict[str, float]:
    """F1, recall and true positives by name, without those of the most frequent class, which is the background."""
    found = {name: v for name, v in epoch.metrics.items() if name.startswith("val/") and name.endswith(("f1", "recall"))}
    hits, labels = columns(epoch, "val/true_positives/"), columns(epoch, "val/labels/")
    background = max(hits, key=lambda label: labels.get(label, hits[label]), default="")
    return found | {f"val/true_positives/{label}": v for label, v in hits.items() if label != background}


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message(
        "lower the decision threshold (or the gate's) and check whether anything is detected; weight the positive class towards "
        "negatives / positives, or oversample it; check label counts and input files; change the learning rate"
    )
