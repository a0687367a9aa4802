"""Imbalanced binary classification: a perceptron with focal loss on a table of features.

Without the option ``data`` it learns who uses a long-term contraceptive method (UCI, 1,473 rows, 3.42 : 1); see
`pitprop.trainers.data.table` for the format of one's own data. Wrong class weights or learning rates make it predict one class
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Params, Start
from pitprop.trainers.data import table
from pitprop.trainers.lanes.classify import Classifiers
from pitprop.trainers.lanes.group import Training, train
from pitprop.trainers.lanes.params import complete, whole
from pitprop.trainers.lanes.settings import settle

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


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    classifiers = _classifiers(_split(context), context)
    return train(lanes, context, classifiers.group, classifiers.epoch)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, its first batch's gradient included; errors as those of `train_lanes`."""
    split = _split(context)
    classifiers = _classifiers(split, context)
    classifiers.group.rearrange(Change(started=[Start(Lane(0, 0), params, context.seed, context.folder)]))
    (shown,) = classifiers.group.read(classifiers.preflight())
    sides = {"train": split.y_train, "val": split.y_val}
    labels = {f"{side}/labels/{label}": float((y == label).sum()) for side, y in sides.items() for label in (0, 1)}
    broken = float((~np.isfinite(split.x_train)).any(axis=1).sum())
    # The data is one file, and one that is missing or empty is an error of its own, which names it.
    return Epoch(0, {**labels, "inputs/non_finite": broken, "files/missing": 0.0, "files/empty": 0.0, **shown})


def _split(context: Context) -> table.Split:
    options = complete(context.options, OPTIONS)
    return table.split(table.load(options["data"]), options["val_fraction"], options["split_seed"])


def _classifiers(split: table.Split, context: Context) -> Classifiers:
    options = complete(context.options, OPTIONS)
    batch, hidden = whole("batch_size", options["batch_size"]), _widths(options["hidden"])
    return Classifiers(split, batch, hidden, context, partial(settle, PARAMS))


def _widths(hidden: Any) -> list[int]:
    if not isinstance(hidden, list | tuple) or not hidden:
        raise ValueError(f"hidden: {hidden!r} is not allowed; give a list of layer widths such as [64, 64]")
    return [whole("hidden", width) for width in hidden]
