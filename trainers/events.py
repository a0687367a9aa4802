"""Rare events in long recordings: a coarse head finds them frame by frame and gates fine heads that say what they are.

Without the option ``data`` it finds the lunges of feeding blue whales (218 in 11.6 hours, 0.5 % of the frames) and says to which
side, up or down and how deep; see `pitprop.trainers.sequences.recordings` for the format of one's own data. Without weights, or
with small learning rates, no frame crosses the threshold, and every F1 is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from pitprop.telemetry import Epoch
from pitprop.trainer import Context, Params, Start
from pitprop.trainers.lanes import losses, optim
from pitprop.trainers.lanes.hyperparameters import bf16, complete, flag, number, pair, whole, widths
from pitprop.trainers.lanes.learner import LaneModel, Learner, Noise, Training
from pitprop.trainers.sequences import recordings, windows
from pitprop.trainers.sequences.convolution import Convolution
from pitprop.trainers.sequences.validation import Rules, Validation, Weighting
from torch import Generator, Tensor

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
    return Learner(Detector(context), context).train(lanes)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, all windows' gradient included; errors as those of `train_lanes`."""
    return Learner(Detector(context), context).preflight(params)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one lane is trained with. ``weight`` is alpha times that of the class, ``coarse`` and ``fine`` those of either loss.

    ``oversample`` is the share of windows with an event, None as they come; a frame is an event's from the coarse logit
    ``least`` on.
    """

    optimizer: optim.Optimizer
    weight: tuple[float, float]
    gamma: float
    coarse: float
    fine: float
    prior_bias: bool
    oversample: float | None
    least: float


class Detector(LaneModel[Settings, Weighting]):
    """Dilated convolutions on windows of recordings; ``frames`` are how many have no event, and how many have one."""

    starts = ("loss", "element_f1", "event_f1", "lcl_f1", "edit")
    labels: Tensor

    def __init__(self, context: Context) -> None:
        options = complete(context.options, OPTIONS)
        self._found = recordings.load(options["data"])
        self._length, self.batch, width, tolerance, suppress = (
            whole(name, options[name]) for name in ("window", "batch_size", "width", "tolerance", "suppress")
        )
        self._half, dilations = (
            bf16(options["autocast"]),
            widths("dilations", options["dilations"], "whole numbers such as [1, 4, 12]"),
        )
        self._split = split = recordings.split(self._found, options["channels"], options["held_out"])
        self._device = context.device
        self._model = Convolution(split.train[0].x.shape[1], width, dilations, sum(split.sizes))
        self.shapes, self.branches = self._model.shapes, self._model.branches
        cut = windows.cut(split.train, split.sizes, self._length, self._model.margin)
        self.rows, self._holds = len(cut.event), cut.event.any(dim=1)
        self._x, self._event, self._elements = (part.to(self._device) for part in (cut.x, cut.event, cut.elements))
        self.labels = self._holds.long().to(self._device)
        self._validation = Validation(split, self._model.margin, Rules(tolerance, suppress // 2), self._device)
        events = int(cut.event.sum())
        self.frames = (cut.event.numel() - events, events)

    def settle(self, params: Params) -> Settings:
        return settle(params, self.frames)

    def prepare(self, settings: Sequence[Settings]) -> Weighting:
        rows = ([getattr(one, name) for one in settings] for name in ("weight", "gamma", "coarse", "fine", "least"))
        return Weighting(*(torch.tensor(row, device=self._device) for row in rows))

    def loss(self, views: Mapping[str, Tensor], rows: Tensor, lanes: Weighting, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """The sums are the coarse loss over frames, the fine loss over events, and the number of events."""
        event = self._event[rows]
        *_, coarse, fine = self._outputs(views, self._x[rows])
        found = losses.binary_focal(coarse[..., 0].float(), event, lanes.classes, lanes.gamma)
        told = losses.event_elements(fine.float(), event, self._elements[rows])
        many = event.sum(dim=(1, 2))
        loss = lanes.coarse * found / event[0].numel() + lanes.fine * told / many.clamp(min=1)
        return loss, torch.stack([found, told, many])

    def train_loss(self, sums: Tensor, lanes: Weighting, steps: int) -> Tensor:
        coarse, fine, events = sums
        loss: Tensor = lanes.coarse * coarse / self._event.numel() + lanes.fine * fine / events.clamp(min=1)
        return loss

    def validate(self, views: Mapping[str, Tensor], lanes: Weighting) -> dict[str, Tensor]:
        return self._validation.measure(partial(self._outputs, views), lanes)

    def _outputs(self, views: Mapping[str, Tensor], x: Tensor) -> list[Tensor]:
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self._half):
            return list(self._model.outputs(views, x))

    def order(self, random: Generator, settings: Settings) -> Tensor:
        return windows.order(random, self._holds, settings.oversample)

    def probe(self, orders: Tensor) -> Tensor:
        """All windows: a batch may hold no event."""
        return torch.arange(self.rows, device=self._device).expand(len(orders), -1)

    def classes(self, orders: Tensor) -> Tensor:
        """Each batch has frames without an event."""
        batches = [self.labels[rows].amax(dim=1) for rows in torch.split(orders, self.batch, dim=1)]
        return 1 + torch.stack(batches).double().mean(dim=0)

    def initial(self, random: Generator, settings: Settings) -> dict[str, Tensor]:
        (none, one), (weight, other) = self.frames, settings.weight
        odds = one * other / (none * weight) if settings.prior_bias and none * weight * other else None
        return self._model.initial(random, odds)

    def constants(self, settings: Settings) -> dict[str, float]:
        known = self._validation
        coarse, fine = losses.event_levels(known.frames, known.elements, settings.weight, settings.gamma)
        size = float(min(self.batch, self.rows) * self._length)
        return {"chance/loss": settings.coarse * coarse + settings.fine * fine, "batch/size": size}

    def inspect(self) -> dict[str, float]:
        events = len(self._validation.elements)
        sides = {"train": self.frames, "val": (self._validation.frames - events, events)}
        labels = {f"{side}/labels/{label}": float(count) for side, counts in sides.items() for label, count in enumerate(counts)}
        files = {"files/missing": float(self._found.missing), "files/empty": float(self._found.empty)}
        return {**labels, **files, "inputs/non_finite": float(self._split.broken)}


def settle(params: Params, counts: Sequence[int]) -> Settings:
    """One lane's ``params`` over the defaults, checked; ``counts`` are the training frames without and with an event.

    `ValueError`, in one sentence, for what does not fit.
    """
    tree = complete(params, PARAMS)
    alpha, (none, one) = pair("focal.alpha", tree["focal"]["alpha"]), _weights(tree["weight"], counts)
    loss = {head: number(f"loss_weight.{head}", tree["loss_weight"][head]) for head in ("coarse", "fine")}
    if not any(loss.values()):
        raise ValueError("loss_weight: both heads' weights are 0, which leaves nothing to learn; give one a number above 0")
    threshold = number("threshold", tree["threshold"], 0, 1, above=True, below=True)
    return Settings(
        optimizer=optim.settle(tree),
        weight=(alpha[0] * none, alpha[1] * one),
        gamma=number("focal.gamma", tree["focal"]["gamma"]),
        coarse=loss["coarse"],
        fine=loss["fine"],
        prior_bias=flag("prior_bias", tree["prior_bias"]),
        oversample=None if tree["oversample"] is None else number("oversample", tree["oversample"], 0, 1),
        least=math.log(threshold / (1 - threshold)),
    )


def _weights(rule: Any, counts: Sequence[int]) -> Sequence[float]:
    """Those of frames without and with an event."""
    if rule is None or isinstance(rule, str):
        if rule is not None and rule not in losses.FORMULAS:
            raise ValueError(f"weight: {rule!r} is not known; give null, {', '.join(losses.FORMULAS)}, or a number")
        return losses.class_weights(rule, counts)
    return 1.0, number("weight", rule, above=True)
