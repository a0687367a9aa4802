"""Whose turn it is: limits hold, shares are fair, nothing starves, and what runs is let be."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitprop.service.database.ledger import Entry
from pitprop.service.models import SearchState
from pitprop.service.running.queue import Demand, Rules, estimates, plan

OWNERS = st.sampled_from("abcd")


@st.composite
def demands(draw: st.DrawFn) -> list[Demand]:
    rows = draw(
        st.lists(
            st.builds(
                Demand,
                id=st.just(""),
                owner=OWNERS,
                wants=st.integers(1, 6),
                cpus=st.sampled_from([0.5, 1.0, 2.0]),
                gpus=st.sampled_from([0.0, 0.0, 0.5, 1.0]),
                priority=st.integers(-5, 5),
                waited=st.floats(0, 1e5),
                has=st.integers(0, 3),
                began=st.booleans(),
            ),
            max_size=20,
        )
    )
    return [replace(one, id=f"s{place}", has=one.has if one.began else 0) for place, one in enumerate(rows)]


RULES = st.builds(Rules, cpus=st.sampled_from([1.0, 2.0, 8.0]), gpus=st.sampled_from([0.0, 1.0, 4.0]), running=st.integers(1, 4),
                  share=st.sampled_from([0.3, 0.5, 1.0]))  # fmt: skip


@given(demands(), RULES)
def test_no_more_is_given_than_there_is_and_than_is_wanted(found: list[Demand], rules: Rules) -> None:
    given_out = plan(found, rules)
    by_id = {one.id: one for one in found}
    assert sum(by_id[search].cpus * n for search, n in given_out.items()) <= rules.cpus + 1e-6
    assert sum(by_id[search].gpus * n for search, n in given_out.items()) <= rules.gpus + 1e-6
    assert all(1 <= n <= by_id[search].wants for search, n in given_out.items())


@given(demands(), RULES)
def test_no_owner_begins_more_searches_than_may_run(found: list[Demand], rules: Rules) -> None:
    given_out, by_id = plan(found, rules), {one.id: one for one in found}
    ran = Counter(one.owner for one in found if one.began)
    runs = Counter(by_id[search].owner for search in given_out)
    assert all(runs[owner] <= max(rules.running, ran[owner]) for owner in runs)


@given(demands(), RULES)
def test_the_plan_depends_on_nothing_but_the_demands(found: list[Demand], rules: Rules) -> None:
    assert plan(found, rules) == plan(list(reversed(found)), rules)


@given(st.integers(1, 4), st.integers(1, 12), st.integers(2, 16))
def test_owners_who_want_alike_get_alike(owners: int, searches: int, cpus: int) -> None:
    found = [Demand(f"o{o}-{s}", f"o{o}", 16) for o in range(owners) for s in range(searches)]
    got = Counter[str]()
    for search, n in plan(found, Rules(float(cpus), running=99)).items():
        got[search.partition("-")[0]] += n
    shares = [got[f"o{o}"] for o in range(owners)]
    assert sum(shares) == cpus
    assert max(shares) - min(shares) <= 1


def test_a_newcomer_gets_their_share_of_workers_from_who_has_more_at_once() -> None:
    first = Demand("a", "anna", 8, has=8, began=True)
    assert plan([first], Rules(8.0)) == {"a": 8}
    assert plan([first, Demand("b", "bo", 8)], Rules(8.0)) == {"a": 4, "b": 4}


def test_a_search_that_runs_is_not_put_off_for_another_owners_where_there_is_one_place() -> None:
    runs, waits = Demand("a", "anna", 1, has=1, began=True), Demand("b", "bo", 1, waited=1e6)
    assert plan([runs, waits], Rules(1.0), {"anna": 1e6}) == {"a": 1}


def test_of_searches_that_wait_the_owner_who_used_least_lately_comes_first() -> None:
    found = [Demand("a", "anna", 1, waited=9.0), Demand("b", "bo", 1)]
    assert plan(found, Rules(1.0), {"anna": 100.0, "bo": 5.0}) == {"b": 1}


def test_the_higher_priority_of_an_owner_begins_first_and_does_not_pass_another_owner() -> None:
    found = [Demand("low", "anna", 1), Demand("high", "anna", 1, priority=9), Demand("b", "bo", 1, priority=-9)]
    assert plan(found, Rules(2.0)) == {"high": 1, "b": 1}


def test_what_does_not_fit_yet_holds_its_place_and_what_never_fits_holds_none() -> None:
    runs = Demand("runs", "anna", 1, cpus=2.0, has=1, began=True)
    wide, narrow = Demand("wide", "bo", 1, cpus=3.0, waited=9.0), Demand("narrow", "cy", 1, cpus=1.0)
    assert plan([runs, wide, narrow], Rules(4.0), {"cy": 1.0}) == {"runs": 1}
    assert plan([runs, replace(wide, cpus=9.0), narrow], Rules(4.0), {"cy": 1.0}) == {"runs": 1, "narrow": 1}


def test_a_share_limits_an_owner_who_is_alone() -> None:
    assert plan([Demand("a", "anna", 8)], Rules(8.0, share=0.5)) == {"a": 4}


@dataclass
class Simulated:
    """A search in a queue that is played through: it has so much ``work`` left, in worker rounds."""

    demand: Demand
    arrives: int
    work: int
    began: int | None = None
    ended: int | None = None


@dataclass
class World:
    """A thousand searches of several owners, dealt with in rounds of a minute."""

    rules: Rules
    searches: list[Simulated]
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def play(self, most: int) -> int:
        for clock in range(most):
            here = [one for one in self.searches if one.arrives <= clock and one.ended is None]
            if not here and all(one.ended is not None for one in self.searches):
                return clock
            found = [replace(one.demand, waited=60.0 * (clock - one.arrives), began=one.began is not None) for one in here]
            dealt = plan(found, self.rules, self.used)
            assert sum(one.demand.cpus * dealt.get(one.demand.id, 0) for one in here) <= self.rules.cpus
            for one in here:
                n = dealt.get(one.demand.id, 0)
                one.demand = replace(one.demand, has=n)
                one.began = clock if n and one.began is None else one.began
                one.work -= n
                self.used[one.demand.owner] += n
                one.ended = clock if one.work <= 0 else None
        raise AssertionError("the queue does not come to its end")


def made(seed: int) -> World:
    drawn = random.Random(seed)
    searches = []
    for number in range(1000):
        owner = f"o{min(drawn.randrange(20), drawn.randrange(20))}"
        wants, cpus = drawn.choice([1, 2, 4, 8]), drawn.choice([1.0, 1.0, 2.0, 4.0])
        demand = Demand(f"s{number:04d}", owner, wants, cpus, priority=drawn.randint(-5, 5))
        searches.append(Simulated(demand, drawn.randrange(300), drawn.randint(1, 40)))
    return World(Rules(32.0, running=4), searches)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_of_a_thousand_searches_each_has_its_turn_and_no_place_is_left_empty_long(seed: int) -> None:
    world = made(seed)
    total = sum(one.work * one.demand.cpus for one in world.searches)
    took = world.play(20_000)
    assert all(one.ended is not None for one in world.searches)
    assert took <= 1.5 * max(total / world.rules.cpus, 300)


def test_an_owner_with_one_search_does_not_wait_behind_a_hundred_of_another() -> None:
    many = [Simulated(Demand(f"a{n:03d}", "anna", 1), 0, 10) for n in range(100)]
    one = Simulated(Demand("b", "bo", 1), 50, 10)
    World(Rules(2.0), [*many, one]).play(1000)
    assert one.began is not None
    assert one.began <= 60


def test_a_low_priority_begins_though_higher_ones_keep_coming() -> None:
    low = Simulated(Demand("low", "anna", 1, priority=-3), 0, 5)
    steady = [Simulated(Demand(f"h{n:03d}", "anna", 1, priority=3), 4 * n, 5) for n in range(300)]
    World(Rules(1.0), [low, *steady]).play(3000)
    assert low.began is not None
    assert low.began < 4 * 300  # while they still come


def entry(name: str, state: SearchState = SearchState.QUEUED, **changes: Any) -> Entry:
    given: dict[str, Any] = {"owner": "anna", "study": name, "question": "?", "space": "", "trials": 10, "created": 0.0}
    return Entry(**{"id": name, "name": name, "wants": 1, "state": state, **given, **changes})


def test_an_end_is_estimated_by_trials_that_ended_and_none_is_before_the_first() -> None:
    young = entry("young", SearchState.RUNNING, share=1)
    half = entry("half", SearchState.RUNNING, share=2, used=100.0, progress={"target": 10, "complete": 4, "pruned": 1})
    over = entry("over", SearchState.RUNNING, share=1, used=9.0, progress={"target": 10, "complete": 10})
    found = estimates([young, half, over], Rules(4.0), 1000.0)
    assert found["young"].end is None
    assert found["half"].end == 1000.0 + 5 * 100 / 5 / 2
    assert found["over"].end is None
    assert "export" in found["over"].why


def test_what_waits_begins_when_those_before_it_end_as_far_as_that_is_known() -> None:
    half = entry("half", SearchState.RUNNING, share=1, used=50.0, progress={"target": 10, "complete": 5})
    first, second = entry("first", priority=5), entry("second")
    found = estimates([half, first, second], Rules(1.0), 1000.0)
    assert (found["first"].start, found["first"].ahead) == (1050.0, 0)
    assert (found["second"].start, found["second"].ahead) == (None, 1)
    assert estimates([first], Rules(1.0), 1000.0)["first"].start == 1000.0
