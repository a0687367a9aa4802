"""The study: an Optuna study in a database, with one owner; a killed one resumes.

The sampler reads a copy of the study in memory; the database is the only durable truth, holds Optuna's own tables, and can be
read by any tool of Optuna's.

Trial n is a pure function of n and of the trials before it: first the baselines of the space, then its points, then remedies
that are to be tried and what a sampler proposes that is seeded by n. So a study that is opened again proposes what it would
have proposed. Revived trials come on top of those that were planned: to Optuna, which changes no finished trial, they are new
ones with the same parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pitprop.addresses import safe
from pitprop.errors import UserError
from pitprop.messages import Message, _
from pitprop.space import HELD, STAGNATION, Baseline, Space, scripts
from pitprop.study import database, ranking, storage
from pitprop.study.memory import Memory, TooNarrow
from pitprop.study.ownership import AdvisoryLock, Owned, claim, file_lock, mark, still_there
from pitprop.study.parking import Parking
from pitprop.study.record import REACHED, Completed, Failed, Outcome, Pruned, Record, State, code_counts
from pitprop.study.remedies import FollowUps
from pitprop.study.sampling import samplers, warm_start
from pitprop.study.source import OtherSpace
from pitprop.study.storage import trial_id
from pitprop.study.stored import as_record, excluding
from pitprop.telemetry import finite

CHECK = 20.0
"""Seconds after which a search that writes nothing looks whether the study is still its own."""
_STATES = {Completed: TrialState.COMPLETE, Pruned: TrialState.PRUNED, Failed: TrialState.FAIL}


class StudyError(UserError):
    """The study cannot be opened or asked: one sentence."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that runs: what the sampler drew (``values``, by leaf), and the tree that a trainer takes (``params``).

    ``flat`` are all its parameters by dotted name. ``revives`` is the number of the parked trial that it continues.
    """

    number: int
    values: Mapping[str, Any]
    params: Mapping[str, Any]
    flat: Mapping[str, Any]
    baseline: str | None
    revives: int | None = None


class Study:
    """The open study of a space. Use `opened`, which holds the lock.

    What is asked of all trials is kept as they begin and end, so that a trial costs the same whether it is the tenth or the
    thousandth.
    """

    def __init__(
        self,
        connection: optuna.storages.RDBStorage,
        space: Space,
        folder: Path,
        held: Callable[[], None] = lambda: None,
        name: str = "the study database",
    ) -> None:
        self.space, self.folder = space, folder
        self._database = connection
        self._id, self._planned = claim(connection, space, folder)
        self._fence = storage.Fence.put_up(connection, self._id, mark())
        self._writes = database.Writes(name, held)
        self._entering: FrozenTrial | None = None
        self._checked = time.monotonic()
        self._room: int | None = None
        trials = storage.trials(connection, self._id)
        foreign = [one.number for one in trials if "params" not in one.user_attrs]
        if foreign:
            raise OtherSpace(
                _(
                    "trial {foreign} of the study {name!r} was not made by pitprop: delete it from the database, or "
                    "rename the space"
                ).format(foreign=foreign[0], name=space.name)
            )
        facts = connection.get_study_user_attrs(self._id)
        self._codes: list[dict[str, str]] = facts.get("codes", [])
        self._code = scripts.code(space)
        self._ids = [trial_id(one) for one in trials]
        self._written = [dict(one.system_attrs) for one in trials]
        self.knows, others = warm_start.known(space, connection, self._id, self._fence, facts)
        self._memory = Memory(space, trials, others)
        self._records = list(excluding((as_record(one, self.trial_folder(one.number)) for one in trials), facts))
        self._follow_ups = FollowUps(space, self._records)
        self._revived = sum(record.revives is not None for record in self._records)
        self._reached = any(map(self._reaches, self._records))
        self._tell_room()

    @property
    def planned(self) -> int:
        """How many trials the study is to have, baselines and points included, revived ones not; at most what is possible."""
        room = self._memory.room
        return self._planned if room is None else min(self._planned, len(self._records) - self._revived + room)

    @property
    def exhausted(self) -> bool:
        """Whether every trial that the space allows has been asked for."""
        return self._memory.room == 0

    @property
    def all_begun(self) -> bool:
        """Whether no trial may begin any more: all that are planned or possible exist, or the target is reached."""
        return self._entering is None and (len(self._records) >= self.target or self.satisfied)

    @property
    def target(self) -> int:
        """How many trials the study is to have, with those revived so far."""
        return self.planned + self._revived

    @property
    def satisfied(self) -> bool:
        """Whether a trial has reached the target that the space is to stop at, or nothing improves where it is to stop then."""
        return self._reached or (self.space.stop_when == STAGNATION and ranking.stagnates(self.space, self._records))

    def plan(self, trials: int) -> None:
        """Sets the number of trials to reach, revived ones not counted."""
        self._writes.put(lambda _again: storage.set_fact(self._database, self._id, "trials", trials, self._fence))
        self.settle()
        self._planned = trials
        self._tell_room()

    def keep(self, name: str, value: Any) -> None:
        """Writes down what was found out about the study as a whole, for who reads it later."""
        self._writes.put(lambda _again: storage.set_fact(self._database, self._id, name, value, self._fence))

    @property
    def code_changes(self) -> list[str]:
        """The files of code that have changed since trials were trained by them; none where no code was kept."""
        counts = self._codes and any(map(code_counts, self._records))
        return scripts.changed(self._codes[-1], self._code) if counts else []

    def take_code(self) -> None:
        """Trains by the code as it is now from here on, the trials that run among them."""
        if self._codes and self._codes[-1] == self._code:
            return
        self._codes = [*(self._codes if self._records else []), self._code]
        self._writes.put(lambda _again: storage.set_fact(self._database, self._id, "codes", self._codes, self._fence))
        for record in self._records:
            if record.state == State.RUNNING and record.code and record.code[-1] != scripts.short(self._code):
                codes = [*record.code, scripts.short(self._code)]
                self._memory.set_attribute(record.number, "code", codes)
                self._writes.put(partial(self._set_code, self._ids[record.number], codes))
                self._records[record.number] = as_record(self._memory.trial(record.number), self.trial_folder(record.number))
        self.settle()

    def _set_code(self, trial: int, codes: Sequence[str], _again: bool) -> None:
        storage.check(self._database, self._fence)
        self._database.set_trial_user_attr(trial, "code", codes)

    def trial(self, number: int) -> Trial:
        """One trial, with its parameters."""
        return self._trial(self._memory.trial(number))

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps its telemetry and checkpoints."""
        return self.folder / "trials" / f"{number:04d}"

    @property
    def checkpoints(self) -> Path:
        """Where the workers keep the checkpoints of trials under way."""
        return self.folder / "checkpoints"

    def records(self) -> list[Record]:
        """All trials, by number."""
        return list(self._records)

    def record(self, number: int) -> Record:
        """One trial, as everything downstream reads it."""
        return self._records[number]

    def recovery(self, number: int) -> int | None:
        """What was told as the ``recovery`` of a finished trial: 0 if it had none, None if nothing was told."""
        found: int | None = self._memory.trial(number).user_attrs.get("recovery")
        return found

    def ask(self) -> Trial | None:
        """The next trial, already in the database; None if all that are planned or possible exist, if the target is reached, or
        if the database does not answer (`trouble`)."""
        if self._entering is None:
            if not self._writes.flush():
                return None
            if self.all_begun:
                self._tell_room()
                return None
            follow_up = self._follow_ups.due(self.planned) if self.space.remedies == "try" else None
            added = self._memory.add_next(follow_up, held=len(self._records) >= (1 - HELD) * self.target)
            if added is None:
                return None
            self._enter(added)
        return self._entered()

    def parking(self) -> Parking:
        """Which trials can be revived now."""
        return Parking.of(self.space, self._records, self.checkpoints)

    def revive(self, number: int) -> Trial:
        """A new trial that continues a parked one, already in the database; `StudyError` if that cannot be continued."""
        if (reason := self.parking().why_not(number)) is not None:
            raise StudyError(reason)
        self.settle()
        self._enter(self._memory.add_revival(number))
        self.settle()
        revived = self._entered()
        assert revived is not None
        return revived

    @property
    def trouble(self) -> str | None:
        """What the database said if it has not taken all that it was given; None if it has."""
        return self._writes.trouble

    def catch_up(self) -> bool:
        """Whether the database has taken all that it was given; what it has not is tried again if it is time to.

        From time to time it is asked whether this process still owns the study, so that one that does not stops within an epoch.
        """
        if time.monotonic() - self._checked > CHECK and self._writes.flush():
            self.check()
        return self._writes.flush()

    def check(self) -> None:
        """Raises what a write raises if another process owns the study now, or if its database is gone."""
        self._checked = time.monotonic()
        self._writes.put(lambda _again: storage.check(self._database, self._fence))

    def settle(self) -> None:
        """Waits until the database has taken all that it was given; `StudyError` if it does not in ten minutes."""
        self._writes.settle()

    def wait(self, number: int, score: float) -> None:
        """Shows the sampler what a trial has reached that waits for its next segment; its scheduler keeps that otherwise."""
        self._memory.set_attribute(number, samplers.WAITS, score)

    def report(self, trial: Trial, step: int, score: float) -> bool:
        """Tells the population pruner a score; whether it would stop the trial."""
        if self.space.pruner is None or not finite(score):
            return False
        self._memory.report(trial.number, step, score)
        written, fence = self._ids[trial.number], self._fence
        self._writes.put(lambda _again: storage.add_report(self._database, written, step, score, fence=fence))
        return self._memory.prunes(trial.number)

    def tell(self, trial: Trial, outcome: Outcome, recovery: int | None = None) -> Record:
        """Ends a trial, in memory and in the database: there as soon as it answers.

        A search that is killed before that finds the trial's whole curve, and ends it again.
        ``recovery`` is what later trials are judged by (`pitprop.detection.life.recovery`), 0 for none: a search that resumes
        then need not read the curve again.
        """
        number, reports = trial.number, {}
        if isinstance(outcome, Pruned) and len(outcome.values) == 1 and finite(outcome.values[0]):
            reports = {outcome.epochs: outcome.values[0]}  # Optuna takes a pruned trial's value from its last report
            self._memory.report(number, outcome.epochs, outcome.values[0])
        attributes = _attributes(outcome) | ({} if recovery is None else {"recovery": recovery})
        for name, value in attributes.items():
            self._memory.set_attribute(number, name, value)
        values = outcome.values if isinstance(outcome, Completed) else None
        frozen = self._memory.tell(number, values, _STATES[type(outcome)])
        changed = {name: value for name, value in frozen.system_attrs.items() if self._written[number].get(name) != value}
        told: dict[str, Any] = {"attributes": attributes, "system": changed, "reports": reports, "fence": self._fence}
        self._writes.put(lambda again: storage.end(self._database, self._ids[number], frozen, again=again, **told))
        record = self._records[number] = as_record(frozen, self.trial_folder(number))
        self._follow_ups.add(record)
        self._reached = self._reached or self._reaches(record)
        return record

    def _tell_room(self) -> None:
        """Writes down how many trials the space allows, where that is less than planned, for who only reads the study."""
        if self.planned < self._planned and self._room != self.planned:
            room = self._room = self.planned
            self._writes.put(lambda _again: storage.set_fact(self._database, self._id, "room", room, self._fence))

    @property
    def _baselines(self) -> list[Baseline]:
        return [baseline for baseline in self.space.baselines if baseline.params is not None]

    def exclude(self, numbers: Sequence[int], *, undo: bool = False) -> None:
        """Takes trials out of every answer, or back into it; `StudyError` for one that can be in none."""
        for number in numbers:
            if not 0 <= number < len(self._records):
                text = _("{study} has no trial {number}: it has {count}, from 0")
                raise StudyError(text.format(study=self.space.name, number=number, count=len(self._records)))
            if self._records[number].baseline is not None:
                text = _("trial {n} of {study} trains a baseline: remove that from the space instead")
                raise StudyError(text.format(n=number, study=self.space.name))
        gone = {record.number for record in self._records if record.excluded}
        gone = gone - set(numbers) if undo else gone | set(numbers)
        self._writes.put(lambda _again: storage.set_fact(self._database, self._id, "excluded", sorted(gone), self._fence))
        self.settle()
        self._records = [replace(record, excluded=record.number in gone) for record in self._records]

    def _reaches(self, record: Record) -> bool:
        stop = self.space.stop_when
        return stop is not None and stop in self.space.targets and ranking.reaches(self.space, record, self.space.targets[stop])

    def _enter(self, frozen: FrozenTrial) -> None:
        """Writes a trial that has begun in memory to the database, with its code; it trains when it is there (`_entered`)."""
        if self.space.card.shell:  # each trial of a command reads its script anew
            self._code = scripts.code(self.space)
        if code := scripts.short(self._code):
            revives = frozen.user_attrs.get("revives")
            before = self._records[revives].code if revives is not None else ()
            self._memory.set_attribute(frozen.number, "code", list(dict.fromkeys((*before, code))))
            frozen = self._memory.trial(frozen.number)
        self._entering = frozen
        self._writes.put(lambda again: self._begin(frozen, again))

    def _entered(self) -> Trial | None:
        """The trial that was entered last, if the database has it."""
        if self._entering is None or not self._writes.flush():
            return None
        frozen, self._entering = self._entering, None
        return self._trial(frozen)

    def _begin(self, frozen: FrozenTrial, again: bool) -> None:
        self._ids.append(storage.begin(self._database, self._id, frozen, fence=self._fence, again=again))
        self._written.append(dict(frozen.system_attrs))
        record = as_record(frozen, self.trial_folder(frozen.number))
        self._records.append(record)
        self._follow_ups.add(record)
        self._revived += record.revives is not None

    def _trial(self, frozen: FrozenTrial) -> Trial:
        known = frozen.user_attrs
        baseline = next((b for b in self._baselines if b.name == known.get("baseline")), None)
        values = known.get("values", frozen.params)
        tree = self.space.params(values, baseline)
        return Trial(frozen.number, values, tree, known["params"], known.get("baseline"), known.get("revives"))


