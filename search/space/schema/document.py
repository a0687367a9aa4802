"""What a space's file may hold: its sections as classes that pydantic reads.

What depends on more than the value itself, such as on what the trainer reports, is checked in `pitprop.space.checks`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pitprop.detection import metrics, signatures, stopping
from pitprop.detection.detect import ACTIONS, Bound
from pitprop.detection.facts import LOSSES
from pitprop.messages import N_
from pitprop.space.schema.kinds import (
    AMOUNT,
    COUNT,
    MAPPING,
    NATURAL,
    RANGE,
    SHARE,
    TRUTH,
    WHOLE_BUDGET,
    Amount,
    Boolean,
    Count,
    Kind,
    Natural,
    Number,
    Rows,
    Text,
    Time,
    boolean,
    numeric,
    one_of,
    whole,
)
from pitprop.space.schema.resources import Resources
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.dataclasses import dataclass

REF = "defined at"
"""Becomes ``$ref`` at last: pydantic takes no reference to what it has not defined itself."""
STAGNATION = "nothing improves"
"""Stands for a target in ``stop_when``."""
MEANS_STAGNATION = re.compile(r"stagnat|plateau|converge|patience|improv", re.IGNORECASE)
"""What else it is called."""
SHARES = ("grace", "blind")
"""Thresholds that are shares of the budget."""

GOAL = one_of("maximize", "minimize")
ACTION = one_of(*ACTIONS)
SEVERAL = whole(2, N_("a whole number of at least 2, for one seed shows no spread"))
BOUND = numeric(N_("a number, or a baseline such as {baseline: b, plus: -0.02}"))
SORTS = whole(2, N_("a whole number of at least 2"))
WORDS = Kind(N_("text"), lambda value: value if isinstance(value, str) else None, {"type": "string"}, "")
NO_STOPPING = Kind(
    N_("false, or a mapping such as {patience: 8}"),
    lambda value: False if boolean(value) is False else None,
    {"enum": [False, "off", "no"]},
    False,
)
CONFIRMED = Kind(
    N_("true, false, or a mapping such as {top: 3, seeds: 5, each: true}"),
    boolean,
    TRUTH,
    False,
)


def _names(value: Any) -> bool | list[str] | None:
    """Whether all, or those with these names."""
    listed = isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    return value if listed else boolean(value)


EACH = Kind(
    N_("true, false, or a list of searched parameters such as [lr]"),
    _names,
    {"anyOf": [dict(TRUTH), {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
    False,
)


def _searched(kind: Kind) -> Kind:
    """The kind of a value that a space may give, or search by a distribution."""
    said = {"anyOf": [dict(kind.json), {REF: "#/$defs/Distribution"}]}
    return Kind(kind.wanted, lambda value: value if isinstance(value, dict) else kind.parse(value), said, kind.blank)


def _ref(name: str) -> WithJsonSchema:
    return WithJsonSchema({REF: f"#/$defs/{name}"})


Goal = Annotated[str, GOAL]
Action = Annotated[str, ACTION]
Tree = Annotated[Any, WithJsonSchema({"type": "object"})]
"""A tree of values for parameters, which `pitprop.space.params` reads."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class Objective:
    """What a trial is worth: a metric at its best or at the last epoch."""

    metric: Text
    """A metric that the trainer reports, such as val/macro_f1."""
    goal: Goal = ""
    """Whether higher or lower is better; as the metric's name says (a loss is minimized) if it is one that we know."""
    at: Annotated[str, one_of("best", "last")] = "best"
    """Whether the best epoch counts, or the last one."""
    range: Annotated[tuple[float, float], RANGE] | None = None
    """From where to where the metric can lie, such as [0, 100]; as its name says, if not said."""

    def __post_init__(self) -> None:
        if not self.goal:
            object.__setattr__(self, "goal", metrics.goal(self.metric))

    @property
    def sign(self) -> int:
        """What to multiply the metric by, so that higher is better: 1 or -1."""
        return stopping.sign(self.goal == "maximize")

    @property
    def best_by(self) -> str:
        """The ``goal`` by which an epoch is the best, and counts; empty where the last one does."""
        return self.goal if self.at == "best" else ""

    def bounds(self, values: Sequence[float]) -> tuple[float, float]:
        """Between what the metric can lie: its ``range``, or what its name says of ``values``; infinite if one is beyond that."""
        known = [value for value in values if math.isfinite(value)]
        low, high = self.range or metrics.bounds(self.metric, known)
        return (low, high) if all(low <= value <= high for value in known) else (-math.inf, math.inf)

    def best(self, values: Sequence[float]) -> int | None:
        """The index of the best of ``values``, NaN skipped and the first of equals; None if there is none."""
        return stopping.best(values, self.goal == "maximize")


