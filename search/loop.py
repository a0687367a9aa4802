"""The driver: asks for trials, launches them, records and judges every epoch, and tells how each trial ended.

`Search.events` is a generator: what happens in a search is what it yields, and closing it ends the search at any point
without loss. Nothing here waits for a database, for MLflow or for a terminal but for one transaction a trial.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from search import checkpoint, detect, telemetry
from search.detect import Verdict
from search.errors import UserError
from search.facts import Facts
from search.launch import Launcher
from search.record import Record
from search.recordings import Recordings
from search.space import Space
from search.space.problems import hint
from search.stopping import EarlyStopping, judge_gates
from search.study import Outcome, Study, Trial
from search.telemetry import Epoch
from search.trainer import Change, Epochs, Lane, Start
from search.training import Training
from search.worker import Failure

HOPELESS = 3
"""After this many trials that failed alike, and none that did not, the search is stopped."""


class SearchError(UserError):
    """The search cannot go on: one sentence."""


@dataclass(frozen=True, slots=True)
class Started:
    record: Record
    step: int


@dataclass(frozen=True, slots=True)
class Reported:
    lane: Lane
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Warned:
    number: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Retried:
    number: int
    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    record: Record
    traceback: str = ""


Event = Started | Reported | Warned | Retried | Ended


class Search:
    """One run of a search, from the trials a killed one left to the study's target, or to ``deadline`` (unix seconds)."""

    def __init__(self, space: Space, study: Study, launcher: Launcher, *, width: int, deadline: float | None = None) -> None:
        self._space, self._study, self._launcher = space, study, launcher
        self._width, self._deadline = width, deadline
        self._signatures = [detect.Signature(n, c.action, c.thresholds) for n, c in space.signatures.items() if c.action != "off"]
        goal = space.objective
        self._facts = Facts(budget=space.epochs, metric=goal.metric, maximize=goal.goal == "maximize")
        self._trainings: dict[int, Training] = {}
        self._groups: list[list[Lane]] = [[] for _ in range(launcher.size)]
        self._queue: deque[Start] = deque()
        self._events: deque[Event] = deque()
        self._reached = {b.name: dict(b.values) for b in space.baselines if b.values is not None}
        self._recordings = Recordings(space.searches_stopping)
        self._failures: list[Record] | None = []

    def events(self) -> Generator[Event, None, None]:
        """Runs the search. `SearchError` when every trial fails alike."""
        self._reattach()
        yield from self._flush()
        for worker in range(self._launcher.size):
            self._advance(worker, [])
        yield from self._flush()
        for step in self._launcher.steps():
            if isinstance(step.outcome, Failure):
                stopped: list[Lane] = []
                self._break_up(step.worker, step.outcome)
            else:
                stopped = self._observe(step.worker, step.outcome)
            self._advance(step.worker, stopped)  # before anybody looks at the events, so that the worker does not wait
            yield from self._flush()

    def _flush(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # What is started

    def _reattach(self) -> None:
        """Takes up the trials of a killed search, each from its last checkpoint, and what finished trials have recorded."""
        found = checkpoint.newest(self._study.folder / "checkpoints")
        for record in self._study.records():
            training = self._training(self._study.trial(record.number))
            if record.state == "RUNNING":
                self._trainings[record.number] = training
                self._restore(training, found)
                self._events.append(Started(record, min(len(curve) for curve in training.curves.values())))
                if self._recordings.leader(training) is None:
                    self._enqueue(training, found)
            elif record.state != "FAIL":
                self._learn(training)
        for training in list(self._trainings.values()):
            self._conclude(training)

    def _restore(self, training: Training, found: Mapping[Lane, tuple[Path, Epoch]]) -> None:
        """Brings a trial's curves to where its checkpoints stand, and judges it there again."""
        for lane in training.lanes:
            training.rewind(lane.replica, found[lane][1] if lane in found else None)
            self._judge(training, lane.replica)

    def _enqueue(self, training: Training, found: Mapping[Lane, tuple[Path, Epoch]]) -> None:
        for lane in training.lanes:
            path = found[lane][0] if lane in found else None
            self._queue.append(training.start(lane, self._space.seed, path))

    def _advance(self, worker: int, stopped: Sequence[Lane]) -> None:
        """Refills the worker's group and asks it for the next epoch, if it has anything to train or to drop."""
        group = self._groups[worker]
        started: list[Start] = []
        while (start := self._next(group)) is not None:
            started.append(start)
            group.append(start.lane)
        if group or stopped:
            self._launcher.advance(worker, Change(stopped, started))

    def _next(self, group: Sequence[Lane]) -> Start | None:
        """The next lane for a group that has room; a trial that must be alone gets a group of its own."""
        if len(group) >= self._width or any(self._trainings[lane.trial].alone for lane in group):
            return None
        while not self._queue:
            if len(group) + self._recordings.waiting >= self._width or not self._ask():
                return None
        if group and self._trainings[self._queue[0].lane.trial].alone:
            return None
        return self._queue.popleft()

    def _ask(self) -> bool:
        """Asks for a trial and queues its lanes, or answers it from a recorded curve; False if there is none to be had."""
        if self._deadline is not None and time.time() >= self._deadline:
            return False
        trial = self._study.ask()
        if trial is None:
            return False
        training = self._trainings[trial.number] = self._training(trial)
        self._events.append(Started(self._study.record(trial.number), 0))
        leader = self._recordings.leader(training)
        if leader is None:
            self._enqueue(training, {})
        elif not leader.lanes:
            self._answer(training, leader)
        return True

    def _training(self, trial: Trial) -> Training:
        return Training.of(trial, self._study.trial_folder(trial.number), self._space.seeds)

    # What comes back

    def _observe(self, worker: int, epochs: Epochs) -> list[Lane]:
        """Records and judges the epochs of a group; the lanes that end with them."""
        group, stopped = self._groups[worker], []
        for lane in list(group):
            training = self._trainings[lane.trial]
            if lane in epochs:
                self._take(training, lane, epochs[lane])
            else:
                training.ended[lane.replica] = None
            if lane.replica in training.ended:
                group.remove(lane)
                stopped += [lane] if lane in epochs else []
                self._conclude(training)
        return stopped

    def _take(self, training: Training, lane: Lane, epoch: Epoch) -> None:
        metric = self._space.objective.metric
        if metric not in epoch.metrics:
            near = hint(metric, sorted(epoch.metrics))
            raise SearchError(f"the objective {metric!r} is not among what the trainer reports{near}; mend objective.metric")
        if training.record(lane.replica, epoch):
            self._events.append(Reported(lane, epoch))
            self._judge(training, lane.replica)

    def _judge(self, training: Training, replica: int) -> None:
        """Ends a seed that is lost, has stopped early, or has spent its budget; what only warns is noted."""
        curve = training.curves[replica]
        if not curve:
            return
        gates = [gate for one in self._space.gates if (gate := one.against(self._reached)) is not None]
        verdicts = [*detect.judge(curve, self._facts, self._signatures), *judge_gates(curve, gates)]
        verdicts += self._population(training, replica)
        lost = next((v for v in verdicts if v.action == "prune" and training.trial.baseline is None), None)
        for verdict in verdicts:
            if (lost is None or verdict.action == "warn") and verdict.signature not in training.warnings:
                training.warnings[verdict.signature] = verdict
                self._events.append(Warned(training.trial.number, verdict))
        if lost is not None or curve[-1].step >= self._space.epochs or self._stops(training, curve):
            training.ended[replica] = lost

    def _population(self, training: Training, replica: int) -> list[Verdict]:
        """What the population pruner says of the newest score, which counts for the first seed."""
        if self._space.pruner is None or replica > 0:
            return []
        step, score = training.curves[0][-1].step, training.curves[0][-1].metrics[self._space.objective.metric]
        if not self._study.report(training.trial, step, score):
            return []
        name = self._space.pruner.name
        reason = f"{self._space.objective.metric} {score:.4g} at epoch {step} falls behind the other trials ({name} pruner)"
        return [Verdict(f"pruner:{name}", step, "prune", reason, {self._space.objective.metric: score})]

    def _stops(self, training: Training, curve: Sequence[Epoch]) -> bool:
        """Whether early stopping ends the seed; where patience is searched the curve is recorded whole instead."""
        stopping = None if self._space.searches_stopping else self._stopping(training)
        return stopping is not None and stopping.stops_at(telemetry.series(curve, stopping.metric)) is not None

    def _stopping(self, training: Training) -> EarlyStopping | None:
        return self._space.stopping(training.trial.values)

    def _conclude(self, training: Training, error: str = "", traceback: str = "") -> None:
        """Tells a trial whose seeds have all ended, and those that its curve answers."""
        if training.trial.number not in self._trainings or (training.lanes and not error):
            return
        goal = self._space.objective
        maximize, objectives = goal.goal == "maximize", len(self._space.directions)
        if error:
            outcome = Outcome("FAIL", training.epochs, error=error)
        else:
            outcome = training.outcome(goal.metric, goal.at, maximize, self._stopping(training), objectives)
        del self._trainings[training.trial.number]
        record = self._study.tell(training.trial, outcome)
        self._events.append(Ended(record, traceback))
        self._refuse_hopeless(record)
        if outcome.state != "FAIL":
            self._learn(training)
        for follower in self._recordings.followers(training):
            if outcome.state != "FAIL":
                self._answer(follower, training)
            elif self._recordings.leader(follower) is None:
                self._enqueue(follower, {})

    def _learn(self, training: Training) -> None:
        """Keeps what a finished trial is good for: the bounds of gates, and curves that answer other trials."""
        if training.trial.baseline is not None:
            self._reached[training.trial.baseline] = training.bests(self._facts)
        if self._space.searches_stopping and self._recordings.leader(training) is None:
            for replica in training.curves:
                training.ended.setdefault(replica, None)

    def _answer(self, training: Training, leader: Training) -> None:
        """Answers a trial from the recorded curve of another, which differs in its early stopping alone."""
        training.copy(leader, self._stopping(training))
        self._conclude(training)

    def _break_up(self, worker: int, failure: Failure) -> None:
        """Tries the trials of a broken group again from their checkpoints, or fails the one that broke it."""
        if failure.blameless:
            raise SearchError(f"{failure.error}; what was finished is kept, and the same command goes on from there")
        group, self._groups[worker] = self._groups[worker], []
        found = checkpoint.newest(self._study.folder / "checkpoints")
        for number in dict.fromkeys(lane.trial for lane in group):
            training = self._trainings.get(number)
            if training is None:
                continue
            lanes = [lane for lane in group if lane.trial == number]
            training.attempts += 1
            spent = not failure.died or training.attempts > self._space.retries
            if spent and len(group) == len(lanes):
                self._conclude(training, failure.error, failure.traceback)
                continue
            training.alone = training.alone or spent
            self._events.append(Retried(number, failure.error))
            for lane in lanes:
                training.rewind(lane.replica, found[lane][1] if lane in found else None)
                self._queue.append(training.start(lane, self._space.seed, found[lane][0] if lane in found else None))

    def _refuse_hopeless(self, record: Record) -> None:
        self._failures = [*self._failures, record] if record.state == "FAIL" and self._failures is not None else None
        alike = {one.error for one in self._failures or ()}
        if self._failures and len(self._failures) >= min(HOPELESS, self._study.target) and len(alike) == 1:
            raise SearchError(f"the first {len(self._failures)} trials failed alike, and the search stops: {record.error}")
