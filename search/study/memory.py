"""The study in memory: what samplers read and where they propose, since asking through the database costs 20 to 50 ms a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pitprop.errors import UserError
from pitprop.seeds import keyed
from pitprop.space import Baseline, Space
from pitprop.study import samplers, storage
from pitprop.study.remedies import FollowUp

optuna.logging.set_verbosity(optuna.logging.ERROR)

ATTEMPTS = 100
"""How often a proposal that breaks a constraint of the space is drawn again before the space is called too narrow."""


class TooNarrow(UserError):
    """No proposal holds the constraints of the space: one sentence."""


class Memory:
    """A copy of the study in the database, trial by trial. ``grid`` holds the values of each parameter if a grid is walked."""

    def __init__(self, space: Space, trials: Sequence[FrozenTrial] = ()) -> None:
        self._space = space
        self._pruner = samplers.pruner(*space.pruner) if space.pruner else optuna.pruners.NopPruner()
        leaves = space.leaves if space.sampler.name == "grid" else ()
        self.grid = {leaf.name: samplers.values(leaf.distribution) or [] for leaf in leaves}
        ways = [optuna.study.StudyDirection[way.upper()] for way in space.directions]
        self._study = optuna.create_study(study_name=space.name, directions=ways, pruner=self._pruner)
        storage.adopt(self._study, trials)
        # Samplers such as QMC keep their place in the study itself, so it travels with each trial.
        for name, value in (item for one in trials for item in one.system_attrs.get("pitprop:study", {}).items()):
            storage.set_place(self._study, name, value)
        self._points = sum("point" in one.user_attrs for one in trials)
        self._baselines = {one.user_attrs.get("baseline") for one in trials}

    def __len__(self) -> int:
        """The number of trials."""
        return storage.count(self._study)

    def trial(self, number: int) -> FrozenTrial:
        """One trial; to be read only."""
        return storage.trial(self._study, number)

    def add_next(self, follow_up: FollowUp | None = None) -> FrozenTrial:
        """The next trial of a search: the baselines first, then the points, then ``follow_up``, then a proposal; `TooNarrow`."""
        left = (one for one in self._space.baselines if one.params is not None and one.name not in self._baselines)
        if (baseline := next(left, None)) is not None:
            return self._add_baseline(baseline)
        if self._points < len(self._space.points):
            self._points += 1
            return self._propose(self._space.points[self._points - 1], {"point": self._points - 1})
        if follow_up is not None:
            # The sampler chooses what exists only since the change. Studies on disk know ``remedy_of`` as "mends".
            return self._propose(follow_up.values, {"mends": follow_up.remedy_of, "cause": follow_up.cause})
        return self._propose({}, {})

    def add_revival(self, number: int) -> FrozenTrial:
        """A new trial that continues the trial ``number``: another point for the sampler, with the same parameters."""
        parked = self.trial(number)
        attributes = {"params": parked.user_attrs["params"], "revives": number}
        return self._add(parked.params, parked.distributions, attributes)

    def report(self, number: int, step: int, score: float) -> None:
        """Notes a score of a running trial."""
        storage.report(self._study, number, step, score)

    def prunes(self, number: int) -> bool:
        """Whether the population pruner would stop a trial."""
        return bool(self._pruner.prune(self._study, self.trial(number)))

    def set_attribute(self, number: int, name: str, value: Any) -> None:
        """Notes an attribute of a running trial."""
        storage.set_attribute(self._study, number, name, value)

    def tell(self, number: int, values: Sequence[float] | None, state: TrialState) -> FrozenTrial:
        """Ends a trial."""
        # At its last point the grid sampler stops the loop that calls it, and there is none; and it looks for the place in the
        # grid of each trial that ends, which baselines and revived trials have not. Optuna ends the trial all the same.
        with suppress(RuntimeError, KeyError):
            self._study.tell(number, values, state)
        return self.trial(number)

    def _propose(self, given: Mapping[str, Any], attributes: Mapping[str, Any]) -> FrozenTrial:
        """A new trial from a sampler that is seeded by the trial's number, but for the values that are ``given``."""
        number, (name, options) = len(self), self._space.sampler
        broken: list[str] = []
        for attempt in range(ATTEMPTS):
            # QMC and grid walk one sequence, shuffled by the seed; the others start anew at each trial.
            walks = name in ("qmc", "grid")
            fresh = keyed(self._space.seed, "proposal", number, attempt) % 2**32
            seed = self._space.seed if walks else fresh
            # A sampler that learns nothing from what was refused would propose it for ever: the later half is drawn at random.
            stuck = attempt >= ATTEMPTS // 2 and not walks
            self._study.sampler = samplers.sampler(*(("random", {}) if stuck else (name, options)), seed, self.grid, fresh)
            if given:
                self._study.enqueue_trial(dict(given))
            trial = self._study.ask()
            drawn: dict[str, Any] = {}
            for leaf in self._space.active(drawn):
                drawn[leaf.name] = storage.draw(trial, leaf.name, leaf.distribution)
            broken = self._space.violated(drawn)
            if not broken:
                for key, value in {"params": self._space.flat(drawn), **attributes}.items():
                    trial.set_user_attr(key, value)
                if places := storage.places(self._study):
                    storage.set_attribute(self._study, number, "pitprop:study", places, system=True)
                return self.trial(number)
            storage.forget_last(self._study)
        raise TooNarrow(f"{ATTEMPTS} proposals in a row broke the constraint {broken[0]!r}: widen the space or the constraint")

    def _add_baseline(self, baseline: Baseline) -> FrozenTrial:
        """A new trial with the parameters of a baseline, some of which may lie outside the space."""
        leaves = list(self._space.drawn(baseline.params or {}))
        drawn = {leaf.name: value for leaf, value in leaves}
        inside = {leaf.name: leaf.distribution for leaf, value in leaves if leaf.holds(value)}
        attributes = {"baseline": baseline.name, "params": self._space.flat(drawn, baseline), "values": drawn}
        self._baselines.add(baseline.name)
        return self._add({name: drawn[name] for name in inside}, inside, attributes)

    def _add(self, params: Mapping[str, Any], distributions: Mapping[str, Any], attributes: dict[str, Any]) -> FrozenTrial:
        made = optuna.create_trial(
            state=TrialState.RUNNING, params=dict(params), distributions=dict(distributions), user_attrs=attributes
        )
        self._study.add_trial(made)
        return self.trial(len(self) - 1)
