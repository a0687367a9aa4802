"""What a trial's study tells of it: the facts that it is judged by, beside its own epochs."""

from __future__ import annotations

from dataclasses import replace

from pitprop.detection import life
from pitprop.detection.facts import Facts, Peer
from pitprop.driver.training import Training
from pitprop.space import Space
from pitprop.study.study import Trial

REACH = 100
"""How many trials before it are a trial's peers: enough to compare with, and no study is held in memory as a whole."""


def facts(space: Space, trial: Trial) -> Facts:
    """What is known of a trial before anything has been trained."""
    batch = space.options.get("batch_size", (space.card.options or {}).get("batch_size"))
    return Facts(
        budget=space.epochs,
        metric=space.objective.metric,
        maximize=space.objective.sign > 0,
        batch=batch if isinstance(batch, int) and not isinstance(batch, bool) else None,
        checkpoint=space.checkpoint,
        params=trial.flat,
        stopping=space.stopping(trial.values),
    )


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
            self._facts[number] = replace(facts(self._space, trial), peers=peers, recovery=self._recovery)
        return self._facts[number]

    def learn(self, training: Training) -> None:
        """Takes in a trial that has ended, after training of its own."""
        self._join(training)
        own = facts(self._space, training.trial)
        recoveries = [life.recovery(curve, own) for curve in training.curves.values()]
        self._recovery = max((step for step in (*recoveries, self._recovery) if step is not None), default=None)
        self._peers = {number: peer for number, peer in self._peers.items() if number >= training.trial.number - 2 * REACH}
        self._facts.clear()

    def _join(self, training: Training) -> None:
        number, curve = training.trial.number, training.curves[0]
        known = self._peers.get(number)
        if curve and (known is None or known.telemetry is not curve):  # a retry reads its curve anew
            self._peers[number] = Peer(number, training.trial.flat, curve)
            self._facts.clear()
