"""Rare events found frame by frame: how K models learn from windows of recordings, each lane with its own settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from pitprop.trainer import Context
from pitprop.trainers.lanes import draw, optim
from pitprop.trainers.lanes.group import Group
from pitprop.trainers.lanes.start import start
from pitprop.trainers.lanes.steps import Steps
from pitprop.trainers.sequences import losses, windows
from pitprop.trainers.sequences.convolution import Convolution
from pitprop.trainers.sequences.losses import Weighting
from pitprop.trainers.sequences.recordings import Split
from pitprop.trainers.sequences.settings import Settings, Settle
from pitprop.trainers.sequences.validation import Rules, Validation
from torch import Tensor


class Detectors:
    """K models of windows on one set of recordings: the windows on the device, and the group of lanes.

    ``settle`` checks a lane's hyperparameters, given the training ``frames`` without and with an event; ``held_out`` are those
    to validate on.
    """

    def __init__(self, split: Split, shape: Shape, rules: Rules, context: Context, settle: Settle) -> None:
        self._batch, self._epochs, self._device, self._half = shape.batch, context.epochs, context.device, shape.half
        self._model = Convolution(split.train[0].x.shape[1], shape.width, shape.dilations, sum(split.sizes))
        cut = windows.cut(split.train, split.sizes, shape.window, self._model.margin)
        self._holds, self._length = cut.event.any(dim=1), shape.window
        self._train = tuple(part.to(self._device) for part in (cut.x, cut.event, cut.elements))
        self._validation = Validation(split, self._model.margin, rules, self._device)
        events, others = int(cut.event.sum()), len(self._validation.elements)
        self.frames = (cut.event.numel() - events, events)
        self.held_out = (self._validation.frames - others, others)
        self.group = Group(self._model.shapes, self._device, partial(settle, self.frames), self._initial, self._constants)

    def epoch(self) -> dict[str, Tensor]:
        """Trains and validates every lane: (K,) by metric name, ``start/`` only if any lane is in its first epoch."""
        first = self._start()
        readings = self._learn()
        with torch.no_grad():
            return first | readings | self._validate(self.group.stack.views, torch.arange(len(self.group.starts)))

    def preflight(self) -> dict[str, Tensor]:
        """What the lanes show before any step: their scores, and one backward pass over all windows, (K,) by name."""
        first, orders, models = self._start(), self._orders(), self.group.stack
        _, _, loss = self._loss(torch.arange(len(self._holds)).expand(len(orders), -1), self._weighting())
        models.differentiate(loss.sum())
        branches = {f"grad_norm/{name}": optim.norms(models.grads[:, part]) for name, part in self._model.branches.items()}
        gradient = {"grad_norm": optim.norms(models.grads), "params/with_grad": models.grads.count_nonzero(dim=1)}
        return first | gradient | branches | self._health(orders)

    def _learn(self) -> dict[str, Tensor]:
        """One epoch of steps; means over frames, events or steps."""
        steps = Steps(self.group, -(-len(self._holds) // self._batch), self._epochs, self._model.branches)
        orders, weighting, seen = self._orders(), self._weighting(), []
        for rows in torch.split(orders, self._batch, dim=1):
            coarse, fine, loss = self._loss(rows, weighting)
            steps.take(loss.sum())
            seen.append(torch.stack([coarse.detach(), fine.detach()]))
        coarse, fine = torch.stack(seen).sum(dim=0)
        events = self._train[1].sum(dim=1)[orders].sum(dim=1)
        loss = weighting.coarse * coarse / self._train[1].numel() + weighting.fine * fine / events.clamp(min=1)
        return {"train/loss": loss} | steps.readings() | self._health(orders)

    def _loss(self, rows: Tensor, weighting: Weighting) -> tuple[Tensor, Tensor, Tensor]:
        """Of windows ``rows`` (K, B): the coarse loss, summed over frames; the fine, over events; and that to learn by: (K,)."""
        x, event, elements = (part[rows] for part in self._train)
        *_, coarse, fine = self._outputs(self.group.stack.views, x)
        found = losses.coarse(coarse[..., 0].float(), event, weighting.classes, weighting.gamma)
        told = losses.fine(fine.float(), event, elements)
        many = event.sum(dim=(1, 2)).clamp(min=1)
        return found, told, weighting.coarse * found / event[0].numel() + weighting.fine * told / many

    def _outputs(self, views: Mapping[str, Tensor], x: Tensor) -> list[Tensor]:
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self._half):
            return list(self._model.outputs(views, x))

    def _start(self) -> dict[str, Tensor]:
        """The validation of lanes before their first step."""
        return start(self.group, ("loss", "element_f1", "event_f1", "lcl_f1", "edit"), self._validate)

    def _validate(self, views: Mapping[str, Tensor], lanes: Tensor) -> dict[str, Tensor]:
        """Readings (k,) of the models ``views`` of the ``lanes`` (k,)."""
        least = self.group.column(lambda settings: settings.least).float()[lanes]
        return self._validation.measure(self._outputs, views, self._weighting().of(lanes), least)

    def _health(self, orders: Tensor) -> dict[str, Tensor]:
        """Of the weights as they are, and of the batches of one epoch: each has frames without an event."""
        broken = self.group.stack.weights.isfinite().logical_not_().sum(dim=1)
        batches = [self._holds[rows.cpu()].any(dim=1) for rows in torch.split(orders, self._batch, dim=1)]
        classes = 1 + torch.stack(batches).double().mean(dim=0)
        return {"params/non_finite": broken, "batch/classes": classes.to(self._device)}

    def _weighting(self) -> Weighting:
        column, settings = self.group.column, self.group.settings
        classes = torch.tensor([one.weight for one in settings], device=self._device)
        gamma, coarse, fine = (column(of).float() for of in (lambda one: one.gamma, lambda one: one.coarse, lambda one: one.fine))
        return Weighting(classes, gamma, coarse, fine)

    def _orders(self) -> Tensor:
        """The windows in the order of this epoch, (K, N)."""
        lanes = zip(self.group.randoms("order"), self.group.settings, strict=True)
        return torch.stack([windows.order(random, self._holds, one.oversample) for random, one in lanes]).to(self._device)

    def _initial(self, seed: int, settings: Settings) -> dict[str, Tensor]:
        (none, one), (weight, other) = self.frames, settings.weight
        odds = one * other / (none * weight) if settings.prior_bias and none * weight * other else None
        return self._model.initial(draw.generator(seed, "weights"), odds)

    def _constants(self, settings: Settings) -> dict[str, float]:
        validation, size = self._validation, float(self.group.stack.size)
        coarse, fine = losses.level(validation.frames, validation.elements, settings.weight, settings.gamma)
        known = {"chance/loss": settings.coarse * coarse + settings.fine * fine, "params/total": size, "params/trainable": size}
        return known | {"batch/size": float(min(self._batch, len(self._holds)) * self._length)}


@dataclass(frozen=True, slots=True)
class Shape:
    """What no lane changes: windows of so many frames, so many a batch, the model's ``width`` and ``dilations``.

    ``half`` computes the model in bfloat16.
    """

    window: int
    batch: int
    width: int
    dilations: Sequence[int]
    half: bool
