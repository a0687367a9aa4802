"""Several objectives by name: how they are read, what a trial is worth in each, who is on the front, and what every view says."""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import Said, events, records
from hypothesis import given
from hypothesis import strategies as st
from pitprop.detection import stopping
from pitprop.space import Objective, Space, SpaceError, difference, meaning
from pitprop.study import ranking
from pitprop.study.record import WORDS, Record, State, StudyCard, dumps
from pitprop.telemetry import Epoch
from pitprop.track import trial_run, view
from pitprop.views import words

SIDES = str(Path(__file__).parent / "toys" / "sides.py")
BOTH = [{"metric": "val/score"}, {"metric": "val/cost", "goal": "minimize"}]
SPACE: dict[str, Any] = {
    "trainer": SIDES,
    "objective": None,
    "objectives": BOTH,
    "params": {"weight": {"float": [0.1, 0.9]}},
    "signatures": "off",
    "trials": 8,
}
Toy = Callable[..., Space]


# What a space says


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objectives": None}, "objective: is missing; it takes a mapping such as .*; or give objectives"),
        ({"objective": {"metric": "val/score"}}, "objectives: is not allowed beside objective"),
        ({"objectives": BOTH[:1]}, "objectives: one is not enough; write it as objective"),
        ({"objectives": [*BOTH, {"metric": "val/score"}]}, r"objectives\[2\].metric: 'val/score' is named twice"),
        (
            {"objectives": [BOTH[0], {"metric": "val/cots", "goal": "minimize"}]},
            r"objectives\[1\].metric: .*did you mean 'val/cost'",
        ),
        (
            {"objectives": [BOTH[0], {"metric": "size"}]},
            r"objectives\[1\].goal: is missing, and the name 'size' does not",
        ),
        (
            {"objectives": [BOTH[0], {**BOTH[1], "at": "last"}]},
            r"objectives\[1\].at: 'last' is not allowed here: all values of a",
        ),
        ({"objectives": [*BOTH, {"metrc": "size"}]}, r"objectives\[2\].metrc: unknown key; did you mean 'metric'"),
        ({"objectives": 3}, "objectives: must be a list, not 3"),
        ({"sampler": "cmaes"}, "sampler: cmaes takes one objective, and this space has 2 objectives; use tpe or nsga2"),
        ({"warm_start": {"csv": "a.csv"}}, "warm_start: is not allowed: trials from elsewhere have one objective"),
    ],
)
def test_a_mistake_in_the_objectives_is_said_with_its_place(changes: dict[str, Any], said: str, toy: Toy) -> None:
    with pytest.raises(SpaceError) as told:
        toy(**{**SPACE, **changes})
    assert re.search(said, str(told.value)), told.value
    assert len(str(told.value).splitlines()) == 1


def test_directions_follow_the_metrics_and_all_are_read_at_the_epoch_of_the_first(toy: Toy) -> None:
    space = toy(**{**SPACE, "objectives": [{"metric": "val/score", "at": "last"}, *BOTH[1:]]})
    assert space.directions == ["maximize", "minimize"]
    assert [goal.at for goal in space.objectives] == ["last", "last"]


@pytest.mark.parametrize(("key", "name"), [("scheduler", "promote"), ("pruner", "median")])
def test_what_orders_trials_by_one_score_falls_back_with_a_sentence(
    key: str, name: str, write_space: Callable[..., Path], toy: Toy, pitprop: Callable[..., Said]
) -> None:
    space = toy(**{**SPACE, key: name})
    assert (space.scheduler.name, space.pruner, len(space.notes)) == ("full", None, 1)
    assert f"{key}: {name} " in pitprop("preflight", write_space(**{**SPACE, key: name})).out
    assert toy(**{**SPACE, "budget": 40}).scheduler.name == "full"


def test_a_second_objective_is_another_study_and_one_objective_means_what_it_meant(toy: Toy) -> None:
    one = toy(**{**SPACE, "objectives": None, "objective": BOTH[0]})
    assert "objectives" not in meaning(one)
    assert any(line.startswith("objectives") for line in difference(meaning(one), meaning(toy(**SPACE))))


# What a trial is worth

GOALS = [Objective("val/score"), Objective("val/cost", "minimize"), Objective("size", "minimize")]


