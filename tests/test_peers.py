"""What a trial is judged by beside its own epochs: peers, and what trials that ended have taught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pitprop.detection import life
from pitprop.detection.facts import Facts
from pitprop.driver.judging import REACH, Peers
from pitprop.driver.training import Training
from pitprop.space import Space
from pitprop.study.study import Trial
from pitprop.telemetry import Epoch

Toy = Callable[..., Space]


@pytest.fixture
def begun(tmp_path: Path) -> Callable[..., Training]:
    """A trial that has reported some scores, on labels of which 70 of 100 are one class."""

    def begin(number: int, scores: list[float], revives: int | None = None) -> Training:
        trial = Trial(number, {"speed": 0.1}, {"speed": 0.1}, {"speed": 0.1, "group.number": number}, None, revives)
        training = Training.of(trial, tmp_path / f"{number:04d}", 1)
        for step, score in enumerate(scores, 1):
            training.record(0, Epoch(step, {"val/macro_f1": score, "val/labels/0": 70.0, "val/labels/1": 30.0}))
        return training

    return begin


def seen(known: Facts) -> list[int]:
    return [peer.trial for peer in known.peers]


def test_facts_say_what_the_space_knows(toy: Toy) -> None:
    space = toy(
        trainer="imbalanced",
        params={"lr": {"float": [1e-5, 1e-1], "log": True}, "focal": {"gamma": 1.0}},
        early_stopping={"patience": 3},
        objective={"metric": "val/loss", "goal": "minimize"},
        baselines={"old": {"values": {"val/loss": 0.4}, "checkpoint": True}},
    )
    known = space.known_of({"lr": 1e-3}, {"lr": 1e-3, "focal.gamma": 1.0})
    assert (known.budget, known.metric, known.maximize, known.batch) == (8, "val/loss", False, 32)
    assert (known.params, known.checkpoint) == ({"lr": 1e-3, "focal.gamma": 1.0}, {"val/loss": 0.4})
    assert known.stopping is not None
    assert known.stopping.patience == 3
    assert toy().known_of().batch is None


def test_peers_are_the_trials_before_that_have_reported_something(toy: Toy, begun: Callable[..., Training]) -> None:
    peers = Peers(toy())
    trainings = [begun(number, [0.5] * (number != 1)) for number in range(4)]
    for training in reversed(trainings):
        peers.facts(training)
    assert [seen(peers.facts(training)) for training in trainings] == [[], [0], [0], [0, 2]]
    trainings[1].record(0, Epoch(1, {"val/macro_f1": 0.6}))
    assert peers.facts(trainings[1]) is peers.facts(trainings[1])
    known = peers.facts(trainings[3])
    assert seen(known) == [0, 1, 2]
    assert known.peers[1].params == {"speed": 0.1, "group.number": 1}
    assert known.peers[1].telemetry is trainings[1].curves[0]


def test_the_trial_that_a_revived_one_continues_is_no_peer_of_it(toy: Toy, begun: Callable[..., Training]) -> None:
    peers = Peers(toy())
    for number in range(3):
        peers.learn(begun(number, [0.5]))
    assert seen(peers.facts(begun(3, [0.5], revives=1))) == [0, 2]


def test_a_trial_has_as_many_peers_as_there_is_use_for(toy: Toy, begun: Callable[..., Training]) -> None:
    peers = Peers(toy())
    for number in range(2 * REACH + 7):
        peers.learn(begun(number, [0.5]))
    assert seen(peers.facts(begun(2 * REACH + 7, [0.5]))) == list(range(REACH + 7, 2 * REACH + 7))


def test_recovery_is_that_of_the_slowest_that_recovered(toy: Toy, begun: Callable[..., Training]) -> None:
    space, chance = toy(epochs=20), [0.7 / 1.7]
    peers = Peers(space)
    peers.learn(begun(0, chance * 20))
    assert peers.facts(begun(1, chance)).recovery is None
    for number, asleep in enumerate((6, 11, 8), 1):
        training = begun(number, chance * asleep + [0.8] * (20 - asleep))
        peers.learn(training)
        assert life.recovery(training.curves[0], space.known_of(training.trial.values)) == asleep + 1
    assert peers.facts(begun(4, chance)).recovery == 12
