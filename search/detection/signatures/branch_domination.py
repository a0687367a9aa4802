"""Branch domination: one branch gets nearly all of the gradient, and the others hardly learn."""

from __future__ import annotations

from pitprop.detection import reading
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

READS = ("grad_norm/",)
KIND = "advice"
ELSEWHERE = "OGM-GE balances it, and reports nothing"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, ratio: float = 5.0) -> Message | None:
    """The same branch's gradient norm above ``ratio`` times the smallest in ``patience`` reports (OGM-GE, Peng et al. 2022)."""
    count = reading.window(telemetry, facts, patience)
    window, norms = telemetry[-count:], telemetry.each(_norms)[-count:]
    if len(window) < count or any(len(found) < 2 for found in norms):
        return None
    strong = {max(found, key=lambda branch: found[branch]) for found in norms}
    if len(strong) > 1 or not all(max(found.values()) > ratio * min(found.values()) for found in norms):
        return None
    weak = min(norms[-1], key=lambda branch: norms[-1][branch])
    high, low = max(norms[-1].values()), min(norms[-1].values())
    return message(
        "the gradient norm of branch {strong} is {high:.3g}, that of {weak} {low:.3g}, in epochs {first}-{last}",
        **{"strong": next(iter(strong)), "high": high, "weak": weak, "low": low},
        **{"first": window[0].step, "last": window[-1].step},
    )


def _norms(epoch: Epoch) -> dict[str, float]:
    """Gradient norms by branch; one of 0 is left out, for that branch is frozen."""
    return {branch: norm for branch, norm in columns(epoch, "grad_norm/").items() if norm != 0}


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message(
        "lower the loss weight or the learning rate of the strong branch (a large weight does not repair a weak branch; 1.0 to "
        "1.5 keep it stable), or balance gradients (OGM-GE, Gradient-Blending)"
    )
