"""Two streams, one of images and a weaker one of pen points, fused: fine-tuning from a checkpoint.

Without the option ``data`` it tells ten handwritten digits apart (UCI pen digits, 10,992 rows); see
`pitprop.trainers.data.pendigits` for the format of one's own data. The checkpoint is pretrained once, on a quarter of the
training rows, and kept in the user's cache. Large learning rates and loss weights make a branch drop below it, the model forget
it, or everything blow up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pitprop.detection import chance
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Params, Start
from pitprop.trainers.data import pendigits
from pitprop.trainers.lanes import evaluation, optim
from pitprop.trainers.lanes.hyperparameters import bf16, complete, flag, number, whole, widths
from pitprop.trainers.lanes.learner import LaneModel, Learner, Noise, Randoms, Training
from pitprop.trainers.lanes.perceptron import extremes
from pitprop.trainers.streams import augment, pretrained
from pitprop.trainers.streams.fusion import HEADS, STREAMS, TERMS, Streams, terms
from torch import Generator, Tensor

PARAMS = {
    "lr": 1e-3,
    "weight_decay": 1e-4,
    "warmup": {"epochs": 0, "start_factor": 0.1},  # linear from start_factor * lr, then a cosine ...
    "min_lr": 0.0,  # ... to this, at the budget's end
    "loss_weights": {"rgb": 1.0, "pose": 1.0, "fused": 1.0, "aux": 0.5},  # aux: how far the two streams disagree
    "focal": {"gamma": 0.0},  # 0 is cross entropy
    "augmentation": {"jitter": 0.0, "shift": 0},  # of images: share of contrast and brightness, pixels
    "clip": None,  # largest gradient norm
    "checkpoint": True,  # false draws the weights from the trial's seed, though there is a checkpoint
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


RULES = {"sgd": optim.SGD, "adamw": optim.ADAMW}
SAMPLES = 8192
"""Validation samples of all lanes at a time, so that they stay in the cache."""


def train_lanes(lanes: Sequence[Start], context: Context) -> Training:
    """Trains all lanes by an epoch at a time until none is left; `ValueError` for params, options or data that do not fit."""
    return Learner(_tuner(context), context).train(lanes)


def preflight(params: Params, context: Context) -> Epoch:
    """What a training with ``params`` starts from, its first batch's gradient included; errors as those of `train_lanes`."""
    return Learner(_tuner(context), context).preflight(params)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one lane is trained with. ``loss_weights`` are in the order of `TERMS`; ``shift`` is in pixels."""

    optimizer: optim.Optimizer
    loss_weights: tuple[float, ...]
    gamma: float
    jitter: float
    shift: int
    checkpoint: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What all lanes share. ``hidden`` are layer widths by part; ``bf16``: the forward pass runs in bfloat16 where it can."""

    batch: int
    hidden: Mapping[str, Sequence[int]]
    rule: optim.Rule
    bf16: bool = False


@dataclass(frozen=True, slots=True)
class Mixing:
    """Of K lanes: the weights of the loss's terms (K, 4), in the order of `TERMS`, and gamma (K,)."""

    weights: Tensor
    gamma: Tensor


