"""What a study trains, how long, over which hyperparameters, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.detect.made import lanes
from tests.bench.detect.made.lanes import Recipe

LOSSES: tuple[str, ...] = ("train_loss", "val_loss")
NONE: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Study:
    """A task of one kind with its budget; ``columns`` are the readings that it reports beside the score, ``seed`` its own.

    ``silent`` studies do not say how long the warm-up is, and ``every`` says after how many epochs one evaluates.
    """

    name: str
    make: Callable[..., Any]
    lr: tuple[float, float]
    epochs: int = 30
    steps: int = 15
    columns: tuple[str, ...] = ("train_loss", "val_loss", "lr")
    fixed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    silent: bool = False
    draw: Callable[..., Recipe] = lanes.draw
    every: int = 1

    def evaluates(self, epoch: int) -> bool:
        """Whether that epoch, counted from 0, is one after which there is a score: the last one always is."""
        return (epoch + 1) % self.every == 0 or epoch == self.epochs - 1
