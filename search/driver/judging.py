"""Judging the trainings of a search: the facts that each is judged by, what ends a seed, and what is only noted.

Whether an epoch is the end, and why, is decided on this way: `pitprop.driver.loop` takes the epoch in, `Judge.judge` here asks
`pitprop.detection.detect.judge` for verdicts, and `pitprop.driver.training` makes the outcome of what ended each seed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from pitprop.detection import detect, life
from pitprop.detection.detect import Verdict, judge_gates
from pitprop.detection.facts import Facts, Peer
from pitprop.detection.stopping import EarlyStopping
from pitprop.driver import reports
from pitprop.driver.training import Training
from pitprop.messages import Message, message, of_steps
from pitprop.space import Space
from pitprop.study import causes
from pitprop.study.record import LIMIT, Record
from pitprop.study.study import Study, Trial
from pitprop.telemetry import Epoch, Telemetry

REACH = 100
"""How many trials before it are a trial's peers: enough to compare with, and no study is held in memory as a whole."""


class Peers:
    """The trials of a search that train or have trained. Facts are made once a trial, and anew when another begins or ends."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._peers: dict[int, Peer] = {}
        self._recovery: int | None = None
        self._facts: dict[int, Facts] = {}

    def facts(self, training: Training) -> Facts:
        """The facts of a training, with those that began before it as peers, but for the one that it continues."""
        trial, number = training.trial, training.trial.number
        self._join(training)
        if number not in self._facts:
            near = sorted(peer for peer in self._peers if number - REACH <= peer < number and peer != trial.revives)
            peers = tuple(self._peers[peer] for peer in near)
            self._facts[number] = replace(self._space.known_of(trial.values, trial.flat), peers=peers, recovery=self._recovery)
        return self._facts[number]

    def recovery(self, training: Training) -> int:
        """The latest epoch at which a seed of a trial recovered (`pitprop.detection.life.recovery`), 0 if none did."""
        own = self._space.known_of(training.trial.values, training.trial.flat)
        others = (peer.telemetry for number, peer in self._peers.items() if number != training.trial.number)
        bests = (curve.best(own.metric, own.maximize) for curve in others)
        own = replace(own, seen=(*own.seen, *(best for best in bests if best is not None)))
        return max(life.recovery(curve, own) or 0 for curve in training.curves.values())

    def recall(self, recovery: int) -> None:
        """Takes in the `recovery` of a trial that ended so long ago that it is nobody's peer any more."""
        if recovery:
            self._recovery = max(recovery, self._recovery or 0)

    def learn(self, training: Training, recovery: int | None = None) -> None:
        """Takes in a trial that has ended, after training of its own; with its `recovery` if that is known."""
        self._join(training)
        self.recall(self.recovery(training) if recovery is None else recovery)
        self._peers = {number: peer for number, peer in self._peers.items() if number >= training.trial.number - 2 * REACH}
        self._facts.clear()

    def _join(self, training: Training) -> None:
        number, curve = training.trial.number, training.curves[0]
        known = self._peers.get(number)
        if curve and (known is None or known.telemetry is not curve):  # a retry reads its curve anew
            self._peers[number] = Peer(number, training.trial.flat, curve)
            self._facts.clear()


