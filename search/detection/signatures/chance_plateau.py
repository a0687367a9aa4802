"""Chance plateau: the score stays at the level of a model that has learned nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels, metrics, predictions, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry

READS = ("val/ or train/loss",)
KIND = "soft"
BLIND = 0.27
ELSEWHERE = "in part AUTOTRAINER (slow convergence), SageMaker (LossNotDecreasing)"
FALLBACK = True


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, late: float = 0.4, band: float = 0.08) -> Message | None:
    """``patience`` readings of the objective at chance: above it by up to 2 % of the range there, or by 2 standard errors.

    After the share ``late`` of the budget by more, in the end by up to ``band``, which random weights may reach by luck. If the
    chance score is not known, it is where the objective began, unless it has moved; a chance loss that the trainer states
    decides, or the prior's cross entropy where the loss stands at that. A score without a loss is judged alone, unless
    predictions or macro F1 tell of a constant one, for which `constant_prediction` waits longer. What had learned and has fallen
    back is left to `late_collapse`.
    """
    if levels.learned_once(telemetry, facts):
        return None
    count = reading.window(telemetry, facts, patience)
    name, losses = reading.losses(telemetry, count)
    if metrics.of(facts.metric).family == "reward" or not losses:
        losses = reading.recent(telemetry, facts.metric, count)
        if predictions.tells(telemetry, facts) or predictions.constant(telemetry, facts, count) is not None:
            return None
    if len(losses) < count:
        return None
    above = levels.above_chance(telemetry, facts, count, levels.opening(telemetry, facts, late, band))
    level = (levels.loss(telemetry, facts, guess=False) or _prior(telemetry, facts, losses)) if above is None else None
    if above or (above is None and (level is None or min(value for _, value in losses) < 0.98 * level)):
        return None
    if level is not None:
        return message(
            "{name} {loss:.4g} is no better than chance ({level:.4g}) since epoch {since}",
            **{"name": name, "loss": losses[-1][1], "level": level, "since": losses[0][0]},
        )
    scores = telemetry.column(facts.metric).values[-count:]
    best = max(scores) if facts.maximize else min(scores)
    said = {"metric": facts.metric, "best": best, "first": losses[0][0], "last": telemetry[-1].step}
    if levels.known(telemetry, facts) == levels.score(telemetry, facts):
        told = N_("{metric} no better than {best:.4g} in epochs {first}-{last}, chance is {level:.4g}")
        seen = N_("{metric} no better than {best:.4g} in epochs {first}-{last}, chance seems to be about {level:.2g}")
        known = levels.known_score(telemetry, facts)
        level = levels.score(telemetry, facts) if known is None else known.said
        return message(told if known is None or known.told else seen, **said, level=level)
    first = telemetry.column(facts.metric).values[0]
    if facts.sign * (first - best) > reading.STILL * abs(first):
        fell = N_("{metric} no better than {best:.4g} in epochs {first}-{last}, its first reading, {begun:.4g}, was better")
        return message(fell, **said, begun=first)
    few = reading.fewer(telemetry, facts, reading.FEW)
    began = N_(
        "{metric} no better than {best:.4g} in epochs {first}-{last}, its first {few} readings are about {level:.4g} on average"
    )
    return message(began, **said, few=few, level=levels.score(telemetry, facts))


def _prior(telemetry: Telemetry, facts: Facts, losses: Sequence[tuple[int, float]]) -> float | None:
    """The cross entropy of the prior, if all ``losses`` are within 1 % of it: then it is what the loss is, without weights."""
    level = levels.loss(telemetry, facts)
    return level if level and all(abs(loss / level - 1) < 0.01 for _, loss in losses) else None


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    data = Advice(message("check labels and batch sampler"))
    return advice.rate(telemetry, facts), data, Advice(message("check the initial weights and normalisation"))