def test_all_values_are_those_of_the_epoch_that_the_first_objective_chooses() -> None:
    curve = [
        Epoch(n, {"val/score": s, "val/cost": float(n)} | ({"size": 7.0} if n == 4 else {}))
        for n, s in enumerate((1, 5, 3, 2), 1)
    ]
    assert stopping.objectives(curve, GOALS) == (5, 2, 7)
    last = [replace(goal, at="last") for goal in GOALS]
    assert stopping.objectives(curve, last) == (2, 4, 7)
    assert all(map(math.isnan, stopping.objectives([Epoch(1, {"val/cost": 1.0})], GOALS)))


def test_a_search_keeps_a_value_of_each_objective_and_optuna_reads_the_study(toy: Toy, tmp_path: Path) -> None:
    space = toy(**{**SPACE, "objectives": [*BOTH, {"metric": "size", "goal": "minimize"}]})
    events(space, tmp_path)
    found = records(space, tmp_path)
    assert all(record.values is not None and len(record.values) == 3 for record in found)
    weight = found[0].params["weight"]
    assert found[0].values == pytest.approx((weight + found[0].values[1] - 3 - weight, found[0].values[1], 10 * weight))  # type: ignore[index]
    study = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [way.name for way in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert {trial.number for trial in study.best_trials} == {record.number for record in ranking.best(space, found)}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp", "random", "qmc"])
def test_a_killed_search_of_several_objectives_goes_on_as_if_undisturbed(
    sampler: str, toy: Toy, tmp_path: Path, outcome: Callable[[Space, Path], list[tuple[object, ...]]]
) -> None:
    space = toy(**{**SPACE, "sampler": sampler, "trials": 5})
    events(space, tmp_path / "whole")
    events(space, tmp_path / "cut", stop=14)
    events(space, tmp_path / "cut")
    assert outcome(space, tmp_path / "cut") == outcome(space, tmp_path / "whole")


def test_a_trial_that_collapsed_keeps_what_it_had_reached(toy: Toy, tmp_path: Path) -> None:
    changes = {
        **SPACE,
        "params": {"weight": 0.5, "dead": {"choice": [True, False]}},
        "signatures": None,
        "trials": 2,
        "epochs": 20,
    }
    space = toy(**changes)
    events(space, tmp_path)
    dead = next(record for record in records(space, tmp_path) if record.params["dead"])
    assert dead.state == State.PRUNED
    assert dead.values is not None
    assert len(dead.values) == 2
    best = ranking.best(space, records(space, tmp_path))
    assert [record.params["dead"] for record in best] == [False]


def test_a_metric_that_is_never_reported_fails_the_trial_with_its_place(toy: Toy, tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        "from pitprop.telemetry import Epoch\nPARAMS = {'weight': 0.1}\n\n"
        "def train(params, context):\n    for step in range(1, 3):\n        yield Epoch(step, {'val/score': 0.5})\n"
    )
    space = toy(**{**SPACE, "trainer": str(script), "trials": 1})
    with pytest.raises(Exception, match=r"objective 'val/cost' is not among .* correct objectives\[1\].metric"):
        events(space, tmp_path)


# The front


@given(
    st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=30),
    st.lists(st.sampled_from(["maximize", "minimize"]), min_size=3, max_size=3),
)
def test_on_the_front_is_who_no_other_beats(rows: list[tuple[int, ...]], goals: list[str]) -> None:
    card = StudyCard("any", "", Objective("a", goals[0]), "", {}, further=(Objective("b", goals[1]), Objective("c", goals[2])))
    signs = [goal.sign for goal in card.objectives]

    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        pairs = [(sign * a, sign * b) for sign, a, b in zip(signs, one, other, strict=True)]
        return all(a >= b for a, b in pairs) and one != other

    front = ranking.front(card, rows, lambda row: row)
    assert set(front) == {row for row in rows if not any(beats(other, row) for other in rows)}
    assert len(front) == len(set(front))
    assert signs[0] * front[0][0] == max(signs[0] * row[0] for row in rows)


def test_the_best_leads_by_the_first_objective(toy: Toy) -> None:
    space = toy(**SPACE)
    rows = [(0.5, 3.0), (0.9, 9.0), (0.7, 3.0), (0.8, 9.5)]
    found = [Record(n, State.COMPLETE, {}, row, None, (), None, 8, "", 0.0, 1.0) for n, row in enumerate(rows)]
    assert [record.number for record in ranking.best(space, found)] == [1, 2]


