"""The lanes that train together: who they are, their ages in epochs, their settings and their weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import torch
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Epochs, Params, Start
from pitprop.trainers.lanes import draw
from pitprop.trainers.lanes.stack import Shapes, Stack, fresh
from torch import Tensor

S = TypeVar("S")


class Group(Generic[S]):
    """K lanes, each with settings S. ``ages`` are the epochs that each has behind it, ``stack`` are the models.

    ``settle`` checks a lane's hyperparameters, ``initial`` draws its weights, ``constants`` are metrics that never change.
    """

    def __init__(
        self,
        shapes: Shapes,
        device: str,
        settle: Callable[[Params], S],
        initial: Callable[[int, S], Mapping[str, Tensor]],
        constants: Callable[[S], Mapping[str, float]],
    ) -> None:
        self._settle, self._initial, self._constants = settle, initial, constants
        self._device = device
        self.stack = Stack(shapes, device)
        self.starts: list[Start] = []
        self.ages: list[int] = []
        self.settings: list[S] = []
        self._fixed: list[Mapping[str, float]] = []

    def rearrange(self, change: Change) -> None:
        """Drops the lanes that stopped and appends those that start. `ValueError` if their hyperparameters do not fit."""
        kept = [index for index, start in enumerate(self.starts) if start.lane not in change.stopped]
        if len(kept) == len(self.starts) and not change.started:
            return
        new = [self._settle(start.params) for start in change.started]
        self.stack.rearrange(kept, [self._state(*joined) for joined in zip(change.started, new, strict=True)])
        self.starts = [self.starts[index] for index in kept] + list(change.started)
        self.ages = [self.ages[index] for index in kept] + [start.step for start in change.started]
        self.settings = [self.settings[index] for index in kept] + new
        self._fixed = [self._fixed[index] for index in kept] + [self._constants(settings) for settings in new]

    def column(self, value: Callable[[S], float]) -> Tensor:
        """One number of each lane's settings, (K,) in float64."""
        return torch.tensor([value(settings) for settings in self.settings], dtype=torch.float64, device=self._device)

    def randoms(self, purpose: str) -> list[torch.Generator]:
        """A generator for each lane, keyed by its seed, the ``purpose`` and its age, so that every epoch has its own."""
        return [draw.generator(start.seed, purpose, age) for start, age in zip(self.starts, self.ages, strict=True)]

    def read(self, readings: Mapping[str, Tensor]) -> list[dict[str, float]]:
        """Each lane's part of ``readings`` (K,), read off the device all at once, and what never changes of it."""
        rows = torch.stack([value.double() for value in readings.values()], dim=1).tolist()
        return [{**dict(zip(readings, row, strict=True)), **fixed} for row, fixed in zip(rows, self._fixed, strict=True)]

    def advance(self, readings: Mapping[str, Tensor], began: float) -> Epochs:
        """Counts an epoch and gives what each lane reports of it: readings under ``start/`` in its first epoch alone."""
        rows = self.read(readings)
        self.ages = [age + 1 for age in self.ages]
        seconds = (time.perf_counter() - began) / len(rows)
        epochs = {}
        for start, age, row in zip(self.starts, self.ages, rows, strict=True):
            row = {name: value for name, value in row.items() if age == 1 or not name.startswith("start/")}
            epochs[start.lane] = Epoch(age, {**row, "seconds": seconds})
        return epochs

    def _state(self, start: Start, settings: S) -> Mapping[str, Any]:
        if start.state is None:
            return fresh(self._initial(start.seed, settings))
        state: Mapping[str, Any] = start.state
        return state
