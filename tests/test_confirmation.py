"""A search is confirmed on seeds that it has not seen, in a study of its own, and the answer holds what it says."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Said, events, records
from hypothesis import given
from hypothesis import strategies as st
from pitprop.addresses import addresses
from pitprop.results import ablation, confirmation, confirmation_study, summary
from pitprop.results.ablation import Effect, Step
from pitprop.results.confirmation_study import Block
from pitprop.results.statistics import Difference, interval
from pitprop.space import Confirm, Objective, Space, SpaceError
from pitprop.space.distributions import Leaf, Range
from pitprop.views import effects
from pitprop.views.content import Content
from pitprop.views.report.markdown import measured

from tests.bench import by_parameter

Toy = Callable[..., Space]
Write = Callable[..., Path]
Pitprop = Callable[..., Said]

NOISY: dict[str, Any] = {
    "trainer": str(ROOT / "tests" / "toys" / "noisy.py"),
    "objective": {"metric": "score"},
    "signatures": "off",
    "epochs": 3,
    "trials": 6,
    "params": {"level": {"float": [0.5, 0.7]}},
    "points": [{"level": level} for level in (0.69, 0.6, 0.5, 0.68)],
    "baselines": {"plain": {"params": {"level": 0.5}}, "told": {"values": {"score": 0.55}, "samples": 1000}},
    "sampler": "random",
}
PLAN = Confirm(top=2, seeds=5)


def confirmed(space: Space, folder: Path, plan: Confirm = PLAN) -> confirmation.Confirmation:
    """The search of ``space`` and its confirmation, both trained in this process."""
    events(space, folder)
    again = due(space, plan, folder)[0]
    events(again, folder)
    return confirmation.confirmation(space, records(space, folder), {Block(0, plan.seeds): records(again, folder)})


def due(space: Space, plan: Confirm, folder: Path) -> list[Space]:
    """What is to be trained to confirm the search in the folder."""
    return confirmation_study.pending(space, plan, records(space, folder), addresses(folder))


def test_the_best_and_the_baselines_train_on_the_same_seeds_and_none_is_the_searchs(toy: Toy, tmp_path: Path) -> None:
    space = toy(**NOISY)
    found = confirmed(space, tmp_path)
    assert found.complete
    assert len(found.candidates) == 2
    assert [one.name for one in found.baselines] == ["plain"]
    assert all(len(one.scores) == 5 for one in (*found.candidates, *found.baselines))
    assert not set(found.seeds) & set(range(space.seed, space.seed + space.seeds))
    assert found.candidates[0].searched == max(one.searched or 0 for one in found.candidates)


def test_each_candidate_is_held_against_every_kind_of_baseline_and_target(toy: Toy, tmp_path: Path) -> None:
    found = confirmed(toy(**NOISY, targets={"easy": 0.6, "hard": 0.9}), tmp_path)
    for leads in found.differences.values():
        assert {name: lead.verdict for name, lead in leads.items()} == {
            "plain": "better",
            "told": "better",
            "target easy": "better",
            "target hard": "worse",
        }
    assert found.winner is not None
    assert found.winner.mean == max(one.mean for one in found.candidates)


def test_confirming_prunes_nothing_and_asks_for_nothing_else(toy: Toy, tmp_path: Path) -> None:
    gate = {"metric": "score", "epoch": 1, "at_least": 10.0, "action": "park"}
    space = toy(**NOISY, gates=[gate], early_stopping={"patience": 2})
    events(toy(**NOISY), tmp_path / "free")
    searched = records(toy(**NOISY), tmp_path / "free")
    again = confirmation_study.pending(space, PLAN, searched, addresses(tmp_path / "free"))[0]
    events(again, tmp_path)
    found = records(again, tmp_path)
    assert [record.state for record in found] == ["COMPLETE"] * 3
    assert [record.epochs for record in found] == [15] * 3


def test_a_confirmation_that_was_killed_goes_on(toy: Toy, tmp_path: Path, outcome: Callable[..., Any]) -> None:
    space = toy(**NOISY)
    events(space, tmp_path)
    again = due(space, PLAN, tmp_path)[0]
    events(again, tmp_path / "whole")
    for stop in (4, 17, 30):
        events(again, tmp_path / "killed", stop=stop)
    events(again, tmp_path / "killed")
    assert outcome(again, tmp_path / "killed") == outcome(again, tmp_path / "whole")


def test_a_seed_that_fails_is_missing_and_not_a_score(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**NOISY, "params": {**NOISY["params"], "fails": [confirmation_study.FRESH["confirm"], 0.69]}})
    found = confirmed(space, tmp_path)
    scores = found.candidates[0].scores
    assert scores[0] != scores[0]
    assert found.candidates[0].mean == pytest.approx(sum(scores[1:]) / 4)


def test_patience_counts_in_a_confirmation_as_in_the_search(toy: Toy, tmp_path: Path) -> None:
    rows = {**NOISY, "epochs": 6, "early_stopping": {"patience": {"choice": [1, 6]}, "min_delta": 0.02}, "baselines": {}}
    space = toy(**{**rows, "points": [{"level": 0.6, "early_stopping.patience": patience} for patience in (1, 6)], "trials": 2})
    found = confirmed(space, tmp_path)
    short, long = (next(one for one in found.candidates if one.params["early_stopping.patience"] == n) for n in (1, 6))
    assert all(one < other for one, other in zip(short.scores, long.scores, strict=True))


def test_a_search_confirms_itself_where_the_space_says_so_and_says_what_to_take(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**NOISY, confirm={"top": 2, "seeds": 5})
    first = pitprop("search", space, "--inline")
    assert first.code == 0
    assert "Confirmed on 5 fresh seeds" in pitprop("status", space, "--full").out
    assert re.search(
        r"Use level 0\.\d+ \(trial \d\): score 0\.\d+ ± 0\.\d+ on 5 fresh seeds; better than plain", " ".join(first.out.split())
    )
    second = pitprop("search", space, "--inline")
    assert "toy is finished" in second.out
    assert "Confirming" not in second.out
    told = pitprop("status", space, "--json").json["confirmation"]
    assert told["complete"] is True
    winner = max(told["candidates"], key=lambda one: sum(one["scores"]))
    said = pitprop("best", space).out
    assert f"toy, trial {winner['trial']}:" in said
    assert "# the best on fresh seeds: " in said
    assert f" --trial {winner['trial']}\n" in pitprop("best", space, "--command").out


@pytest.mark.slow  # which starts MLflow twice
def test_a_confirmation_of_which_the_export_broke_off_is_exported_by_the_same_command(
    write_space: Write, pitprop: Pitprop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    space = write_space(**NOISY | {"trials": 3, "confirm": {"top": 1, "seeds": 2}})
    assert pitprop("search", space, "--inline").code == 0
    monkeypatch.delenv("PYTHONPATH")
    again = pitprop("search", space, "--inline")
    assert "toy is finished" in again.out
    assert "Confirming" not in again.out
    with closing(sqlite3.connect(tmp_path / "runs" / "mlflow.db")) as store:
        trials = "select run_uuid from tags where key = 'pitprop.trial'"
        studies = f"select value, count(*) from tags where key = 'pitprop.study' and run_uuid in ({trials}) group by value"
        assert store.execute(studies).fetchall() == [("toy", 3), ("toy.confirm2", 2)]


def test_a_trial_is_confirmed_by_its_number_beside_those_that_are(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**{**NOISY, "trials": 3})
    pitprop("search", space, "--inline")
    assert pitprop("confirm", space, "--inline", "--trial", 2, "--seeds", 2).code == 0
    assert pitprop("confirm", space, "--inline", "--trial", 1, "--trial", 2, "--seeds", 2).code == 0
    held = pitprop("status", space, "--json").json["confirmation"]
    assert sorted(one["trial"] for one in held["candidates"]) == [1, 2]
    said = pitprop("confirm", space, "--inline", "--trial", 7)
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "trial 7 of toy has no score that could be confirmed; those that have one: " in said.err


def test_a_search_that_went_on_confirms_what_is_new_alone(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**{**NOISY, "trials": 3})
    pitprop("search", space, "--inline")
    pitprop("confirm", space, "--inline", "--top", 1)
    said = pitprop("search", space, "--inline", "--trials", 6)
    assert "on 5 fresh seeds; " in " ".join(said.out.split())  # of what is confirmed; the others come on request
    again = pitprop("confirm", space, "--inline", "--top", 2)
    assert "resumes from epoch" not in again.out
    held = pitprop("status", space, "--json").json["confirmation"]
    assert len(held["candidates"]) == 2


def test_more_seeds_are_added_to_all_candidates_and_none_is_forgotten(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**{**NOISY, "trials": 4})
    pitprop("search", space, "--inline")
    pitprop("confirm", space, "--inline", "--top", 2, "--seeds", 2)
    before = pitprop("status", space, "--json").json["confirmation"]
    said = pitprop("confirm", space, "--inline", "--top", 1, "--seeds", 3)
    assert said.code == 0
    told = pitprop("status", space, "--json").json["confirmation"]
    assert told["seeds"] == [1000, 1001, 1002]
    assert [one["name"] for one in told["candidates"]] == [one["name"] for one in before["candidates"]]
    for one, old in zip(told["candidates"] + told["baselines"], before["candidates"] + before["baselines"], strict=True):
        assert one["scores"][:2] == old["scores"]
        assert len(one["scores"]) == 3
    pitprop("confirm", space, "--inline", "--top", 3, "--seeds", 2)  # fewer seeds take none away: the third has all three
    told = pitprop("status", space, "--json").json["confirmation"]
    assert [len(one["scores"]) for one in told["candidates"]] == [3, 3, 3]


def test_a_candidate_that_cannot_be_told_from_the_winner_is_named_a_tie(toy: Toy, tmp_path: Path) -> None:
    apart = toy(**{**NOISY, "points": [{"level": 0.6}, {"level": 0.5}]})
    found = confirmed(apart, tmp_path / "apart", Confirm(top=9, seeds=5))
    assert found.winner is not None
    levels = {one.name: one.params["level"] for one in found.candidates}
    tied = [levels[name] for name in found.ties]
    assert all(abs(level - found.winner.params["level"]) < 0.03 for level in tied)
    assert found.winner.name not in found.ties


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.sampled_from(["val/accuracy", "val/auc", "val/class_error"]))
def test_no_interval_of_a_bounded_metric_leaves_its_range(scores: list[float], metric: str) -> None:
    low, high = interval(scores, Objective(metric).bounds(scores))
    free = interval(scores)
    assert math.isnan(low) or 0 <= low <= high <= 1
    assert math.isnan(low) or (low, high) == (max(free[0], 0), min(free[1], 1))


@pytest.mark.parametrize(
    ("metric", "values", "wanted"),
    [
        ("val/accuracy", [0.9, 1.0], (0, 1)),
        ("val/accuracy", [90.0, 99.9], (0, 100)),
        ("val/mcc", [-0.1, 0.2], (-math.inf, 1)),
        ("val/wer", [0.9, 1.2], (0, math.inf)),
        ("val/rmse", [3.0], (0, math.inf)),
        ("val/loss", [0.1], (-math.inf, math.inf)),
        ("val/accuracy", [-0.1, 0.5], (-math.inf, math.inf)),
        ("val/accuracy", [math.nan, 0.5], (0, 1)),
    ],
)
def test_a_metric_is_bounded_by_its_name_unless_a_score_is_beyond(
    metric: str, values: list[float], wanted: tuple[float, float]
) -> None:
    assert Objective(metric).bounds(values) == wanted
    assert Objective(metric, range=(-2, 200)).bounds(values) == (-2, 200)


def test_an_interval_that_a_bound_cuts_is_told_by_its_ends(toy: Toy, tmp_path: Path) -> None:
    near = {"objective": {"metric": "score", "range": [0, 0.72]}}
    found = confirmed(toy(**{**NOISY, **near, "points": [{"level": 0.7}]}), tmp_path)
    assert found.winner is not None
    _low, high = found.winner.intervals[0]
    assert high <= 0.72
    scores = (0.999, 1.0, 0.996, 0.9999, 1.0)
    told = replace(found.winner, scores=scores, intervals=(interval(scores, (0, 1)),))
    assert re.fullmatch(r"\*\*0.9990\*\* \(0.99\d\d to 1.0000\)", measured(told).replace("\\", ""))
    assert "±" in measured(replace(told, intervals=(interval(scores),)))
    leads = [one for row in found.differences.values() for one in row.values()]
    assert all(-0.72 <= one.low <= one.high <= 0.72 for one in leads if math.isfinite(one.low))


def test_scores_that_no_seed_changes_are_told_apart_and_said_not_to_show_how_sure_they_are(toy: Toy, tmp_path: Path) -> None:
    found = confirmed(toy(**NOISY), tmp_path)
    assert not found.seedless
    same = [replace(one, scores=(0.5 + place / 10,) * 5) for place, one in enumerate(found.candidates)]
    fixed = replace(found, candidates=tuple(same), baselines=(replace(found.baselines[0], scores=(0.5,) * 5),))
    assert fixed.seedless
    assert all(math.isnan(end) for scores in ([0.5], [0.5] * 5, [math.nan, 0.5]) for end in interval(scores))
    assert measured(replace(same[0], intervals=((math.nan, math.nan),))).endswith("each time")
    assert "±" in measured(found.candidates[0])
    assert confirmation._ties(fixed) == ()
    assert confirmation._ties(replace(fixed, candidates=(same[0], replace(same[1], scores=same[0].scores)))) == (same[1].name,)


def test_there_is_nothing_to_confirm_before_a_trial_has_completed(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("confirm", write_space(**NOISY), "--inline")
    assert said.code == 1
    assert "there is no study of 'toy'" in said.err
    dead = write_space("dead", params={"fault": {"choice": ["nothing"]}}, trials=2)
    pitprop("search", dead, "--inline")
    said = pitprop("confirm", dead, "--inline")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "nothing to confirm" in said.err


def test_a_search_in_which_all_fails_has_nothing_to_confirm_and_says_why(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("search", write_space(params={"fault": {"choice": ["nothing"]}}, trials=2, confirm=True), "--inline")
    assert said.code == 1
    assert "the trainer ended without a single epoch" in said.out + said.err
    assert "nothing to confirm" not in said.err


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"confirm": {"seeds": 1}}, "confirm.seeds: 1 is not allowed; it takes a whole number of at least 2"),
        ({"confirm": {"each": ["levl"]}}, "confirm.each: 'levl' is no searched parameter; did you mean 'level'?"),
        ({"confirm": {"each": 3}}, "confirm.each: 3 is not allowed; it takes true, false, or a list of searched parameters"),
        ({"confirm": {"tops": 1}}, "confirm.tops: unknown key; did you mean 'top'?"),
        ({"targets": {"easy": "high"}}, "targets.easy: 'high' is not allowed; it takes a number"),
        ({"targets": {"easy": 0.6}, "stop_when": "esay"}, "stop_when: 'esay' is no target of this space; did you mean 'easy'?"),
    ],
)
def test_a_slip_in_what_is_to_be_reached_is_said(toy: Toy, changes: dict[str, Any], wanted: str) -> None:
    with pytest.raises(SpaceError) as refusal:
        toy(**{**NOISY, **changes})
    assert wanted in str(refusal.value)


def test_a_search_stops_at_its_target(write_space: Write, pitprop: Pitprop) -> None:
    rows = {**NOISY, "targets": {"easy": 0.58}, "stop_when": "easy", "points": [{"level": 0.5}, {"level": 0.65}, {"level": 0.5}]}
    said = pitprop("search", write_space(**rows), "--inline", "--json").json
    assert said["trials"]["COMPLETE"] == 3  # the baseline, one below the target, and the one that reached it
    assert said["targets"] == [{"name": "easy", "value": 0.58, "trial": 2}]
    assert "has reached its target easy" in pitprop("search", write_space(**rows), "--inline").out
    assert "ended early, as trial 2 reached the target easy." in " ".join(pitprop("status", write_space(**rows)).out.split())
    free = {key: value for key, value in rows.items() if key != "stop_when"}
    assert pitprop("search", write_space(**free), "--inline", "--json").json["trials"]["COMPLETE"] == 6


def test_what_is_confirmed_is_json_for_scripts(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**NOISY)
    assert pitprop("search", space, "--inline", "--json").json["confirmation"] is None
    said = pitprop("confirm", space, "--inline", "--json", "--seeds", 2)
    assert json.loads(said.out)["confirmation"]["seeds"] == [1000, 1001]


# By parameter

PARTS: dict[str, Any] = {
    **NOISY,
    "trainer": str(ROOT / "tests" / "toys" / "parts.py"),
    "params": {
        "level": {"float": [0.5, 0.7]},
        "kind": {"choice": [[1, 2], [2, 1], [3, 3]]},
        "depth": {"int": [1, 9], "when": {"kind": [[1, 2], [3, 3]]}},
    },
    "points": [{"level": 0.65, "kind": [1, 2], "depth": 4}],
    "baselines": {},
    "trials": 3,
}


def changed(space: Space, folder: Path, stop: int | None = None) -> ablation.Ablation | None:
    """The search, and each change of its winner."""
    events(space, folder)
    rows = records(space, folder)
    winner = confirmation.best(space, rows, None)[0]
    for again in ablation.pending(space, rows, addresses(folder), winner):
        events(again, folder, stop=stop)
    return ablation.read(space, addresses(folder), winner)


def test_one_parameter_is_changed_at_a_time_on_seeds_that_nobody_chose_by(toy: Toy, tmp_path: Path) -> None:
    space = toy(**PARTS)
    found = changed(space, tmp_path)
    assert found is not None
    assert found.complete
    assert found.seeds == tuple(range(2000, 2008))
    winner = records(space, tmp_path)[found.trial]
    held = [r for rows in confirmation_study.blocks(space, addresses(tmp_path), "each").values() for r in rows]
    for record in held[1:]:
        name = (record.baseline or "").removeprefix(f"trial {winner.number}: ").partition(" ")[0]
        others = {key for key in {*record.params, *winner.params} if record.params.get(key) != winner.params.get(key)}
        assert name in others
        assert others <= ({name, "depth"} if name == "kind" else {name})
        assert ("depth" in record.params) == (record.params["kind"] != [2, 1])


def test_what_a_value_costs_is_found_and_what_does_nothing_is_alike(toy: Toy, tmp_path: Path) -> None:
    found = changed(toy(**PARTS), tmp_path)
    assert found is not None
    told = {effect.parameter: effect for effect in found.effects}
    assert [one.difference.verdict for one in told["depth"].steps] == ["not distinguishable"] * len(told["depth"].steps)
    costs = {str(one.value): one.difference for one in told["kind"].steps}
    assert costs["[3, 3]"].verdict == "worse"
    assert costs["[3, 3]"].low < -0.1 < costs["[3, 3]"].high
    said = effects.line(told["kind"])
    assert re.fullmatch(r"\[1, 2\], \[2, 1\] alike \(within 0\.0\d+\); \[3, 3\] costs 0\.\d+ \(0\.\d+ to 0\.\d+\)", said)
    assert found.effects[0].parameter in ("kind", "level")


def test_a_value_whose_interval_leaves_much_open_is_not_known_and_not_alike() -> None:
    same = Difference(0.0, -0.02, 0.02, 0.9, 0.02, "not distinguishable")
    wild = Difference(-0.081, -0.19, 0.03, 0.2, 0.1, "not distinguishable")
    effect = Effect("lr", 0.01, (Step(0.03, (0.6,), same), Step(0.06, (0.5,), wild)), usual=0.02)
    assert effects.line(effect) == "0.01 to 0.03 alike (within 0.02); 0.06 not known (−0.081, from −0.19 to 0.03)"
    assert effects.line(replace(effect, usual=0.1)) == "0.01 to 0.06 alike (within 0.19)"
    assert [effects.verdict(effect, one) for one in effect.steps] == ["alike", "not known"], "the table says what the line says"
    none = Difference(math.nan, math.nan, math.nan, 1.0, math.nan, "not distinguishable")
    few = Difference(0.01, -math.inf, math.inf, 1.0, math.nan, "not distinguishable")
    assert [effects.verdict(effect, Step(0.1, (), one)) for one in (none, few)] == ["no score", "too few scores to tell"]


def test_a_target_that_another_trial_confirms_than_the_one_to_use_says_which(toy: Toy, tmp_path: Path) -> None:
    space = toy(**NOISY, targets={"easy": 0.6})
    found = confirmed(space, tmp_path)
    rows = records(space, tmp_path)
    content = Content(space, rows, summary.summarise(space, rows, len(rows)), found, addresses(tmp_path))
    assert [(goal.confirmed, goal.by) for goal in content.targets] == [(True, None)]
    assert found.winner is not None
    other = next(one for one in found.candidates if one.name != found.winner.name)
    open_ = replace(found.differences[found.winner.name]["target easy"], verdict="not distinguishable")
    partly = replace(found, differences={**found.differences, found.winner.name: {"target easy": open_}})
    again = replace(content, confirmation=partly)
    assert [(goal.confirmed, goal.by) for goal in again.targets] == [(True, other.trial)]


def test_changes_that_were_killed_go_on_and_what_is_there_is_not_trained_again(toy: Toy, tmp_path: Path) -> None:
    space = toy(**PARTS)
    whole = changed(space, tmp_path / "whole")
    for stop in (3, 40, 90):
        partly = changed(space, tmp_path / "killed", stop)
        assert partly is None or not partly.complete
    assert changed(space, tmp_path / "killed") == whole
    rows = records(space, tmp_path / "killed")
    assert ablation.pending(space, rows, addresses(tmp_path / "killed"), rows[whole.trial if whole else 0]) == []


def test_a_space_asks_for_what_each_parameter_does_and_the_answer_says_it(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(**{**PARTS, "confirm": {"top": 1, "seeds": 2, "each": ["kind"]}})
    said = pitprop("search", space, "--inline")
    assert said.code == 0
    assert "Changing one parameter of trial" in said.out
    assert re.search(
        r"One parameter changed at a time in trial \d, on 8 fresh seeds of its own: • kind: ", " ".join(said.out.split())
    )
    told = pitprop("status", space, "--json").json["by_parameter"]
    assert [one["parameter"] for one in told["effects"]] == ["kind"]
    more = pitprop("confirm", space, "--inline", "--each", "depth")
    assert {one["parameter"] for one in pitprop("status", space, "--json").json["by_parameter"]["effects"]} == {"kind", "depth"}
    assert " 3 configurations" not in more.out
    wrong = pitprop("confirm", space, "--inline", "--seeds", "3", "--each", "dept")
    assert "Confirming" not in wrong.out, "it is refused before anything is trained"
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "'dept' is no searched parameter of toy; did you mean 'depth'?" in wrong.err


@given(
    own=st.floats(1e-5, 1.0),
    ranked=st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=40),
    log=st.booleans(),
    whole=st.booleans(),
)
def test_steps_lie_within_the_space_on_both_sides_and_none_is_the_winners(
    own: float, ranked: list[float], log: bool, whole: bool
) -> None:
    if whole:
        domain = Range("int", 1, 300, log, None if log else 1)
        own, ranked = max(1, round(own * 300)), [max(1, round(one * 30)) for one in ranked]
    else:
        domain = Range("float", 1e-6, 10.0, log)
    leaf = Leaf("x", domain)
    found = ablation.values(leaf, own, ranked)
    assert found
    assert len(set(found)) == len(found) <= 4
    assert own not in found
    assert all(leaf.holds(value) for value in found)
    assert found == sorted(found)


@pytest.mark.parametrize("noise", ["normal", "half of it shared by the seeds", "one spreads five times as much"])
def test_a_cost_is_told_wrongly_in_few_studies_and_two_standard_deviations_are_found_in_most(noise: str) -> None:
    wrong, found = by_parameter.rates(by_parameter.NOISES[noise], 300, 14, 8)
    assert wrong <= 0.05 + 3 * 0.0126  # three standard errors of a share of 5 % in 300
    assert found >= 0.8 - 3 * 0.023


def test_without_a_confirmation_what_each_parameter_does_is_estimated_and_called_so(write_space: Write, pitprop: Pitprop) -> None:
    kinds = {"level": {"float": [0.5, 0.52]}, "kind": {"choice": [[1, 2], [2, 1], [3, 3]]}}
    space = write_space(**{**PARTS, "params": kinds, "points": [], "trials": 24})
    pitprop("search", space, "--inline")
    said = " ".join(pitprop("status", space, "--full").out.split())
    assert "An estimate of what one changed parameter does in trial" in said
    assert re.search(r"• kind: (\[\d, \d\](, )?)+: no effect seen; \[3, 3\] costs 0\.\d+ \(0\.\d+ to 0\.\d+\)", said)
    assert "An estimate" not in pitprop("status", space).out
