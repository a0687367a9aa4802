"""What one lane of event detection is trained with: its hyperparameters, checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pitprop.trainer import Params
from pitprop.trainers.lanes import losses
from pitprop.trainers.lanes.params import complete, flag, number, pair


def settle(defaults: Params, counts: Sequence[int], params: Params) -> Settings:
    """One lane's ``params`` over the ``defaults``, checked; ``counts`` are its training frames without and with an event.

    `ValueError`, in one sentence, for what does not fit.
    """
    tree = complete(params, defaults)
    alpha, (none, one) = pair("focal.alpha", tree["focal"]["alpha"]), _weights(tree["weight"], counts)
    loss = {head: number(f"loss_weight.{head}", tree["loss_weight"][head]) for head in ("coarse", "fine")}
    if not any(loss.values()):
        raise ValueError("loss_weight: both heads' weights are 0, which leaves nothing to learn; give one a number above 0")
    threshold = number("threshold", tree["threshold"], 0, 1, above=True, below=True)
    return Settings(
        lr=number("lr", tree["lr"]),
        weight_decay=number("weight_decay", tree["weight_decay"]),
        warmup_epochs=number("warmup.epochs", tree["warmup"]["epochs"]),
        start_factor=number("warmup.start_factor", tree["warmup"]["start_factor"], 0, 1),
        weight=(alpha[0] * none, alpha[1] * one),
        gamma=number("focal.gamma", tree["focal"]["gamma"]),
        coarse=loss["coarse"],
        fine=loss["fine"],
        prior_bias=flag("prior_bias", tree["prior_bias"]),
        oversample=None if tree["oversample"] is None else number("oversample", tree["oversample"], 0, 1),
        least=math.log(threshold / (1 - threshold)),
        clip=math.inf if tree["clip"] is None else number("clip", tree["clip"], above=True),
    )


def _weights(rule: Any, counts: Sequence[int]) -> Sequence[float]:
    """Those of frames without and with an event."""
    if rule is None or isinstance(rule, str):
        if rule is not None and rule not in losses.FORMULAS:
            raise ValueError(f"weight: {rule!r} is not known; give null, {', '.join(losses.FORMULAS)}, or a number")
        return losses.class_weights(rule, counts)
    return 1.0, number("weight", rule, above=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """``weight`` is alpha times that of the class, ``coarse`` and ``fine`` those of either head's loss.

    ``oversample`` is the share of windows with an event, None as they come; ``least`` is the logit from which on a frame is an
    event's; ``clip`` is infinite where nothing is clipped.
    """

    lr: float
    weight_decay: float
    warmup_epochs: float
    start_factor: float
    weight: tuple[float, float]
    gamma: float
    coarse: float
    fine: float
    prior_bias: bool
    oversample: float | None
    least: float
    clip: float


Settle = Callable[[Sequence[int], Params], Settings]