@dataclass(frozen=True, slots=True, config=MAPPING)
class Relative:
    """A bound against what a baseline reached: that, plus ``plus``."""

    baseline: Text
    """A baseline of this space."""
    plus: Number = 0.0
    """What to add to what it reached."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class Gate:
    """A bound that a metric has to meet at one epoch, and what to do and to try where it does not."""

    metric: Text
    """A metric that the trainer reports."""
    epoch: Count
    """The epoch at which the bound has to be met."""
    at_least: Annotated[float | Relative, Rows(Relative, BOUND)] | None = None
    """The least that is allowed: a number, or {baseline: NAME, plus: -0.02}."""
    at_most: Annotated[float | Relative, Rows(Relative, BOUND)] | None = None
    """The most that is allowed: a number, or {baseline: NAME, plus: 0.02}."""
    action: Action = "prune"
    """What to do with a training that misses it: end it, park it (it can be revived), or only warn."""
    remedy: Annotated[str, WORDS] = ""
    """What to do about it, in words."""
    change: Tree = Field(default_factory=dict, alias="try")
    """What to try, as new values of searched parameters; {times: 0.1} multiplies one."""

    def against(self, reached: Mapping[str, Mapping[str, float]]) -> Bound | None:
        """The gate with its bounds in numbers, given each baseline's metrics; None while its baseline has not got there."""
        bounds = []
        for bound in (self.at_least, self.at_most):
            if isinstance(bound, Relative):
                value = reached.get(bound.baseline, {}).get(self.metric)
                if value is None:
                    return None
                bound = value + bound.plus
            bounds.append(bound)
        return Bound(self.metric, self.epoch, bounds[0], bounds[1], self.action, self.remedy, self.change)


