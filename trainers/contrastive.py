"""Contrastive learning of one embedding from several modalities, with the supervised contrastive loss.

Without the option ``data`` it learns the land cover of a satellite image from four spectral bands (UCI, 6,435 rows, six classes);
see `pitprop.trainers.data.satimage` for the format of one's own data. Batches of one class, or embeddings that are all alike,
hold the loss at ln(batch - 1); learning rates too high for embeddings that are not normalised make it explode.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Params, Start
from pitprop.trainers.data import satimage
from pitprop.trainers.embeddings.embedders import Embedders
from pitprop.trainers.embeddings.settings import settle
from pitprop.trainers.lanes.group import Training, train
from pitprop.trainers.lanes.params import complete, whole

PARAMS = {
    "lr": 1e-3,
    "min_lr": 1e-6,  # where the cosine ends, never above lr
    "warmup": {"epochs": 3, "start_lr": 1e-7},  # linear from start_lr to lr, then the cosine
    "temperature": 0.1,
    "weight_decay": 1e-4,
    "layer_norm": True,  # of the fused embedding
    "l2_normalize": True,  # then to length 1; without, the loss takes dot products
    "frozen": 0,  # the modalities whose encoders do not learn, or how many of them
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


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    embedders = _embedders(_split(context), context)
    return train(lanes, context, embedders.group, embedders.epoch)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, its first batch's gradient included; errors as those of `train_lanes`."""
    split = _split(context)
    embedders = _embedders(split, context)
    embedders.group.rearrange(Change(started=[Start(Lane(0, 0), params, context.seed, context.folder)]))
    (shown,) = embedders.group.read(embedders.preflight())
    labels = {f"train/labels/{label}": float(count) for label, count in enumerate(np.bincount(split.y_train))}
    broken = float((~np.isfinite(split.x_train)).any(axis=(1, 2)).sum())
    # The data is one file, and one that is missing or empty is an error of its own, which names it.
    return Epoch(0, {**labels, "inputs/non_finite": broken, "files/missing": 0.0, "files/empty": 0.0, **shown})


def _split(context: Context) -> satimage.Split:
    options = complete(context.options, OPTIONS)
    return satimage.split(satimage.load(options["data"]), options["val_fraction"], options["split_seed"])


def _embedders(split: satimage.Split, context: Context) -> Embedders:
    options = complete(context.options, OPTIONS)
    batch, hidden, size = whole("batch_size", options["batch_size"]), _widths(options["hidden"]), options["embedding"]
    if options["autocast"] not in (None, "bf16"):
        raise ValueError(f"autocast: {options['autocast']!r} is not allowed; give null or bf16")
    half = options["autocast"] == "bf16"
    return Embedders(split, batch, hidden, whole("embedding", size), half, context, partial(settle, PARAMS))


def _widths(hidden: Any) -> list[int]:
    if not isinstance(hidden, list | tuple) or not hidden:
        raise ValueError(f"hidden: {hidden!r} is not allowed; give a list of layer widths such as [64, 64]")
    return [whole("hidden", width) for width in hidden]
