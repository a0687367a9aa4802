"""Judging the trainings of a search: what ends a seed, and what is only noted."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop import telemetry
from pitprop.detection import detect
from pitprop.detection.detect import Verdict, judge_gates
from pitprop.detection.stopping import EarlyStopping
from pitprop.driver.peers import Peers
from pitprop.driver.training import Training
from pitprop.messages import message
from pitprop.space import Space
from pitprop.study.study import Study, Trial
from pitprop.telemetry import Epoch, Telemetry


class Watch:
    """Judges every epoch by signatures, gates, the population and early stopping, in the light of the trials that ended."""

    def __init__(self, space: Space, study: Study) -> None:
        self._space, self._study = space, study
        self._signatures = [detect.Signature(n, c.action, c.thresholds) for n, c in space.signatures.items() if c.action != "off"]
        self._reached = {b.name: dict(b.values) for b in space.baselines if b.values is not None}
        self._peers = Peers(space)

    def judge(self, training: Training, replica: int) -> list[Verdict]:
        """Ends a seed that is lost, has stopped early, or has spent its budget; what else is found for the first time."""
        curve = training.curves[replica]
        if not curve:
            return []
        verdicts = [*self._verdicts(training, curve), *self._population(training, replica)]
        over = curve[-1].step >= self._space.epochs  # there is nothing left to park a training for
        ending = [v for v in verdicts if _ends(v, training.trial) and not (over and v.action == "park")]
        lost = next((v for v in ending if v.action == "prune"), ending[0] if ending else None)  # proof before evidence
        found = training.note([verdict for verdict in verdicts if verdict not in ending])
        if lost is not None or over or self._stops(training, curve):
            training.ended[replica] = lost
        return found

    def review(self, training: Training, replica: int) -> list[Verdict]:
        """Judges a seed that is taken up again: notes what was found on its way, then judges its last epoch.

        Epochs that a revived trial has of a parked one have been judged, by what was known then.
        """
        curve, adopted = training.curves[replica], training.adopted[replica]
        past = Telemetry(curve[:adopted])
        for epoch in curve[adopted:-1]:
            past.append(epoch)
            training.note([v for v in self._verdicts(training, past) if not _ends(v, training.trial)])
        return self.judge(training, replica) if len(curve) > adopted else []

    def stopping(self, training: Training) -> EarlyStopping | None:
        """The early stopping of a trial; None if it has none."""
        return self._space.stopping(training.trial.values)

    def learn(self, training: Training, *, trained: bool) -> None:
        """Keeps what a finished trial is good for: bounds of gates and, if it was ``trained`` itself, facts for others."""
        if training.trial.baseline is not None:
            self._reached[training.trial.baseline] = training.bests(self._space.objective)
        if trained:
            self._peers.learn(training)

    def _verdicts(self, training: Training, curve: Telemetry) -> list[Verdict]:
        gates = [gate for one in self._space.gates if (gate := one.against(self._reached)) is not None]
        return [*detect.judge(curve, self._peers.facts(training), self._signatures), *judge_gates(curve, gates)]

    def _population(self, training: Training, replica: int) -> list[Verdict]:
        """What the population pruner says of the newest score, which counts for the first seed: it parks, for a rank is no proof.

        A revived trial is let off: it lags behind the others, that is what it was stopped for, and it is to be given its time.
        """
        if self._space.pruner is None or replica > 0 or training.trial.revives is not None:
            return []
        step, score = training.curves[0][-1].step, training.curves[0][-1].metrics[self._space.objective.metric]
        if not self._study.report(training.trial, step, score):
            return []
        name, metric = self._space.pruner.name, self._space.objective.metric
        reason = message(
            "{metric} {score:.4g} at epoch {step} falls behind the other trials ({name} pruner)",
            **{"metric": metric, "score": score, "step": step, "name": name},
        )
        return [Verdict(f"pruner:{name}", step, "park", reason, {metric: score})]

    def _stops(self, training: Training, curve: Sequence[Epoch]) -> bool:
        """Whether early stopping ends the seed; where patience is searched the curve is recorded whole instead."""
        stopping = None if self._space.searches_stopping else self.stopping(training)
        return stopping is not None and stopping.stops_at(telemetry.series(curve, stopping.metric)) is not None


def _ends(verdict: Verdict, trial: Trial) -> bool:
    """Whether a verdict ends a seed of the trial: none ends a baseline, and evidence does not end a revived trial again."""
    return trial.baseline is None and (verdict.action == "prune" or (verdict.action == "park" and trial.revives is None))