@contextmanager
def opened(space: Space, url: str, folder: Path) -> Iterator[Study]:
    """The study of ``space`` in the database at ``url``, owned until the block ends; `StudyError` if it cannot be."""
    path = database.sqlite_path(url)
    what = f"the study {space.name!r} in {safe(url)}"
    with ExitStack() as stack:
        try:
            if path is not None:
                stack.enter_context(file_lock(path.with_name(f"{path.name}.{space.name}.lock"), what))
            else:  # which outlives a restart of the server, and keeps others off the curves in this folder
                stack.enter_context(file_lock(folder / "owner.lock", what))
            connection = database.connect(url)
            stack.callback(connection.engine.dispose)
            lock = stack.enter_context(AdvisoryLock(connection.engine, f"the study {space.name!r}"))
            held = lock.hold if path is None else still_there(path)
            yield Study(connection, space, folder, held, f"the study database {safe(url)}")
        except (Owned, database.DatabaseError, OtherSpace, TooNarrow) as error:
            raise StudyError(str(error)) from error


def _attributes(outcome: Outcome) -> dict[str, Any]:
    given: dict[str, Any] = {"epochs": outcome.epochs, "verdicts": [verdict.to_json() for verdict in outcome.verdicts]}
    given |= {name: getattr(outcome, name, None) for name in ("error", "alike", "saved", "patience")}
    if isinstance(given["error"], Message):
        given["error"] = given["error"].to_json()
    if isinstance(outcome, Pruned) and len(outcome.values) > 1 and all(map(finite, outcome.values)):
        given[REACHED] = outcome.values
    return {name: value for name, value in given.items() if value}
