"""Two streams, one of images and a weaker one of pen points, fused: fine-tuning from a checkpoint.

Without the option ``data`` it tells ten handwritten digits apart (UCI pen digits, 10,992 rows); see
`pitprop.trainers.data.pendigits` for the format of one's own data. The checkpoint is pretrained once, on a quarter of the
training rows, and kept in the user's cache. Large learning rates and loss weights make a branch drop below it, the model forget
it, or everything blow up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Params, Start
from pitprop.trainers.data import pendigits
from pitprop.trainers.lanes import optim
from pitprop.trainers.lanes.group import Training, train
from pitprop.trainers.lanes.params import complete, number, whole
from pitprop.trainers.streams import checkpoint
from pitprop.trainers.streams.learn import TwoStreams, pretrain
from pitprop.trainers.streams.model import Streams
from pitprop.trainers.streams.settings import Plan, plan, settle
from torch import Tensor

PARAMS = {
    "lr": 1e-3,
    "weight_decay": 1e-4,
    "warmup": {"epochs": 0, "start_factor": 0.1},  # linear from start_factor * lr, then a cosine ...
    "min_lr": 0.0,  # ... to this, at the budget's end
    "loss_weights": {"rgb": 1.0, "pose": 1.0, "fused": 1.0, "aux": 0.5},  # aux: how far the two streams disagree
    "focal": {"gamma": 0.0},  # 0 is cross entropy
    "augmentation": {"jitter": 0.0, "shift": 0},  # of images: share of contrast and brightness, pixels
    "clip": None,  # largest gradient norm
}
OPTIONS = {
    "data": None,
    "side": 12,  # pixels
    "noise": {"rgb": 0.45, "pose": 0.2},  # standard deviations, as shares of the range
    "val_fraction": 0.3,
    "split_seed": 0,
    "batch_size": 64,
    "hidden": {"rgb": [64], "pose": [32], "fused": []},
    "optimizer": "sgd",  # with momentum 0.9, or adamw
    "autocast": None,  # or bf16
    "checkpoint": "pretrained",  # or the path of an .npz of one's own, or null to train from scratch
    "pretrain": {"rows": 2000, "epochs": 10, "lr": 3e-3, "seed": 0},
    "cache": None,  # the folder for pretrained checkpoints; null: $PITPROP_CACHE, or the user's cache
}
REPORTS = (
    "train/loss",
    "val/loss",
    "chance/loss",
    "start/",
    "val/top1",
    "val/macro_f1",
    "val/auc",
    "val/rgb/",
    "val/pose/",
    "val/aux/",
    "val/predicted/",
    "val/labels/",
    "val/true_positives/",
    "val/logit_spread",
    "val/probability_spread",
    "grad_norm",
    "grad_norm/",
    "clipped",
    "update_ratio",
    "lr",
    "params/total",
    "params/trainable",
    "params/with_grad",
    "params/non_finite",
    "dormant/",
    "batch/size",
    "batch/classes",
    "seconds",
)
WIDTH = 32


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    _, streams = _streams(context)
    return train(lanes, context, streams.group, streams.epoch)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, its first batch's gradient included; errors as those of `train_lanes`."""
    split, streams = _streams(context)
    streams.group.rearrange(Change(started=[Start(Lane(0, 0), params, context.seed, context.folder)]))
    (shown,) = streams.group.read(streams.preflight())
    sides = {"train": split.train.y, "val": split.val.y}
    labels = {f"{side}/labels/{label}": float((y == label).sum()) for side, y in sides.items() for label in range(split.classes)}
    # The data is one finite file: one that is missing, empty or holds NaN is an error of its own, which names it.
    return Epoch(0, {**labels, "inputs/non_finite": 0.0, "files/missing": 0.0, "files/empty": 0.0, **shown})


def _streams(context: Context) -> tuple[pendigits.Split, TwoStreams]:
    options = complete(context.options, OPTIONS)
    shared, seed = plan(options), options["split_seed"]
    noise = number("noise.rgb", options["noise"]["rgb"]), number("noise.pose", options["noise"]["pose"])
    digits = pendigits.load(options["data"], whole("side", options["side"]), noise, seed)
    split = pendigits.split(digits, options["val_fraction"], seed)
    weights = _weights(split, shared, options)
    return split, TwoStreams(split, shared, context, partial(settle, PARAMS), weights)


def _weights(split: pendigits.Split, shared: Plan, options: Mapping[str, Any]) -> Mapping[str, Tensor] | None:
    """The checkpoint's; None if training starts from scratch."""
    source, given = options["checkpoint"], options["pretrain"]
    if source is None:
        return None
    shapes = Streams((split.train.rgb[0].size, split.train.pose.shape[1]), shared.hidden, split.classes).shapes
    if source != "pretrained":
        return checkpoint.load(Path(source), shapes)
    rows, epochs = (whole(f"pretrain.{name}", given[name]) for name in ("rows", "epochs"))
    few = pendigits.few(split, rows, given["seed"])
    settled = partial(settle, PARAMS | {"lr": given["lr"]})
    recipe = replace(shared, batch=32, rule=optim.ADAMW, bf16=False)  # the same whatever fine-tuning does
    key = checkpoint.digest(few, sorted(given.items()), sorted(shared.hidden.items()))
    return checkpoint.cached(options["cache"], key, shapes, partial(pretrain, few, recipe, settled, epochs, given["seed"]))
