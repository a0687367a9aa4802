"""What one lane of contrastive learning is trained with: its hyperparameters, checked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pitprop.trainer import Params
from pitprop.trainers.embeddings.batches import SAMPLERS
from pitprop.trainers.lanes.params import complete, flag, number


def settle(defaults: Params, modalities: Sequence[str], params: Params) -> Settings:
    """One lane's ``params`` over the ``defaults``, checked. `ValueError`, in one sentence, for what does not fit."""
    tree = complete(params, defaults)
    if tree["sampler"] not in SAMPLERS:
        raise ValueError(f"sampler: {tree['sampler']!r} is not known; give {', '.join(SAMPLERS)}")
    return Settings(
        lr=number("lr", tree["lr"]),
        min_lr=min(number("min_lr", tree["min_lr"]), tree["lr"]),
        warmup_epochs=number("warmup.epochs", tree["warmup"]["epochs"]),
        start_lr=min(number("warmup.start_lr", tree["warmup"]["start_lr"]), tree["lr"]),
        temperature=number("temperature", tree["temperature"], above=True),
        weight_decay=number("weight_decay", tree["weight_decay"]),
        layer_norm=flag("layer_norm", tree["layer_norm"]),
        l2_normalize=flag("l2_normalize", tree["l2_normalize"]),
        frozen=_frozen(tree["frozen"], modalities),
        sampler=tree["sampler"],
        clip=torch.inf if tree["clip"] is None else number("clip", tree["clip"], above=True),
    )


def _frozen(value: Any, modalities: Sequence[str]) -> tuple[bool, ...]:
    """Which encoders do not learn: those that are named, or the first so many."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= len(modalities):
        return tuple(index < value for index in range(len(modalities)))
    if not isinstance(value, list | tuple):
        raise ValueError(f"frozen: {value!r} is not allowed; give modalities, or how many from 0 to {len(modalities)}")
    for name in value:
        if name not in modalities:
            near = difflib.get_close_matches(str(name), modalities, n=1)
            hint = f"did you mean {near[0]!r}" if near else f"there are {', '.join(modalities)}"
            raise ValueError(f"frozen: there is no modality {name!r}; {hint}")
    return tuple(name in value for name in modalities)


@dataclass(frozen=True, slots=True)
class Settings:
    """``frozen`` says of each modality whether its encoder stays as it is; ``clip`` is infinite where nothing is clipped."""

    lr: float
    min_lr: float
    warmup_epochs: float
    start_lr: float
    temperature: float
    weight_decay: float
    layer_norm: bool
    l2_normalize: bool
    frozen: tuple[bool, ...]
    sampler: str
    clip: float

    @property
    def start_factor(self) -> float:
        """``start_lr`` over ``lr``; 1 where nothing learns."""
        return self.start_lr / self.lr if self.lr else 1.0


Settle = Callable[[Sequence[str], Params], Settings]
