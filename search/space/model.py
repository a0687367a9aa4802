"""The space: everything that a search needs to know before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pitprop.detection.facts import Facts
from pitprop.detection.stopping import EarlyStopping
from pitprop.messages import Message
from pitprop.space.constraints import Constraint
from pitprop.space.distributions import STOPPING, Leaf, exists, ordered
from pitprop.space.params import flat, nested
from pitprop.space.sampling import Method
from pitprop.space.schema.document import Confirm, FactsRow, Gate, Objective, WarmStart
from pitprop.space.schema.resources import Resources
from pitprop.trainer import Card


@dataclass(frozen=True, slots=True)
class Baseline:
    """What trials are held against: ``params`` to train, a whole tree for the trainer, or recorded ``values`` by metric.

    ``checkpoint`` says that the values are those of the model that every training starts from, ``samples`` on how many they
    were measured. The values of an MLflow ``run``, or of the best trial of another ``study``, are None until they are looked up.
    """

    name: str
    params: Mapping[str, Any] | None = None
    values: Mapping[str, float] | None = None
    checkpoint: bool = False
    samples: int | None = None
    run: str | None = None
    study: str | None = None


@dataclass(frozen=True, slots=True)
class SignatureChoice:
    """A signature that watches: what it does, every threshold of its ``detect``, and what it reads, as ``READS`` says it."""

    action: str
    thresholds: Mapping[str, Any]
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Space:
    """A search, read from one file. ``values`` in the methods are Optuna's, by leaf name.

    ``objective`` is what a trial is worth first of all, and ``further`` are other metrics that are read at the same epoch.
    ``trainer`` is where `pitprop.trainer.load` finds it, ``card`` what it says of itself. ``epochs`` is the budget of a trial
    in its ``unit``, epochs or steps, ``trials`` how many there are, ``seeds`` how often each is trained; ``timeout`` are seconds
    and ``budget`` epochs or steps for all, ``trial_timeout`` seconds for one (None: no limit). ``facts`` are what the file states
    of every training. ``scheduler`` decides which trial trains next.
    ``leaves`` stand in the order of the file, ``constants`` go by dotted name. ``points`` are values to try first.
    ``signatures`` watch, and ``lacking`` holds those that cannot, each with what it needs of the trainer. ``early_stopping``
    holds its constants, None if there is none.

    A trial that is silent for ``stall`` seconds fails; one whose worker dies is tried ``retries`` times again. Of the parked
    trials, ``revive`` are trained to the end after all.

    ``targets`` are scores to reach, by name; the one that ``stop_when`` names ends the search. ``remedies`` says whether trials
    are asked for that do what a verdict or a missed gate advises: try, suggest (only in words), or off. ``confirm`` is None
    where the space does not say that it is to be confirmed. ``warm_start`` says what else the sampler is to know. ``storage`` is
    where checkpoints go that every node is to reach.

    ``pip`` are packages that the nodes of a cluster install for its trainings.

    ``path`` is where the file lies, empty where the space was given as a mapping; ``text`` is its YAML. Two spaces may be equal
    though these differ. ``notes`` are sentences on what is done otherwise than the file asks for.
    """

    name: str
    question: str
    trainer: str
    card: Card
    options: Mapping[str, Any]
    objective: Objective
    facts: FactsRow
    epochs: int
    trials: int
    seeds: int
    seed: int
    timeout: float | None
    trial_timeout: float | None
    leaves: tuple[Leaf, ...]
    constants: Mapping[str, Any]
    constraints: tuple[Constraint, ...]
    points: tuple[Mapping[str, Any], ...]
    baselines: tuple[Baseline, ...]
    signatures: Mapping[str, SignatureChoice]
    lacking: Mapping[str, str]
    early_stopping: Mapping[str, Any] | None
    gates: tuple[Gate, ...]
    sampler: Method
    pruner: Method | None
    scheduler: Method
    budget: int | None
    resources: Resources
    stall: float
    retries: int
    revive: int
    targets: Mapping[str, float]
    stop_when: str | None
    remedies: str
    confirm: Confirm | None
    warm_start: WarmStart | None = None
    storage: str | None = None
    further: tuple[Objective, ...] = ()
    unit: str = "epochs"
    pip: tuple[str, ...] = ()
    notes: tuple[Message, ...] = field(default=(), compare=False)
    path: str = field(default="", compare=False)
    text: str = field(default="", compare=False, repr=False)

    @property
    def home(self) -> Path:
        """The folder of the file, or the current one: what paths in the space are relative to."""
        return Path(self.path).resolve().parent if self.path else Path.cwd()

    @cached_property
    def walk(self) -> tuple[Leaf, ...]:
        """The leaves, those that others depend on first."""
        return tuple(ordered(self.leaves)[0])

    @cached_property
    def known(self) -> Mapping[str, Any]:
        """What constraints may name beside the leaves, by dotted name: the trainer's defaults, options, epochs, constants."""
        options = {f"options.{name}": value for name, value in {**(self.card.options or {}), **self.options}.items()}
        defaults = dict(flat(self.card.params or {}, lambda *_: False))
        stops = {
            f"{STOPPING}.{name}": one for name, one in (self.early_stopping or {}).items() if name in ("patience", "min_delta")
        }
        every = {**defaults, **options, self.unit: self.epochs, **self.constants, **stops}
        searched = {leaf.name for leaf in self.leaves}
        return {name: value for name, value in every.items() if name not in searched}

    def active(self, values: Mapping[str, Any]) -> Iterator[Leaf]:
        """The leaves that exist beside ``values``, which may be filled in while this goes on: parents come first."""
        known = {leaf.name: leaf for leaf in self.leaves}
        for leaf in self.walk:
            if exists(leaf, {parent: known[parent].decode(values[parent]) for parent in leaf.when if parent in values}):
                yield leaf

    def flat(self, values: Mapping[str, Any], baseline: Baseline | None = None) -> dict[str, Any]:
        """Every parameter of a trial, or of a trained baseline, by dotted name."""
        if baseline is not None:
            names = {leaf.name for leaf in self.leaves}
            return dict(flat(baseline.params or {}, lambda name, _: name in names))
        decoded = {leaf.name: leaf.decode(values[leaf.name]) for leaf in self.leaves if leaf.name in values}
        return {**self.constants, **decoded}

    def params(self, values: Mapping[str, Any], baseline: Baseline | None = None) -> dict[str, Any]:
        """The tree for the trainer; early stopping is no part of it."""
        return nested({name: value for name, value in self.flat(values, baseline).items() if not name.startswith(STOPPING + ".")})

    def drawn(self, params: Mapping[str, Any]) -> Iterator[tuple[Leaf, Any]]:
        """The leaves that a baseline's tree sets, with Optuna's values, which may lie outside the distribution (`Leaf.holds`)."""
        names = {leaf.name for leaf in self.leaves}
        given = dict(flat(params, lambda name, _: name in names))
        for leaf in self.walk:
            if leaf.name in given and exists(leaf, given):
                yield leaf, leaf.encode(given[leaf.name])

    def known_of(self, values: Mapping[str, Any] | None = None, flat: Mapping[str, Any] | None = None) -> Facts:
        """What is known of a trial, of which ``flat`` are all parameters, before anything has been trained."""
        said, goal = self.facts, self.objective
        batch = self.options.get("batch_size", (self.card.options or {}).get("batch_size"))
        return Facts(
            budget=self.epochs,
            metric=goal.metric,
            maximize=goal.sign > 0,
            warmup=said.warmup,
            drops=said.drops,
            labels=said.class_counts,
            classes=said.classes or said.vocabulary,
            batch=said.batch or (batch if isinstance(batch, int) and not isinstance(batch, bool) else None),
            loss=said.loss,
            chance_score=said.chance.get(goal.metric),
            chance_loss=said.chance.get("val/loss", said.chance.get("train/loss")),
            range=goal.range,
            checkpoint=self.checkpoint if (flat or {}).get("checkpoint", True) else {},  # else from scratch
            params=flat or {},
            seen=self.seen,
            stopping=self.stopping(values or {}),
        )

    def stopping(self, values: Mapping[str, Any]) -> EarlyStopping | None:
        """Early stopping for one trial; None if the space has none."""
        if self.early_stopping is None:
            return None
        drawn = {leaf.name.split(".")[1]: leaf.decode(values[leaf.name]) for leaf in self._stops if leaf.name in values}
        return EarlyStopping(**{"patience": self.epochs, **self.early_stopping, **drawn})

    def violated(self, values: Mapping[str, Any]) -> list[str]:
        """The constraints that ``values`` break, as text; one that names a parameter which does not exist holds."""
        leaves = {leaf.name: leaf for leaf in self.leaves}
        every = {**self.known, **{name: leaves[name].decode(value) for name, value in values.items() if name in leaves}}
        checked = [constraint for constraint in self.constraints if all(name in every for name in constraint.names)]
        return [broken for constraint in checked if (broken := constraint.violated(every))]

    def unwatched(self) -> list[tuple[str, str]]:
        """The signatures that cannot see, each with what it needs and the trainer does not give."""
        return list(self.lacking.items())

    @property
    def resumes(self) -> bool:
        """Whether a training that was cut off goes on from its checkpoint; it starts again if not."""
        return self.card.resumes(self.options)

    @property
    def checkpoint(self) -> Mapping[str, float]:
        """What the model scored, by metric, that every training starts from; empty if none is known."""
        return next((baseline.values for baseline in self.baselines if baseline.checkpoint and baseline.values), {})

    @property
    def seen(self) -> tuple[float, ...]:
        """The objective of recorded baselines and the targets: how far it can get."""
        metric = self.objective.metric
        recorded = [one.values[metric] for one in self.baselines if one.values is not None and metric in one.values]
        return (*recorded, *self.targets.values())

    @property
    def _stops(self) -> Sequence[Leaf]:
        return [leaf for leaf in self.leaves if leaf.name.startswith(STOPPING + ".")]

    @property
    def searches_stopping(self) -> bool:
        """Whether patience or min_delta is searched."""
        return bool(self._stops)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All that a trial has a value for; where early stopping is searched the last of them are the epochs spent."""
        spent = (Objective(self.unit, "minimize", "last"),) if self.searches_stopping else ()
        return (self.objective, *self.further, *spent)

    @property
    def directions(self) -> list[str]:
        """Optuna's direction of each objective."""
        return [one.goal for one in self.objectives]
