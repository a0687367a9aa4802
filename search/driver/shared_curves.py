"""Recorded curves that answer for trials which differ from a recorded one in their early stopping alone."""

from __future__ import annotations

import json
from collections import defaultdict

from pitprop.driver.training import Training


class Recordings:
    """The first trial with some parameters leads: it trains to the full budget, and those after it follow its curve."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._leaders: dict[str, Training] = {}
        self._followers: dict[str, list[Training]] = defaultdict(list)

    @property
    def waiting(self) -> int:
        """How many trials wait for a curve that is not finished."""
        return sum(map(len, self._followers.values()))

    def leader(self, training: Training) -> Training | None:
        """The training whose curve answers this one, which waits for it if need be; None if it has to train by itself."""
        if not self._enabled:
            return None
        key = _key(training)
        leader = self._leaders.setdefault(key, training)
        if leader is training:
            return None
        if leader.lanes:
            self._followers[key].append(training)
        return leader

    def followers(self, leader: Training) -> list[Training]:
        """Those that wait for this training, which has ended; they wait no more. One that failed leads no longer."""
        if not self._enabled or self._leaders.get(_key(leader)) is not leader:
            return []
        if leader.lanes or not leader.epochs:
            del self._leaders[_key(leader)]
        return self._followers.pop(_key(leader), [])


def _key(training: Training) -> str:
    return json.dumps(training.trial.params, sort_keys=True)