class Judge:
    """Judges every epoch by signatures, gates, the population and early stopping, in the light of the trials that ended."""

    def __init__(self, space: Space, study: Study) -> None:
        self._space, self._study = space, study
        self._signatures = [detect.Signature(n, c.action, c.thresholds) for n, c in space.signatures.items() if c.action != "off"]
        self._reached = {b.name: dict(b.values) for b in space.baselines if b.values is not None}
        self._understood = any(record.epochs for record in study.records())
        self._alike = False
        """Whether it was told that nearly all trials die alike."""
        self.peers = Peers(space)

    def judge(self, training: Training, replica: int) -> list[Verdict]:
        """Ends a seed that is lost, has stopped early, or has spent its budget; what else is found for the first time."""
        curve = training.curves[replica]
        if not curve:
            return []
        verdicts = [*self._verdicts(training, curve), *map(self._worded, self._population(training, replica))]
        over = curve[-1].step >= self._space.epochs  # there is nothing left to park a training for
        ending = [v for v in verdicts if _ends(v, training.trial) and not (over and v.action == "park")]
        lost = next((v for v in ending if v.action == "prune"), ending[0] if ending else None)  # proof before evidence
        found = training.note([verdict for verdict in verdicts if verdict not in ending])
        if lost is not None or over or self._stops(training, curve):
            training.ended[replica] = lost
        return found

    def limit(self, training: Training, replica: int) -> None:
        """Parks a trial that has trained longer than the space allows one to; no baseline, and none that was revived."""
        limit, trial, step = self._space.trial_timeout, training.trial, training.curves[replica][-1].step
        spent = training.clock(replica, time.monotonic())
        if limit is None or spent <= limit or trial.baseline is not None or trial.revives is not None:
            return
        at = {"seconds": round(spent), "limit": round(limit), "unit": self._space.unit.removesuffix("s"), "step": step}
        reason = message("it had trained for {seconds} s at {unit} {step}, and one trial may take {limit} s", **at)
        for lane in training.lanes:
            training.ended[lane.replica] = Verdict(f"{LIMIT}trial_timeout", step, "park", reason, {})

    def understood(self, training: Training) -> Message | None:
        """What the reports of a foreign trainer are taken for, at the first of them in the study; None at all others."""
        if self._understood or self._space.card.reports is not None:
            return None
        self._understood = True
        said = reports.understood(self._space, training.curves[0], self.peers.facts(training), self._signatures)
        self._study.keep("understood", said.to_json())
        return said

    def alike(self, record: Record) -> Message | None:
        """What nearly all trials die of, as soon as that shows among the first of a study; told once."""
        if self._alike or record.number >= REACH:
            return None
        said = causes.in_common(self._study.records(), self._space.objective.metric)
        self._alike = said is not None
        return said

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

    def learn(self, training: Training, recovery: int | None, *, trained: bool) -> None:
        """Keeps what a finished trial is good for: bounds of gates and, if it was ``trained`` itself, facts for others."""
        if training.trial.baseline is not None:
            self._reached[training.trial.baseline] = training.bests(self._space.objective)
        if trained:
            self.peers.learn(training, recovery)

    def _verdicts(self, training: Training, curve: Telemetry) -> list[Verdict]:
        gates = [gate for one in self._space.gates if (gate := one.against(self._reached)) is not None]
        found = [*detect.judge(curve, self.peers.facts(training), self._signatures), *judge_gates(curve, gates)]
        return list(map(self._worded, found))

    def _worded(self, verdict: Verdict) -> Verdict:
        """The same in the unit of the budget."""
        return replace(verdict, reason=of_steps(verdict.reason)) if self._space.unit == "steps" else verdict

    def _population(self, training: Training, replica: int) -> list[Verdict]:
        """What the population pruner says of the newest score, which counts for the first seed: it parks, for a rank is no proof.

        A revived trial is let off: it lags behind the others, that is what it was stopped for, and it is to be given its time.
        """
        if self._space.pruner is None or replica > 0 or training.trial.revives is not None:
            return []
        step, score = training.curves[0][-1].step, training.curves[0][-1].metrics.get(self._space.objective.metric)
        if score is None or not self._study.report(training.trial, step, score):
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
        return stopping is not None and stopping.cut(curve) is not None


def _ends(verdict: Verdict, trial: Trial) -> bool:
    """Whether a verdict ends a seed of the trial: none ends a baseline, and evidence does not end a revived trial again."""
    return trial.baseline is None and (verdict.action == "prune" or (verdict.action == "park" and trial.revives is None))