@dataclass(frozen=True, slots=True, config=MAPPING)
class Confirm:
    """How a search is confirmed: its best trials and the baselines are trained again, each on fresh seeds."""

    top: Count = 3
    """How many of the best trials."""
    seeds: Annotated[int, SEVERAL] = 5
    """On how many seeds."""
    each: Annotated[Any, EACH] = False
    """Whether the winner trains again with each searched parameter changed at a time, or with each of those listed."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class BaselineRow:
    """What trials are held against; it takes one of params, values, mlflow and study."""

    params: Tree = None
    """Trained, to the end: a value for every searched parameter."""
    values: dict[str, Number] | None = None
    """Recorded numbers, by metric."""
    mlflow: Text | None = None
    """The id of a run in MLflow, whose metrics are looked up once."""
    study: Text | None = None
    """A space, for the best trial of its study."""
    checkpoint: Boolean = False
    """Whether the values are those of the model that every training starts from."""
    samples: Count | None = None
    """How many samples the recorded values were measured on."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class WarmStart:
    """Finished trials from elsewhere that the sampler is to know; they are no trials of the search."""

    study: Text | None = None
    """A study in the same database, or in `storage`."""
    storage: Text | None = None
    """The database of that study, with the tables of Optuna, such as sqlite:///old.db."""
    csv: Text | None = None
    """A file with a column for each searched parameter and one for the objective, as `pitprop export --csv` writes it."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class StoppingRow:
    """When a training ends that does not improve; patience and min_delta may be searched."""

    patience: Annotated[Any, _searched(COUNT)]
    """So many epochs in a row without an improvement."""
    min_delta: Annotated[Any, _searched(AMOUNT)] = 0.0
    """An epoch improves on the best if it is better by more than this."""
    metric: Text | None = None
    """The objective's, if not said."""
    goal: Goal | None = None
    """As the metric's name says, if not said; the objective's for its metric."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class FactsRow:
    """What is so in every training of the space, as far as you know: verdicts tell from it where chance is."""

    classes: Annotated[int, SORTS] | None = None
    """How many classes there are."""
    class_counts: dict[str, Natural] = Field(default_factory=dict)
    """Validation samples by class, such as {a: 300, b: 20}."""
    vocabulary: Annotated[int, SORTS] | None = None
    """How many tokens a language model chooses from."""
    chance: dict[str, Number] = Field(default_factory=dict)
    """What a model that has learned nothing reaches, by metric: {val/loss: 4.6, val/accuracy: 0.01}."""
    loss: Annotated[str, one_of(*LOSSES)] | None = None
    """What the loss is, where its value at chance follows from the classes or the batch."""
    batch: Count | None = None
    """Samples in a batch."""
    warmup: Amount | None = None
    """How long the learning rate warms up, in the budget's unit, where it is no parameter and not reported."""
    drops: list[Amount] | None = None
    """After which epochs a step lowers the learning rate, likewise, or after which shares of the budget; [] if none does."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class Document:
    """A search space for pitprop: what to search, of which trainer, and how trials are judged."""

    question: Text
    """What the search is to answer; shown in lists and in MLflow."""
    trainer: Text
    """A trainer that ships, a dotted module, or the path of a .py file."""
    objective: Annotated[Objective, Rows(Objective)] | None = None
    """What a trial is worth."""
    objectives: list[Annotated[Objective, Rows(Objective)]] = Field(default_factory=list)
    """Several, in place of `objective`, such as [{metric: val/accuracy}, {metric: latency}]: the answer is a Pareto front.

    The first says at which epoch a trial counts, and the answer leads with the trial that is best in it."""
    epochs: Count | None = None
    """The budget of one training, in epochs."""
    steps: Count | None = None
    """The same in steps of the optimizer, for a training that reports these, in place of epochs."""
    facts: Annotated[FactsRow, Rows(FactsRow)] = Field(default_factory=FactsRow)
    """What is so in every training of the space, such as {classes: 10}."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Constants of the trainer."""
    params: Annotated[Any, _ref("Parameters")] = Field(default_factory=dict)
    """A tree; each leaf is a constant or a distribution such as {float: [1e-5, 1], log: true}."""
    trials: Count = 32
    """How many trials in all, with the trained baselines."""
    seeds: Count = 1
    """How often each trial is trained; its value is the mean."""
    seed: Natural = 0
    """Seed of the sampler and of the trainings."""
    trial_timeout: Time | None = None
    """A trial that has trained for so long is parked at its next report: 90s, 3m, 2h, or seconds; no limit, if not said."""
    timeout: Time | None = None
    """No trial is started after this time: 90s, 3m, 2h, or seconds."""
    budget: Annotated[Any, WHOLE_BUDGET] = None
    """What all trials may train together: 2000, or 2000 epochs. At least the trials that train then end what they began."""
    constraints: list[Annotated[Any, WithJsonSchema({"type": "string"})]] = Field(default_factory=list)
    """What holds in every trial, over params, options.NAME and epochs: warmup.epochs < epochs / 2."""
    points: list[Tree] = Field(default_factory=list)
    """Trials to try first; the sampler chooses what a point leaves out."""
    warm_start: Annotated[WarmStart, Rows(WarmStart)] | None = None
    """Finished trials from elsewhere, those that lie inside the space, that the sampler knows; none, if not said."""
    baselines: dict[str, Annotated[BaselineRow, Rows(BaselineRow)]] = Field(default_factory=dict)
    """What trials are held against, by name."""
    signatures: Annotated[Any, _ref("Signatures")] = None
    """All signatures watch; name one to change it. `off` turns all off."""
    early_stopping: Annotated[StoppingRow | bool, Rows(StoppingRow, NO_STOPPING)] | None = None
    """When a training ends that does not improve; none, if not said."""
    gates: list[Annotated[Gate, Rows(Gate)]] = Field(default_factory=list)
    """Bounds that a metric has to meet at one epoch."""
    sampler: Annotated[Any, _ref("Sampler")] = None
    """How trials are proposed: a word, or {tpe: {multivariate: true}} with Optuna's options; tpe, if not said."""
    pruner: Annotated[Any, _ref("Pruner")] = None
    """A population pruner: a word, or {median: {n_warmup_steps: 8}}; none, if not said."""
    scheduler: Annotated[Any, _ref("Scheduler")] = None
    """Which trial trains next, and for how long: full or promote, or {promote: {reserve: 0.1}} with its options.

    If not said, promote where there is a budget, else full."""
    resources: Annotated[Resources, Rows(Resources)] = Field(default_factory=Resources)
    """What one worker holds, and how many there may be."""
    storage: Text | None = None
    """Where checkpoints go that every node is to reach: a shared folder, or a URL such as s3://bucket/path."""
    pip: list[Text] = Field(default_factory=list)
    """Packages that the nodes of a cluster install for the trainings, as pip takes them: einops==0.8.1."""
    stall: Time = 1800.0
    """A training that is silent for so long fails."""
    retries: Natural = 1
    """How often a trial whose worker died is tried again, from its checkpoint."""
    revive: Natural = 0
    """When all trials are done, so many parked ones are trained to the full budget."""
    targets: dict[str, Number] = Field(default_factory=dict)
    """Scores to reach, by name."""
    stop_when: Text | None = None
    """A target at which the search ends, or `nothing improves`: none of the last 20 trials was better than those before."""
    remedies: Annotated[str, one_of("try", "suggest", "off")] = "suggest"
    """Whether what a verdict or a gate says to try becomes a trial of its own, is only said, or neither."""
    confirm: Annotated[Confirm | bool, Rows(Confirm, CONFIRMED)] | None = None
    """Whether the best trials and the baselines train again on fresh seeds at the end."""


