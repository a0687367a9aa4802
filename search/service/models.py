"""The answers of the API, as the service and its clients share them, and the words of both sides.

Times are unix seconds. A number that is none is the string "NaN", "Infinity" or "-Infinity", as JSON has no other way to hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pitprop.messages import N_
from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,59}$"
"""What a search may be called: its study and its files are called after it."""
FILE = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.[A-Za-z0-9]{1,8}){0,2}$"
"""What an uploaded file may be called: no folder, and nothing hidden."""
MOST = 2**31 - 1
"""The largest whole number that is taken."""
URGENT = 100
"""The largest priority; the least is its negative."""

Count = Annotated[int, Field(ge=1, le=MOST)]
Number = Annotated[int, Field(ge=0, le=MOST)]


class Scope(StrEnum):
    """What a token allows; each allows what those before it do. ``admin`` sees and changes everybody's searches."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


class SearchState(StrEnum):
    """Where a search is. ``pausing`` and ``cancelling`` last until its driver has ended."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DONE = "done"
    FAILED = "failed"


STATES = {
    "queued": N_("queued"),
    "running": N_("running"),
    "pausing": N_("pausing"),
    "paused": N_("paused"),
    "cancelling": N_("cancelling"),
    "cancelled": N_("cancelled"),
    "done": N_("done"),
    "failed": N_("failed"),
}
"""How the states of searches are called."""
CHANGES = {"restarted": N_("queued again"), "resumed": N_("queued again"), "extended": N_("more trials are planned")}
"""What events of these kinds say, beside their reason."""


class Row(BaseModel):
    """An answer. Clients pass over fields that they do not know, so that a newer service can say more."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings", extra="ignore")


