"""Chance plateau: the score stays where a model stands that has learned nothing, and there is no sign of life."""

from __future__ import annotations

from search import levels, life
from search.facts import Facts
from search.telemetry import Telemetry

READS = ("val/loss",)
ACTION = "prune"
FALLBACK = True


def detect(
    telemetry: Telemetry, facts: Facts, *, patience: int = 5, grace: float = 0.25, late: float = 0.4, band: float = 0.08
) -> str | None:
    """``patience`` readings of the objective at chance, and no life sign, after ``grace``, a share of the budget.

    At chance is up to 2 % of what lies above it; after the share ``late`` of the budget up to ``band``, where random
    weights may stand by luck. Below chance, as when only a minority is predicted, it waits half as long again: that usually
    mends itself. If the chance score is not known, a stated chance loss decides.
    """
    if not telemetry or telemetry[-1].step < levels.grace(telemetry, facts, grace):
        return None
    count, step = levels.window(facts, patience), telemetry[-1].step
    losses = levels.recent(telemetry, "val/loss", count)
    if len(losses) < count:
        return None
    margin = max(0.02, band) if step >= late * facts.budget else 0.02
    above = levels.above_chance(telemetry, facts, count, margin)
    level = levels.loss(telemetry, facts, guess=False)
    by_loss = above is None and level is not None and min(value for _, value in losses) >= 0.98 * level
    if not (above is False or by_loss) or life.signs(telemetry, facts, count):
        return None
    if step < levels.grace(telemetry, facts, 1.5 * grace) and levels.below_chance(telemetry, facts, count):
        return None
    (since, first), (_, last) = losses[0], losses[-1]
    moved = f"validation loss {first:.4g} at epoch {since}, {last:.4g} at epoch {step}, without a life sign"
    return f"{_where(telemetry, facts, count) if above is False else f'loss at chance ({level:.4g})'}; {moved}"


def _where(telemetry: Telemetry, facts: Facts, count: int) -> str:
    scores = [value for _, value in levels.recent(telemetry, facts.metric, count)]
    best = max(scores) if facts.maximize else min(scores)
    return f"{facts.metric} no better than {best:.4g} over {count} reports, chance is {levels.score(telemetry, facts):.4g}"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    ratios = levels.recent(telemetry, "update_ratio", 1)
    if ratios and ratios[0][1] < 1e-4:
        return f"raise the learning rate tenfold (steps are {ratios[0][1]:.1g} of the weights' length), check what is frozen"
    if ratios and ratios[0][1] > 0.01:
        return f"lower the learning rate tenfold (steps are {ratios[0][1]:.1g} of the weights' length), lengthen the warm-up"
    return (
        "change the learning rate tenfold, up or down, check labels and batch sampler, the initial weights and normalisation, "
        "start the output bias at the class prior"
    )