def _acts(value: Any) -> str | bool | None:
    """What a signature does, where false is ``off``; true leaves it at what it does by itself."""
    truth = boolean(value)
    return truth or "off" if truth is not None else value if isinstance(value, str) and value in ACTS else None


ACTS = (*ACTIONS, "off")
ACTED = Kind(one_of(*ACTS).wanted, _acts, {"enum": [*ACTS, True, False]}, words=ACTS)


class SignatureRow(BaseModel):
    """What a signature does, and its thresholds."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    action: Annotated[str | bool, ACTED] = True
    """What to do where it fires; off turns it off."""


@cache
def signature_rows() -> type[BaseModel]:
    """What `signatures` in a space is read as: each signature by name, with the thresholds of its own."""
    fields: dict[str, Any] = {}
    for name in signatures.names():
        own: dict[str, Any] = {
            key: (Annotated[Any, _threshold(key, one)], one) for key, one in signatures.thresholds(name).items()
        }
        row = create_model(name, __base__=SignatureRow, **own)
        description = (signatures.load(name).__doc__ or "").split("\n")[0]
        fields[name] = (Annotated[Any, Rows(row, ACTED)], Field(default=True, description=description))
    return create_model("Signatures", __config__=ConfigDict(extra="forbid"), **fields)


def _threshold(name: str, default: Any) -> Kind:
    if name in SHARES:
        return SHARE
    if isinstance(default, int):
        return COUNT if name == "patience" else NATURAL
    return AMOUNT
