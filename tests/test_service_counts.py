"""What is counted of a search, and its best, is what is so: once its driver has ended, it was extended, or it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from pitprop.service.database.ledger import Entry
from pitprop.service.database.lifecycle import Change
from pitprop.service.models import SearchState
from services import Kit, kit, until

PROGRESS = {"target": 40, "begun": 40, "complete": 6, "pruned": 2, "running": 32, "metric": "val/macro_f1", "planned": 40}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs") as found:
        yield found


def known(parts: Kit, state: str, **progress: Any) -> Entry:
    """A search whose driver has said how far it is."""
    entry = parts.submit(trials=40)
    with parts.store.writing() as connection:
        return parts.store.set(connection, entry, state=state, progress={**PROGRESS, **progress})


@pytest.mark.parametrize(
    ("state", "running"), [("running", 32), ("cancelling", 32), ("cancelled", 0), ("paused", 0), ("queued", 0)]
)
def test_nothing_runs_of_a_search_without_a_driver_and_what_was_begun_is_not_over(parts: Kit, state: str, running: int) -> None:
    search = known(parts, state).id
    with parts.client() as client:
        said = client.get(f"/v1/searches/{search}").json()["progress"]
        page, rows, metrics = (client.get(path).text for path in (f"/searches/{search}", "/", "/metrics"))
    assert (said["running"], said["interrupted"]) == (running, 32 - running)
    assert ("<dt>running</dt><dd>32</dd>" in page, "<dt>interrupted</dt><dd>32</dd>" in page) == (running == 32, running == 0)
    assert "8 of 40 trials have ended" in page
    assert "8 / 40" in rows
    assert f'pitprop_trials{{state="running"}} {running}.0' in metrics
    assert f'pitprop_trials{{state="interrupted"}} {32 - running}.0' in metrics


def test_why_an_end_is_expected_is_told_in_each_language_and_not_while_trials_are_planned(parts: Kit) -> None:
    search = known(parts, "running", running=0, complete=38).id
    with parts.client() as client:
        said = [client.get(f"/v1/searches/{search}?lang={lang}").json()["estimate"]["why"] for lang in ("en", "zh", "en")]
        assert said[0].startswith("its trials have ended")
        assert said[0] == said[2] != said[1]
    Change(parts.store, search, "anna").extend(10, 1000)
    with parts.client() as client:
        assert not client.get(f"/v1/searches/{search}").json()["estimate"]["why"].startswith("its trials have ended")


@pytest.mark.parametrize("state", ["done", "running", "cancelled"])
def test_the_new_number_of_trials_is_told_as_soon_as_a_search_is_extended(parts: Kit, state: str) -> None:
    search = known(parts, state, running=0, begun=40, complete=38).id
    Change(parts.store, search, "anna").extend(10, 1000)
    with parts.client() as client:
        assert client.get(f"/v1/searches/{search}").json()["progress"]["target"] == 50
        assert "40 of 50 trials have ended" in client.get(f"/searches/{search}").text
        assert "40 / 50" in client.get("/").text


def test_a_search_that_is_extended_while_a_trial_is_revived_goes_on_with_what_was_planned(parts: Kit) -> None:
    one = parts.supervisor()
    search = parts.submit("trials=1").id
    until([one], lambda: parts.entry(search).state == SearchState.DONE)
    Change(parts.store, search, "anna").revive([0])
    one.tick()
    assert parts.entry(search).state == SearchState.RUNNING
    Change(parts.store, search, "anna").extend(3, 1000)
    until([one], lambda: parts.entry(search).state == SearchState.DONE)
    assert [line.split()[1] for line in parts.runs(parts.entry(search))] == ["search", "revive", "search"]


def test_the_best_of_a_list_is_what_the_answer_says(parts: Kit) -> None:
    best = {"trial": 3, "values": [0.9123], "params": {}}
    known(parts, "done", best=best, answer={"trial": 5, "score": 0.8765, "seeds": 5})
    with parts.client() as client:
        rows = client.get("/").text
    assert "0.8765" in rows
    assert "0.9123" not in rows


def test_a_driver_tells_which_trial_to_take_and_its_score_on_fresh_seeds(
    pitprop: Callable[..., Said], write_space: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    assert pitprop("search", write_space(), "--inline", "--events", path).code == 0
    assert pitprop("confirm", write_space(), "--inline", "--top", 2, "--seeds", 2, "--events", path).code == 0
    answers = [line["body"] for line in map(json.loads, path.read_text().splitlines()) if line["kind"] == "answer"]
    assert [one["seeds"] for one in answers] == [0, 2]
