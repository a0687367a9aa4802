"""Bad start: the loss begins far from what a model gives that knows only the class prior."""

from __future__ import annotations

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("start/loss or val/loss",)
KIND = "advice"
ELSEWHERE = "TheDeepChecker, Karpathy's recipe, in words"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1, share: float = 0.5) -> Message | None:
    """The loss before the first step off chance by more than ``share`` of it; else the first validation loss above by that.

    Needs a loss at chance that is stated (``chance/loss``), not guessed; it is looked at in the first ``patience`` epochs.
    """
    level, starts = levels.loss(telemetry, facts, guess=False), telemetry.column("start/loss").values
    losses = telemetry.column("val/loss").values
    if not level or level < 0 or not (starts or losses):
        return None
    first = starts[0] if starts else losses[min(patience, len(losses)) - 1]
    off = (first - level) / level
    trained = bool(facts.checkpoint) or not starts  # a loss below chance has been earned
    if not (off if trained else abs(off)) > share:
        return None
    when = message("before the first step")
    if not starts:
        when = message("at epoch {step}", step=telemetry.column("val/loss").steps[0])
    said = {"loss": first, "when": when, "level": level, "share": abs(off)}
    if off > 0:
        return message("loss {loss:.4g} {when}, above chance ({level:.4g}) by {share:.0%}", **said)
    return message("loss {loss:.4g} {when}, below chance ({level:.4g}) by {share:.0%}", **said)


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message(
        "start the output bias at the class prior, scale down the last layer's weights, look for regularisation in the loss"
    )
