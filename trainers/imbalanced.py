"""Imbalanced binary classification: a perceptron with focal loss on a table of features.

Without the option ``data`` it learns who uses a long-term contraceptive method (UCI, 1,473 rows, 3.42 : 1); see
`trainers.data.table` for the format of one's own data. Wrong class weights or learning rates make it predict one class only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from search.trainer import Context, Params, Start
from trainers.data import table
from trainers.lanes import draw, losses, metrics, optim, stack
from trainers.lanes.group import Group, Training, train
from trainers.lanes.params import complete, flag, number, pair, whole

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
    "val/macro_f1",
    "val/precision",
    "val/recall",
    "val/accuracy",
    "val/auc",
    "val/predicted/",
    "val/labels/",
    "val/logit_spread",
    "grad_norm",
    "update_ratio",
    "lr",
    "params/trainable",
    "seconds",
)
WIDTH = 32
VALIDATION_ROWS = 4096  # at a time, so that a large table does not fill the memory


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    options = complete(context.options, OPTIONS)
    split = table.split(table.load(options["data"]), options["val_fraction"], options["split_seed"])
    perceptrons = _Perceptrons(split, whole("batch_size", options["batch_size"]), _widths(options["hidden"]), context)
    return train(lanes, context, perceptrons.group, perceptrons.epoch)


class _Perceptrons:
    """K perceptrons on one table: x and y of both sides on the device, and the group of lanes."""

    def __init__(self, split: table.Split, batch: int, hidden: list[int], context: Context) -> None:
        self._batch, self._hidden, self._epochs, self._device = batch, hidden, context.epochs, context.device
        self._y = torch.from_numpy(split.y_train)
        self._train = tuple(torch.from_numpy(part).to(self._device) for part in (split.x_train, split.y_train))
        self._val = tuple(torch.from_numpy(part).to(self._device) for part in (split.x_val, split.y_val))
        self._counts = [int((split.y_train == label).sum()) for label in (0, 1)]
        self._val_counts = [int((split.y_val == label).sum()) for label in (0, 1)]
        self._steps = -(-len(self._y) // batch)
        widths = [split.x_train.shape[1], *hidden, 2]
        self._shapes: dict[str, tuple[int, ...]] = {}
        for layer, (inputs, outputs) in enumerate(pairwise(widths)):
            self._shapes |= stack.linear_shapes(str(layer), inputs, outputs)
        self.group = Group(self._shapes, self._device, partial(_settle, self._counts), self._initial, self._constants)

    def epoch(self) -> dict[str, Tensor]:
        """Trains and validates every lane: (K,) by metric name."""
        weight = torch.tensor([settings.weight for settings in self.group.settings], device=self._device)
        gamma = self.group.column(lambda settings: settings.gamma).float()
        readings = self._learn(weight, gamma)
        with torch.no_grad():
            return readings | self._validate(weight, gamma)

    def _learn(self, weight: Tensor, gamma: Tensor) -> dict[str, Tensor]:
        """One epoch of steps; means over samples or steps."""
        step, lr = self._schedule()
        column, models = self.group.column, self.group.stack
        factors = optim.coefficients(step, lr, column(lambda settings: settings.weight_decay)[:, None])
        limit = column(lambda settings: settings.clip).float()
        clipped = any(settings.clip < torch.inf for settings in self.group.settings)
        totals, lengths, ratios = [], [], []
        x, y = self._train
        for rows, kept, factor in zip(torch.split(self._orders(), self._batch, dim=1), self._dropout(), factors, strict=True):
            logits = self._logits(x[rows], None if kept is None else kept[:, : rows.shape[1]])
            loss = losses.focal(logits, y[rows], weight, gamma).sum(dim=1)
            models.differentiate(loss.sum() / rows.shape[1])
            lengths.append(optim.norms(models.grads))
            if clipped:
                optim.clip(models, lengths[-1], limit)
            ratios.append(optim.adamw(models, factor))
            totals.append(loss.detach())
        means = {"train/loss": torch.stack(totals).sum(dim=0) / len(y), "lr": lr[:, -1]}
        return means | {"grad_norm": torch.stack(lengths).mean(dim=0), "update_ratio": torch.stack(ratios).mean(dim=0)}

    def _validate(self, weight: Tensor, gamma: Tensor) -> dict[str, Tensor]:
        x, y = self._val
        lanes = len(weight)
        logits = torch.cat([self._logits(rows.expand(lanes, -1, -1), None) for rows in torch.split(x, VALIDATION_ROWS)], dim=1)
        loss = losses.focal(logits, y.expand(lanes, -1), weight, gamma).mean(dim=1)
        return {"val/loss": loss} | metrics.classification(logits, y)

    def _logits(self, x: Tensor, kept: Tensor | None) -> Tensor:
        """(K, B, features) to (K, B, 2); ``kept`` (K, B, all hidden units) are dropout's factors."""
        views, depth = self.group.stack.views, len(self._hidden)
        parts = [None] * depth if kept is None else torch.split(kept, self._hidden, dim=2)
        for layer, part in enumerate(parts):
            x = torch.baddbmm(views[f"{layer}.bias"], x, views[f"{layer}.weight"]).relu()
            x = x if part is None else x * part
        return torch.baddbmm(views[f"{depth}.bias"], x, views[f"{depth}.weight"])

    def _orders(self) -> Tensor:
        """The training rows in the order of this epoch, (K, n)."""
        orders = []
        for start, age, settings in zip(self.group.starts, self.group.ages, self.group.settings, strict=True):
            random = draw.generator(start.seed, "order", age)
            orders.append(draw.balanced_order(random, self._y) if settings.oversample else draw.order(random, len(self._y)))
        return torch.stack(orders).to(self._device)

    def _dropout(self) -> Iterator[Tensor | None]:
        """Dropout's factors for each step of this epoch."""
        lanes = zip(self.group.starts, self.group.ages, strict=True)
        randoms = [draw.generator(start.seed, "dropout", age) for start, age in lanes]
        rates = [settings.dropout for settings in self.group.settings]
        for _ in range(self._steps):
            yield draw.dropout_factors(randoms, rates, (self._batch, sum(self._hidden)), self._device)

    def _schedule(self) -> tuple[Tensor, Tensor]:
        """The number of each step of this epoch and its learning rate, (K, S) in float64."""
        ages = torch.tensor(self.group.ages, dtype=torch.float64, device=self._device)[:, None]
        step = ages * self._steps + torch.arange(self._steps, device=self._device)
        peak = self.group.column(lambda settings: settings.lr)[:, None]
        warmup = self.group.column(lambda settings: settings.warmup_epochs)[:, None] * self._steps
        start_factor = self.group.column(lambda settings: settings.start_factor)[:, None]
        return step, optim.warmup_cosine(step, peak, warmup, start_factor, self._epochs * self._steps)

    def _initial(self, seed: int, settings: _Settings) -> dict[str, Tensor]:
        weights = stack.initial(self._shapes, draw.generator(seed, "weights"))
        if settings.prior_bias:
            weights[f"{len(self._hidden)}.bias"] = (torch.tensor(self._counts) / sum(self._counts)).log()
        return weights

    def _constants(self, settings: _Settings) -> dict[str, float]:
        from search import chance

        level = chance.focal(self._val_counts, settings.weight, settings.gamma)
        return {"chance/loss": level, "params/trainable": float(self.group.stack.size)}


def _widths(hidden: Any) -> list[int]:
    if not isinstance(hidden, list | tuple) or not hidden:
        raise ValueError(f"hidden: {hidden!r} is not allowed; give a list of layer widths such as [64, 64]")
    return [whole("hidden", width) for width in hidden]


def _settle(counts: Sequence[int], params: Params) -> _Settings:
    """One lane's hyperparameters, checked; ``counts`` are its training rows by class."""
    tree = complete(params, PARAMS)
    rule = tree["class_weight"]
    if isinstance(rule, str) and rule not in losses.FORMULAS:
        raise ValueError(f"class_weight: {rule!r} is not known; give null, {', '.join(losses.FORMULAS)}, or two numbers")
    alpha = pair("focal.alpha", tree["focal"]["alpha"])
    by_class = losses.class_weights(rule if rule is None or isinstance(rule, str) else pair("class_weight", rule), counts)
    return _Settings(
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
class _Settings:
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
