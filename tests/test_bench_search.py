"""The benchmark of searches on a small pool of its own: what answers a proposal, and what counts as an epoch."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.telemetry import Epoch, Telemetry
from pitprop.trainer import Change, Context, Lane, Start

from tests.bench.search import __main__ as bench
from tests.bench.search import ours, peers, pool, promotion, replay, seconds
from tests.bench.search.figures import spent, verdict
from tests.bench.search.meter import Found, Meter, Task
from tests.bench.search.table import Table

pytestmark = pytest.mark.slow  # a bench is run by hand, and so are its tests

SIZE, TRIALS = 8, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of eight configurations where hardly any training collapses."""
    found = tmp_path_factory.mktemp("pools")
    pool.train(found, "steady", SIZE)
    return found


def task(folder: Path, stop: float, trials: int = TRIALS, seed: int = 0) -> Task:
    return Task(folder, "steady", SIZE, stop, trials, seed)


@pytest.mark.parametrize("workload", pool.SPACES)
def test_a_configuration_of_the_pool_is_answered_by_itself(workload: str) -> None:
    space = pool.space(workload)
    values = [one for _, one in zip(range(40), pool.drawn(space), strict=False)]
    table = Table.of(space, values, [[0.0]] * len(values))
    assert [table.nearest(one) for one in values] == list(range(len(values)))
    assert not any(space.violated(one) for one in values)


def test_numbers_are_near_in_logarithms_and_another_choice_is_far() -> None:
    space = pool.space("steady")
    here = {"focal.alpha": "[1.0, 2.0]", "focal.gamma": 1.0, "lr": 1e-3, "weight_decay": 1e-3, "prior_bias": False}
    others = [{**here, "lr": 3e-2}, {**here, "lr": 3e-4}, {**here, "prior_bias": True}, {**here, "focal.gamma": 3.0}]
    table = Table.of(space, others, [[0.0]] * 4)
    assert [table.nearest({**here, **change}) for change in ({"lr": 1e-3}, {"lr": 2e-2}, {"focal.gamma": 2.9})] == [1, 0, 3]
    assert table.nearest({**here, "prior_bias": True}) == 2
    missing = {name: value for name, value in here.items() if name != "focal.gamma"}
    assert Table.of(space, [{**here, "focal.gamma": 0.0}, {**missing, "lr": 1e-2}], [[0.0]] * 2).nearest(missing) == 1


def test_a_pool_that_grows_keeps_what_it_has(tmp_path: Path) -> None:
    pool.train(tmp_path, "steady", 2)
    before = (tmp_path / "steady.jsonl").read_text()
    pool.train(tmp_path, "steady", 3)
    assert (tmp_path / "steady.jsonl").read_text().startswith(before)
    assert len(pool.load(tmp_path, "steady", 3).curves) == 3


def test_a_pool_of_another_space_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text((folder / "steady.jsonl").read_text())
    with pytest.raises(ValueError, match=r"events\.jsonl was trained in another space"):
        pool.load(tmp_path, "events", SIZE)


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=30), st.floats(0, 1))
def test_epochs_count_up_to_the_target_and_no_further(folder: Path, scores: list[float], target: float) -> None:
    meter = Meter(task(folder, target))
    over = [meter.take(score, 0) for score in scores]
    first = next((number for number, score in enumerate(scores, 1) if score >= target), None)
    assert meter.found.epochs == (first or len(scores))
    assert (meter.found.reached(target) or (None, 0))[0] == first
    assert over == [first is not None and number >= first for number in range(1, len(scores) + 1)]


@given(st.lists(st.floats(0, 1) | st.just(math.nan), min_size=1, max_size=30), st.integers(1, 30))
def test_the_best_of_the_first_epochs_is_that_of_their_scores(folder: Path, scores: list[float], epochs: int) -> None:
    meter = Meter(task(folder, math.inf))
    for score in scores:
        meter.take(score, 0)
    assert meter.found.best(epochs) == max((score for score in scores[:epochs] if not math.isnan(score)), default=-math.inf)


def test_every_method_counts_all_epochs_of_a_search_that_reaches_nothing(folder: Path) -> None:
    budget = task(folder, math.inf).budget
    assert peers.tpe(task(folder, math.inf)).epochs == budget
    assert peers.top_k(task(folder, math.inf, 16)).epochs == 16 + 2 * (task(folder, 0).pool.space.epochs - 1)
    for method in (peers.hyperband, peers.median, *ours.OURS.values()):
        assert TRIALS <= method(task(folder, math.inf)).epochs <= budget


def test_every_method_ends_at_the_first_epoch_that_reaches_the_target(folder: Path) -> None:
    least = float(task(folder, 0).pool.table.scores.min())
    for method in (*ours.OURS.values(), *peers.PEERS.values()):
        found = method(task(folder, least))
        assert (found.epochs, (found.reached(least) or (None,))[0]) == (1, 1)


def test_our_engine_trains_what_the_sampler_proposes_to_the_target(folder: Path) -> None:
    """What it counts is what the pool's curves say of its own trials, none of which is stopped here."""
    target = float(task(folder, 0).pool.table.scores[:, -1].max()) + 1e-9
    found, whole = ours.search(task(folder, target)), ours.search(task(folder, math.inf))
    assert found.epochs <= whole.epochs
    assert found.reached(target) is not None or found.epochs == whole.epochs


