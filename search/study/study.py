"""The study: an Optuna study in a database, with one owner, that goes on where a killed one stopped.

The sampler reads a twin of the study in memory; the database is the only durable truth, holds Optuna's own tables, and can be
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
from pitprop.study import database, lock, parking, ranking, remedies, rows
from pitprop.study.archive import as_record
from pitprop.study.claim import NotOurs, claim
from pitprop.study.memory import TooNarrow, Twin
from pitprop.study.record import Completed, Failed, Outcome, Pruned, Record

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
    """The open study of a space. Use `opened`, which holds the lock."""

    def __init__(self, storage: optuna.storages.RDBStorage, space: Space, folder: Path) -> None:
        self.space, self.folder = space, folder
        self._storage = storage
        self._id, self._planned = claim(storage, space, folder)
        trials = storage.get_all_trials(self._id)
        self._ids = [trial._trial_id for trial in trials]
        self._written = [dict(trial.system_attrs) for trial in trials]
        self._twin = Twin(space, trials)

    @property
    def planned(self) -> int:
        """How many trials the study is to have, baselines and points included, revived ones not."""
        if not self._twin.grid:
            return self._planned
        sampled = math.prod(len(values) for values in self._twin.grid.values())
        return min(self._planned, len(self._baselines) + len(self.space.points) + sampled)

    @property
    def target(self) -> int:
        """How many trials the study is to have, with those revived so far."""
        return self.planned + sum("revives" in trial.user_attrs for trial in self._twin.trials)

    @property
    def satisfied(self) -> bool:
        """Whether a trial has reached the target that the space is to stop at."""
        stop = self.space.stop_when
        return stop is not None and ranking.reached(self.space, self.records(), self.space.targets[stop]) is not None

    def plan(self, trials: int) -> None:
        """Sets the number of trials to reach, revived ones not counted."""
        self._storage.set_study_user_attr(self._id, "trials", trials)
        self._planned = trials

    def trial(self, number: int) -> Trial:
        """One trial, with its parameters."""
        return self._trial(self._twin.trials[number])

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps its telemetry and checkpoints."""
        return self.folder / "trials" / f"{number:04d}"

    @property
    def checkpoints(self) -> Path:
        """Where the workers keep the checkpoints of trials under way."""
        return self.folder / "checkpoints"

    def records(self) -> list[Record]:
        """All trials, by number."""
        return [self.record(frozen.number) for frozen in self._twin.trials]

    def record(self, number: int) -> Record:
        """One trial, as everything downstream reads it."""
        return as_record(self._twin.trials[number], self.trial_folder(number))

    def ask(self) -> Trial | None:
        """The next trial, already in the database; None if there are as many as planned, or the score to reach is reached."""
        if len(self._twin.trials) >= self.target or self.satisfied:
            return None
        known = {trial.user_attrs.get("baseline") for trial in self._twin.trials}
        if (baseline := next((one for one in self._baselines if one.name not in known), None)) is not None:
            return self._enter(self._twin.add_baseline(baseline))
        if (point := self._twin.point) is not None:
            return self._enter(self._twin.add_point(point))
        tries = self.space.remedies == "try"  # else the records, which are many, need not be read
        if tries and (follow_up := remedies.due(self.space, self.records(), self.planned)) is not None:
            return self._enter(self._twin.add_follow_up(follow_up))
        return self._enter(self._twin.propose())

    def revive(self, number: int) -> Trial:
        """A new trial that continues a parked one, already in the database; `StudyError` if there is a `hurdle`."""
        if (hurdle := self.hurdle(number)) is not None:
            raise StudyError(hurdle)
        return self._enter(self._twin.add_revival(number))

    def hurdle(self, number: int) -> str | None:
        """Why a trial cannot be revived, in a sentence; None if it can."""
        return parking.hurdle(self.space, self.records(), number, self.checkpoints)

    def report(self, trial: Trial, step: int, score: float) -> bool:
        """Tells the population pruner a score; whether it would stop the trial."""
        if self.space.pruner is None or math.isnan(score):
            return False
        self._twin.report(trial.number, step, score)
        self._storage.set_trial_intermediate_value(self._ids[trial.number], step, score)
        return self._twin.prunes(trial.number)

    def tell(self, trial: Trial, outcome: Outcome) -> Record:
        """Ends a trial, in memory and in the database."""
        number, reports = trial.number, {}
        if isinstance(outcome, Pruned) and len(self.space.directions) == 1 and math.isfinite(outcome.score):
            reports = {outcome.epochs: outcome.score}  # Optuna takes a pruned trial's value from its last report
            self._twin.report(number, outcome.epochs, outcome.score)
        attributes = _attributes(outcome)
        for name, value in attributes.items():
            self._twin.set_attribute(number, name, value)
        values = outcome.values if isinstance(outcome, Completed) else None
        frozen = self._twin.tell(number, values, _STATES[type(outcome)])
        changed = {name: value for name, value in frozen.system_attrs.items() if self._written[number].get(name) != value}
        rows.end(self._storage, self._ids[number], frozen, attributes=attributes, system=changed, reports=reports)
        return self.record(number)

    @property
    def _baselines(self) -> list[Baseline]:
        return [baseline for baseline in self.space.baselines if baseline.params is not None]

    def _enter(self, frozen: FrozenTrial) -> Trial:
        """Writes a trial that the twin has begun to the database."""
        self._ids.append(rows.begin(self._storage, self._id, frozen))
        self._written.append(dict(frozen.system_attrs))
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
                stack.enter_context(lock.file_lock(path.with_name(f"{path.name}.{space.name}.lock"), what))
            storage = database.connect(url)
            stack.callback(storage.engine.dispose)
            if path is None:
                stack.enter_context(lock.advisory_lock(storage.engine, what))
            yield Study(storage, space, folder)
        except (lock.Owned, database.DatabaseError, NotOurs, TooNarrow) as error:
            raise StudyError(str(error)) from error


def _attributes(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error if isinstance(outcome, Failed) else None
    given = {"epochs": outcome.epochs, "verdicts": [verdict.to_json() for verdict in outcome.verdicts], "error": error}
    return {name: value for name, value in given.items() if value}
