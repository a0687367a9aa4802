"""The ranking: every view names the same best trial, in the same order, with the same leads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.addresses import Addresses
from pitprop.detection.detect import Verdict
from pitprop.driver.progress import Started
from pitprop.results import confirmation
from pitprop.results.confirmation import Confirmation, Contender
from pitprop.results.confirmation_study import candidates
from pitprop.results.summary import summarise
from pitprop.space import Confirm, Objective, Space
from pitprop.study import ranking
from pitprop.study.record import Record, State, StudyCard, dumps, loads
from pitprop.telemetry import finite
from pitprop.views.content import Content
from pitprop.views.terminal.live import Screen
from rich.console import Console

Toy = Callable[..., Space]
PARKED = Verdict("chance_plateau", 3, "park", "no better than chance")


def trial(number: int, value: float | None, state: State = State.COMPLETE, **more: Any) -> Record:
    verdicts = (PARKED,) if state is State.PRUNED else ()
    values = None if value is None else (value,)
    row = Record(number, state, {"speed": 0.5}, values, None, verdicts, None, 3, f"{number:04d}", 0.0, 1.0)
    return replace(row, **more)


RECORDS = [
    trial(0, 0.6),
    trial(1, 0.9, State.PRUNED),  # parked after the best epoch of all: shown as the best only where nothing else has a score
    trial(2, 0.95, baseline="plain"),
    trial(3, 0.8, State.PRUNED),
    trial(4, 0.7, revives=3),
    trial(5, None, State.FAIL, error="it broke"),
    trial(6, 0.6),
]


def named(space: Space, records: list[Record], found: Confirmation | None = None) -> dict[str, int | None]:
    """The trial that each view calls the best."""
    console = Console(file=StringIO(), width=140, force_terminal=True, color_system=None, legacy_windows=False)
    with Screen(console, space, 9, records) as screen:
        screen.show(Started(trial(9, None, State.RUNNING), 0))
    assert isinstance(console.file, StringIO)
    live = re.findall(r"\(trial (\d+)", console.file.getvalue())[0]
    card = StudyCard("toy", "", space.objective, "", {}, space.searches_stopping, further=space.objectives[1:])
    sent, told = StudyCard.from_json(json.loads(dumps(card))), [loads(dumps(record)) for record in records]
    summary = summarise(space, records, len(records))
    written = Content(space, records, summary, found, Addresses(Path("runs"), "", "", None)).best
    return {
        "live screen": int(live),
        "summary": summary.best[0].number,
        "MLflow's pin while it runs": ranking.best(sent, told)[0].number,
        "report": written and written.number,
        "pitprop best, and MLflow's pin at the end": confirmation.best(space, records, found)[0].number,
    }


@pytest.mark.parametrize("at", ["best", "last"])
def test_every_view_names_the_same_best_trial(at: str, toy: Toy) -> None:
    space = toy(objective={"metric": "val/macro_f1", "at": at})
    assert set(named(space, RECORDS).values()) == {4}


def test_a_collapsed_trial_is_the_best_in_every_view_only_if_nothing_else_has_a_score(toy: Toy) -> None:
    space = toy(objective={"metric": "val/macro_f1", "at": "best"})
    dead = [trial(0, 0.3, State.PRUNED), trial(1, 0.9, State.PRUNED), trial(2, None, State.FAIL, error="it broke")]
    assert set(named(space, dead).values()) == {1}
    assert set(named(space, [*dead, trial(3, 0.2)]).values()) == {3}


@pytest.mark.parametrize("signature", ["pruner:median", "gate:val/auc@4", "limit:trial_timeout", "scheduler:promote"])
def test_what_a_rank_a_gate_or_a_limit_stopped_has_not_collapsed(signature: str, toy: Toy) -> None:
    slow = trial(1, 0.9, State.PRUNED, verdicts=(replace(PARKED, signature=signature),))
    assert ranking.best(toy(), [trial(0, 0.6), slow])[0].number == 1


def test_a_collapsed_trial_with_the_best_score_is_confirmed_beside_the_best(toy: Toy) -> None:
    different = [replace(record, params={"speed": 0.1 * (1 + record.number)}) for record in RECORDS]
    assert [record.number for record in candidates(toy(), Confirm(top=2), different)] == [4, 1]


@pytest.mark.parametrize("at", ["best", "last"])
def test_less_is_better_where_the_space_minimizes(at: str, toy: Toy) -> None:
    space = toy(objective={"metric": "val/loss", "goal": "minimize", "at": at})
    assert set(named(space, RECORDS).values()) == {0}


@pytest.mark.parametrize("at", ["best", "last"])
def test_a_confirmation_says_which_trial_to_take(at: str, toy: Toy) -> None:
    space = toy(objective={"metric": "val/macro_f1", "at": at})
    first, second = (
        Contender(f"trial {number}", number, {}, None, scores) for number, scores in ((4, (0.4, 0.5)), (0, (0.6, 0.7)))
    )
    found = named(space, RECORDS, Confirmation((1000, 1001), (first, second), (), {}))
    assert (found["report"], found["pitprop best, and MLflow's pin at the end"]) == (0, 0)
    open_ = named(space, RECORDS, Confirmation((1000, 1001), (first, replace(second, scores=())), (), {}))
    assert len(set(open_.values())) == 1  # as long as it is not complete, nothing changes


def test_where_early_stopping_is_searched_the_best_are_a_pareto_front(toy: Toy) -> None:
    space = toy(early_stopping={"patience": {"int": [1, 8]}})
    found = [
        replace(trial(number, 0.0), values=values)
        for number, values in enumerate([(0.9, 9.0), (0.8, 4.0), (0.7, 5.0), (0.9, 8.0)])
    ]
    assert [record.number for record in ranking.best(space, found)] == [3, 1]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=8),
    st.sampled_from(["maximize", "minimize"]),
)
def test_nothing_leads_over_the_best(values: list[float], goal: str) -> None:
    card = StudyCard("any", "", Objective("val/loss", goal), "", {})
    records = [trial(number, value) for number, value in enumerate(values)]
    order = ranking.ranked(card, records)
    leads = [ranking.lead(card.objective, ranking.score(order[0]), value) for value in values]
    assert min(leads) == 0
    assert ranking.standing(leads[order[0].number]) == "level"
    assert card.objective.best(values) == order[0].number == ranking.best(card, records)[0].number
    assert ranking.reached(card, records, ranking.score(order[0])) == order[0].number


@given(st.lists(st.floats(), max_size=8), st.sampled_from(["maximize", "minimize"]))
def test_the_best_of_values_is_the_first_of_the_best_and_always_finite(values: list[float], goal: str) -> None:
    objective = Objective("val/loss", goal)
    best = objective.best(values)
    known = [value for value in values if finite(value)]
    assert (best is None) == (not known)
    if best is not None:
        assert values[best] == (max if goal == "maximize" else min)(known)
        assert values[best] not in values[:best]