def test_a_replay_goes_on_where_it_was_stopped(folder: Path) -> None:
    one = task(folder, 0).pool
    context = Context(one.space.epochs, {"pool": [str(folder), "steady", SIZE]})
    start = Start(Lane(0, 0), one.space.params(one.values[3]), 0, "")
    resumed = replace(start, lane=Lane(1, 0), step=20)
    training = replay.train_lanes([start], context)
    seen = [next(training)[start.lane]]
    both = training.send(Change(started=[resumed]))
    assert (both[start.lane], both[resumed.lane]) == (one.curves[3][1], one.curves[3][20])
    seen += [both[start.lane], training.send(Change(stopped=[resumed.lane]))[start.lane]]
    assert seen + [training.send(Change())[start.lane] for _ in range(21)] == list(one.curves[3])
    with pytest.raises(StopIteration):
        training.send(Change())


def test_a_training_that_goes_to_nan_is_one_that_the_signatures_end(folder: Path) -> None:
    one = task(folder, 0).pool
    lost = [Telemetry(Epoch(e.step, dict.fromkeys(e.metrics, math.nan)) for e in curve) for curve in one.curves]
    assert all(ours.ended(replace(one, curves=lost)))
    assert sum(ours.ended(one)) < SIZE / 2


def test_a_search_that_missed_counts_as_all_of_its_budget() -> None:
    assert spent([Found([(50, 0.7, 0.0)], 50), Found([(20, 0.5, 0.0)], 60)], 0.6, 150) == [50, 150]


def test_a_method_is_held_against_the_best_peer_of_each_workload() -> None:
    told = list(verdict({"pitprop": [50, 400], "one": [100, 100], "other": [200, 50]}, ["one", "other"]))
    assert " ".join(told[0].split()) == "pitprop 141 epochs, 2.00 times the best peer of each workload, at most 8.00"


def test_the_table_is_printed_from_the_log(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.jsonl"
    methods = ["pitprop", "Optuna TPE"]
    few = ["--workloads", "steady", "--seeds", "1", "--trials", "2", "--size", str(SIZE), "--methods", *methods]
    for _ in range(2):
        assert bench.main([*few, "--pool", str(folder), "--log", str(log)]) == 0
        printed = capsys.readouterr().out
        assert all(name in printed for name in (*methods, "Geometric means over the workloads"))
    assert len(log.read_text().splitlines()) == len(methods)
    assert ", seed 0" not in printed


def test_the_target_is_a_quantile_of_the_best_scores(folder: Path) -> None:
    table = task(folder, 0).pool.table
    assert table.target(1.0) == table.scores.max()
    assert np.isclose(table.target(0.0), table.scores.max(axis=1).min())
    lost = replace(table, scores=np.where(np.arange(SIZE)[:, None] == 0, math.nan, table.scores))
    assert lost.target(1.0) == lost.scores[1:].max()


def test_tune_counts_the_epochs_of_one_trial_after_another(folder: Path) -> None:
    from tests.bench.search import tuned

    least = float(task(folder, 0).pool.table.scores.min())
    with tuned.running():
        assert tuned.asha(task(folder, least)).epochs == 1
        assert TRIALS <= tuned.asha(task(folder, math.inf)).epochs <= task(folder, 0).budget


@pytest.mark.parametrize(("name", "rule"), [("ASHA", promotion.Asha), ("PASHA", promotion.Pasha)])
@pytest.mark.parametrize("seed", range(3))
def test_promotion_chooses_as_the_classes_of_syne_tune(name: str, rule: type[promotion.Asha], seed: int) -> None:
    """Recorded from Syne Tune 0.13 with the share of a rung rounded down, as in the paper (its quantile lets one more go on)."""
    recorded = json.loads((Path(__file__).parent / "golden" / "promotion.json").read_text())[f"{name} {seed}"]
    ends, curves = recorded["ends"], recorded["curves"]
    asha = rule(ends, recorded["factor"])
    for expected in recorded["trials"]:
        chosen = asha.choose(room=len(asha.curves) < len(curves))
        assert chosen is not None
        until, number = asha.until(chosen), len(asha.curves) if chosen == promotion.NEW else chosen
        assert number == expected
        for score in curves[number][0 if chosen == promotion.NEW else len(asha.curves[number]) : until]:
            asha.see(number, score)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of the size that the winners who learn late need to be some."""
    found = tmp_path_factory.mktemp("late")
    pool.train(found, "late", pool.SIZES["late"])
    return found


def test_a_twentieth_of_the_winners_learns_late(late: Path) -> None:
    found = pool.load(late, "late", pool.SIZES["late"])
    winners = (found.table.scores.max(axis=1) >= found.table.target(pool.GOOD)).sum()
    assert len(found.late) >= 0.05 * winners


def test_no_late_winner_is_lost_when_everything_is_trained(late: Path) -> None:
    searches = [ours.OURS["pitprop, promote"](Task(late, "late", pool.SIZES["late"], math.inf, 24, seed)) for seed in range(2)]
    assert sum(one.late for one in searches) > 0
    assert sum(one.lost for one in searches) == 0


@pytest.mark.parametrize("candidate", seconds.CANDIDATES)
def test_a_search_that_has_not_reached_its_target_by_the_limit_has_missed_it(candidate: str) -> None:
    took = seconds._alone(seconds.Race(candidate, "steady", math.inf, 0, 0.0))
    assert not took.reached
    assert took.seconds > 0


def test_no_remedy_is_tried_as_the_pool_answers_it_with_what_it_is_to_mend() -> None:
    assert {pool.space(workload).remedies for workload in pool.SPACES} == {"suggest"}
