"""Train K lanes of one model as one, an epoch at a time, and measure what every workload measures.

A workload is a `LaneModel`: its shapes, its data, its loss and its metrics. The `Learner` does the rest: epochs, learning rates,
clipping, resuming, metrics before the first step, the preflight. In shapes K is the number of lanes, P the weights of one model.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Generic, Protocol, TypeVar

import torch
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Epochs, Lane, Params, Start
from pitprop.trainers.lanes import draw, evaluation, optim
from pitprop.trainers.lanes.group import Group
from pitprop.trainers.lanes.optim import Optimized, Rule, Steps
from pitprop.trainers.lanes.stack import Shapes
from torch import Tensor

S = TypeVar("S", bound=Optimized)
"""The checked hyperparameters of one lane."""
T = TypeVar("T")
"""What the loss and the metrics need of the hyperparameters of several lanes: tensors with a lane axis."""
Training = Generator[Epochs, Change | None, None]
Randoms = Callable[[str], Sequence[torch.Generator]]
Noise = Sequence[Tensor]
"""Random tensors of one step, for instance dropout's factors (K, B, units)."""


class LaneModel(Protocol[S, T]):
    """A workload in lanes. Subclass it, set the attributes and define the abstract methods; the others have a default.

    Nothing may mix lanes: lane k of K has to equal the same training alone. All tensors are on the context's device, except
    those that `order` and `initial` draw.
    """

    shapes: Shapes
    """The parameters of one model, by name."""
    batch: int
    """Training rows in a batch; the last batch of an epoch may be smaller."""
    rows: int
    """The number of training rows, n."""
    labels: Tensor | None = None
    """The class of each training row, (n,); None where rows have no class."""
    starts: Sequence[str] = ("loss",)
    """The metrics ``val/<name>`` that are reported before the first step too, as ``start/<name>``."""
    branches: Mapping[str, slice] = {}
    """Columns of the weights (K, P), by name, whose gradient norm is reported separately."""
    rule: Rule = optim.ADAMW
    """The optimizer."""

    @abstractmethod
    def settle(self, params: Params) -> S:
        """One lane's hyperparameters over their defaults, checked. `ValueError`, in one sentence, for a wrong one."""

    @abstractmethod
    def prepare(self, settings: Sequence[S]) -> T:
        """The tensors that `loss` and `validate` take as ``lanes``, given the settings of K lanes. Called once an epoch."""

    @abstractmethod
    def loss(self, views: Mapping[str, Tensor], rows: Tensor, lanes: T, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """Each lane's loss (K,), to be minimised, and sums over the batch that `train_loss` takes, (K,) or (m, K).

        ``views`` are the parameters (K, *shape) by name, ``rows`` (K, B) the training rows of each lane's batch.
        """

    @abstractmethod
    def train_loss(self, sums: Tensor, lanes: T, steps: int) -> Tensor:
        """The epoch's training loss (K,), given the sum of `loss`'s second value over its ``steps``."""

    @abstractmethod
    def validate(self, views: Mapping[str, Tensor], lanes: T) -> dict[str, Tensor]:
        """Validation metrics (K,) by name. Gradients are off."""

    @abstractmethod
    def constants(self, settings: S) -> Mapping[str, float]:
        """Metrics of one lane that no epoch changes, such as ``chance/loss``."""

    @abstractmethod
    def inspect(self) -> Mapping[str, float]:
        """Metrics of the data for the preflight, such as ``train/labels/0`` and ``inputs/non_finite``."""

    @abstractmethod
    def initial(self, random: torch.Generator, settings: S) -> Mapping[str, Tensor]:
        """The weights of one model, by the names in ``shapes``."""

    def order(self, random: torch.Generator, settings: S) -> Tensor:
        """The training rows of one lane in the order of one epoch, (n,): by default all of them, shuffled."""
        return draw.order(random, self.rows)

    def noise(self, randoms: Randoms, settings: Sequence[S], steps: int) -> Iterator[Noise | None]:
        """The `Noise` of each step of an epoch, or None for a step without; ``randoms(purpose)`` is a generator for each lane."""
        return repeat(None, steps)

    def frozen(self, lanes: T) -> Tensor | None:
        """Which weights do not learn, (K, P); None if all do."""
        return None

    def probe(self, orders: Tensor) -> Tensor:
        """The rows (K, B) on which the preflight measures gradients, given an epoch's ``orders`` (K, n): the first batch."""
        return orders[:, : self.batch]

    def classes(self, orders: Tensor) -> Tensor | None:
        """The mean number of classes in a batch, (K,), given an epoch's ``orders`` (K, n); None where rows have no class."""
        return None if self.labels is None else evaluation.classes_in_batches(self.labels[orders], self.batch)


class Learner(Generic[S, T]):
    """Trains the lanes of ``group``, each with its own settings, for the epochs of ``context``."""

    def __init__(self, model: LaneModel[S, T], context: Context) -> None:
        self._model, self._context = model, context
        self.group = Group(model.shapes, context.device, model.settle, self._initial, self._constants)

    def train(self, lanes: Sequence[Start]) -> Training:
        """A lane trainer's generator: an epoch of every lane at each step, until the caller has stopped all of them."""
        change = Change(started=lanes)
        while True:
            self.group.rearrange(change)
            if not self.group.starts:
                return
            began = time.perf_counter()
            epochs = self.group.advance(self.epoch(), began)
            self._context.state = self.group.stack.state()
            change = (yield epochs) or Change()

    def preflight(self, params: Params) -> Epoch:
        """What a training with ``params`` starts from: its data, its first scores and the gradient of one batch."""
        self.group.rearrange(Change(started=[Start(Lane(0, 0), params, self._context.seed, self._context.folder)]))
        (shown,) = self.group.read(self._probe())
        # A file that is missing or empty is an error that names it, except where the model's data is several files.
        return Epoch(0, {"inputs/non_finite": 0.0, "files/missing": 0.0, "files/empty": 0.0, **self._model.inspect(), **shown})

    def epoch(self) -> dict[str, Tensor]:
        """Trains and validates every lane: metrics (K,) by name, ``start/`` only if any lane is in its first epoch."""
        first = self._start()
        readings = self.learn()
        with torch.no_grad():
            return first | readings | self._model.validate(self.group.stack.views, self._lanes())

    def learn(self) -> dict[str, Tensor]:
        """One epoch of optimizer steps, and what is measured of them: metrics (K,) by name."""
        model, group, orders, lanes = self._model, self.group, self._orders(), self._lanes()
        batches = torch.split(orders, model.batch, dim=1)
        steps = Steps(group, len(batches), self._context.epochs, model.branches, model.frozen(lanes), model.rule)
        sums = []
        for rows, noise in zip(batches, model.noise(group.randoms, group.settings, len(batches)), strict=True):
            loss, seen = model.loss(group.stack.views, rows, lanes, noise)
            steps.take(loss.sum())
            sums.append(seen.detach())
        train_loss = model.train_loss(torch.stack(sums).sum(dim=0), lanes, len(batches))
        return {"train/loss": train_loss} | steps.readings() | self._health(orders)

    def _probe(self) -> dict[str, Tensor]:
        """Metrics (K,) before any step: the scores, and the gradient of one batch."""
        model, stack, first = self._model, self.group.stack, self._start()
        orders, lanes = self._orders(), self._lanes()
        stack.differentiate(model.loss(stack.views, model.probe(orders), lanes, None)[0].sum())
        if (frozen := model.frozen(lanes)) is not None:
            stack.grads.masked_fill_(frozen, 0.0)
        gradient = {"grad_norm": optim.norms(stack.grads), "params/with_grad": stack.grads.count_nonzero(dim=1)}
        branches = {f"grad_norm/{name}": optim.norms(stack.grads[:, part]) for name, part in model.branches.items()}
        return first | gradient | branches | self._health(orders)

    def _start(self) -> dict[str, Tensor]:
        """``start/<name>`` (K,) for the lanes with no step behind them, NaN for the others; empty if every lane has one."""
        group = self.group
        fresh = [index for index, age in enumerate(group.ages) if age == 0]
        if not fresh:
            return {}
        at = torch.tensor(fresh, device=self._context.device)
        with torch.no_grad():
            views = {name: view.detach()[at] for name, view in group.stack.views.items()}
            found = self._model.validate(views, self._model.prepare([group.settings[index] for index in fresh]))
        empty = torch.full((len(group.starts),), torch.nan, dtype=torch.float64, device=self._context.device)
        return {f"start/{name}": empty.index_copy(0, at, found[f"val/{name}"].double()) for name in self._model.starts}

    def _lanes(self) -> T:
        return self._model.prepare(self.group.settings)

    def _orders(self) -> Tensor:
        """The training rows in the order of this epoch, (K, n)."""
        lanes = zip(self.group.randoms("order"), self.group.settings, strict=True)
        return torch.stack([self._model.order(random, settings) for random, settings in lanes]).to(self._context.device)

    def _health(self, orders: Tensor) -> dict[str, Tensor]:
        """Of the weights as they are, and of the batches of one epoch."""
        broken = self.group.stack.weights.isfinite().logical_not_().sum(dim=1)
        classes = self._model.classes(orders)
        return {"params/non_finite": broken} | ({} if classes is None else {"batch/classes": classes})

    def _initial(self, seed: int, settings: S) -> Mapping[str, Tensor]:
        return self._model.initial(draw.generator(seed, "weights"), settings)

    def _constants(self, settings: S) -> dict[str, float]:
        size, batch = float(self.group.stack.size), float(min(self._model.batch, self._model.rows))
        return {"params/total": size, "params/trainable": size, "batch/size": batch, **self._model.constants(settings)}
