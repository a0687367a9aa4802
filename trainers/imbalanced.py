"""Imbalanced binary classification: a perceptron with focal loss on a table of features.

Without the option ``data`` it learns who uses a long-term contraceptive method (UCI, 1,473 rows, 3.42 : 1); see
`pitprop.trainers.data.table` for the format of one's own data. Wrong class weights or learning rates make it predict one class
only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pitprop.detection import chance
from pitprop.telemetry import Epoch
from pitprop.trainer import Context, Params, Start
from pitprop.trainers.data import table
from pitprop.trainers.lanes import draw, evaluation, losses, optim
from pitprop.trainers.lanes.hyperparameters import complete, flag, number, pair, whole, widths
from pitprop.trainers.lanes.learner import LaneModel, Learner, Noise, Randoms, Training
from pitprop.trainers.lanes.perceptron import Perceptron, extremes
from torch import Generator, Tensor

PARAMS = {
    "lr": 1e-3,
    "weight_decay": 1e-3,
    "warmup": {"epochs": 2, "start_factor": 0.01},  # linear from start_factor * lr, then a cosine to 0 at the budget's end
    "focal": {"alpha": [1.0, 1.0], "gamma": 2.0},
    "class_weight": None,  # times alpha: log, sqrt or ratio of n_major / n_minor for the minority class, or a pair
    "prior_bias": False,  # start the head's bias at the log of the class prior
    "oversample": False,  # draw minority rows with replacement until batches are balanced
    "clip": None,  # largest gradient norm
    "dropout": 0.0,
}
OPTIONS = {"data": None, "batch_size": 32, "hidden": [64, 64], "val_fraction": 0.3, "split_seed": 0}
REPORTS = (
    "train/loss",
    "val/loss",
    "chance/loss",
    "start/",
    "val/macro_f1",
    "val/precision",
    "val/recall",
    "val/accuracy",
    "val/auc",
    "val/predicted/",
    "val/labels/",
    "val/true_positives/",
    "val/logit_spread",
    "val/probability_spread",
    "grad_norm",
    "clipped",
    "update_ratio",
    "lr",
    "params/total",
    "params/trainable",
    "params/with_grad",
    "params/non_finite",
    "dormant/",
    "saturated/",
    "batch/size",
    "batch/classes",
    "seconds",
)
WIDTH = 32


SAMPLES = 8192
"""Validation samples of all lanes at a time: in pieces that stay in the cache, 32 lanes are validated three times as fast."""


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    return Learner(Classifier(context), context).train(lanes)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, its first batch's gradient included; errors as those of `train_lanes`."""
    return Learner(Classifier(context), context).preflight(params)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one lane is trained with. ``weight`` is alpha times the class weight."""

    optimizer: optim.Optimizer
    weight: tuple[float, float]
    gamma: float
    prior_bias: bool
    oversample: bool
    dropout: float


@dataclass(frozen=True, slots=True)
class Weighting:
    """Of K lanes: class weights (K, 2) and gamma (K,)."""

    weight: Tensor
    gamma: Tensor


class Classifier(LaneModel[Settings, Weighting]):
    """Perceptrons with focal loss on one table, whose rows x (n, d) and classes y (n,) of both sides are on the device."""

    starts = ("loss", "macro_f1")
    labels: Tensor

    def __init__(self, context: Context) -> None:
        options = complete(context.options, OPTIONS)
        split = table.split(table.load(options["data"]), options["val_fraction"], options["split_seed"])
        self.batch, hidden = whole("batch_size", options["batch_size"]), widths("hidden", options["hidden"])
        self._device, self._split = context.device, split
        self.rows, self._y = len(split.y_train), torch.from_numpy(split.y_train)
        self._x, self.labels = (torch.from_numpy(part).to(self._device) for part in (split.x_train, split.y_train))
        self._val = tuple(torch.from_numpy(part).to(self._device) for part in (split.x_val, split.y_val))
        self._prior, self._counts = (torch.from_numpy(y).bincount(minlength=2) for y in (split.y_train, split.y_val))
        self._model = Perceptron(split.x_train.shape[1], hidden, 2)
        self.shapes = self._model.shapes

    def settle(self, params: Params) -> Settings:
        return settle(params, self._prior.tolist())

    def prepare(self, settings: Sequence[Settings]) -> Weighting:
        weight = torch.tensor([one.weight for one in settings], device=self._device)
        return Weighting(weight, torch.tensor([one.gamma for one in settings], device=self._device))

    def loss(self, views: Mapping[str, Tensor], rows: Tensor, lanes: Weighting, noise: Noise | None) -> tuple[Tensor, Tensor]:
        kept = None if noise is None else noise[0][:, : rows.shape[1]]
        logits = self._model.logits(views, self._x[rows], kept)
        loss = losses.focal(logits, self.labels[rows], lanes.weight, lanes.gamma).sum(dim=1)
        return loss / rows.shape[1], loss

    def train_loss(self, sums: Tensor, lanes: Weighting, steps: int) -> Tensor:
        return sums / self.rows

    def validate(self, views: Mapping[str, Tensor], lanes: Weighting) -> dict[str, Tensor]:
        x, y = self._val
        count = len(lanes.gamma)
        heads, seen = [], []
        for rows in torch.split(x, max(1, SAMPLES // count)):
            *hidden, head = self._model.outputs(views, rows.expand(count, -1, -1))
            heads.append(head)
            seen.append(extremes(hidden))
        logits = torch.cat(heads, dim=1)
        largest, saturated = (torch.stack(parts) for parts in zip(*seen, strict=True))
        inside = self._model.activity(largest.amax(dim=0), saturated.sum(dim=0) / len(y))
        loss = losses.focal(logits, y.expand(count, -1), lanes.weight, lanes.gamma).mean(dim=1)
        return {"val/loss": loss} | evaluation.classification(logits, y) | inside

    def order(self, random: Generator, settings: Settings) -> Tensor:
        return draw.balanced_order(random, self._y) if settings.oversample else draw.order(random, len(self._y))

    def noise(self, randoms: Randoms, settings: Sequence[Settings], steps: int) -> Iterator[Noise | None]:
        """Dropout's factors of each step, (K, batch, all hidden units)."""
        generators, rates, shape = randoms("dropout"), [one.dropout for one in settings], (self.batch, sum(self._model.hidden))
        for _ in range(steps):
            factors = draw.dropout_factors(generators, rates, shape, self._device)
            yield None if factors is None else (factors,)

    def initial(self, random: Generator, settings: Settings) -> dict[str, Tensor]:
        return self._model.initial(random, self._prior / self._prior.sum() if settings.prior_bias else None)

    def constants(self, settings: Settings) -> dict[str, float]:
        return {"chance/loss": chance.focal(self._counts.tolist(), settings.weight, settings.gamma)}

    def inspect(self) -> dict[str, float]:
        sides = {"train": self._prior.tolist(), "val": self._counts.tolist()}
        labels = {f"{side}/labels/{label}": float(count) for side, counts in sides.items() for label, count in enumerate(counts)}
        return {**labels, "inputs/non_finite": float((~np.isfinite(self._split.x_train)).any(axis=1).sum())}


def settle(params: Params, counts: Sequence[int]) -> Settings:
    """One lane's ``params`` over the defaults, checked; ``counts`` are the training rows by class.

    `ValueError`, in one sentence, for what does not fit.
    """
    tree = complete(params, PARAMS)
    rule = tree["class_weight"]
    if isinstance(rule, str) and rule not in losses.FORMULAS:
        raise ValueError(f"class_weight: {rule!r} is not known; give null, {', '.join(losses.FORMULAS)}, or two numbers")
    alpha = pair("focal.alpha", tree["focal"]["alpha"])
    by_class = losses.class_weights(rule if rule is None or isinstance(rule, str) else pair("class_weight", rule), counts)
    return Settings(
        optimizer=optim.settle(tree),
        weight=(alpha[0] * by_class[0], alpha[1] * by_class[1]),
        gamma=number("focal.gamma", tree["focal"]["gamma"]),
        prior_bias=flag("prior_bias", tree["prior_bias"]),
        oversample=flag("oversample", tree["oversample"]),
        dropout=number("dropout", tree["dropout"], 0, 1, below=True),
    )
