"""Bad start: the first loss is far from that of a model which knows only the class prior."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("start/loss or val/loss",)
KIND = "advice"
BY_LOSS = True
MANIFOLD = 3
"""From so many times chance on the excess is said as a multiple, not in percent."""
ELSEWHERE = "TheDeepChecker, Karpathy's recipe, in words"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1, share: float = 0.5) -> Message | None:
    """The loss before the first step is off chance by more than ``share`` of it; else the first validation loss is above by that.

    Needs a chance loss that the trainer states (``chance/loss``); only the first ``patience`` epochs count.
    """
    level, starts = levels.loss(telemetry, facts, guess=False), telemetry.column("start/loss").values
    losses = telemetry.column("val/loss").values
    if not level or level < 0 or not (starts or losses):
        return None
    first = starts[0] if starts else losses[min(patience, len(losses)) - 1]
    off = (first - level) / level
    trained = bool(facts.checkpoint) or not starts  # a trained model may well start below chance
    if not (off if trained else abs(off)) > share:
        return None
    when = message("before the first step")
    if not starts:
        when = message("at epoch {step}", step=telemetry.column("val/loss").steps[0])
    said = {"loss": first, "when": when, "level": level, "share": abs(off)}
    if off >= MANIFOLD - 1:
        return message("loss {loss:.4g} {when}, {times:.4g} times chance ({level:.4g})", times=float(f"{off + 1:.2g}"), **said)
    if off > 0:
        return message("loss {loss:.4g} {when}, above chance ({level:.4g}) by {share:.0%}", **said)
    return message("loss {loss:.4g} {when}, below chance ({level:.4g}) by {share:.0%}", **said)


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    regularised = Advice(message("check the loss for a regularisation term"))
    return advice.prior_bias(facts), Advice(message("scale down the last layer's weights")), regularised