class Tuner(LaneModel[Settings, Mixing]):
    """Two streams and their fusion on one set of digits, both sides on the device; ``weights`` are the checkpoint's, if any."""

    starts = ("loss", "top1", "rgb/top1", "pose/top1")
    labels: Tensor

    def __init__(self, split: pendigits.Split, plan: Plan, device: str, weights: Mapping[str, Tensor] | None) -> None:
        self._split, self._plan, self._device, self._weights = split, plan, device, weights
        (self._rgb, self._pose, self.labels), self._val = (
            tuple(torch.from_numpy(part).to(device) for part in (side.rgb, side.pose, side.y))
            for side in (split.train, split.val)
        )
        self._counts = torch.from_numpy(split.val.y).bincount(minlength=split.classes).tolist()
        self.rows, self._model = len(self.labels), _streams(split, plan)
        self.batch, self.rule, self.shapes, self.branches = plan.batch, plan.rule, self._model.shapes, self._model.columns()

    def settle(self, params: Params) -> Settings:
        return settle(params)

    def prepare(self, settings: Sequence[Settings]) -> Mixing:
        weights, gamma = ([getattr(one, name) for one in settings] for name in ("loss_weights", "gamma"))
        return Mixing(torch.tensor(weights, device=self._device), torch.tensor(gamma, device=self._device))

    def loss(self, views: Mapping[str, Tensor], rows: Tensor, lanes: Mixing, noise: Noise | None) -> tuple[Tensor, Tensor]:
        images = augment.apply(noise, self._rgb[rows]).flatten(2)
        logits = self._model.logits(views, images, self._pose[rows], self._plan.bf16)
        each = terms(logits, self.labels[rows], lanes.gamma)
        return (each.mean(dim=2) * lanes.weights.T).sum(dim=0), each[HEADS.index("fused")].sum(dim=1)

    def train_loss(self, sums: Tensor, lanes: Mixing, steps: int) -> Tensor:
        return sums / self.rows

    def validate(self, views: Mapping[str, Tensor], lanes: Mixing) -> dict[str, Tensor]:
        """Names without a branch are the fused head's; losses are the heads' own terms, before any weight."""
        (rgb, pose, y), count = self._val, len(lanes.gamma)
        size = max(1, SAMPLES // count)
        heads: dict[str, list[Tensor]] = {name: [] for name in HEADS}
        seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in STREAMS}
        for images, points in zip(torch.split(rgb.flatten(1), size), torch.split(pose, size), strict=True):
            found = self._model.outputs(views, images.expand(count, -1, -1), points.expand(count, -1, -1), self._plan.bf16)
            for name in HEADS:
                heads[name].append(found[name][-1])
            for name in STREAMS:
                seen[name].append(extremes(found[name][:-1]))
        logits = [torch.cat(parts, dim=1) for parts in heads.values()]
        each = terms(logits, y.expand(count, -1), lanes.gamma).double().mean(dim=2)
        named = {"fused": "val/{}", "rgb": "val/rgb/{}", "pose": "val/pose/{}", "aux": "val/aux/{}"}
        readings = {named[term].format("loss"): loss for term, loss in zip(TERMS, each, strict=True)}
        readings |= {named[name].format("top1"): evaluation.top1(part, y) for name, part in zip(HEADS, logits, strict=True)}
        readings |= evaluation.counts(logits[-1], y) | evaluation.ranking(logits[-1], y)
        for name, parts in seen.items():
            largest, saturated = (torch.stack(part) for part in zip(*parts, strict=True))
            inside = self._model.parts[name].activity(largest.amax(dim=0), saturated.sum(dim=0) / len(y))
            # Not what is saturated: over points in their own units large pre-activations are the rule, and a ReLU does not mind.
            readings |= {key.replace("/", f"/{name}."): value for key, value in inside.items() if key.startswith("dormant/")}
        return readings

    def noise(self, randoms: Randoms, settings: Sequence[Settings], steps: int) -> Iterator[Noise | None]:
        """How each image of a batch is augmented."""
        changes = [(one.jitter, one.shift) for one in settings]
        return augment.changes(randoms("augment"), changes, self.rows, self.batch, self._device)

    def initial(self, random: Generator, settings: Settings) -> Mapping[str, Tensor]:
        if self._weights is None or not settings.checkpoint:
            return self._model.initial(random)
        return {name: self._weights[name] for name in self.shapes}

    def constants(self, settings: Settings) -> dict[str, float]:
        return {"chance/loss": chance.focal(self._counts, [1.0] * self._model.classes, settings.gamma)}

    def inspect(self) -> dict[str, float]:
        sides = {"train": self._split.train.y, "val": self._split.val.y}
        classes = range(self._split.classes)
        return {f"{side}/labels/{label}": float((y == label).sum()) for side, y in sides.items() for label in classes}


