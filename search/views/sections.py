"""What the sections of a study's content hold: plain values, for a template or a table to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitprop.results.summary import Reason
from pitprop.space import Baseline
from pitprop.study.record import Record

if TYPE_CHECKING:
    from pitprop.results.statistics import Difference


@dataclass(frozen=True, slots=True)
class Lead:
    """A baseline and the best trial: ``delta`` is by how much this is better in the search, ``sure`` on fresh seeds.

    ``value`` is the score of the baseline in the search, ``mean`` on fresh seeds; None if it is not known.
    """

    baseline: Baseline
    value: float | None
    mean: float | None
    delta: float | None
    sure: Difference | None


@dataclass(frozen=True, slots=True)
class Goal:
    """A target: the first ``trial`` that reached it, and whether fresh seeds ``confirmed`` that (None: not tested).

    ``by`` is the trial of which they did, where it is another than the one to use.
    """

    name: str
    value: float
    trial: int | None
    confirmed: bool | None
    by: int | None = None


@dataclass(frozen=True, slots=True)
class GateCount:
    """A gate; ``counts`` says how many trials met it, missed it, and ended before it, None while its baseline is not known.

    ``bounds`` are what it asks for: the word for it, the number if known, and the baseline with its offset if it hangs on one.
    ``value`` is what the best trial has, ``fails`` whether that misses the gate.
    """

    metric: str
    epoch: int
    action: str
    remedy: str
    bounds: tuple[tuple[str, float | None, str, float], ...]
    counts: tuple[int, int, int] | None = None
    value: float | None = None
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that one signature stopped: each row holds the trials that ended alike, and the first of them.

    ``remedies`` are what was advised with the trials that it was advised for, the most frequent first.
    """

    reason: Reason
    rows: tuple[tuple[tuple[int, ...], Record], ...]
    remedies: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Costs:
    """Epochs trained and not trained, and the seconds that go with them (None: the trainer reports no seconds).

    Verdicts on ``stopped`` trials saved ``stopped_epochs``; ``patience`` are epochs that early stopping saved.
    """

    seconds: float | None
    stopped: int
    stopped_epochs: int
    stopped_seconds: float | None
    patience: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A parameter whose best ``value`` lies at the ``low`` (or high) ``end`` of its range."""

    name: str
    value: Any
    end: float
    low: bool
