"""How K two-stream models learn the same rows, each lane with its own settings, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from pitprop.detection import chance
from pitprop.trainer import Change, Context, Lane, Params, Start
from pitprop.trainers.data.pendigits import Digits, Split
from pitprop.trainers.lanes import draw, metrics, optim
from pitprop.trainers.lanes.group import Group
from pitprop.trainers.lanes.start import start
from pitprop.trainers.lanes.steps import Steps
from pitprop.trainers.streams import augment
from pitprop.trainers.streams.measure import validate
from pitprop.trainers.streams.model import HEADS, Streams, terms
from pitprop.trainers.streams.settings import Plan, Settings
from torch import Tensor

SCORES = ("loss", "top1", "rgb/top1", "pose/top1")
"""What is measured before the first step."""


def pretrain(split: Split, plan: Plan, settle: Callable[[Params], Settings], epochs: int, seed: int) -> dict[str, Tensor]:
    """The weights of one model that learned ``split``, on the CPU, by the defaults of ``settle``."""
    streams = TwoStreams(split, plan, Context(epochs=epochs), settle, None)
    streams.group.rearrange(Change(started=[Start(Lane(0, 0), {}, seed, ".")]))
    for _ in range(epochs):
        streams.learn()
        streams.group.ages[0] += 1
    return {name: view[0].detach().clone() for name, view in streams.group.stack.views.items()}


class TwoStreams:
    """K models, both sides of the rows on the device, and the group of lanes; ``weights`` are what a lane starts from, if any."""

    def __init__(
        self,
        split: Split,
        plan: Plan,
        context: Context,
        settle: Callable[[Params], Settings],
        weights: Mapping[str, Tensor] | None,
    ) -> None:
        self._plan, self._epochs, self._device, self._weights = plan, context.epochs, context.device, weights
        self._train, self._val = (_tensors(side, context.device) for side in (split.train, split.val))
        self._labels = torch.from_numpy(split.val.y).bincount(minlength=split.classes).tolist()
        self._steps = -(-len(self._train[2]) // plan.batch)
        self.model = Streams((split.train.rgb[0].size, split.train.pose.shape[1]), plan.hidden, split.classes)
        self.group = Group(self.model.shapes, context.device, settle, self._initial, self._constants)

    def epoch(self) -> dict[str, Tensor]:
        """Trains and validates every lane: (K,) by metric name, ``start/`` only if any lane is in its first epoch."""
        first = start(self.group, SCORES, lambda views, lanes: self._validate(views, self._gamma()[lanes]))
        readings = self.learn()
        with torch.no_grad():
            return first | readings | self._validate(self.group.stack.views, self._gamma())

    def preflight(self) -> dict[str, Tensor]:
        """What the lanes show before any step: their scores, and one backward pass on each lane's first batch, (K,) by name."""
        first = start(self.group, SCORES, lambda views, lanes: self._validate(views, self._gamma()[lanes]))
        orders, models = self._orders(), self.group.stack
        models.differentiate(self._loss(orders[:, : self._plan.batch], None)[0])
        gradient = {"grad_norm": optim.norms(models.grads), "params/with_grad": models.grads.count_nonzero(dim=1)}
        branches = {f"grad_norm/{name}": optim.norms(models.grads[:, part]) for name, part in self.model.columns().items()}
        return first | gradient | branches | self._health(orders)

    def learn(self) -> dict[str, Tensor]:
        """One epoch of steps; means over samples or steps."""
        batch, orders, fused = self._plan.batch, self._orders(), list[Tensor]()
        lowest = self.group.column(lambda settings: settings.min_lr)[:, None]
        steps = Steps(self.group, self._steps, self._epochs, self.model.columns(), lowest=lowest, rule=self._plan.rule)
        changes = augment.changes(self.group.randoms("augment"), self.group.settings, orders.shape[1], batch, self._device)
        for rows, change in zip(torch.split(orders, batch, dim=1), changes, strict=False):
            loss, each = self._loss(rows, change)
            steps.take(loss)
            fused.append(each[HEADS.index("fused")].detach().sum(dim=1))
        return {"train/loss": torch.stack(fused).sum(dim=0) / orders.shape[1]} | steps.readings() | self._health(orders)

    def _loss(self, rows: Tensor, change: augment.Change | None) -> tuple[Tensor, Tensor]:
        """The sum of the lanes' losses on ``rows`` (K, B), and every sample's terms, (4, K, B)."""
        rgb, pose, y = self._train
        images = augment.apply(change, rgb[rows]).flatten(2)
        logits = self.model.logits(self.group.stack.views, images, pose[rows], self._plan.bf16)
        each = terms(logits, y[rows], self._gamma())
        weights = torch.tensor([settings.loss_weights for settings in self.group.settings], device=self._device)
        return (each.mean(dim=2) * weights.T).sum(), each

    def _validate(self, views: Mapping[str, Tensor], gamma: Tensor) -> dict[str, Tensor]:
        return validate(self.model, views, self._val, gamma, self._plan.bf16)

    def _gamma(self) -> Tensor:
        return self.group.column(lambda settings: settings.gamma).float()

    def _orders(self) -> Tensor:
        """The training rows in the order of this epoch, (K, n)."""
        rows = len(self._train[2])
        return torch.stack([draw.order(random, rows) for random in self.group.randoms("order")]).to(self._device)

    def _health(self, orders: Tensor) -> dict[str, Tensor]:
        """Of the weights as they are, and of the batches of one epoch."""
        broken = self.group.stack.weights.isfinite().logical_not_().sum(dim=1)
        mixed = metrics.classes_in_batches(self._train[2][orders], self._plan.batch)
        return {"params/non_finite": broken, "batch/classes": mixed}

    def _initial(self, seed: int, settings: Settings) -> Mapping[str, Tensor]:
        if self._weights is None:
            return self.model.initial(draw.generator(seed, "weights"))
        return {name: self._weights[name] for name in self.model.shapes}

    def _constants(self, settings: Settings) -> dict[str, float]:
        level, parameters = chance.focal(self._labels, [1.0] * self.model.classes, settings.gamma), float(self.group.stack.size)
        known = {"chance/loss": level, "params/total": parameters, "params/trainable": parameters}
        return known | {"batch/size": float(min(self._plan.batch, len(self._train[2])))}


def _tensors(side: Digits, device: str) -> tuple[Tensor, Tensor, Tensor]:
    rgb, pose, y = (torch.from_numpy(part).to(device) for part in (side.rgb, side.pose, side.y))
    return rgb, pose, y
