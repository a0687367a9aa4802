"""The study in memory: what samplers read and where they propose, since asking through the database costs 20 to 50 ms a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pitprop.errors import UserError
from pitprop.space import Baseline, Space
from pitprop.study import samplers
from pitprop.study.remedies import FollowUp

optuna.logging.set_verbosity(optuna.logging.ERROR)

ATTEMPTS = 100
"""How often a proposal that breaks a constraint of the space is drawn again before the space is called too narrow."""


class TooNarrow(UserError):
    """No proposal holds the constraints of the space: one sentence."""


class Twin:
    """A copy of the study in the database, trial by trial. ``grid`` holds the values of each parameter if a grid is walked."""

    def __init__(self, space: Space, trials: Sequence[FrozenTrial]) -> None:
        self._space = space
        self._pruner = samplers.pruner(*space.pruner) if space.pruner else optuna.pruners.NopPruner()
        leaves = space.leaves if space.sampler.name == "grid" else ()
        self.grid = {leaf.name: samplers.values(leaf.distribution) or [] for leaf in leaves}
        self._study = self._made(trials)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, by number; to be read only."""
        return self._study.get_trials(deepcopy=False)

    def add_baseline(self, baseline: Baseline) -> FrozenTrial:
        """A new trial with the parameters of a baseline, some of which may lie outside the space."""
        leaves = list(self._space.drawn(baseline.params or {}))
        drawn = {leaf.name: value for leaf, value in leaves}
        inside = {leaf.name: leaf.distribution for leaf, value in leaves if leaf.holds(value)}
        attributes = {"baseline": baseline.name, "params": self._space.flat(drawn, baseline), "values": drawn}
        return self._add({name: drawn[name] for name in inside}, inside, attributes)

    def add_revival(self, number: int) -> FrozenTrial:
        """A new trial that continues the trial ``number``: another point for the sampler, with the same parameters."""
        parked = self.trials[number]
        attributes = {"params": parked.user_attrs["params"], "revives": number}
        return self._add(parked.params, parked.distributions, attributes)

    @property
    def point(self) -> Mapping[str, Any] | None:
        """The next of the space's points; None if all have been tried."""
        tried = sum("point" in trial.user_attrs for trial in self.trials)
        return next(iter(self._space.points[tried : tried + 1]), None)

    def add_point(self, values: Mapping[str, Any]) -> FrozenTrial:
        """A new trial at a point of the space, the sampler choosing what it leaves out; `TooNarrow`."""
        return self.propose(values, {"point": sum("point" in trial.user_attrs for trial in self.trials)})

    def add_follow_up(self, follow_up: FollowUp) -> FrozenTrial:
        """A new trial that tries a remedy; the sampler chooses what exists only since the change."""
        return self.propose(follow_up.values, {"mends": follow_up.remedy_of, "cause": follow_up.cause})

    def propose(self, given: Mapping[str, Any] | None = None, attributes: Mapping[str, Any] | None = None) -> FrozenTrial:
        """A new trial from a sampler that is seeded by the trial's number, but for the values that are ``given``; `TooNarrow`."""
        number, (name, options) = len(self.trials), self._space.sampler
        broken: list[str] = []
        for attempt in range(ATTEMPTS):
            # QMC and grid walk one sequence, shuffled by the seed; the others start anew at each trial.
            seed = self._space.seed if name in ("qmc", "grid") else hash((self._space.seed, number, attempt)) % 2**32
            # A sampler that learns nothing from what was refused would propose it for ever: the later half is drawn at random.
            stuck = attempt >= ATTEMPTS // 2 and name not in ("qmc", "grid")
            self._study.sampler = samplers.sampler(*(("random", {}) if stuck else (name, options)), seed, self.grid)
            if given:
                self._study.enqueue_trial(dict(given))
            trial = self._study.ask()
            drawn: dict[str, Any] = {}
            for leaf in self._space.active(drawn):
                drawn[leaf.name] = trial._suggest(leaf.name, leaf.distribution)
            broken = self._space.violated(drawn)
            if not broken:
                trial.set_user_attr("params", self._space.flat(drawn))
                for key, value in (attributes or {}).items():
                    trial.set_user_attr(key, value)
                places = self._study._storage.get_study_system_attrs(self._study._study_id)
                if places:
                    self._study._storage.set_trial_system_attr(trial._trial_id, "pitprop:study", places)
                return self.trials[-1]
            # Forgotten as if it had never been proposed, so that the twin stays equal to the database.
            self._study = self._made(self._study.get_trials()[:-1])
        raise TooNarrow(f"{ATTEMPTS} proposals in a row broke the constraint {broken[0]!r}: widen the space or the constraint")

    def report(self, number: int, step: int, score: float) -> None:
        """Notes a score of a running trial."""
        self._study._storage.set_trial_intermediate_value(self._id(number), step, score)

    def prunes(self, number: int) -> bool:
        """Whether the population pruner would stop a trial."""
        return bool(self._pruner.prune(self._study, self.trials[number]))

    def set_attribute(self, number: int, name: str, value: Any) -> None:
        """Notes an attribute of a running trial."""
        self._study._storage.set_trial_user_attr(self._id(number), name, value)

    def tell(self, number: int, values: Sequence[float] | None, state: TrialState) -> FrozenTrial:
        """Ends a trial."""
        # At its last point the grid sampler stops the loop that calls it, and there is none; and it looks for the place in the
        # grid of each trial that ends, which baselines and revived trials have not. Optuna ends the trial all the same.
        with suppress(RuntimeError, KeyError):
            self._study.tell(number, values, state)
        return self.trials[number]

    def _made(self, trials: Sequence[FrozenTrial]) -> optuna.Study:
        ways = [optuna.study.StudyDirection[way.upper()] for way in self._space.directions]
        study = optuna.create_study(study_name=self._space.name, directions=ways, pruner=self._pruner)
        study.add_trials(trials)
        # Samplers such as QMC keep their place in the study itself, so it travels with each trial.
        for trial in trials:
            for name, value in trial.system_attrs.get("pitprop:study", {}).items():
                study._storage.set_study_system_attr(study._study_id, name, value)
        return study

    def _add(self, params: Mapping[str, Any], distributions: Mapping[str, Any], attributes: dict[str, Any]) -> FrozenTrial:
        self._study.add_trial(
            optuna.create_trial(
                state=TrialState.RUNNING, params=dict(params), distributions=dict(distributions), user_attrs=attributes
            )
        )
        return self.trials[-1]

    def _id(self, number: int) -> int:
        return int(self.trials[number]._trial_id)