# What people see


@pytest.fixture
def searched(write_space: Callable[..., Path], pitprop: Callable[..., Said]) -> Path:
    """A study that was searched and confirmed, with a baseline of each kind."""
    baselines = {"plain": {"params": {"weight": 0.2}}, "paper": {"values": {"val/score": 0.4}}}
    path = write_space(**{**SPACE, "baselines": baselines, "confirm": {"top": 3, "seeds": 2}, "trials": 7})
    assert pitprop("search", path, "--inline", report=True).code == 0
    return path


def test_every_view_shows_the_front_and_says_who_leads(searched: Path, pitprop: Callable[..., Said], tmp_path: Path) -> None:
    told = pitprop("status", searched, "--json").json
    assert [one["metric"] for one in told["objectives"]] == ["val/score", "val/cost"]
    front = [one["trial"] for one in told["best"]]
    assert len(front) == 6  # every trial: what lifts the score costs more
    confirmed = told["confirmation"]
    trials = [one["trial"] for one in confirmed["candidates"]]
    assert trials == [front[0], front[round(0.5 * 5)], front[-1]]  # from one end of the front to the other
    assert all(len(one["further"]) == 1 and len(one["further"][0]) == 2 for one in confirmed["candidates"])
    assert len(confirmed["front"]) == 3
    text = pitprop("status", searched).out
    assert "6 trials make up the Pareto front: val/score " in text
    assert "The answer leads with the best val/score." in text
    assert "Of 3 confirmed, trials " in text
    assert f"weight {words.value(told['best'][0]['params']['weight'])} (trial {front[0]})" in text
    assert "leads a Pareto front of 6 trials; in the search it had val/score" in pitprop("best", searched).out
    assert re.search(r"what +|val/score +val/cost", pitprop("show", searched).out)
    assert "val/score, val/cost" in pitprop("compare", searched).out
    page = (tmp_path / "runs" / "toy" / "report.html").read_text(encoding="utf-8")
    study = json.loads(page.partition('id="study">')[2].partition("</script>")[0])
    figure = study["figures"]["front"]
    assert (figure["names"], sorted(front)) == (["val/score", "val/cost"], figure["front"])
    assert {one[0] for one in figure["fresh"]} == set(trials)
    assert {one[0] for one in figure["baselines"]} == {"plain", "paper"}


def test_an_export_has_a_column_for_each_objective_and_says_who_is_on_the_front(
    searched: Path, pitprop: Callable[..., Said]
) -> None:
    rows = list(csv.DictReader(pitprop("export", searched, "--csv", "-").out.splitlines()))
    assert [row["front"] for row in rows] == ["False", *["True"] * 6]
    assert all(float(row["value.val/cost"]) > float(row["value"]) for row in rows)


def test_mlflow_has_a_metric_and_a_chart_for_each_objective() -> None:
    card = StudyCard("any", "", Objective("val/score"), "", {}, further=(Objective("val/cost", "minimize"),))
    assert StudyCard.from_json(json.loads(dumps(card))) == card
    record = Record(3, State.COMPLETE, {"weight": 0.5}, (0.5, 3.0), None, (), None, 8, "", 0.0, 1.0)
    assert {"objective": 0.5, "objective/val/cost": 3.0}.items() <= trial_run.measures(record, card, {}).items()
    state = json.loads(json.loads(view.views(card, [record], [])[view.TAG])["state"])
    assert state["selectedColumns"][:2] == ["metrics.`objective`", "metrics.`objective/val/cost`"]
    assert [one["xaxis"]["key"] for one in state["compareRunCharts"] if one["type"] == "SCATTER"] == ["objective/val/cost"]


def test_a_word_for_a_state_is_counted_everywhere() -> None:
    assert set(WORDS) == words.STATES.keys()


def test_the_database_holds_every_value_of_a_trial(searched: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs" / "study.db") as study:
        found = study.execute("SELECT objective, COUNT(*) FROM trial_values GROUP BY objective ORDER BY objective").fetchall()
    assert [objective for objective, _count in found] == [0, 1]
    assert len({count for _objective, count in found}) == 1
