"""Contrastive collapse: the loss stays at ln(N - 1), the value for a batch of N identical embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pitprop.detection import chance, levels, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry

READS = ("embedding/cosine or embedding/rank or batch/size",)
KIND = "soft"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 4, near: float = 0.985, cosine: float = 0.9) -> Message | None:
    """``patience`` readings of the loss at ``near`` of ln(N - 1) or more, and mean cosine above ``cosine`` or rank below 2.

    Where no embedding is measured, the batch size N has to be known, and the loss has to be within 0.5 % of the level and not
    what the class prior gives. It does not count while the objective is well above chance: nearest neighbours scored 0.81
    with all embeddings on one line.
    """
    if levels.above_chance(telemetry, facts, reading.window(telemetry, facts, patience), 0.1):
        return None
    name = "val/loss" if telemetry.column("val/loss").values else "train/loss"
    readings = reading.recent(telemetry, name, reading.window(telemetry, facts, patience))
    found = _level(telemetry, facts, readings[-1][1]) if len(readings) >= reading.window(telemetry, facts, patience) else None
    if found is None:
        return None
    level, formula = found
    alike = _alike(telemetry, cosine)
    if alike is None and (abs(min(v for _, v in readings) / level - 1) > 0.005 or _is_prior(telemetry, facts, level)):
        return None
    if alike == "" or min(value for _, value in readings) < near * level:
        return None
    since, step = readings[0][0], readings[-1][0]
    said = message(
        "{name} {loss:.4f} in epochs {first}-{last}, identical embeddings give {formula} = {level:.4f}",
        **{"name": name, "loss": readings[-1][1], "first": since, "last": step, "formula": formula, "level": level},
    )
    return Message.join([said, alike], "; ") if alike else said


def _level(telemetry: Telemetry, facts: Facts, loss: float) -> tuple[float, str] | None:
    """The loss of equal embeddings nearest to ``loss``, with its formula; None if no batch size is known."""
    sizes = telemetry.column("batch/size").values
    batch = round(sizes[-1]) if sizes else facts.batch
    stated = levels.loss(telemetry, facts, guess=False)
    found: list[tuple[float, str]] = [(stated, message("chance"))] if stated and _alike(telemetry, 0.0) is not None else []
    if batch is not None and batch > 2:
        found = [
            (chance.supervised_contrastive(batch), f"ln({batch} - 1)"),
            (chance.nt_xent(batch), f"ln(2 x {batch} - 1)"),
            (chance.clip(batch), f"ln({batch})"),
        ]
    return min(found, key=lambda one: abs(one[0] - loss)) if found else None


def _alike(telemetry: Telemetry, limit: float) -> str | None:
    """How similar the embeddings are, "" if they are not; None if it is not measured."""
    cosines, ranks = telemetry.column("embedding/cosine").values, telemetry.column("embedding/rank").values
    if cosines and cosines[-1] > limit:
        return message("mean cosine of pairs {cosine:.3f}", cosine=cosines[-1])
    if ranks and ranks[-1] < 2:
        return message("effective rank {rank:.2f}", rank=ranks[-1])
    return "" if cosines or ranks else None


def _is_prior(telemetry: Telemetry, facts: Facts, level: float) -> bool:
    """Whether a classifier's loss at chance would be the same number."""
    prior = levels.loss(Telemetry(), facts) if facts.labels else None
    counts = reading.labels(telemetry, facts)
    prior = prior if prior is not None else chance.cross_entropy(list(counts.values())) if counts else math.inf
    return facts.chance_loss is None and abs(prior / level - 1) < 0.02


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    classes, temperature = telemetry.column("batch/classes").values, facts.own("temperature")
    if classes and classes[-1] < 2:
        sampler = N_("batches hold one class, for which identical embeddings are the optimum: fix the batch sampler")
        return Advice(message(sampler)), Advice(message("leave the learning rate: none helps"))
    mixes = N_(
        "check whether every batch mixes classes (for batches of one class this is the optimum, and no learning rate helps)"
    )
    length = Advice(message("L2-normalise embeddings"), {"l2_normalize": True}, "l2_normalize+")
    warm = Advice(message("temperature .07 to .2, ten epochs of warm-up from 1e-7 to 1e-4"))
    return (
        None if classes else Advice(message(mixes)),
        None if facts.own("l2_normalize") else length,
        advice.lower_rate(telemetry, facts) if advice.known_rate(telemetry, facts.params) else None,
        None if isinstance(temperature, float) and 0.07 <= temperature <= 0.2 else warm,
        Advice(message("train at least one encoder")),
    )
