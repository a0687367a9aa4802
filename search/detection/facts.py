"""What signatures know about a training besides its epochs: budget, objective, chance levels, other trials."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pitprop.detection import stopping as stops
from pitprop.detection.stopping import EarlyStopping
from pitprop.telemetry import Telemetry

T = TypeVar("T")

LOSSES = ("cross_entropy", "supcon", "ntxent", "clip")
"""Losses whose value at chance follows from the classes, or from the size of a batch."""

WARMUPS = ("warmup.epochs", "warmup_epochs", "warmup")
"""What spaces call the length of the warm-up, in epochs."""
WARM_SHARES = ("warmup_ratio", "warmup_frac", "warmup_fraction")
"""The same as a share of the budget."""
DROPS = ("drops", "milestones", "lr_steps", "lr_milestones")
"""What spaces call the epochs after which the learning rate is lowered by a step; shares of the budget where below 1."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another trial of the same study, with its epochs so far."""

    trial: int
    params: Mapping[str, Any]
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one training. A field that is None or empty is read off the telemetry where possible, else ignored.

    ``budget``, ``warmup`` and ``drops``, after which a step lowers the learning rate, are in epochs; ``metric`` is the
    objective's name and ``maximize`` its direction; ``labels`` are validation samples by class, and ``classes`` how many values
    a label can take (of a language model, its vocabulary); ``batch`` is the number of samples in a batch; ``loss`` is the
    loss's name, of `LOSSES`; ``chance_score`` and ``chance_loss`` are the objective and the validation loss (nats) of a model
    that has learned nothing; ``checkpoint`` holds the metrics of the checkpoint that training starts from, and ``untrained``
    says whether its first scores are those of a model that has learned nothing; ``range`` is from where to where the objective
    can lie, as by its name if None.

    Of the trial and its study: ``params`` are its hyperparameters by dotted name, ``stopping`` its early stopping, ``peers``
    the trials before it, ``seen`` the objective of baselines and targets, and ``recovery`` the epoch of the latest recovery
    among the finished ones (`pitprop.detection.life.recovery`). ``silence`` is the time since the last report, in seconds.
    """

    budget: int
    metric: str = "val/macro_f1"
    maximize: bool = True
    warmup: float | None = None
    drops: Sequence[float] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    classes: int | None = None
    batch: int | None = None
    loss: str | None = None
    chance_score: float | None = None
    chance_loss: float | None = None
    checkpoint: Mapping[str, float] = field(default_factory=dict)
    untrained: bool = True
    range: tuple[float, float] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    stopping: EarlyStopping | None = None
    peers: Sequence[Peer] = ()
    seen: Sequence[float] = ()
    recovery: float | None = None
    silence: float = 0.0
    _known: dict[Hashable, tuple[Sequence[int], Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def sign(self) -> int:
        """What to multiply the objective by, so that higher is better: 1 or -1."""
        return stops.sign(self.maximize)

    def own(self, *names: str) -> Any:
        """The trial's value of the parameter whose dotted name ends in one of ``names``; None if it has none, or several."""
        return own(self.params, *names)

    def of_study(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What ``compute`` finds in the other trials, kept under ``key`` until one of them has another epoch."""
        grown, known = [len(peer.telemetry) for peer in self.peers], self._known.get(key)
        if known is None or known[0] != grown:
            known = self._known[key] = grown, compute()
        return cast(T, known[1])


def own(params: Mapping[str, Any], *names: str) -> Any:
    """The value of the parameter whose dotted name ends in one of ``names``; None if there is none, or several."""
    ends = tuple(f".{name}" for name in names)
    found = [value for name, value in params.items() if name in names or name.endswith(ends)]
    return found[0] if len(found) == 1 else None
