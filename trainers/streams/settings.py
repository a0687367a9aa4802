"""What two streams are trained with: one lane's hyperparameters, and what all lanes share, both checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pitprop.trainer import Params
from pitprop.trainers.lanes import optim
from pitprop.trainers.lanes.params import complete, number, whole
from pitprop.trainers.streams.model import HEADS, TERMS

RULES = {"sgd": optim.SGD, "adamw": optim.ADAMW}


def settle(defaults: Params, params: Params) -> Settings:
    """One lane's ``params`` over the ``defaults``, checked. `ValueError`, in one sentence, for what does not fit."""
    tree = complete(params, defaults)
    weights = [number(f"loss_weights.{term}", tree["loss_weights"][term]) for term in TERMS]
    if not any(weights[: len(HEADS)]):
        raise ValueError(
            f"loss_weights: {tree['loss_weights']!r} leave nothing to learn from; give one of {', '.join(HEADS)} more than 0"
        )
    shift = tree["augmentation"]["shift"]
    return Settings(
        lr=number("lr", tree["lr"]),
        weight_decay=number("weight_decay", tree["weight_decay"]),
        warmup_epochs=number("warmup.epochs", tree["warmup"]["epochs"]),
        start_factor=number("warmup.start_factor", tree["warmup"]["start_factor"], 0, 1),
        min_lr=number("min_lr", tree["min_lr"]),
        clip=torch.inf if tree["clip"] is None else number("clip", tree["clip"], above=True),
        loss_weights=tuple(weights),
        gamma=number("focal.gamma", tree["focal"]["gamma"]),
        jitter=number("augmentation.jitter", tree["augmentation"]["jitter"], 0, 1),
        shift=whole("augmentation.shift", shift) if shift else 0,
    )


def plan(options: Mapping[str, Any]) -> Plan:
    """What the lanes share, of the trainer's options. `ValueError`, in one sentence, for what does not fit."""
    hidden = {name: _widths(f"hidden.{name}", options["hidden"][name], name != "fused") for name in HEADS}
    for name, allowed in (("optimizer", list(RULES)), ("autocast", [None, "bf16"])):
        if options[name] not in allowed:
            known = ", ".join("null" if word is None else word for word in allowed)
            raise ValueError(f"{name}: {options[name]!r} is not known; give {' or '.join(known.split(', '))}")
    return Plan(whole("batch_size", options["batch_size"]), hidden, RULES[options["optimizer"]], options["autocast"] == "bf16")


def _widths(name: str, widths: Any, needed: bool) -> list[int]:
    if not isinstance(widths, list | tuple) or (needed and not widths):
        raise ValueError(f"{name}: {widths!r} is not allowed; give a list of layer widths such as [64]")
    return [whole(name, width) for width in widths]


@dataclass(frozen=True, slots=True)
class Settings:
    """``loss_weights`` are in the order of `TERMS`; ``clip`` is infinite where nothing is clipped."""

    lr: float
    weight_decay: float
    warmup_epochs: float
    start_factor: float
    min_lr: float
    clip: float
    loss_weights: tuple[float, ...]
    gamma: float
    jitter: float
    shift: int


@dataclass(frozen=True, slots=True)
class Plan:
    """``hidden`` are layer widths by part; ``bf16`` says that the forward pass runs in bfloat16 where that is as good."""

    batch: int
    hidden: Mapping[str, Sequence[int]]
    rule: optim.Rule
    bf16: bool = False
