"""Rare events in long recordings: a coarse head finds them frame by frame and gates fine heads that say what they are.

Without the option ``data`` it finds the lunges of feeding blue whales (218 in 11.6 hours, 0.5 % of the frames) and says to which
side, up or down and how deep; see `pitprop.trainers.sequences.recordings` for the format of one's own data. Without weights, or
with small learning rates, no frame crosses the threshold, and every F1 is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Params, Start
from pitprop.trainers.lanes.group import Training, train
from pitprop.trainers.lanes.params import complete, whole
from pitprop.trainers.sequences import recordings
from pitprop.trainers.sequences.detectors import Detectors, Shape
from pitprop.trainers.sequences.settings import settle
from pitprop.trainers.sequences.validation import Rules

PARAMS = {
    "lr": 3e-3,
    "weight_decay": 1e-3,
    "warmup": {"epochs": 1, "start_factor": 0.01},  # linear from start_factor * lr, then a cosine to 0 at the budget's end
    "weight": "sqrt",  # of frames with an event, times alpha: null, log, sqrt or ratio of frames without / with, or a number
    "focal": {"alpha": [1.0, 1.0], "gamma": 0.0},
    "oversample": 0.5,  # the share of windows that hold an event; null takes all windows, each once an epoch
    "threshold": 0.5,  # the coarse head's probability from which on a frame is an event's
    "loss_weight": {"coarse": 1.0, "fine": 1.0},
    "prior_bias": True,  # start the coarse head's bias at the odds of an event, weights included
    "clip": None,  # largest gradient norm
}
OPTIONS = {
    "data": None,
    "held_out": None,  # the recordings to validate on; null takes every third
    "channels": ["pitch", "roll", "depth"],  # with speed too it is too easy
    "window": 60,  # frames
    "batch_size": 8,  # windows
    "width": 32,
    "dilations": [1, 4, 12],
    "tolerance": 5,  # frames by which a found event may lie off the true one
    "suppress": 5,  # frames out of which one is an event at most
    "autocast": None,  # or bf16, for GPUs
}
REPORTS = (
    "train/loss",
    "val/loss",
    "chance/loss",
    "start/",
    "val/element_f1",
    "val/event_f1",
    "val/lcl_f1",
    "val/edit",
    "val/found",
    "val/coarse/",
    "val/fine/",
    "val/auc",
    "val/average_precision",
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
    "saturated/",
    "batch/size",
    "batch/classes",
    "seconds",
)
WIDTH = 32


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    _, detectors = _detectors(_found(context), context)
    return train(lanes, context, detectors.group, detectors.epoch)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, all windows' gradient included; errors as those of `train_lanes`."""
    found = _found(context)
    split, detectors = _detectors(found, context)
    detectors.group.rearrange(Change(started=[Start(Lane(0, 0), params, context.seed, context.folder)]))
    (shown,) = detectors.group.read(detectors.preflight())
    sides = {"train": detectors.frames, "val": detectors.held_out}
    labels = {f"{side}/labels/{label}": float(count) for side, counts in sides.items() for label, count in enumerate(counts)}
    files = {"files/missing": float(found.missing), "files/empty": float(found.empty)}
    return Epoch(0, {**labels, **files, "inputs/non_finite": float(split.broken), **shown})


def _found(context: Context) -> recordings.Found:
    return recordings.load(complete(context.options, OPTIONS)["data"])


def _detectors(found: recordings.Found, context: Context) -> tuple[recordings.Split, Detectors]:
    options = complete(context.options, OPTIONS)
    window, batch, width, tolerance, suppress = (
        whole(name, options[name]) for name in ("window", "batch_size", "width", "tolerance", "suppress")
    )
    if options["autocast"] not in (None, "bf16"):
        raise ValueError(f"autocast: {options['autocast']!r} is not allowed; give null or bf16")
    shape = Shape(window, batch, width, _dilations(options["dilations"]), options["autocast"] == "bf16")
    split = recordings.split(found, options["channels"], options["held_out"])
    return split, Detectors(split, shape, Rules(tolerance, suppress // 2), context, partial(settle, PARAMS))


def _dilations(dilations: Any) -> list[int]:
    if not isinstance(dilations, list | tuple) or not dilations:
        raise ValueError(f"dilations: {dilations!r} is not allowed; give a list of whole numbers such as [1, 4, 12]")
    return [whole("dilations", dilation) for dilation in dilations]
