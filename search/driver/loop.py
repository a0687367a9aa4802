"""The driver: asks for trials, launches them, records and judges every epoch, and tells how each trial ended.

`Search.events` is a generator: what happens in a search is what it yields, and closing it ends the search at any point
without loss. Nothing here waits for MLflow or a terminal. A database that does not answer keeps new trials waiting, no training.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence

from pitprop.detection.detect import Verdict
from pitprop.driver import reports, revival
from pitprop.driver.grants import Grants
from pitprop.driver.judging import REACH, Judge
from pitprop.driver.progress import (
    Ended,
    Event,
    Failures,
    Reported,
    Rested,
    Retried,
    SearchError,
    Started,
    Unanswered,
    Understood,
    Unwritten,
    Warned,
)
from pitprop.driver.scheduler import NEW
from pitprop.driver.shared_curves import Recordings
from pitprop.driver.training import Training
from pitprop.driver.waiting import Waiting
from pitprop.messages import message
from pitprop.space import Space
from pitprop.study.record import Failed, Outcome, State
from pitprop.study.study import Study, Trial
from pitprop.telemetry import Epoch
from pitprop.trainer import Epochs, Lane
from pitprop.workers.groups import Groups, Width
from pitprop.workers.launch import Launcher
from pitprop.workers.worker import Cause, Failure


class Search:
    """One run of a search, from the trials a killed one left to the study's target, or to ``deadline`` (unix seconds).

    ``width`` says how many lanes each of so many workers trains at once.
    With ``asks=False`` no trial is started that the study does not hold yet: only those that are RUNNING are brought to an end.
    """

    def __init__(
        self, space: Space, study: Study, launcher: Launcher, *, width: Width, deadline: float | None = None, asks: bool = True
    ) -> None:
        self._space, self._study, self._launcher = space, study, launcher
        self._asks = asks
        self._trainings: dict[int, Training] = {}
        self._groups = Groups(launcher, width, self._ask)
        self._judge = Judge(space, study)
        self._grants = Grants(space, study.folder, deadline)
        self._waiting = Waiting(space.seeds)
        self._recordings = Recordings(space.searches_stopping)
        self._events: deque[Event] = deque()
        self._failures = Failures()
        self._unanswered = False
        """Whether it was told that the database does not answer."""
        self._wanted = reports.Wanted(space)
        """Whether the objective has been seen in this search or before it."""

    def events(self) -> Generator[Event, None, None]:
        """Runs the search. `SearchError` when every trial fails alike."""
        self._reattach()
        self._revive()
        yield from self._train()
        while self._revive():
            yield from self._train()
        self._end_waiting()
        yield from self._flush()

    def _train(self) -> Iterator[Event]:
        """Trains until no worker has anything to do."""
        yield from self._flush()
        self._advance_idle()
        self._heed_database()
        yield from self._flush()
        while True:
            for step in self._launcher.steps(self._left):
                self._groups.answered(step.worker)
                if isinstance(step.outcome, Failure):
                    stopped: list[Lane] = []
                    self._break_up(step.worker, step.outcome)
                else:
                    stopped = self._observe(step.worker, step.outcome)
                self._groups.advance(step.worker, stopped)  # before anybody looks at the events, so that the worker does not wait
                if (
                    self._waiting.here or self._groups.waiting
                ):  # lanes of a worker that is gone, for those that have nothing to do
                    self._advance_idle()
                self._heed_database()
                yield from self._flush()
            if self._study.trouble is None:
                return
            self._study.settle()  # nothing trains, and there is nothing else to do
            self._heed_database()
            yield from self._flush()

    def _advance_idle(self) -> None:
        for worker in self._launcher.free():
            if self._groups.idle(worker):
                self._groups.advance(worker)

    def _left(self) -> bool:
        """Whether a worker would find anything to train."""
        if self._groups.waiting:
            return True
        return self._grants_any and (bool(self._waiting) or not self._study.all_begun)

    def _heed_database(self) -> None:
        """Tells when the database stops to answer. Once it answers again, whoever waited for a trial gets one."""
        self._study.catch_up()
        before, self._unanswered = self._unanswered, self._study.trouble is not None
        if self._unanswered != before:
            self._events.append(Unanswered(self._study.trouble))
            if before:
                self._advance_idle()

    def _flush(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # What is started

    def _reattach(self) -> None:
        """Takes up what finished trials have taught, and then the trials of a killed search, each from its last checkpoint."""
        records = self._study.records()
        self._wanted.measured = any(record.values is not None for record in records)
        self._failures.recall(records)
        self._waiting.laid_by = revival.waiting(records)
        finished = [record for record in records if record.state in (State.COMPLETE, State.PRUNED)]
        self._grants.spent = revival.spent(records)
        for record in finished:
            if self._grants.lacks(record.number):
                ended = self._training(self._study.trial(record.number))
                ended.ended |= dict.fromkeys(ended.curves)
                self._grants.note(ended, record)
            recovery = self._study.recovery(record.number)
            recent = record.number >= finished[-1].number - 2 * REACH
            if recent or recovery is None or record.baseline is not None or self._space.searches_stopping:
                self._learn(self._training(self._study.trial(record.number)), recovery)
            else:  # its curve is nobody's peer, nor the bound of a gate, nor an answer
                self._judge.peers.recall(recovery)
        for record in records:
            if record.state == State.RUNNING:
                self._take_up(self._study.trial(record.number))

    def _take_up(self, trial: Trial) -> None:
        """Resumes a trial from its checkpoints, and judges it again where they stand."""
        training = self._trainings[trial.number] = self._training(trial)
        if trial.revives is not None:
            training.note(self._study.record(trial.revives).verdicts)
        if not self._grants.granted(trial.number):  # it was killed just before, or the user revives it
            self._grants.grant(training)
        starts = training.resume(training.lanes, self._space.seed, self._study.checkpoints)
        self._grants.spent += training.epochs - sum(training.adopted.values())
        self._events.append(Started(self._study.record(trial.number), min(len(curve) for curve in training.curves.values())))
        for lane in training.lanes:
            self._warn(training, self._judge.review(training, lane.replica))
        leader = self._recordings.leader(training)
        if leader is None:
            resting = [lane for lane in training.lanes if self._grants.rests(training, lane.replica)]
            self._groups.queue(start for start in starts if start.lane in training.lanes and start.lane not in resting)
            self._conclude(training)
            self._rest(training)
        elif not leader.lanes:
            self._answer(training, leader)

    def _ask(self, worker: int, room_taken: int) -> bool:
        """Queues what the scheduler chooses to train: a trial that waits, or a new one. False if there is nothing to be had."""
        if room_taken + self._recordings.waiting >= self._groups.width or not self._grants_any:
            return False
        waiting = self._waiting.able(worker)
        fills = not room_taken or self._space.budget is None
        chosen = self._grants.choose(waiting, len(self._study.records()), self._study.target, not self._study.all_begun, fills)
        if chosen is None:
            return False
        if chosen == NEW:
            return self._begin()
        if chosen in self._waiting.laid_by or self._grants.parked(chosen):
            return self._continue(chosen)
        self._waiting.here.remove(chosen)
        training = self._trainings[chosen]
        self._grants.grant(training)
        self._groups.queue(
            training.left(self._space.seed)
            if self._waiting.leaves(worker, chosen)
            else training.resume(training.lanes, self._space.seed, self._study.checkpoints)
        )
        return True

    def _continue(self, number: int) -> bool:
        """Revives a trial that waited when an earlier search ended, or that evidence has parked; not one without a checkpoint."""
        self._waiting.laid_by.discard(number)
        if self._study.parking().why_not(number) is None:
            self._grants.revive(number)
            self._take_up(self._study.revive(number))
        else:
            self._grants.forget(number)
        return True

    def _begin(self) -> bool:
        """Asks for a new trial and queues its lanes, or answers it from a recorded curve; False if there is none to be had."""
        trial = self._study.ask()
        if trial is None:
            return False
        training = self._trainings[trial.number] = self._training(trial)
        self._events.append(Started(self._study.record(trial.number), 0))
        self._grants.grant(training)
        leader = self._recordings.leader(training)
        if leader is None:
            self._start(training)
        elif not leader.lanes:
            self._answer(training, leader)
        return True

    def _revive(self) -> bool:
        """Continues the parked trials that the space has revived at the end; False if there are none."""
        numbers = revival.due(self._study) if self._grants_any else []
        for number in numbers:
            self._take_up(self._study.revive(number))
        return bool(numbers)

    @property
    def _grants_any(self) -> bool:
        """Whether any trial is granted more."""
        return self._asks and self._grants.over(self._study.satisfied) is None

    def _training(self, trial: Trial) -> Training:
        parked = None if trial.revives is None else self._study.trial_folder(trial.revives)
        return Training.of(trial, self._study.trial_folder(trial.number), self._space.seeds, parked)

    def _start(self, training: Training) -> None:
        self._groups.queue(training.start(lane, self._space.seed) for lane in training.lanes)

    # What comes back

    def _observe(self, worker: int, epochs: Epochs) -> list[Lane]:
        """Records and judges the epochs of a group; the lanes that end with them."""
        stopped = []
        self._requeue(self._groups.handed_on(worker))
        for number in self._waiting.left(worker):
            if number in self._trainings:  # or another of its seeds has ended it since
                self._check_kept(self._trainings[number])
        for lane in self._groups.lanes(worker):
            training = self._trainings.get(lane.trial)  # None if another of its seeds has failed the trial
            if training is not None and lane in epochs:
                self._take(training, lane, epochs[lane])
            elif training is not None:
                training.ended[lane.replica] = None
            resting = training is not None and self._grants.rests(training, lane.replica)
            if lane.trial not in self._trainings or training is None or lane.replica in training.ended or resting:
                self._groups.leave(worker, lane)
                stopped += [lane] if lane in epochs else []
            if training is not None:
                self._conclude(training)
                if resting:
                    self._waiting.leave(worker, lane.trial)
                self._rest(training)
        return stopped + self._groups.hand_on(worker, self._study.checkpoints)

    def _take(self, training: Training, lane: Lane, epoch: Epoch) -> None:
        curve = training.curves[lane.replica]
        if (error := reports.beyond(self._space, curve, epoch)) is not None:
            self._conclude(training, Failed(training.epochs, error, alike=True))
        elif training.record(lane.replica, epoch):
            self._grants.spent += epoch.step - (curve[-2].step if len(curve) > 1 else 0)
            self._events.append(Reported(lane, epoch))
            error, missed = self._wanted.take(training.curves[lane.replica])
            if error is not None:
                self._conclude(training, Failed(training.epochs, error, alike=True))
                raise SearchError(error)
            told = missed, self._judge.understood(training) if training.curves[0] else None
            self._events.extend(Understood(said) for said in told if said is not None)
            self._warn(training, self._judge.judge(training, lane.replica))
            self._judge.limit(training, lane.replica)

    def _rest(self, training: Training) -> None:
        """Has a trial wait of which all seeds have trained what was granted, or are over."""
        number = training.trial.number
        if (
            number in self._trainings
            and number not in self._waiting.here
            and training.lanes
            and all(self._grants.rests(training, one.replica) for one in training.lanes)
        ):
            self._grants.note(training)
            training.reported.clear()
            self._waiting.here.add(number)
            self._events.append(Rested(number))
            self._study.wait(number, self._grants.score(number))

    def _check_kept(self, training: Training) -> None:
        """Has trials wait no more where the trainer leaves no checkpoint to go on from: each would begin again."""
        if training.trial.number in self._waiting.here and not training.kept(self._study.checkpoints):
            self._warn(training, training.note([self._grants.give_up(training)]))

    def _end_waiting(self) -> None:
        """Ends the trials that still wait when nothing is granted any more. What they reached counts, and they can be revived."""
        if (over := self._grants.over(self._study.satisfied)) is None or not self._asks:
            return
        for number in sorted(self._waiting.here):
            training = self._trainings[number]
            training.ended |= dict.fromkeys((lane.replica for lane in training.lanes), self._grants.ending(training, over))
            self._conclude(training)
        self._waiting.here.clear()

    def _warn(self, training: Training, verdicts: Sequence[Verdict]) -> None:
        self._events += [Warned(training.trial.number, verdict) for verdict in verdicts]

    def _conclude(self, training: Training, failed: Failed | None = None, traceback: str = "") -> None:
        """Tells a trial that has ``failed``, or whose seeds have all ended, and those that its curve answers."""
        if training.trial.number not in self._trainings or (training.lanes and not failed):
            return
        if failed:
            self._groups.forget(training.trial.number)
        outcome: Outcome = failed or training.outcome(self._space, self._judge.stopping(training))
        del self._trainings[training.trial.number]
        trained = not isinstance(outcome, Failed) and self._recordings.leader(training) is None
        recovery = self._judge.peers.recovery(training) if trained else None
        record = self._study.tell(training.trial, outcome, recovery)
        self._grants.note(training, record)
        self._events.append(Ended(record, traceback))
        if (alike := self._judge.alike(record)) is not None:
            self._events.append(Understood(alike, dead=True))
        self._failures.add(record, self._study.target)
        if not isinstance(outcome, Failed):
            self._learn(training, recovery)
        for follower in self._recordings.followers(training):
            if not isinstance(outcome, Failed):
                self._answer(follower, training)
            elif self._recordings.leader(follower) is None:
                self._start(follower)

    def _learn(self, training: Training, recovery: int | None) -> None:
        """Keeps what a finished trial is good for: what others are judged by, and curves that answer them."""
        trained = self._recordings.leader(training) is None
        self._judge.learn(training, recovery, trained=trained)
        if self._space.searches_stopping and trained:
            for replica in training.curves:
                training.ended.setdefault(replica, None)

    def _answer(self, training: Training, leader: Training) -> None:
        """Answers a trial from the recorded curve of another, which differs in its early stopping alone."""
        training.copy(leader, self._judge.stopping(training))
        self._conclude(training)

    def _break_up(self, worker: int, failure: Failure) -> None:
        """Tries the trials of a broken group again from their checkpoints, or fails the one that broke it."""
        self._waiting.left(worker)
        if failure.cause in (Cause.CHECKPOINT, Cause.DISK):
            self._study.check()  # where the whole folder is gone, nothing is kept
            said = message("{error}; finished trials are kept, and the same command continues from there", error=failure.error)
            raise (Unwritten if failure.cause is Cause.DISK else SearchError)(said)
        group = self._groups.break_up(worker)
        if failure.cause is Cause.TOO_MANY_LANES:
            self._narrow(group, failure)
            return
        for number, lanes in group.items():
            training = self._trainings.get(number)
            if training is None:
                continue
            blamed = failure.cause is not Cause.LOST or training.lose()
            training.attempts += blamed
            spent = blamed and (failure.cause is not Cause.WORKER_DIED or training.attempts > self._space.retries)
            if spent and len(group) == 1:
                self._conclude(training, Failed(training.epochs, failure.error), failure.traceback)
                continue
            starts = training.resume(lanes, self._space.seed, self._study.checkpoints)
            anew = not self._space.resumes or all(start.checkpoint is None for start in starts)
            self._events.append(Retried(number, failure.error, anew))
            self._groups.queue(starts, alone=spent)

    def _narrow(self, group: Mapping[int, Sequence[Lane]], failure: Failure) -> None:
        """Continues with fewer lanes at once, each from its checkpoint: that there were too many is no fault of the trials."""
        lanes = sum(map(len, group.values()))
        width = self._groups.narrow(lanes)
        said = message(
            "{lanes} at once do not fit into memory, so {width} at once continue ({error})",
            lanes=lanes,
            width=width,
            error=failure.error,
        )
        self._events.append(Retried(next(iter(group)), said))  # once, not for each of its neighbours too
        self._requeue(group)

    def _requeue(self, group: Mapping[int, Sequence[Lane]]) -> None:
        """Has lanes train on elsewhere, from their checkpoints."""
        for number, lanes in group.items():
            if (training := self._trainings.get(number)) is not None:
                self._groups.queue(training.resume(lanes, self._space.seed, self._study.checkpoints))
