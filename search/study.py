"""The study: an Optuna study in a database, with one owner, that goes on where a killed one stopped.

The sampler reads a twin of the study in memory, since asking through the database costs 20 to 50 ms a trial; the database is
the only durable truth, is written by Optuna's own storage, and can be read by any tool of Optuna's.

Trial n is a pure function of n and of the trials before it: first the baselines of the space, then its points, then what a
sampler proposes that is seeded by n. So a study that is opened again proposes what it would have proposed.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from search import database, lock, samplers
from search.archive import as_record
from search.errors import UserError
from search.record import Record
from search.space import Baseline, Space, difference

optuna.logging.set_verbosity(optuna.logging.ERROR)

ATTEMPTS = 100
"""How often a proposal that breaks a constraint of the space is drawn again before the space is called too narrow."""


class StudyError(UserError):
    """The study cannot be opened or asked: one sentence."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that runs: what the sampler drew (``values``, by leaf), and the tree that a trainer takes (``params``)."""

    number: int
    values: Mapping[str, Any]
    params: Mapping[str, Any]
    baseline: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended. COMPLETE has values; PRUNED has verdicts, and the last score at its step; FAIL has an error."""

    state: str
    epochs: int
    values: tuple[float, ...] | None = None
    verdicts: Sequence[Mapping[str, Any]] = ()
    score: float | None = None
    error: str | None = None


class Study:
    """The open study of a space. Use `opened`, which holds the lock."""

    def __init__(self, storage: optuna.storages.RDBStorage, space: Space, folder: Path) -> None:
        self.space, self.folder = space, folder
        self._storage = storage
        self._id = database.study_id(storage, space.name, space.directions)
        self._claim()
        trials = storage.get_all_trials(self._id)
        self._ids = [trial._trial_id for trial in trials]
        self._written = [dict(trial.system_attrs) for trial in trials]
        self._pruner = samplers.pruner(*space.pruner) if space.pruner else optuna.pruners.NopPruner()
        grid = space.sampler.name == "grid"
        self._grid = {leaf.name: samplers.values(leaf.distribution) or [] for leaf in space.leaves if grid}
        self._brain = self._twin(trials)

    @property
    def target(self) -> int:
        """How many trials the study is to have, baselines and points included."""
        if not self._grid:
            return self._planned
        sampled = math.prod(len(values) for values in self._grid.values())
        return min(self._planned, len(self._baselines) + len(self.space.points) + sampled)

    def plan(self, trials: int) -> None:
        """Sets the number of trials to reach."""
        self._storage.set_study_user_attr(self._id, "trials", trials)
        self._planned = trials

    def trial(self, number: int) -> Trial:
        """One trial, with its parameters."""
        return self._trial(self._brain.get_trials(deepcopy=False)[number])

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps its telemetry and checkpoints."""
        return self.folder / "trials" / f"{number:04d}"

    def records(self) -> list[Record]:
        """All trials, by number."""
        return [self.record(frozen.number) for frozen in self._brain.get_trials(deepcopy=False)]

    def record(self, number: int) -> Record:
        """One trial, as everything downstream reads it."""
        return as_record(self._brain.get_trials(deepcopy=False)[number], self.trial_folder(number))

    def ask(self) -> Trial | None:
        """The next trial, already in the database; None if the target is reached."""
        number = len(self._brain.get_trials(deepcopy=False))
        if number >= self.target:
            return None
        known = {trial.user_attrs.get("baseline") for trial in self._brain.get_trials(deepcopy=False)}
        baseline = next((one for one in self._baselines if one.name not in known), None)
        frozen = self._propose(number) if baseline is None else self._add_baseline(baseline)
        self._ids.append(self._storage.create_new_trial(self._id, template_trial=frozen))
        self._written.append(dict(frozen.system_attrs))
        return self._trial(frozen)

    def report(self, trial: Trial, step: int, score: float) -> bool:
        """Tells the population pruner a score; whether it would stop the trial."""
        if self.space.pruner is None or math.isnan(score):
            return False
        self._report(trial.number, step, score)
        frozen = self._brain.get_trials(deepcopy=False)[trial.number]
        return bool(self._pruner.prune(self._brain, frozen))

    def tell(self, trial: Trial, outcome: Outcome) -> Record:
        """Ends a trial, in memory and in the database."""
        number, state = trial.number, TrialState[outcome.state]
        if outcome.score is not None and len(self.space.directions) == 1 and math.isfinite(outcome.score):
            self._report(number, outcome.epochs, outcome.score)  # Optuna takes a pruned trial's value from its last report
        for name, value in _attributes(outcome).items():
            self._brain._storage.set_trial_user_attr(self._brain_id(number), name, value)
            self._storage.set_trial_user_attr(self._ids[number], name, value)
        # At its last point the grid sampler stops the loop that calls it, and there is none: the trial is told all the same.
        with suppress(RuntimeError):
            self._brain.tell(number, outcome.values, state)
        frozen = self._brain.get_trials(deepcopy=False)[number]
        for name, value in frozen.system_attrs.items():
            if self._written[number].get(name) != value:
                self._storage.set_trial_system_attr(self._ids[number], name, value)
        self._storage.set_trial_state_values(self._ids[number], state, frozen.values)
        return self.record(number)

    @property
    def _baselines(self) -> list[Baseline]:
        return [baseline for baseline in self.space.baselines if baseline.params is not None]

    def _claim(self) -> None:
        """Writes what the space means into a new study; `StudyError` if an old one meant something else."""
        known = self._storage.get_study_user_attrs(self._id)
        meaning = json.loads(json.dumps(self.space.meaning()))
        if known.get("meaning", meaning) != meaning and self._is_blank():
            self._storage.delete_study(self._id)
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
            self._id, known = database.study_id(self._storage, self.space.name, self.space.directions), {}
        if "meaning" not in known:
            ways = [way.name.lower() for way in self._storage.get_study_directions(self._id)]
            if ways != self.space.directions or self._storage.get_all_trials(self._id, deepcopy=False):
                raise StudyError(f"study {self.space.name!r} in this database was not made by pitprop: rename the space")
            self._storage.set_study_user_attr(self._id, "meaning", meaning)
        elif known["meaning"] != meaning:
            lines = "".join(f"\n  {line}" for line in difference(known["meaning"], meaning))
            raise StudyError(
                f"the space {self.space.name!r} no longer means what its study was made with; undo the change, name the space "
                f"anew, or search into another folder (RUNS=...):{lines}"
            )
        # The space's number of trials counts when it is new or was edited; between edits, what was planned on top of it does.
        if known.get("trials in the space") != self.space.trials:
            self._storage.set_study_user_attr(self._id, "trials", self.space.trials)
            self._storage.set_study_user_attr(self._id, "trials in the space", self.space.trials)
        self._planned = int(self._storage.get_study_user_attrs(self._id)["trials"])

    def _is_blank(self) -> bool:
        """Whether no epoch was trained, as after a first try with a slip in it: there is nothing to lose.

        The trials are asked too, for their files may lie in another folder, or on another machine.
        """
        trials = self._storage.get_all_trials(self._id, deepcopy=False)
        ended = any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
        return not (ended or any(self.folder.glob("trials/*/telemetry*.jsonl")))

    def _twin(self, trials: Sequence[FrozenTrial]) -> optuna.Study:
        ways = [optuna.study.StudyDirection[way.upper()] for way in self.space.directions]
        twin = optuna.create_study(study_name=self.space.name, directions=ways, pruner=self._pruner)
        twin.add_trials(trials)
        # Samplers such as QMC keep their place in the study itself, so it travels with each trial.
        for trial in trials:
            for name, value in trial.system_attrs.get("pitprop:study", {}).items():
                twin._storage.set_study_system_attr(twin._study_id, name, value)
        return twin

    def _add_baseline(self, baseline: Baseline) -> FrozenTrial:
        leaves = list(self.space.drawn(baseline.params or {}))
        drawn = {leaf.name: value for leaf, value in leaves}
        inside = {leaf.name: leaf.distribution for leaf, value in leaves if leaf.holds(value)}
        self._brain.add_trial(
            optuna.create_trial(
                state=TrialState.RUNNING,
                params={name: drawn[name] for name in inside},
                distributions=inside,
                user_attrs={"baseline": baseline.name, "params": self.space.flat(drawn, baseline), "values": drawn},
            )
        )
        return self._last()

    def _propose(self, number: int) -> FrozenTrial:
        name, options = self.space.sampler
        tried = sum("point" in trial.user_attrs for trial in self._brain.get_trials(deepcopy=False))
        points = self.space.points[tried : tried + 1]
        for attempt in range(ATTEMPTS):
            # QMC and grid walk one sequence, shuffled by the seed; the others start anew at each trial.
            seed = self.space.seed if name in ("qmc", "grid") else hash((self.space.seed, number, attempt)) % 2**32
            self._brain.sampler = samplers.sampler(name, options, seed, self._grid)
            if points:
                self._brain.enqueue_trial(dict(points[0]))
            trial = self._brain.ask()
            drawn: dict[str, Any] = {}
            for leaf in self.space.active(drawn):
                drawn[leaf.name] = trial._suggest(leaf.name, leaf.distribution)
            broken = self.space.violated(drawn)
            if not broken:
                trial.set_user_attr("params", self.space.flat(drawn))
                if points:
                    trial.set_user_attr("point", tried)
                places = self._brain._storage.get_study_system_attrs(self._brain._study_id)
                if places:
                    self._brain._storage.set_trial_system_attr(trial._trial_id, "pitprop:study", places)
                return self._last()
            # Forgotten as if it had never been proposed, so that the twin stays equal to the database.
            self._brain = self._twin(self._brain.get_trials()[:-1])
        raise StudyError(f"{ATTEMPTS} proposals in a row broke the constraint {broken[0]!r}: widen the space or the constraint")

    def _last(self) -> FrozenTrial:
        return self._brain.get_trials(deepcopy=False)[-1]

    def _trial(self, frozen: FrozenTrial) -> Trial:
        name = frozen.user_attrs.get("baseline")
        baseline = next((b for b in self._baselines if b.name == name), None)
        values = frozen.user_attrs.get("values", frozen.params)
        return Trial(frozen.number, values, self.space.params(values, baseline), name)

    def _report(self, number: int, step: int, score: float) -> None:
        self._brain._storage.set_trial_intermediate_value(self._brain_id(number), step, score)
        self._storage.set_trial_intermediate_value(self._ids[number], step, score)

    def _brain_id(self, number: int) -> int:
        return int(self._brain.get_trials(deepcopy=False)[number]._trial_id)


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
        except (lock.Owned, database.DatabaseError) as error:
            raise StudyError(str(error)) from error


def _attributes(outcome: Outcome) -> dict[str, Any]:
    given = {"epochs": outcome.epochs, "verdicts": list(outcome.verdicts), "error": outcome.error}
    return {name: value for name, value in given.items() if value}
