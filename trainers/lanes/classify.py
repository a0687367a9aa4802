"""Two classes told apart: how K perceptrons learn one table, each lane with its own settings, and what is measured of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch
from pitprop.detection import chance
from pitprop.trainer import Context
from pitprop.trainers.data.table import Split
from pitprop.trainers.lanes import draw, losses, metrics, optim
from pitprop.trainers.lanes.group import Group
from pitprop.trainers.lanes.perceptron import Perceptron, extremes
from pitprop.trainers.lanes.settings import Settings, Settle
from pitprop.trainers.lanes.start import start
from pitprop.trainers.lanes.steps import Steps
from torch import Tensor

SAMPLES = 8192
"""Validation samples of all lanes at a time: in pieces that stay in the cache, 32 lanes are validated three times as fast."""


class Classifiers:
    """K perceptrons on one table: x and y of both sides on the device, and the group of lanes.

    ``settle`` checks a lane's hyperparameters, given the training rows of each class.
    """

    def __init__(self, split: Split, batch: int, hidden: Sequence[int], context: Context, settle: Settle) -> None:
        self._batch, self._epochs, self._device = batch, context.epochs, context.device
        self._y = torch.from_numpy(split.y_train)
        self._train = tuple(torch.from_numpy(part).to(self._device) for part in (split.x_train, split.y_train))
        self._val = tuple(torch.from_numpy(part).to(self._device) for part in (split.x_val, split.y_val))
        self._prior, self._labels = (torch.from_numpy(y).bincount(minlength=2) for y in (split.y_train, split.y_val))
        self._steps = -(-len(self._y) // batch)
        self._model = Perceptron(split.x_train.shape[1], hidden, 2)
        settled = partial(settle, self._prior.tolist())
        self.group = Group(self._model.shapes, self._device, settled, self._initial, self._constants)

    def epoch(self) -> dict[str, Tensor]:
        """Trains and validates every lane: (K,) by metric name, ``start/`` only if any lane is in its first epoch."""
        first = self._start()
        readings = self._learn()
        with torch.no_grad():
            return first | readings | self._validate(self.group.stack.views, *self._weighting())

    def preflight(self) -> dict[str, Tensor]:
        """What the lanes show before any step: their scores, and one backward pass on each lane's first batch, (K,) by name."""
        first, orders, models = self._start(), self._orders(), self.group.stack
        x, y = self._train
        rows = orders[:, : self._batch]
        models.differentiate(
            losses.focal(self._model.logits(models.views, x[rows]), y[rows], *self._weighting()).mean(dim=1).sum()
        )
        gradient = {"grad_norm": optim.norms(models.grads), "params/with_grad": models.grads.count_nonzero(dim=1)}
        return first | gradient | self._health(orders)

    def _learn(self) -> dict[str, Tensor]:
        """One epoch of steps; means over samples or steps."""
        orders, weighting, totals = self._orders(), self._weighting(), []
        steps = Steps(self.group, self._steps, self._epochs)
        x, y = self._train
        for rows, kept in zip(torch.split(orders, self._batch, dim=1), self._dropout(), strict=True):
            logits = self._model.logits(self.group.stack.views, x[rows], None if kept is None else kept[:, : rows.shape[1]])
            loss = losses.focal(logits, y[rows], *weighting).sum(dim=1)
            steps.take(loss.sum() / rows.shape[1])
            totals.append(loss.detach())
        return {"train/loss": torch.stack(totals).sum(dim=0) / len(y)} | steps.readings() | self._health(orders)

    def _start(self) -> dict[str, Tensor]:
        """The validation of lanes before their first step."""
        return start(
            self.group,
            ("loss", "macro_f1"),
            lambda views, lanes: self._validate(views, *(part[lanes] for part in self._weighting())),
        )

    def _validate(self, views: Mapping[str, Tensor], weight: Tensor, gamma: Tensor) -> dict[str, Tensor]:
        x, y = self._val
        lanes = len(weight)
        heads, seen = [], []
        for rows in torch.split(x, max(1, SAMPLES // lanes)):
            *hidden, head = self._model.outputs(views, rows.expand(lanes, -1, -1))
            heads.append(head)
            seen.append(extremes(hidden))
        logits = torch.cat(heads, dim=1)
        largest, saturated = (torch.stack(parts) for parts in zip(*seen, strict=True))
        inside = self._model.activity(largest.amax(dim=0), saturated.sum(dim=0) / len(y))
        loss = losses.focal(logits, y.expand(lanes, -1), weight, gamma).mean(dim=1)
        return {"val/loss": loss} | metrics.classification(logits, y) | inside

    def _health(self, orders: Tensor) -> dict[str, Tensor]:
        """Of the weights as they are, and of the batches of one epoch."""
        broken = self.group.stack.weights.isfinite().logical_not_().sum(dim=1)
        return {"params/non_finite": broken, "batch/classes": metrics.classes_in_batches(self._train[1][orders], self._batch)}

    def _weighting(self) -> tuple[Tensor, Tensor]:
        """Each lane's class weights (K, 2) and gamma (K,)."""
        weight = torch.tensor([settings.weight for settings in self.group.settings], device=self._device)
        return weight, self.group.column(lambda settings: settings.gamma).float()

    def _orders(self) -> Tensor:
        """The training rows in the order of this epoch, (K, n)."""
        drawn = [
            draw.balanced_order(random, self._y) if settings.oversample else draw.order(random, len(self._y))
            for random, settings in zip(self.group.randoms("order"), self.group.settings, strict=True)
        ]
        return torch.stack(drawn).to(self._device)

    def _dropout(self) -> Iterator[Tensor | None]:
        """Dropout's factors for each step of this epoch."""
        randoms, rates = self.group.randoms("dropout"), [settings.dropout for settings in self.group.settings]
        for _ in range(self._steps):
            yield draw.dropout_factors(randoms, rates, (self._batch, sum(self._model.hidden)), self._device)

    def _initial(self, seed: int, settings: Settings) -> dict[str, Tensor]:
        prior = self._prior / self._prior.sum() if settings.prior_bias else None
        return self._model.initial(draw.generator(seed, "weights"), prior)

    def _constants(self, settings: Settings) -> dict[str, float]:
        level = chance.focal(self._labels.tolist(), settings.weight, settings.gamma)
        parameters = float(self.group.stack.size)
        known = {"chance/loss": level, "params/total": parameters, "params/trainable": parameters}
        return known | {"batch/size": float(min(self._batch, len(self._y)))}
