"""The detection benchmark on a small data set of its own: what it reads, what it counts and what its peers do."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.detection import detect
from pitprop.detection.facts import Facts
from pitprop.telemetry import VOCABULARY

from tests.bench.detect import __main__ as bench
from tests.bench.detect import pools
from tests.bench.detect.curves import READINGS, Run, datasets, load, unstated
from tests.bench.detect.figures import Stop, figures, killed
from tests.bench.detect.fit import changed, fit, values
from tests.bench.detect.peers import PEERS, autotrainer, deep_diagnosis, early_stopping, sagemaker, terminate_on_nan
from tests.bench.detect.pruners import PRUNERS, pruned
from tests.bench.detect.score import ending, half, judged, ours, runs, sample, score, together
from tests.bench.search import pool

BUDGET = 20


def learns(t: int) -> tuple[float, float]:
    return 0.9 - 0.8 * math.exp(-t / 4), 2.3 * math.exp(-t / 4) + 0.1


def lies(t: int) -> tuple[float, float]:
    return 0.1, 2.3026


def explodes(t: int) -> tuple[float, float]:
    return (0.1, math.nan) if t else (0.11, 2.4)


SHAPES: dict[str, Callable[[int], tuple[float, float]]] = {"healthy": learns, "dead": lies, "broken": explodes}


def written(folder: Path, studies: int = 2, loss: bool = False, copies: int = 1) -> Path:
    """A data set named ``toy`` of a run of each shape a study, and more of the healthy ones."""
    shapes = [*SHAPES, *["healthy"] * 3] * copies
    rows: list[dict[str, object]] = []
    points: list[dict[str, object]] = []
    for study in range(studies):
        for shape in shapes:
            run = len(rows)
            curve = [SHAPES[shape](t) for t in range(BUDGET)]
            metric = [-value if loss else score - 0.001 * (run % 6) for score, value in curve]
            best = max((score for score in metric if not math.isnan(score)), default=-math.inf)
            label = "healthy" if shape == "healthy" else "dead"
            row: dict[str, object] = {
                "run": run,
                "study": f"s{study}",
                "label": label,
                "top10": shape == "healthy",
                "best": best,
                "K": 10,
            }
            rows.append(row | {"chance": -2.3026 if loss else 0.1, "Lchance": None if loss else math.log(10), "L0": 2.5})
            for t, (_, value) in enumerate(curve):
                point: dict[str, object] = {
                    "run": run,
                    "t": t,
                    "metric": metric[t],
                    "train_loss": value,
                    "val_loss": value,
                    "auc": math.nan,
                }
                points.append(point | {"nonfinite_step": math.isnan(value), "grad_norm": value})
    pd.DataFrame(rows).to_parquet(folder / "toy_runs.parquet")
    pd.DataFrame(points).to_parquet(folder / "toy_points.parquet")
    return folder


@pytest.fixture
def toy(tmp_path: Path) -> list[Run]:
    return load(written(tmp_path), "toy")


def shape(dataset: list[Run], name: str) -> Run:
    return dataset[list(SHAPES).index(name)]


def test_data_sets_are_found_by_their_pairs_of_files(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "alone_runs.parquet").touch()
    assert datasets(tmp_path) == ["toy"]
    with pytest.raises(FileNotFoundError, match="no data set 'other': it holds toy"):
        datasets(tmp_path, ["other"])


def test_readings_go_by_names_of_the_vocabulary() -> None:
    prefixes = [name for name in VOCABULARY if name.endswith("/") and name != "val/"]
    strange = {name for name in READINGS.values() if name not in VOCABULARY and not any(map(name.startswith, prefixes))}
    assert strange == {"zero_gradients"}  # read by peers only


def test_a_metric_of_a_stated_direction_has_no_validation_where_it_was_not_evaluated(tmp_path: Path) -> None:
    row = {"run": 0, "study": "s", "label": "dead", "top10": False, "best": 9.0, "chance": 8.0, "objective": "val/oddness"}
    pd.DataFrame([row | {"maximize": False}]).to_parquet(tmp_path / "own_runs.parquet")
    points = {"run": 0, "t": [0, 1], "metric": [math.nan, 9.0], "train_loss": 1.0, "val_loss": [math.nan, 2.0]}
    pd.DataFrame(points | {"nonfinite_step": False, "evaluated": [False, True]}).to_parquet(tmp_path / "own_points.parquet")
    (run,) = load(tmp_path, "own")
    assert (run.best, run.chance, run.facts.maximize, run.reached()) == (-9.0, -8.0, False, -9.0)
    assert [set(epoch.metrics) for epoch in run.epochs] == [{"train/loss"}, {"train/loss", "val/loss", "val/oddness"}]


def test_a_reading_never_taken_is_absent_and_a_loss_that_is_nan_is_kept(toy: list[Run]) -> None:
    last = shape(toy, "broken").epochs[-1].metrics
    assert "val/auc" not in last
    assert math.isnan(last["val/loss"])
    assert shape(toy, "broken").broken == (False, *[True] * (BUDGET - 1))


def test_facts_say_what_a_live_search_would_know(toy: list[Run], tmp_path: Path) -> None:
    facts = shape(toy, "healthy").facts
    assert (facts.budget, facts.metric, facts.chance_score, facts.chance_loss) == (BUDGET, "val/accuracy", 0.1, math.log(10))
    assert toy[0].epochs[0].metrics["start/loss"] == 2.5


def test_a_data_set_without_a_chance_loss_is_scored_by_its_loss(tmp_path: Path) -> None:
    run = load(written(tmp_path, loss=True), "toy")[0]
    assert (run.facts.metric, run.facts.maximize, run.facts.chance_score) == ("val/loss", False, 2.3026)
    assert run.epochs[0].metrics["val/loss"] == -run.scores[0]


def test_every_figure_of_a_case_counted_by_hand(toy: list[Run]) -> None:
    one = [run for run in toy if run.study == "s0"]  # healthy, dead, broken, and three more healthy ones, each a bit worse
    stops = [Stop(2, "x"), Stop(10, "x"), None, Stop(BUDGET, "y"), None, None]
    found = figures(one, stops)
    assert (found.recall.part, found.recall.whole, found.epoch, found.share) == (1, 2, 10, 0.5)
    assert (found.top10.part, found.healthy.part, found.healthy.whole, found.others.whole) == (1, 1, 4, 0)
    assert found.saved == pytest.approx((18 + 10) / 120)
    assert found.saved_dead == pytest.approx(0.25)
    assert found.regret[0] == found.regret[1] == pytest.approx(0.003 / (one[0].reached() - 0.1))
    assert found.by == {"x": {"healthy": 1, "dead": 1, "false kill": 1, "words true": 1}, "y": {"healthy": 1}}


@given(st.integers(1, BUDGET))
def test_a_kill_is_false_until_the_run_has_98_percent_of_its_advantage(step: int) -> None:
    scores = tuple(learns(t)[0] for t in range(BUDGET))
    run = Run(0, "s", "healthy", False, max(scores), 0.1, scores, (), (), facts())
    assert killed(run, Stop(step, "x")) == (scores[step - 1] - 0.1 < 0.98 * (max(scores) - 0.1))
    assert not killed(replace(run, label="dead"), Stop(step, "x"))
    assert not killed(run, None)


def facts() -> Facts:
    return Facts(budget=BUDGET)


def test_the_halves_share_no_study_and_miss_no_run(tmp_path: Path) -> None:
    dataset = load(written(tmp_path, studies=5), "toy")
    first, second = half(dataset, True), half(dataset, False)
    assert {run.study for run in first} & {run.study for run in second} == set()
    assert sorted(run.number for run in first + second) == [run.number for run in dataset]
    assert (len({run.study for run in first}), len({run.study for run in second})) == (3, 2)


def test_live_judging_stops_where_a_replay_ends_first(toy: list[Run]) -> None:
    for run in toy:
        ends = [verdict.step for verdict in detect.replay(run.epochs, run.facts, ending()) if verdict.ends]
        stop = judged(run, ending())
        assert (stop.step if stop else None) == min(ends, default=None)


def test_our_signatures_find_the_dead_and_spare_the_rest(tmp_path: Path) -> None:
    found = score(runs(written(tmp_path), "toy"), processes=1)
    assert (found.recall.ratio, found.healthy.part, found.regret) == (1, 0, (0, 0))


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    dataset = load(written(tmp_path, copies=2), "toy")
    assert ours(dataset, processes=2) == ours(dataset, processes=1)


def test_a_warning_stops_nothing(toy: list[Run]) -> None:
    warnings = [replace(signature, action="warn") for signature in detect.defaults()]
    assert score(toy, warnings, processes=1).saved == 0


def test_peers_stop_where_their_rules_say(toy: list[Run]) -> None:
    healthy, dead, broken = (shape(toy, name) for name in SHAPES)
    assert terminate_on_nan(broken) == Stop(2, "NaN")
    assert early_stopping(dead, 5) == Stop(6, "patience")
    assert early_stopping(broken, 5) == Stop(6, "patience")
    assert sagemaker(dead) == Stop(11, "loss not decreasing")
    assert sagemaker(broken) == Stop(2, "exploding tensor")
    assert deep_diagnosis(dead) == Stop(5, "unchanged")
    stop = autotrainer(dead)
    assert stop is not None
    assert stop.by == "not converging"
    for peer in PEERS.values():
        assert peer.rule(healthy) is None


def test_a_peer_does_not_apply_where_its_readings_lack(tmp_path: Path) -> None:
    run = load(written(tmp_path, loss=True), "toy")[0]
    assert not PEERS["AUTOTRAINER"].applies(run)
    assert PEERS["TerminateOnNaN"].applies(run)


def test_pruners_compare_the_runs_of_a_study_and_answer_alike_each_time(tmp_path: Path) -> None:
    dataset = load(written(tmp_path, studies=1, copies=4), "toy")
    found = pruned(dataset, processes=1)
    assert found == pruned(dataset, processes=1)
    assert set(found) == set(PRUNERS)
    for run, stop in zip(dataset, found["Threshold at chance from 25 %"], strict=True):
        assert (stop is not None) == (run.label == "dead")
    assert any(stop for run, stop in zip(dataset, found["Median"], strict=True) if run.label == "dead")


@given(st.sampled_from([1, 2, 5, 6]) | st.floats(0.001, 1) | st.floats(2, 1000))
def test_values_tried_are_other_values_that_a_space_could_set(default: float) -> None:
    tried = list(values(default))
    assert default not in tried
    assert all(value > 0 and (default > 1 or value <= 1 or isinstance(default, int)) for value in tried)
    assert all(value == int(value) for value in tried if isinstance(default, int))


def test_a_fit_never_does_worse_than_the_defaults(toy: list[Run]) -> None:
    choice = fit(toy, processes=1)
    shipped, fitted = score(toy, processes=1), score(toy, choice, processes=1)
    assert (fitted.recall.part, fitted.saved_dead) >= (shipped.recall.part, shipped.saved_dead)
    assert fitted.top10.part <= shipped.top10.part
    assert all(old != new for _, _, old, new in changed(choice))


def test_the_command_prints_a_line_for_each_way_of_stopping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([str(written(tmp_path)), "--misses", "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    for title in ("toy: 12 runs of 2 studies", "pitprop", "one half", "the other", *PEERS, *PRUNERS, "stopped by", "a dead run"):
        assert title in printed


def test_a_family_that_is_left_out_is_not_chosen_on_and_is_shown_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [str(written(tmp_path, studies=3)), "--ours", "--fit", "--processes", "1"]
    assert bench.main([*wanted, "--leave-out", "s0"]) == 0
    printed = capsys.readouterr().out
    assert "half of the studies of s1" in printed or "half of the studies of s2" in printed
    assert "toy, left out, chosen" in printed
    assert bench.main([*wanted, "--leave-out", "moon"]) == 2
    assert "no family 'moon' to leave out: there are s0, s1, s2" in capsys.readouterr().err


def test_a_sample_has_its_share_of_every_study(tmp_path: Path) -> None:
    dataset = load(written(tmp_path, studies=4), "toy")
    assert sample(dataset, None) == sample(dataset, 1000) == dataset
    few = sample(dataset, 12)
    assert {run.study for run in few} == {run.study for run in dataset}
    assert (len(few), few) == (12, sample(dataset, 12))


def test_a_folder_without_data_sets_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([str(tmp_path)]) == 2
    assert "holds no data set" in capsys.readouterr().err


def test_a_run_that_names_its_objective_is_read_in_its_own_unit_and_direction(tmp_path: Path) -> None:
    rows = pd.DataFrame({"run": [0], "study": ["s"], "label": ["healthy"], "top10": [True], "best": [20.0], "chance": [100.0]})
    rows["objective"] = "val/wer"
    rows.to_parquet(tmp_path / "wer_runs.parquet")
    points = pd.DataFrame({"run": 0, "t": range(5), "metric": [100.0, 80.0, 60.0, 40.0, 20.0], "nonfinite_step": False})
    points.to_parquet(tmp_path / "wer_points.parquet")
    (run,) = load(tmp_path, "wer")
    assert (run.facts.metric, run.facts.maximize, run.facts.chance_score, run.facts.warmup) == ("val/wer", False, 100.0, None)
    assert (run.best, run.reached(2), run.epochs[1].metrics) == (-20.0, -80.0, {"val/wer": 80.0})
    assert unstated(run).facts.chance_score is None


def test_the_dead_are_found_in_the_light_of_their_study_too(toy: list[Run]) -> None:
    stops = together(toy, processes=1)
    assert all((stop is not None) == (run.label == "dead") for run, stop in zip(toy, stops, strict=True))


def test_a_pool_is_labelled_as_other_runs_and_its_late_ones_are_counted(tmp_path: Path) -> None:
    space = pool.space("imbalanced")
    late = [0.4] * 12 + [0.8] * (space.epochs - 12)
    curves = [late, [0.7] * space.epochs, [0.4] * space.epochs, [0.4] * space.epochs]
    counts = {"val/labels/0": 60.0, "val/labels/1": 40.0}
    rows = [
        {"values": {}, "curve": [{"step": t, space.objective.metric: s, **counts} for t, s in enumerate(c, 1)]} for c in curves
    ]
    lines = [pool._asked(space), *rows]
    (tmp_path / "imbalanced.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    assert pools.workloads(tmp_path) == ["imbalanced"]
    found = pools.runs(tmp_path, "imbalanced")
    assert [run.label for run in found] == ["healthy", "healthy", "dead", "dead"]
    assert pools.late(found, [Stop(9, "x"), None, None, None]).part == pools.late(found, [None] * 4).whole == 1
