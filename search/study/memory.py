"""The study in memory: what samplers read and where they propose, since asking through the database costs 20 to 50 ms a trial."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, overload

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.seeds import keyed
from pitprop.space import Baseline, Space
from pitprop.space.points import key, untried
from pitprop.space.sampling import COLLAPSED
from pitprop.study import storage
from pitprop.study.remedies import FollowUp
from pitprop.study.sampling import failures, samplers
from pitprop.study.sampling.failures import Region, Risky

optuna.logging.set_verbosity(optuna.logging.ERROR)

ATTEMPTS = 100
"""How often a proposal that breaks a constraint, or that was tried, is drawn again before the space is called too narrow."""


class TooNarrow(UserError):
    """No proposal holds the constraints of the space: one sentence."""


class Memory:
    """A copy of the study in the database, trial by trial.

    A training depends on its parameters and its seed alone, so what was tried is not proposed again. ``untried`` are the values
    of all trials that the space allows and that it has not had yet; None where these are too many to list. ``others`` are trials
    of elsewhere that the sampler alone is shown.
    """

    def __init__(self, space: Space, trials: Sequence[FrozenTrial] = (), others: Sequence[FrozenTrial] = ()) -> None:
        self._space, self._others = space, others
        self._pruner = samplers.pruner(*space.pruner) if space.pruner else optuna.pruners.NopPruner()
        ways = [optuna.study.StudyDirection[way.upper()] for way in space.directions]
        self._study = optuna.create_study(study_name=space.name, directions=ways, pruner=self._pruner)
        storage.adopt(self._study, trials)
        # Samplers such as QMC keep their place in the study itself, so it travels with each trial.
        for name, value in (item for one in trials for item in one.system_attrs.get("pitprop:study", {}).items()):
            storage.set_place(self._study, name, value)
        self._points = sum("point" in one.user_attrs for one in trials)
        self._baselines = {one.user_attrs.get("baseline") for one in trials}
        self._tried: set[str] = set()
        self.untried = untried(space)
        for one in trials:
            self._note(one)

    @property
    def room(self) -> int | None:
        """How many trials there can be yet; None if there is no end of them."""
        if self.untried is None or not (self.untried or self._tried):  # none at all is an error of the next proposal
            return None
        points, baselines = len(self._space.points), [one.name for one in self._space.baselines if one.params is not None]
        return max(len(self.untried), points - self._points) + len(set(baselines) - self._baselines)

    def __len__(self) -> int:
        """The number of trials."""
        return storage.count(self._study)

    def trial(self, number: int) -> FrozenTrial:
        """One trial; to be read only."""
        return storage.trial(self._study, number)

    def add_next(self, follow_up: FollowUp | None = None, *, held: bool = False) -> FrozenTrial | None:
        """The next trial of a search: the baselines first, then the points, then ``follow_up``, then a proposal; `TooNarrow`.

        None if all that the space allows was proposed. ``held``: it was held back until others were complete, so none of it is
        drawn at random against what unfinished trials teach.
        """
        left = (one for one in self._space.baselines if one.params is not None and one.name not in self._baselines)
        if (baseline := next(left, None)) is not None:
            return self._add_baseline(baseline)
        if self._points < len(self._space.points):
            self._points += 1
            return self._propose(self._space.points[self._points - 1], {"point": self._points - 1})
        if follow_up is not None:
            # The sampler chooses what exists only since the change. Studies on disk know ``remedy_of`` as "mends".
            return self._propose(follow_up.values, {"mends": follow_up.remedy_of, "cause": follow_up.cause})
        return self._propose({}, {}, held)

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
        self._study.tell(number, values, state)
        return self.trial(number)

    def _propose(self, given: Mapping[str, Any], attributes: Mapping[str, Any], held: bool = False) -> FrozenTrial | None:
        """A new trial from a sampler that is seeded by the trial's number, but for the values that are ``given``."""
        number, (name, options), again = len(self), self._space.sampler, False
        if not given and self.untried is not None and not self.untried:
            if not self._tried:
                raise TooNarrow(
                    _("no values of the space satisfy the constraint {text!r}: widen it, or the space").format(
                        text=self._space.constraints[0].text
                    )
                )
            return None
        if name == "grid" and not given and self.untried:
            return self._drawn(samplers.sampler("random", {}, 0), next(iter(self.untried.values())), attributes)
        region = self._failing() if name in COLLAPSED and not given else None
        risky: list[Risky] = []
        for attempt in range(ATTEMPTS):
            fresh = keyed(self._space.seed, "proposal", number, attempt) % 2**32
            # QMC walks one sequence, shuffled by the seed; the others start anew at each trial.
            seed = self._space.seed % 2**32 if name == "qmc" else fresh
            # A sampler that learns nothing from what was refused would propose it for ever: the later half is drawn at random.
            stuck = attempt >= ATTEMPTS // 2 or name == "grid" or (not held and self._explores(number))
            method = ("random", {}) if stuck else samplers.AROUND if risky else (name, options)
            sampler = samplers.sampler(*method, seed=fresh if stuck else seed, fresh=fresh)
            if self._others and not stuck:
                sampler = samplers.Knowing(sampler, self._others)
            trial = self._drawn(sampler, given, attributes, anew=attempt < ATTEMPTS - 1 or not again, region=region)
            if isinstance(trial, FrozenTrial):
                return trial
            if isinstance(trial, Risky):
                risky.append(trial)
                if len(risky) == failures.DRAWS:
                    return self._drawn(sampler, min(risky, key=lambda one: one.risk).params, attributes)
                continue
            again = again or not trial
            if again and attempt >= ATTEMPTS // 2 and self.untried and not given:  # hardly anything is left
                left = list(self.untried.values())
                return self._drawn(sampler, left[fresh % len(left)], attributes)
        raise TooNarrow(
            _("{attempts} proposals in a row broke the constraint {trial!r}: widen the space or the constraint").format(
                attempts=ATTEMPTS, trial=trial
            )
        )

    @overload
    def _drawn(self, sampler: BaseSampler, given: Mapping[str, Any], attributes: Mapping[str, Any]) -> FrozenTrial: ...
    @overload
    def _drawn(
        self, sampler: BaseSampler, given: Mapping[str, Any], attributes: Mapping[str, Any], *, anew: bool, region: Region | None
    ) -> FrozenTrial | Risky | str: ...
    def _drawn(
        self,
        sampler: BaseSampler,
        given: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        anew: bool = True,
        region: Region | None = None,
    ) -> FrozenTrial | Risky | str:
        """A new trial with what the sampler draws; or the constraint that it breaks, "" where ``anew`` and it was tried, or what
        is likely to fail, as the trials in the ``region`` did.

        What is given as a whole may have been tried.
        """
        number, drawn = len(self), dict[str, Any]()
        self._study.sampler = sampler
        if given:
            self._study.enqueue_trial(dict(given))
        trial = self._study.ask()
        for leaf in self._space.active(drawn):
            drawn[leaf.name] = storage.draw(trial, leaf.name, leaf.distribution)
        params = self._space.flat(drawn)
        broken = self._space.violated(drawn)
        if broken or (anew and not drawn.keys() <= given.keys() and key(params) in self._tried):
            storage.forget_last(self._study)
            return broken[0] if broken else ""
        if region is not None and (risk := region.risk(trial.params)) > failures.RISK:
            storage.forget_last(self._study)
            return Risky(risk, dict(trial.params))
        for name, value in {"params": params, **attributes}.items():
            trial.set_user_attr(name, value)
        if places := storage.places(self._study):
            storage.set_attribute(self._study, number, "pitprop:study", places, system=True)
        self._note(self.trial(number))
        return self.trial(number)

    def _note(self, trial: FrozenTrial) -> None:
        """Takes in what was tried. A baseline has been trained, but as no trial that may win."""
        if trial.user_attrs.get("baseline") is None:
            tried = key(trial.user_attrs["params"])
            self._tried.add(tried)
            if self.untried is not None:
                self.untried.pop(tried, None)

    def _failing(self) -> Region | None:
        """Where the latest trials that have ended failed by themselves."""
        ended = [one for one in self._study.get_trials(deepcopy=False)[-failures.LATEST :] if one.state.is_finished()]
        known = [one for one in ended if one.state != TrialState.FAIL or samplers.failed(one)]
        return failures.region(known, [samplers.failed(one) for one in known])

    def _explores(self, number: int) -> bool:
        """Whether a trial is drawn at random as its sampler is taught by scores of trainings that are not over."""
        if self._space.scheduler.name == "full":
            return False
        return random.Random(keyed(self._space.seed, "exploring", number)).random() < samplers.EXPLORING  # nosec B311

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
