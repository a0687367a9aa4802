"""Input-independent output: the logits hardly differ between samples, and the difference does not grow."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels, life, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/logit_spread or val/probability_spread",)
KIND = "soft"
ELSEWHERE = "TheDeepChecker (a variance of exactly 0)"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, spread: float = 1e-3) -> Message | None:
    """Spread below ``spread`` in ``patience`` readings, after 40 % of the budget below 0.1, where predictions begin to differ.

    Growth is a life sign, unless it is below 0.1 decade a window or too slow to reach 0.1 in time.
    """
    count = reading.window(telemetry, facts, patience)
    name = "val/logit_spread" if telemetry.column("val/logit_spread").values else "val/probability_spread"
    readings = reading.recent(telemetry, name, count)
    if len(readings) < count or levels.above_chance(telemetry, facts, count):
        return None
    limit = spread if telemetry[-1].step < 0.4 * facts.budget else max(spread, life.DECIDES)
    if max(value for _, value in readings) >= limit:
        return None
    (since, first), (step, last) = readings[0], readings[-1]
    return message(
        "the output does not depend on the input: {spread} in epochs {since}-{step}",
        **{"spread": message(life.SPREADS[name], first=first, last=last), "since": since, "step": step},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    gain = Advice(message("raise the gain of the initial weights, and normalise inputs and layers"))
    return advice.rate(telemetry, facts), gain, Advice(message("check for dead units"))