class Problem(Row):
    """What went wrong (RFC 9457): ``detail`` is one sentence, ``problems`` are all of them where a space has several."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "Unprocessable Content", "status": 422, "detail": "space: epochs: is missing", "problems": []}]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    problems: list[str] = Field(default_factory=list)


class Listing(Row, Generic[T]):
    """A page of a list; ``next`` is what to give as ``after`` for the following one, None on the last."""

    items: list[T]
    next: str | None = None


class Best(Row):
    """The best trial so far. With early stopping searched the second value are the epochs."""

    trial: int
    values: list[float]
    params: Mapping[str, Any]


class Chosen(Row):
    """The trial that the answer says to take, and its score: the mean over fresh ``seeds``, or that of the search where these
    are 0."""

    trial: int
    score: float
    seeds: int = 0


class Confirming(Row):
    """How far a confirmation is: its trainings, one for each seed of what is trained again, and how many are over."""

    over: int = 0
    trainings: int = 0


class Progress(Row):
    """How far a search is. ``epochs`` are steps where its budget is in steps (``unit``)."""

    target: int
    """Trials that there are to be, revived ones included."""
    begun: int = 0
    complete: int = 0
    pruned: int = 0
    """Stopped by a verdict or a gate, parked ones among them."""
    parked: int = 0
    """Of the pruned ones, those that can be revived."""
    waiting: int = 0
    """Of the pruned ones, those that were fine, and whose turn had not come again."""
    failed: int = 0
    running: int = 0
    interrupted: int = 0
    """Begun, and left by a driver that has ended; they go on with their search."""
    epochs: int = 0
    saved: int = 0
    """Epochs that would have been trained, but for verdicts."""
    unit: str = "epochs"
    metric: str = ""
    goal: str = ""
    best: Best | None = None
    stopped: Mapping[str, int] = Field(default_factory=dict)
    """How many trials each signature, gate or limit has stopped."""
    answer: Chosen | None = None
    """None until a driver has come to its end since trials were trained."""
    confirming: Confirming | None = None
    """None where nothing was confirmed since its trials were trained."""

    @property
    def over(self) -> int:
        """How many trials have ended."""
        return self.begun - self.running - self.interrupted

    @property
    def score(self) -> float | None:
        """What the trial to take has reached, as far as that is known; None before one has a score."""
        if self.answer is not None:
            return self.answer.score
        return self.best.values[0] if self.best is not None else None


class Estimate(Row):
    """When a search is likely to begin and to end; None is not known. ``why`` says from what."""

    start: float | None = None
    end: float | None = None
    ahead: int | None = None
    """Searches that are before it in the queue."""
    why: str = ""


class Search(Row):
    """A search as the queue has it."""

    id: str
    name: str
    study: str
    """The name of its study, for ``pitprop`` commands and in MLflow."""
    owner: str
    question: str
    state: SearchState
    reason: str
    """Why it is in this state, in a sentence; empty if there is nothing to say."""
    task: Literal["search", "revive", "confirm"]
    """What runs, or ran last."""
    priority: int
    trials: int
    """Trials that are asked for."""
    wants: int
    """Workers that it takes at most."""
    workers: int
    """Workers that it may have now."""
    restarts: int
    created: float
    started: float | None
    ended: float | None
    changed: float
    progress: Progress | None
    """None until its driver has reported."""
    estimate: Estimate

    @property
    def confirming(self) -> Confirming | None:
        """How far its confirmation is; None while none runs."""
        found = self.progress.confirming if self.progress is not None else None
        runs = self.state in (SearchState.RUNNING, SearchState.PAUSING, SearchState.CANCELLING)
        return found if runs and found is not None and found.trainings else None


class Reason(Row):
    """A signature or gate that spoke, of which trials, and what it said of the first."""

    signature: str
    trials: list[int]
    parked: list[int] = Field(default_factory=list)
    reason: str
    remedy: str


class Baseline(Row):
    """What trials are held against: its score (None while not known), and the lead of the best trial over it."""

    name: str
    value: float | None
    lead: float | None


class GateRow(Row):
    """A bound that a metric has to meet at an epoch; how many trials did, did not, and ended before (None while not known)."""

    metric: str
    epoch: int
    bounds: list[str]
    """Such as ``at least 0.8``."""
    action: str
    remedy: str
    met: int | None
    missed: int | None
    before: int | None


class Answer(Row):
    """What the study says: for a person in ``text``, and for a program as `pitprop status --json` says it in ``summary``."""

    text: str
    """Markdown."""
    best: Best | None
    stopped: list[Reason]
    warned: list[Reason]
    baselines: list[Baseline]
    gates: list[GateRow]
    spent: int
    saved: int
    unit: str
    summary: Mapping[str, Any]


class SearchDetail(Search):
    """A search with its space, and with what its study says (None before its first trial)."""

    space: str
    """As YAML."""
    overrides: Mapping[str, Any]
    answer: Answer | None
    language: str = "en"
    """In which people are told outside how it went: that of the request that has submitted it."""
    unanswered: str = ""
    """Why its study cannot be read, where there is one."""
    mlflow: str | None
    """The server of MLflow, where its experiment is called like its study; None where there is none."""


class VerdictRow(Row):
    """What a signature said of a trial, at which epoch."""

    signature: str
    step: int
    action: str
    reason: str
    remedy: str


class Trial(Row):
    """One trial."""

    number: int
    state: str
    """complete, pruned, parked, waiting, fail or running."""
    params: Mapping[str, Any]
    values: list[float] | None
    baseline: str | None
    verdicts: list[VerdictRow]
    error: str | None
    epochs: int
    saved: int
    started: float
    ended: float | None
    revives: int | None
    remedy_of: int | None
    excluded: bool


class CurvePoint(Row):
    """An epoch of one of a trial's seeds."""

    step: int
    metrics: Mapping[str, float]


class TrialDetail(Trial):
    """One trial with its curves, one for each seed, and the end of what it printed."""

    curves: list[list[CurvePoint]]
    log: str
    traceback: str


class Worded(Row):
    """A text as it is kept, which is the same in every language: its ``template``, and the ``values`` that fill it."""

    template: str
    values: Mapping[str, Any]


class Event(Row):
    """What happened in a search. Ids count up from 1 in each search, without gaps.

    The service's kinds: queued, started, share, ordered, pausing, paused, resumed, cancelling, cancelled, extended, restarted,
    done, failed. Its driver's: begun, trial (one that ended, with its verdicts), warned, told, target. Between those of a stream
    come, without an id of their own: progress, and silence (since when nobody can say which drivers run, None once it is known).
    """

    id: int
    search: str
    kind: str
    at: float
    body: Mapping[str, Any]
    """What there is to say, with its texts in the language of the request."""
    texts: Mapping[str, Worded] = Field(default_factory=dict)
    """How these texts are kept, by where they stand in ``body``: ``reason``, or ``verdicts.0.reason``."""


class Caller(Row):
    """Who asks, and what they may do."""

    owner: str
    scope: Scope
    token: str | None = None
    """The id of the token; None where none is needed."""
