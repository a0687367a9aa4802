"""Chance plateau: the score stays at the level of a model that has learned nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/loss or train/loss",)
KIND = "soft"
BY_LOSS = True
ELSEWHERE = "in part AUTOTRAINER (slow convergence), SageMaker (LossNotDecreasing)"
FALLBACK = True
SHORT, LONG = 1e-4, 0.01
"""Ratios of step to weight norm, below and above which the size of the steps is the most likely cause."""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, late: float = 0.4, band: float = 0.08) -> Message | None:
    """``patience`` readings of the objective at chance: above it by up to 2 % of the range there, or by 2 standard errors.

    After the share ``late`` of the budget by up to ``band``, which random weights may reach by luck. If the chance score is
    not known, a chance loss that the trainer states decides, or the prior's cross entropy where the loss stands at that.
    """
    count = levels.window(telemetry, facts, patience)
    name, losses = levels.losses(telemetry, count)
    if len(losses) < count:
        return None
    step = telemetry[-1].step
    margin = max(0.02, band) if step >= late * facts.budget else 0.02
    above = levels.above_chance(telemetry, facts, count, margin)
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
    return message(
        "{metric} no better than {best:.4g} in epochs {first}-{last}, chance is {level:.4g}",
        **{"metric": facts.metric, "best": best, "first": losses[0][0], "last": step, "level": levels.score(telemetry, facts)},
    )


def _prior(telemetry: Telemetry, facts: Facts, losses: Sequence[tuple[int, float]]) -> float | None:
    """The cross entropy of the prior, if all ``losses`` are within 1 % of it: then it is what the loss is, without weights."""
    level = levels.loss(telemetry, facts)
    return level if level and all(abs(loss / level - 1) < 0.01 for _, loss in losses) else None


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    ratios = telemetry.column("update_ratio").values
    if ratios and ratios[-1] < SHORT:
        return message(
            "raise the learning rate tenfold (steps are {ratio:.1g} of the weights' norm), check what is frozen",
            ratio=ratios[-1],
        )
    if ratios and ratios[-1] > LONG:
        return message(
            "lower the learning rate tenfold (steps are {ratio:.1g} of the weights' norm), lengthen the warm-up",
            ratio=ratios[-1],
        )
    return message(
        "change the learning rate tenfold, up or down, check labels and batch sampler, the initial weights and normalisation, "
        "start the output bias at the class prior"
    )


def change(telemetry: Telemetry, facts: Facts) -> Mapping[str, Any]:
    """Only where the size of the steps says in which direction."""
    ratios = telemetry.column("update_ratio").values
    short, long = bool(ratios) and ratios[-1] < SHORT, bool(ratios) and ratios[-1] > LONG
    return {"lr": {"times": 10 if short else 0.1}} if short or long else {}
