"""The service on PostgreSQL, in a schema of its own beside the studies: as on SQLite, with several services, over a restart."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy
from pitprop.service.database import tables
from pitprop.service.database.ledger import Happened, Store
from pitprop.service.http.feed import Feed
from pitprop.service.models import SearchState
from pitprop.service.notices import outbox
from pitprop.service.running.supervision import Supervisor
from postgres import Server, started
from services import Kit, kit, older, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started() as found:
        yield found


@pytest.fixture
def parts(server: Server, tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs", url=server.new_database()) as found:
        yield found


def test_our_tables_stand_in_a_schema_of_their_own_beside_those_of_the_studies(parts: Kit) -> None:
    looked = sqlalchemy.inspect(parts.store.engine)
    assert {"pitprop_searches", "pitprop_events", "pitprop_version"} <= set(looked.get_table_names(schema="pitprop"))
    assert "studies" in looked.get_table_names()
    assert not [name for name in looked.get_table_names() if name.startswith("pitprop")]


def test_services_that_begin_at_once_make_the_tables_once(server: Server) -> None:
    url, failed = server.new_database(), []

    def begin() -> None:
        try:
            tables.opened(url).dispose()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _service in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []


def test_two_services_at_once_drive_each_search_once(parts: Kit) -> None:
    entries = [parts.submit(f"trials={n % 3 + 1}", owner=f"o{n % 3}") for n in range(12)]
    other = Store(tables.opened(os.fspath(parts.places.home.study_db)))
    pair = [parts.supervisor("left"), parts.supervisor("right")]
    pair[1]._store = other
    for one in pair:
        one.start()
    until([], lambda: all(parts.entry(one.id).state == SearchState.DONE for one in entries))
    for one in pair:
        one.close()
    other.close()
    assert [len(parts.runs(one)) for one in entries] == [1] * 12
    for entry in entries:
        told = parts.store.events(entry.id)
        assert [one.id for one in told] == list(range(1, len(told) + 1))
        assert [one.kind for one in told].count("started") == 1


def test_a_restart_of_the_database_costs_no_search(parts: Kit, server: Server) -> None:
    entries = [parts.submit("trials=1", owner="anna") for _n in range(6)]
    one: Supervisor = parts.supervisor()
    one.start()
    until([], lambda: any(parts.entry(each.id).state != SearchState.QUEUED for each in entries))
    server.stop("immediate")
    server.start()

    def done() -> bool:
        try:
            return all(parts.entry(each.id).state == SearchState.DONE for each in entries)
        except sqlalchemy.exc.SQLAlchemyError:
            return False

    until([], done)
    one.close()
    assert [len(parts.runs(each)) for each in entries] == [1] * 6


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_database_of_an_earlier_version_is_brought_up_to_date_with_its_searches(
    server: Server, tmp_path: Path, revision: str
) -> None:
    url = server.new_database()
    older(url, revision, id="a", name="toy", state="failed", reason='it said "no": 50 %')
    with kit(tmp_path / "runs", url=url) as after:
        looked = sqlalchemy.inspect(after.store.engine)
        for one in tables.metadata.tables.values():
            columns = {found["name"] for found in looked.get_columns(one.name, schema=tables.SCHEMA)}
            indexes = {found["name"] for found in looked.get_indexes(one.name, schema=tables.SCHEMA)}
            assert (one.name, columns) == (one.name, {each.name for each in one.columns})
            assert {each.name for each in one.indexes} <= indexes
        entry = after.entry("a")
        assert (entry.name, entry.reason, entry.language) == ("toy", 'it said "no": 50 %', "en")
        after.submit("trials=1", notify=["ntfy+https://ntfy.example.org/t"])


def test_a_notice_is_written_with_its_event_and_taken_by_one_service(parts: Kit) -> None:
    targets = [f"ntfy+https://ntfy.example.org/t{n}" for n in range(5)]
    entry = parts.submit("trials=1", notify=targets)
    with suppress(RuntimeError), parts.store.writing() as connection:
        parts.store.set(connection, entry, Happened("done"))
        raise RuntimeError("it does not come to its end")
    assert outbox.taken(parts.store, 60.0) == []
    with parts.store.writing() as connection:
        parts.store.set(connection, entry, Happened("done"))
    other, found = Store(tables.opened(os.fspath(parts.places.home.study_db))), list[outbox.Notice]()
    threads = [threading.Thread(target=lambda one=one: found.extend(outbox.taken(one, 60.0))) for one in (parts.store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.target for one in found) == targets
    assert outbox.put_off(parts.store, found[0])
    outbox.sent(parts.store, found[1])
    assert outbox.taken(other, 60.0) == []  # the one is put off, the other gone, the rest are held
    other.close()


def test_a_follower_is_told_all_events_though_the_database_restarts(parts: Kit, server: Server) -> None:
    entry = parts.submit("trials=1")

    async def follow() -> list[int]:
        feed, seen = Feed(parts.store, lambda: None), list[int]()
        async for text in feed.follow(entry.id, 0):
            seen += [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]
            if seen == [1]:
                await asyncio.to_thread(server.stop, "immediate")
                again = asyncio.create_task(asyncio.to_thread(_again))
                seen.append(0)
            if 2 in seen:
                break
        await again
        await feed.close()
        return [one for one in seen if one]

    def _again() -> None:
        server.start()
        with parts.store.writing() as connection:
            parts.store.set(connection, entry, Happened("done"))

    assert asyncio.run(follow()) == [1, 2]
