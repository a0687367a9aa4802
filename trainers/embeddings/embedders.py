"""Embeddings that hold classes apart: how K sets of encoders learn from one set of samples, each lane with its own settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from pitprop.detection import chance
from pitprop.trainer import Context
from pitprop.trainers.data.satimage import Split
from pitprop.trainers.embeddings import batches
from pitprop.trainers.embeddings.encoders import Encoders, normalised
from pitprop.trainers.embeddings.loss import supervised_contrastive
from pitprop.trainers.embeddings.settings import Settings, Settle
from pitprop.trainers.embeddings.validation import Validation
from pitprop.trainers.lanes import draw, metrics, optim
from pitprop.trainers.lanes.group import Group
from pitprop.trainers.lanes.start import start
from pitprop.trainers.lanes.steps import Steps
from torch import Tensor


class Embedders:
    """K sets of encoders with ``hidden`` widths and embeddings of ``size`` on one set of samples, and the group of lanes.

    ``settle`` checks a lane's hyperparameters; ``half`` computes the encoders in bfloat16. `ValueError` for a batch that does
    not fit.
    """

    def __init__(
        self, split: Split, batch: int, hidden: Sequence[int], size: int, half: bool, context: Context, settle: Settle
    ) -> None:
        fewest = min(len(split.y_train), len(split.y_val))
        if not 2 < batch <= fewest:
            raise ValueError(
                f"batch_size: {batch} is not allowed; give a whole number from 3 to {fewest}, the smaller side's rows"
            )
        self._batch, self._size, self._half = batch, size, half
        self._epochs, self._device, self._names = context.epochs, context.device, split.modalities
        self._y, self._count = torch.from_numpy(split.y_train), len(split.y_train) // batch
        self._train = tuple(torch.from_numpy(part).to(self._device) for part in (split.x_train.swapaxes(0, 1), split.y_train))
        self._validation = Validation(split, batch, self._device)
        self._model = Encoders(len(self._names), split.x_train.shape[2], hidden, size)
        self._modality = torch.arange(len(self._names), device=self._device)[:, None]
        self.group = Group(self._model.shapes, self._device, partial(settle, self._names), self._initial, self._constants)

    def epoch(self) -> dict[str, Tensor]:
        """Trains and validates every lane: (K,) by metric name, ``start/`` only if any lane is in its first epoch."""
        first = self._start()
        readings = self._learn()
        with torch.no_grad():
            return first | readings | self._validate(self.group.stack.views, torch.arange(len(self.group.starts)))

    def preflight(self) -> dict[str, Tensor]:
        """What the lanes show before any step: their scores, and one backward pass on each lane's first batch, (K,) by name."""
        first, orders, models, frozen = self._start(), self._orders(), self.group.stack, self._frozen()
        models.differentiate(self._loss(orders[:, : self._batch], *self._switches(), self._temperature()).sum())
        if frozen is not None:
            models.grads.masked_fill_(frozen, 0.0)
        branches = {f"grad_norm/{name}": optim.norms(models.grads[:, columns]) for name, columns in self._branches().items()}
        gradient = {"grad_norm": optim.norms(models.grads), "params/with_grad": models.grads.count_nonzero(dim=1)}
        return first | gradient | branches | self._health(orders)

    def _learn(self) -> dict[str, Tensor]:
        """One epoch of steps; means over steps."""
        lowest = self.group.column(lambda settings: settings.min_lr)[:, None]
        steps = Steps(self.group, self._count, self._epochs, self._branches(), self._frozen(), lowest)
        orders, shaping, totals = self._orders(), (*self._switches(), self._temperature()), []
        for rows in torch.split(orders, self._batch, dim=1):
            loss = self._loss(rows, *shaping)
            steps.take(loss.sum())
            totals.append(loss.detach())
        return {"train/loss": torch.stack(totals).mean(dim=0)} | steps.readings() | self._health(orders)

    def _loss(self, rows: Tensor, layer_norm: Tensor, l2: Tensor, temperature: Tensor) -> Tensor:
        """Each lane's loss (K,) on its training rows (K, B)."""
        x, y = self._train
        z = self._embedded(self.group.stack.views, x[self._modality, rows[:, None]], layer_norm, l2)
        return supervised_contrastive(z, y[rows], temperature)

    def _embedded(self, views: Mapping[str, Tensor], x: Tensor, layer_norm: Tensor, l2: Tensor) -> Tensor:
        """The embeddings (K, B, size) of samples x (K, m, B, d); the switches are (K,)."""
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self._half):
            z = self._model.fused(views, x)
        return normalised(z.float(), layer_norm, l2)

    def _start(self) -> dict[str, Tensor]:
        """The validation of lanes before their first step."""
        return start(self.group, ("loss", "knn"), self._validate)

    def _validate(self, views: Mapping[str, Tensor], lanes: Tensor) -> dict[str, Tensor]:
        """Readings (k,) of the models ``views`` of the ``lanes`` (k,), one by one: all at once leave the cache."""
        found, switches = [], self._switches()
        for place, lane in enumerate(lanes.tolist()):
            view = {name: tensor[place : place + 1] for name, tensor in views.items()}
            layer_norm, l2 = (switch[lane : lane + 1] for switch in switches)
            embed = partial(self._embedded, view, layer_norm=layer_norm, l2=l2)
            found.append(self._validation.measure(embed, self.group.settings[lane].temperature))
        return {name: torch.cat([readings[name] for readings in found]) for name in found[0]}

    def _health(self, orders: Tensor) -> dict[str, Tensor]:
        """Of the weights as they are, and of the batches of one epoch."""
        broken = self.group.stack.weights.isfinite().logical_not_().sum(dim=1)
        return {"params/non_finite": broken, "batch/classes": metrics.classes_in_batches(self._train[1][orders], self._batch)}

    def _switches(self) -> tuple[Tensor, Tensor]:
        """Where the layer norm and where the L2 norm is on, (K,) each."""
        layer_norm = self.group.column(lambda settings: settings.layer_norm).bool()
        return layer_norm, self.group.column(lambda settings: settings.l2_normalize).bool()

    def _temperature(self) -> Tensor:
        return self.group.column(lambda settings: settings.temperature).float()

    def _branches(self) -> dict[str, slice]:
        """Where the weights of each modality's encoder are."""
        length = self._model.length
        return {name: slice(index * length, (index + 1) * length) for index, name in enumerate(self._names)}

    def _frozen(self) -> Tensor | None:
        """Which weights stay as they are, (K, P); None if all learn."""
        if not any(any(settings.frozen) for settings in self.group.settings):
            return None
        frozen = torch.tensor([settings.frozen for settings in self.group.settings], device=self._device)
        return frozen.repeat_interleave(self._model.length, dim=1)

    def _orders(self) -> Tensor:
        """The training rows in the order of this epoch, whole batches of them, (K, S * B)."""
        lanes = zip(self.group.randoms("order"), self.group.settings, strict=True)
        drawn = [batches.rows(settings.sampler, random, self._y, self._batch) for random, settings in lanes]
        return torch.stack(drawn).to(self._device)

    def _initial(self, seed: int, settings: Settings) -> dict[str, Tensor]:
        return self._model.initial(draw.generator(seed, "weights"))

    def _constants(self, settings: Settings) -> dict[str, float]:
        learning = sum(not frozen for frozen in settings.frozen) / len(settings.frozen)
        counts = {f"val/labels/{label}": float(count) for label, count in enumerate(self._validation.labels)}
        size = {"params/total": float(self.group.stack.size), "params/trainable": self.group.stack.size * learning}
        known = {"chance/loss": chance.supervised_contrastive(self._batch), "batch/size": float(self._batch)}
        return counts | size | known | {"embedding/dimensions": float(self._size)}
