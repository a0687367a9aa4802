"""What the readings of a training that nothing has ended are evidence of: that it learns, by heart only, or of neither."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from statistics import median

from pitprop.detection import chance, levels, metrics, reading
from pitprop.detection import signatures as catalogue
from pitprop.detection.facts import Facts
from pitprop.logs import assumptions
from pitprop.logs.assumptions import FEW
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

OFTEN = 0.7
"""Share of its steps in which a loss falls that falls nearly always."""
TRAINED = 20.0
"""Perplexity below which no untrained model of a usual vocabulary is."""
SMALL, EARLY = 0.1, 0.9
"""What a constant prediction may gain: this share of the first error, and this share of that at once."""


def learns(telemetry: Telemetry, facts: Facts, started: bool) -> bool:
    """Whether the objective was better than it began or than chance, or it is too early to tell.

    A falling loss counts beside it only where the score was good from the beginning, or the training has ``started`` from a
    checkpoint: else it may learn by heart, or come back from an explosion.
    """
    values = telemetry.column(facts.metric).values
    played = metrics.of(facts.metric).family == "reward"
    losses = ("val/loss", "train/loss") if not played else ()
    curves = [telemetry.column(name).values for name in losses if name != facts.metric]
    if len(values) < FEW:  # too few for a mean: by more than a score that has not moved
        ends = [(values, facts.sign, reading.reach(telemetry, facts)), *((one, -1, abs(one[0])) for one in curves if one)]
        return any(sign * (one[-1] - one[0]) > reading.STILL * whole for one, sign, whole in ends if len(one) > 1)
    if telemetry[-1].step < catalogue.GRACE * facts.budget or _above(telemetry, facts):
        return True
    if assumptions.improved(values, facts.sign, at_end=played):  # a return that has fallen back is none that was gained
        return True
    good = levels.score(telemetry, facts) is None and assumptions.good(telemetry, facts.metric)
    return (started or good) and any(len(one) >= FEW and assumptions.improved(one, -1) for one in curves)


def by_heart(telemetry: Telemetry, facts: Facts) -> Message | None:
    """That the training loss falls while nothing of validation has improved."""
    losses, validated = telemetry.column("train/loss").values, telemetry.column("val/loss").values
    if min(len(losses), len(telemetry.column(facts.metric).values)) < FEW or not facts.metric.startswith("val/"):
        return None
    if metrics.of(facts.metric).family == "reward" or not assumptions.improved(losses, -1, at_end=True):
        return None
    if len(validated) < FEW or assumptions.improved(validated, -1, at_end=True):
        return None
    return message(
        "it learns by heart: train/loss falls from {first:.4g} to {last:.4g}, and {metric} has not improved since it began",
        **{"first": losses[0], "last": losses[-1], "metric": facts.metric},
    )


def worse(telemetry: Telemetry, facts: Facts, said: Mapping[str, float]) -> Message | None:
    """That the loss of a language model was never better than a guess among the words that its log counts."""
    values, words = telemetry.column(facts.metric).values, said.get("vocab_size", 0)
    if facts.metric != "val/loss" or words < 2 or len(values) < FEW or min(values) <= math.log(words):
        return None
    return message(
        "{metric} is {best:.4g} at its best, and a guess among {words:g} words has ln {words:g} = {level:.4g}",
        **{"metric": facts.metric, "best": min(values), "words": words, "level": math.log(words)},
    )


def constant(telemetry: Telemetry, facts: Facts) -> Message:
    """That the objective is the same in all readings, and what else falls."""
    values = telemetry.column(facts.metric).values
    seen = {"metric": facts.metric, "value": values[0], "count": len(values)}
    for name in ("val/loss", "train/loss"):
        losses = telemetry.column(name).values
        if len(losses) >= FEW and assumptions.improved(losses, -1, at_end=True):
            return message(
                "{metric} is {value:.6g} to the last digit in all of its {count} readings, while {name} falls from {first:.4g} "
                "to {last:.4g}: it may follow, or one class stay all that is predicted",
                **{**seen, "name": name, "first": losses[0], "last": losses[-1]},
            )
    return message(
        "{metric} is {value:.6g} to the last digit in all of its {count} readings, which no training that learns shows", **seen
    )


def doubtful(telemetry: Telemetry, facts: Facts) -> Message | None:
    """Why a start that is taken for chance may be that of a model which was trained before; None if nothing speaks for that."""
    losses = telemetry.column("val/loss").values or telemetry.column("train/loss").values
    words = [value for name in ("val/ppl", "val/perplexity") if (value := telemetry.column(name).values)]
    falls = sum(after < before for before, after in pairwise(losses)) >= OFTEN * (len(losses) - 1)
    trained = bool(words) and max(words[0]) < TRAINED and not chance.usual(losses)
    if not trained and not (falls and len(losses) >= 2 * FEW and assumptions.improved(losses, -1)):
        return None
    return message(
        "{metric} has moved little since it began, which need not be chance: a model that was trained before begins so; "
        "--chance-loss tells where chance is",
        metric=facts.metric,
    )


def at_once(telemetry: Telemetry, facts: Facts) -> Message | None:
    """That an error fell by a little at once, and not since: so does one of a constant prediction."""
    values = telemetry.column(facts.metric).values
    known = levels.score(telemetry, facts) is not None or levels.loss(telemetry, facts, guess=False) is not None
    if facts.sign > 0 or known or len(values) < 2 * FEW:
        return None
    first, early, late = values[0], median(values[:FEW]), median(values[-FEW:])
    if not (0 < first - late < SMALL * first and first - early > EARLY * (first - late)):
        return None
    return message(
        "{metric} fell from {first:.4g} to {early:.4g} at once and hardly since, as that of a constant prediction does",
        **{"metric": facts.metric, "first": first, "early": early},
    )


def _above(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether the middle one of five readings running stood above chance, so that noise does not: by a twentieth of the range."""
    values, limit = telemetry.column(facts.metric).values, levels.bound(telemetry, facts, 0.05)
    middles = (median(values[at : at + FEW]) for at in range(max(1, len(values) - FEW + 1)))
    return limit is not None and bool(values) and any(facts.sign * (middle - limit) > 0 for middle in middles)
