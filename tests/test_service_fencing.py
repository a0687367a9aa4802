"""A search is never driven twice: a driver of an earlier start does nothing, whoever begins it and whenever."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from pitprop.addresses import sqlite_url
from pitprop.service.database import tables
from pitprop.service.database.ledger import Store
from services import Serving, reached, steady
from stalled import HandOver

pytestmark = pytest.mark.slow
CATALOGUE = f"""
trainers: [{ROOT}/tests/toys/steady.py]
capacity: {{cpus: 1}}
inline: true
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Serving]]:
    """Two services on one database."""
    first = Serving(tmp_path / "first", CATALOGUE)
    found = [first, Serving(tmp_path / "second", CATALOGUE, first.runs)]
    for one in found:
        one.start()
    try:
        yield found
    finally:
        for one in found:
            one.close()


def said(served: Serving, search: str) -> list[dict[str, Any]]:
    """What its drivers have said."""
    return [json.loads(line) for line in (served.runs / "searches" / search / "events.jsonl").read_text().splitlines()]


def told_once(served: Serving, search: str, trials: int) -> None:
    told = Counter(one["body"]["trial"] for one in served.events(search) if one["kind"] == "trial")
    assert told == Counter(range(trials))


@pytest.mark.parametrize("wakes", [True, False])
def test_a_service_that_stalls_while_it_hands_a_driver_over_does_not_drive_it_too(pair: list[Serving], wakes: bool) -> None:
    """It wakes when the search is done, so that neither a lock nor a driver is in its way; or it is killed there."""
    before = pair[0].submit(yaml=steady(trials=500, pause=0.1), name="before")
    reached(lambda: pair[0].state(before) == "running")
    search = pair[0].submit(yaml=steady(confirm=False), name="after")
    folder = pair[0].runs / "searches" / search
    gate = HandOver(folder)
    pair[0].ask("POST", f"/searches/{before}/cancel")
    stalled = gate.stop(pair)
    if not wakes:
        stalled.kill()
    other = next(one for one in pair if one is not stalled)
    reached(lambda: other.state(search) == "done")
    log = (folder / "driver.log").read_text()
    if wakes:
        gate.go_on(stalled)
        reached(lambda: "is out of date" in (folder / "driver.log").read_text()[len(log) :])
    assert [one["kind"] for one in said(other, search)].count("joined") == 1
    assert other.state(search) == "done"
    assert [one["kind"] for one in other.events(search)].count("started") == 2
    told_once(other, search, 4)


def test_a_driver_whose_search_has_a_later_start_ends_by_itself(pair: list[Serving]) -> None:
    served = pair[0]
    search = served.submit(yaml=steady(trials=20, pause=0.1, confirm=False), name="one")
    reached(lambda: any(one["kind"] == "trial" for one in served.events(search)))
    pid, store = served.driver(search), Store(tables.opened(sqlite_url(served.runs / "study.db")))
    with store.writing() as connection:
        entry = store.find(search, connection)
        assert entry is not None
        store.set(connection, entry, task={**entry.task, "start": entry.start + 1}, token=entry.token + 1)
    store.close()
    reached(lambda: not os.path.exists(f"/proc/{pid}"))
    assert next(one["body"]["how"] for one in said(served, search) if one["kind"] == "left") == "interrupted"
    reached(lambda: served.state(search) == "done")
    told_once(served, search, 20)
