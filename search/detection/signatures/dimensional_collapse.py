"""Dimensional collapse: embeddings use few of their dimensions, or ever fewer while the loss falls."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("embedding/rank",)
KIND = "advice"
ELSEWHERE = "RankMe is its metric, not a rule"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.05) -> Message | None:
    """Effective rank (RankMe, Garrido et al. 2023) below ``share`` of the dimensions, or less than half of its maximum.

    In each of ``patience`` readings, and for the second only if the loss fell meanwhile. The rank cannot exceed the
    number of validation samples.
    """
    count = reading.window(telemetry, facts, patience)
    ranks, sizes = reading.recent(telemetry, "embedding/rank", count), telemetry.column("embedding/dimensions").values
    if len(ranks) < count:
        return None
    (since, _), (step, last) = ranks[0], ranks[-1]
    highest, worst = max(telemetry.column("embedding/rank").values), max(value for _, value in ranks)
    if sizes and worst < share * sizes[-1]:
        return message(
            "effective rank of embeddings at most {rank:.1f} of {size:.0f} dimensions in epochs {first}-{last}",
            **{"rank": worst, "size": sizes[-1], "first": since, "last": step},
        )
    losses = telemetry.column("val/loss").values or telemetry.column("train/loss").values
    if worst < 0.5 * highest and losses and losses[-1] < losses[0]:
        return message(
            "effective rank of embeddings fell from {highest:.1f} to {rank:.1f} by epoch {step} while the loss fell",
            **{"highest": highest, "rank": last, "step": step},
        )
    return None


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    decay = Advice(message("lower the weight decay"), moves="weight_decay-")
    warmer = Advice(message("raise the temperature"), moves="temperature+")
    return Advice(message("add a decorrelation term or a projection head")), warmer, decay
