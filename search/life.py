"""Life signs: what a training shows that stands at chance and will yet recover.

Each returns a phrase with its numbers, or None if it sees no life or has too few readings. On labelled curves, the area
under the ROC curve of "will this run, now at chance, recover?" is .85 for the validation AUC and .80 for the growth of the
logit spread, against .55 for the fall of the loss and .46 (nothing) for the gradient norm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from search import levels
from search.facts import Facts
from search.telemetry import Telemetry, series

DECIDES = 0.1
"""The logit spread from which on predictions begin to differ between samples."""


def signs(telemetry: Telemetry, facts: Facts, count: int) -> list[str]:
    """The life signs in the last ``count`` readings."""
    found = (sign(telemetry, facts, count) for sign in (ranking, spreading, cooling, loss_falling, score_rising))
    return [sign for sign in found if sign]


def watched(telemetry: Telemetry, count: int) -> bool:
    """Whether life could be seen at all: validation loss, AUC or logit spread is reported."""
    return any(_last(telemetry, name, count) for name in ("val/loss", "val/auc", "val/logit_spread"))


def ranks(telemetry: Telemetry, facts: Facts, count: int) -> bool:
    """AUC of at least .7 over the window and 3 standard errors above chance, and the logits still move."""
    values = _last(telemetry, "val/auc", count)
    floor = max(0.7, 0.5 + 3 * levels.error("val/auc", telemetry, facts))
    return bool(values) and sum(values) >= floor * count and _moves(telemetry, count)


def ranking(telemetry: Telemetry, facts: Facts, count: int) -> str | None:
    """AUC rising by more than a standard error, or standing 2 of them above chance while the logits still move."""
    values = _last(telemetry, "val/auc", count)
    if not values:
        return None
    error = max(levels.error("val/auc", telemetry, facts), 0.01)
    if values[-1] - values[0] > max(error, 0.02) and values[-1] > 0.5 + error:
        return f"AUC rising from {values[0]:.2f} to {values[-1]:.2f}"
    mean = sum(values) / count
    if mean > 0.5 + 2 * error and _moves(telemetry, count):
        return f"AUC {mean:.2f} over {count} reports, above chance"
    return None


def spreading(telemetry: Telemetry, facts: Facts, count: int) -> str | None:
    """Logit spread across samples growing by 0.1 decade over the window, fast enough to make a difference in time."""
    readings = levels.recent(telemetry, "val/logit_spread", count)
    if len(readings) < count or min(value for _, value in readings) <= 0:
        return None
    (start, first), (end, last) = readings[0], readings[-1]
    growth, needed = math.log10(last) - math.log10(first), max(0.0, math.log10(DECIDES) - math.log10(last))
    if growth < 0.1 or needed > 1.5 * growth * (facts.budget - end) / max(end - start, 1):
        return None
    return f"logit spread growing from {first:.3g} to {last:.3g} since epoch {start}"


def cooling(telemetry: Telemetry, facts: Facts, count: int) -> str | None:
    """A learning rate on its way down while its steps are too long to learn by: update ratio of .01, loss above chance."""
    rates, steps, losses = (_last(telemetry, name, count) for name in ("lr", "update_ratio", "val/loss"))
    if not rates or not steps or sum(steps) < 0.01 * count:
        return None
    level = levels.loss(telemetry, facts)
    if level is not None and losses and sum(losses) < 1.05 * level * count:
        return None
    peak = max(rate for rate in series(telemetry, "lr") if math.isfinite(rate))
    if not 0.1 * peak < rates[-1] < rates[0]:
        return None
    return f"learning rate falling from {rates[0]:.3g} to {rates[-1]:.3g} while steps are long"


def loss_falling(telemetry: Telemetry, facts: Facts, count: int) -> str | None:
    """Validation loss at a new minimum and 0.3 % down over the window, or falling nearly always; later not by inches.

    After 40 % of the budget, five times what is left at this rate has to lower it by 5 %.
    """
    readings = levels.recent(telemetry, "val/loss", 2 * count)
    if len(readings) < count:
        return None
    values = [value for _, value in readings]
    (start, first), (end, last) = readings[-count], readings[-1]
    drop = (first - last) / (abs(first) or 1.0)
    earlier = [value for value in series(telemetry, "val/loss")[:-count] if math.isfinite(value)]
    lowest = not earlier or min(values[-count:]) < min(earlier) - 0.0015 * abs(first)
    often = sum(after < before for before, after in pairwise(values)) >= 0.8 * (len(values) - 1)
    if not ((drop > 0.003 and lowest) or often):
        return None
    if end > 0.4 * facts.budget and 5 * drop * (facts.budget - end) / max(end - start, 1) < 0.05:
        return None
    return f"validation loss falling from {first:.4g} to {last:.4g} since epoch {start}"


def score_rising(telemetry: Telemetry, facts: Facts, count: int) -> str | None:
    """The objective better by more than 0.004 and by one standard error over the window."""
    values = _last(telemetry, facts.metric, count)
    if not values:
        return None
    gain = values[-1] - values[0] if facts.maximize else values[0] - values[-1]
    if gain <= max(0.004, levels.error(facts.metric, telemetry, facts)):
        return None
    return f"{facts.metric} improving from {values[0]:.4g} to {values[-1]:.4g}"


def _last(telemetry: Telemetry, name: str, count: int) -> Sequence[float]:
    """The last ``count`` readings, or none if there are fewer."""
    readings = levels.recent(telemetry, name, count)
    return [value for _, value in readings] if len(readings) == count else ()


def _moves(telemetry: Telemetry, count: int) -> bool:
    """Whether the logit spread changes, and not only downwards. Random weights rank well on easy data, and stay there."""
    spreads = _last(telemetry, "val/logit_spread", count)
    return not spreads or (max(spreads) > 1.1 * min(spreads) and any(after > before for before, after in pairwise(spreads)))