def settle(params: Params) -> Settings:
    """One lane's ``params`` over the defaults, checked. `ValueError`, in one sentence, for what does not fit."""
    tree = complete(params, PARAMS)
    weights = [number(f"loss_weights.{term}", tree["loss_weights"][term]) for term in TERMS]
    if not any(weights[: len(HEADS)]):
        raise ValueError(
            f"loss_weights: {tree['loss_weights']!r} leave nothing to learn from; give one of {', '.join(HEADS)} more than 0"
        )
    shift = tree["augmentation"]["shift"]
    return Settings(
        optimizer=optim.settle(tree),
        loss_weights=tuple(weights),
        gamma=number("focal.gamma", tree["focal"]["gamma"]),
        jitter=number("augmentation.jitter", tree["augmentation"]["jitter"], 0, 1),
        shift=whole("augmentation.shift", shift) if shift else 0,
        checkpoint=flag("checkpoint", tree["checkpoint"]),
    )


def plan(options: Mapping[str, Any]) -> Plan:
    """What the lanes share, of the trainer's options. `ValueError`, in one sentence, for what does not fit."""
    hidden = {name: widths(f"hidden.{name}", options["hidden"][name], empty=name == "fused") for name in HEADS}
    if options["optimizer"] not in RULES:
        raise ValueError(f"optimizer: {options['optimizer']!r} is not known; give {' or '.join(RULES)}")
    return Plan(whole("batch_size", options["batch_size"]), hidden, RULES[options["optimizer"]], bf16(options["autocast"]))


def _tuner(context: Context) -> Tuner:
    options = complete(context.options, OPTIONS)
    shared, seed = plan(options), options["split_seed"]
    noise = number("noise.rgb", options["noise"]["rgb"]), number("noise.pose", options["noise"]["pose"])
    digits = pendigits.load(options["data"], whole("side", options["side"]), noise, seed)
    split = pendigits.split(digits, options["val_fraction"], seed)
    return Tuner(split, shared, context.device, _weights(split, shared, options))


def _weights(split: pendigits.Split, shared: Plan, options: Mapping[str, Any]) -> Mapping[str, Tensor] | None:
    """The checkpoint's; None if training starts from scratch."""
    source, given = options["checkpoint"], options["pretrain"]
    if source is None:
        return None
    shapes = _streams(split, shared).shapes
    if source != "pretrained":
        return pretrained.load(Path(source), shapes)
    rows, epochs = (whole(f"pretrain.{name}", given[name]) for name in ("rows", "epochs"))
    few = pendigits.few(split, rows, given["seed"])
    recipe = replace(shared, batch=32, rule=optim.ADAMW, bf16=False)  # the same whatever fine-tuning does
    key = pretrained.digest(few, sorted(given.items()), sorted(shared.hidden.items()))
    return pretrained.cached(options["cache"], key, shapes, partial(_pretrain, few, recipe, given["lr"], epochs, given["seed"]))


def _pretrain(split: pendigits.Split, plan: Plan, lr: Any, epochs: int, seed: int) -> dict[str, Tensor]:
    """The weights of one model that learned ``split``, on the CPU, by the defaults but for ``lr``."""
    learner = Learner(Tuner(split, plan, "cpu", None), Context(epochs=epochs))
    learner.group.rearrange(Change(started=[Start(Lane(0, 0), {"lr": lr}, seed, ".")]))
    for _ in range(epochs):
        learner.learn()
        learner.group.ages[0] += 1
    return {name: view[0].detach().clone() for name, view in learner.group.stack.views.items()}


def _streams(split: pendigits.Split, plan: Plan) -> Streams:
    return Streams((split.train.rgb[0].size, split.train.pose.shape[1]), plan.hidden, split.classes)
