"""What one lane of focal classification is trained with: its hyperparameters, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pitprop.trainer import Params
from pitprop.trainers.lanes import losses
from pitprop.trainers.lanes.params import complete, flag, number, pair


def settle(defaults: Params, counts: Sequence[int], params: Params) -> Settings:
    """One lane's ``params`` over the ``defaults``, checked; ``counts`` are its training rows by class.

    `ValueError`, in one sentence, for what does not fit.
    """
    tree = complete(params, defaults)
    rule = tree["class_weight"]
    if isinstance(rule, str) and rule not in losses.FORMULAS:
        raise ValueError(f"class_weight: {rule!r} is not known; give null, {', '.join(losses.FORMULAS)}, or two numbers")
    alpha = pair("focal.alpha", tree["focal"]["alpha"])
    by_class = losses.class_weights(rule if rule is None or isinstance(rule, str) else pair("class_weight", rule), counts)
    return Settings(
        lr=number("lr", tree["lr"]),
        weight_decay=number("weight_decay", tree["weight_decay"]),
        warmup_epochs=number("warmup.epochs", tree["warmup"]["epochs"]),
        start_factor=number("warmup.start_factor", tree["warmup"]["start_factor"], 0, 1),
        weight=(alpha[0] * by_class[0], alpha[1] * by_class[1]),
        gamma=number("focal.gamma", tree["focal"]["gamma"]),
        prior_bias=flag("prior_bias", tree["prior_bias"]),
        oversample=flag("oversample", tree["oversample"]),
        clip=torch.inf if tree["clip"] is None else number("clip", tree["clip"], above=True),
        dropout=number("dropout", tree["dropout"], 0, 1, below=True),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """``weight`` is alpha times the class weight; ``clip`` is infinite where nothing is clipped."""

    lr: float
    weight_decay: float
    warmup_epochs: float
    start_factor: float
    weight: tuple[float, float]
    gamma: float
    prior_bias: bool
    oversample: bool
    clip: float
    dropout: float


Settle = Callable[[Sequence[int], Params], Settings]
