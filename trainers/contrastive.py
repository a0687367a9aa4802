"""Contrastive learning of one embedding from several modalities, with the supervised contrastive loss.

Without the option ``data`` it learns the land cover of a satellite image from four spectral bands (UCI, 6,435 rows, six classes);
see `pitprop.trainers.data.satimage` for the format of one's own data. Batches of one class, or embeddings that are all alike,
hold the loss at ln(batch - 1); learning rates too high for embeddings that are not normalised make it explode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from pitprop.detection import chance
from pitprop.errors import nearest
from pitprop.telemetry import Epoch
from pitprop.trainer import Context, Params, Start
from pitprop.trainers.data import satimage
from pitprop.trainers.embeddings import batches, quality
from pitprop.trainers.embeddings.encoders import Encoders, normalised
from pitprop.trainers.lanes import draw, losses, optim
from pitprop.trainers.lanes.hyperparameters import bf16, complete, flag, number, whole, widths
from pitprop.trainers.lanes.learner import LaneModel, Learner, Noise, Training
from torch import Generator, Tensor

PARAMS = {
    "lr": 1e-3,
    "min_lr": 1e-6,  # where the cosine ends, never above lr
    "warmup": {"epochs": 3, "start_lr": 1e-7},  # linear from start_lr to lr, then the cosine
    "temperature": 0.1,
    "weight_decay": 1e-4,
    "layer_norm": True,  # of the fused embedding
    "l2_normalize": True,  # then to length 1; without, the loss takes dot products
    "frozen": None,  # the modalities whose encoders do not learn, or how many of them
    "sampler": "stratified",  # or plain, balanced, and single_class, which is broken
    "clip": None,  # largest gradient norm
}
OPTIONS = {
    "data": None,
    "batch_size": 32,
    "embedding": 64,
    "hidden": [32, 32],
    "val_fraction": 0.3,
    "split_seed": 0,
    "autocast": None,  # or bf16, for GPUs
}
REPORTS = (
    "train/loss",
    "val/loss",
    "val/loss_ratio",
    "chance/loss",
    "start/",
    "val/knn",
    "val/linear_probe",
    "val/labels/",
    "embedding/cosine",
    "embedding/rank",
    "embedding/dimensions",
    "grad_norm",
    "grad_norm/",
    "clipped",
    "update_ratio",
    "lr",
    "params/total",
    "params/trainable",
    "params/with_grad",
    "params/non_finite",
    "batch/size",
    "batch/classes",
    "seconds",
)
WIDTH = 32


KNOWN = 1024
"""Among the embeddings of how many training samples neighbours are looked for; the linear probe is fitted on the same."""


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    return Learner(Embedder(context), context).train(lanes)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, its first batch's gradient included; errors as those of `train_lanes`."""
    return Learner(Embedder(context), context).preflight(params)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one lane is trained with. ``frozen`` says of each modality whether its encoder does not learn."""

    optimizer: optim.Optimizer
    temperature: float
    layer_norm: bool
    l2_normalize: bool
    frozen: tuple[bool, ...]
    sampler: str


@dataclass(frozen=True, slots=True)
class Shaping:
    """Of K lanes: whether embeddings are normalised, each way, the temperature (K,), and frozen encoders (K, modalities)."""

    layer_norm: Tensor
    l2: Tensor
    temperature: Tensor
    frozen: Tensor

    def of(self, lane: int) -> Shaping:
        """That of one lane, (1,)."""
        return Shaping(*(part[lane : lane + 1] for part in (self.layer_norm, self.l2, self.temperature, self.frozen)))


class Embedder(LaneModel[Settings, Shaping]):
    """An encoder for each modality, fused to one embedding; samples x (modalities, n, d) and classes y (n,) are on the device."""

    starts = ("loss", "knn")
    labels: Tensor

    def __init__(self, context: Context) -> None:
        options = complete(context.options, OPTIONS)
        split = satimage.split(satimage.load(options["data"]), options["val_fraction"], options["split_seed"])
        self.batch, hidden = whole("batch_size", options["batch_size"]), widths("hidden", options["hidden"])
        self._size, self._half = whole("embedding", options["embedding"]), bf16(options["autocast"])
        fewest = min(len(split.y_train), len(split.y_val))
        if not 2 < self.batch <= fewest:
            raise ValueError(
                f"batch_size: {self.batch} is not allowed; give a whole number from 3 to {fewest}, the smaller side's rows"
            )
        self._device, self._split, self._y = context.device, split, torch.from_numpy(split.y_train)
        self._x, self.labels = (torch.from_numpy(part).to(self._device) for part in (split.x_train.swapaxes(0, 1), split.y_train))
        self.rows, self._validation = len(self._y), Validation(split, self.batch, self._device)
        self._model = Encoders(len(split.modalities), split.x_train.shape[2], hidden, self._size)
        self._modality = torch.arange(len(split.modalities), device=self._device)[:, None]
        self.shapes, length = self._model.shapes, self._model.length
        self.branches = {name: slice(index * length, (index + 1) * length) for index, name in enumerate(split.modalities)}

    def settle(self, params: Params) -> Settings:
        return settle(params, self._split.modalities)

    def prepare(self, settings: Sequence[Settings]) -> Shaping:
        rows = ([getattr(one, name) for one in settings] for name in ("layer_norm", "l2_normalize", "temperature", "frozen"))
        return Shaping(*(torch.tensor(row, device=self._device) for row in rows))

    def loss(self, views: Mapping[str, Tensor], rows: Tensor, lanes: Shaping, noise: Noise | None) -> tuple[Tensor, Tensor]:
        z = self._embedded(views, lanes, self._x[self._modality, rows[:, None]])
        loss = losses.supervised_contrastive(z, self.labels[rows], lanes.temperature)
        return loss, loss

    def train_loss(self, sums: Tensor, lanes: Shaping, steps: int) -> Tensor:
        return sums / steps

    def validate(self, views: Mapping[str, Tensor], lanes: Shaping) -> dict[str, Tensor]:
        """Lane by lane: all at once leave the cache."""
        found = []
        for lane in range(len(lanes.temperature)):
            view, own = {name: tensor[lane : lane + 1] for name, tensor in views.items()}, lanes.of(lane)
            found.append(self._validation.measure(partial(self._embedded, view, own), own.temperature))
        return {name: torch.cat([readings[name] for readings in found]) for name in found[0]}

    def _embedded(self, views: Mapping[str, Tensor], lanes: Shaping, x: Tensor) -> Tensor:
        """The embeddings (K, B, size) of samples x (K, modalities, B, d)."""
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self._half):
            z = self._model.fused(views, x)
        return normalised(z.float(), lanes.layer_norm, lanes.l2)

    def order(self, random: Generator, settings: Settings) -> Tensor:
        """Whole batches only."""
        return batches.rows(settings.sampler, random, self._y, self.batch)

    def frozen(self, lanes: Shaping) -> Tensor | None:
        return lanes.frozen.repeat_interleave(self._model.length, dim=1) if lanes.frozen.any() else None

    def initial(self, random: Generator, settings: Settings) -> dict[str, Tensor]:
        return self._model.initial(random)

    def constants(self, settings: Settings) -> dict[str, float]:
        counts = {f"val/labels/{label}": float(count) for label, count in enumerate(self._validation.labels)}
        learning = float(self._model.length * settings.frozen.count(False))
        level = chance.supervised_contrastive(self.batch)
        return {**counts, "chance/loss": level, "params/trainable": learning, "embedding/dimensions": float(self._size)}

    def inspect(self) -> dict[str, float]:
        labels = {f"train/labels/{label}": float(count) for label, count in enumerate(np.bincount(self._split.y_train))}
        return {**labels, "inputs/non_finite": float((~np.isfinite(self._split.x_train)).any(axis=(1, 2)).sum())}


class Validation:
    """Validation samples, x (m, V, d) and y (V,), in a random order that is always the same, and training samples to know."""

    def __init__(self, split: satimage.Split, batch: int, device: str) -> None:
        self._batch = batch
        self.labels = torch.from_numpy(split.y_val).bincount(minlength=split.classes).tolist()
        self._classes = split.classes
        order = draw.order(draw.generator(0, "validation"), len(split.y_val))
        known = draw.order(draw.generator(0, "known"), len(split.y_train))[:KNOWN]
        sides = (split.x_val, split.y_val, order), (split.x_train, split.y_train, known)
        (self._x, self._y), (self._known, self._known_y) = (
            (torch.from_numpy(x)[rows].transpose(0, 1).contiguous().to(device), torch.from_numpy(y)[rows].to(device))
            for x, y, rows in sides
        )

    def measure(self, embed: Callable[[Tensor], Tensor], temperature: Tensor) -> dict[str, Tensor]:
        """Readings (1,) by name, given what turns samples (1, m, n, d) into embeddings (1, n, E), and the temperature (1,)."""
        known, z = embed(self._known[None]), embed(self._x[None])
        count = len(self._y) // self._batch
        whole = slice(count * self._batch)  # the loss of a smaller batch has another level at chance
        batches, labels = z[0, whole].view(count, self._batch, -1), self._y[whole].view(count, self._batch)
        each = losses.supervised_contrastive(batches, labels, temperature.expand(count))
        loss = each.mean(dim=0, keepdim=True)
        level = {"val/loss": loss, "val/loss_ratio": loss / chance.supervised_contrastive(self._batch)}
        return level | quality.spread(z) | quality.separation(known, self._known_y, z, self._y, self._classes)


def settle(params: Params, modalities: Sequence[str]) -> Settings:
    """One lane's ``params`` over the defaults, checked. `ValueError`, in one sentence, for what does not fit."""
    tree = complete(params, PARAMS)
    if tree["sampler"] not in batches.SAMPLERS:
        raise ValueError(f"sampler: {tree['sampler']!r} is not known; give {', '.join(batches.SAMPLERS)}")
    lr, warmup = number("lr", tree["lr"]), tree["warmup"]
    start = min(number("warmup.start_lr", warmup["start_lr"]), lr)
    return Settings(
        optimizer=optim.Optimizer(
            lr=lr,
            weight_decay=number("weight_decay", tree["weight_decay"]),
            warmup_epochs=number("warmup.epochs", warmup["epochs"]),
            start_factor=start / lr if lr else 1.0,
            clip=optim.clip_limit(tree["clip"]),
            min_lr=min(number("min_lr", tree["min_lr"]), lr),
        ),
        temperature=number("temperature", tree["temperature"], above=True),
        layer_norm=flag("layer_norm", tree["layer_norm"]),
        l2_normalize=flag("l2_normalize", tree["l2_normalize"]),
        frozen=_frozen(tree["frozen"] or 0, modalities),
        sampler=tree["sampler"],
    )


def _frozen(value: Any, modalities: Sequence[str]) -> tuple[bool, ...]:
    """Which encoders do not learn: those that are named, or the first so many."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= len(modalities):
        return tuple(index < value for index in range(len(modalities)))
    if not isinstance(value, list | tuple):
        raise ValueError(f"frozen: {value!r} is not allowed; give modalities, or how many from 0 to {len(modalities)}")
    for name in value:
        if name not in modalities:
            near = nearest(str(name), modalities)
            hint = f"did you mean {near!r}" if near else f"there are {', '.join(modalities)}"
            raise ValueError(f"frozen: there is no modality {name!r}; {hint}")
    return tuple(name in value for name in modalities)
