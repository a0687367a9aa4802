"""The study: an Optuna study in a database, with one owner; a killed one resumes.

The sampler reads a copy of the study in memory; the database is the only durable truth, holds Optuna's own tables, and can be
read by any tool of Optuna's.

Trial n is a pure function of n and of the trials before it: first the baselines of the space, then its points, then remedies
that are to be tried and what a sampler proposes that is seeded by n. So a study that is opened again proposes what it would
have proposed. Revived trials come on top of those that were planned: to Optuna, which changes no finished trial, they are new
ones with the same parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pitprop.errors import UserError
from pitprop.space import Baseline, Space
from pitprop.study import database, ranking, storage
from pitprop.study.memory import Memory, TooNarrow
from pitprop.study.ownership import Owned, advisory_lock, claim, file_lock
from pitprop.study.parking import Parking
from pitprop.study.record import Completed, Failed, Outcome, Pruned, Record, as_record
from pitprop.study.remedies import FollowUps
from pitprop.study.source import OtherSpace
from pitprop.study.storage import trial_id

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

    def __init__(self, connection: optuna.storages.RDBStorage, space: Space, folder: Path) -> None:
        self.space, self.folder = space, folder
        self._database = connection
        self._id, self._planned = claim(connection, space, folder)
        trials = storage.trials(connection, self._id)
        foreign = [one.number for one in trials if "params" not in one.user_attrs]
        if foreign:
            raise OtherSpace(
                f"trial {foreign[0]} of the study {space.name!r} was not made by pitprop: delete it from the database, or "
                f"rename the space"
            )
        self._ids = [trial_id(one) for one in trials]
        self._written = [dict(one.system_attrs) for one in trials]
        self._memory = Memory(space, trials)
        self._records = [as_record(one, self.trial_folder(one.number)) for one in trials]
        self._follow_ups = FollowUps(space, self._records)
        self._revived = sum(record.revives is not None for record in self._records)
        self._reached = any(map(self._reaches, self._records))

    @property
    def planned(self) -> int:
        """How many trials the study is to have, baselines and points included, revived ones not."""
        if not self._memory.grid:
            return self._planned
        sampled = math.prod(len(values) for values in self._memory.grid.values())
        return min(self._planned, len(self._baselines) + len(self.space.points) + sampled)

    @property
    def target(self) -> int:
        """How many trials the study is to have, with those revived so far."""
        return self.planned + self._revived

    @property
    def satisfied(self) -> bool:
        """Whether a trial has reached the target that the space is to stop at."""
        return self._reached

    def plan(self, trials: int) -> None:
        """Sets the number of trials to reach, revived ones not counted."""
        self._database.set_study_user_attr(self._id, "trials", trials)
        self._planned = trials

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
        """The next trial, already in the database; None if there are as many as planned, or the score to reach is reached."""
        if len(self._records) >= self.target or self.satisfied:
            return None
        follow_up = self._follow_ups.due(self.planned) if self.space.remedies == "try" else None
        return self._enter(self._memory.add_next(follow_up))

    def parking(self) -> Parking:
        """Which trials can be revived now."""
        return Parking.of(self.space, self._records, self.checkpoints)

    def revive(self, number: int) -> Trial:
        """A new trial that continues a parked one, already in the database; `StudyError` if that cannot be continued."""
        if (reason := self.parking().why_not(number)) is not None:
            raise StudyError(reason)
        return self._enter(self._memory.add_revival(number))

    def report(self, trial: Trial, step: int, score: float) -> bool:
        """Tells the population pruner a score; whether it would stop the trial."""
        if self.space.pruner is None or math.isnan(score):
            return False
        self._memory.report(trial.number, step, score)
        self._database.set_trial_intermediate_value(self._ids[trial.number], step, score)
        return self._memory.prunes(trial.number)

    def tell(self, trial: Trial, outcome: Outcome, recovery: int | None = None) -> Record:
        """Ends a trial, in memory and in the database.

        ``recovery`` is what later trials are judged by (`pitprop.detection.life.recovery`), 0 for none: a search that resumes
        then need not read the curve again.
        """
        number, reports = trial.number, {}
        if isinstance(outcome, Pruned) and len(self.space.directions) == 1 and math.isfinite(outcome.score):
            reports = {outcome.epochs: outcome.score}  # Optuna takes a pruned trial's value from its last report
            self._memory.report(number, outcome.epochs, outcome.score)
        attributes = _attributes(outcome) | ({} if recovery is None else {"recovery": recovery})
        for name, value in attributes.items():
            self._memory.set_attribute(number, name, value)
        values = outcome.values if isinstance(outcome, Completed) else None
        frozen = self._memory.tell(number, values, _STATES[type(outcome)])
        changed = {name: value for name, value in frozen.system_attrs.items() if self._written[number].get(name) != value}
        storage.end(self._database, self._ids[number], frozen, attributes=attributes, system=changed, reports=reports)
        record = self._records[number] = as_record(frozen, self.trial_folder(number))
        self._follow_ups.add(record)
        self._reached = self._reached or self._reaches(record)
        return record

    @property
    def _baselines(self) -> list[Baseline]:
        return [baseline for baseline in self.space.baselines if baseline.params is not None]

    def _reaches(self, record: Record) -> bool:
        stop = self.space.stop_when
        return stop is not None and ranking.reaches(self.space, record, self.space.targets[stop])

    def _enter(self, frozen: FrozenTrial) -> Trial:
        """Writes a trial that has begun in memory to the database."""
        self._ids.append(storage.begin(self._database, self._id, frozen))
        self._written.append(dict(frozen.system_attrs))
        record = as_record(frozen, self.trial_folder(frozen.number))
        self._records.append(record)
        self._follow_ups.add(record)
        self._revived += record.revives is not None
        return self._trial(frozen)

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
    what = f"the study {space.name!r} in {database.safe(url)}"
    with ExitStack() as stack:
        try:
            if path is not None:
                stack.enter_context(file_lock(path.with_name(f"{path.name}.{space.name}.lock"), what))
            connection = database.connect(url)
            stack.callback(connection.engine.dispose)
            if path is None:
                stack.enter_context(advisory_lock(connection.engine, what))
            yield Study(connection, space, folder)
        except (Owned, database.DatabaseError, OtherSpace, TooNarrow) as error:
            raise StudyError(str(error)) from error


def _attributes(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error if isinstance(outcome, Failed) else None
    given = {"epochs": outcome.epochs, "verdicts": [verdict.to_json() for verdict in outcome.verdicts], "error": error}
    return {name: value for name, value in given.items() if value}
