"""What keeps a driver to the search that it was begun for: the number of its start, which the database has to hold still.

A service may stall while it hands a driver over, for longer than its lease, and finish that once another service has begun the
next driver. So a driver looks into the database before it does anything, and again and again as it goes, and ends by itself once
its search is somebody else's. While the database does not answer it goes on: what it writes to its study is fenced there, too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service.database.ledger import LIVE
from pitprop.service.database.tables import SEARCHES, reading, schema_of
from pitprop.service.running.places import Places
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

EVERY = 5.0
"""Seconds between two looks into the database."""
UNANSWERED = 60.0
"""Seconds for which a driver waits at its beginning for a database that does not answer."""
ENDING = 90.0
"""Seconds that a driver has to end by itself once its search is not its own any more."""


class Superseded(UserError):
    """The search was given to a later driver, or is not to be driven any more: one sentence."""


@contextmanager
def kept_to(number: int, folder: Path) -> Iterator[None]:
    """Ends this process as TERM does once the search whose runs lie in ``folder`` has another start than ``number``.

    `Superseded` if it has another one already, or if for a while nobody can say.
    """
    places, search = Places.under(str(folder.parents[1])), folder.name
    engine = sqlalchemy.create_engine(places.home.study_db, pool_size=1, pool_pre_ping=True)
    engine = reading(engine.execution_options(schema_translate_map={None: schema_of(engine)}))
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(engine, search, number, done), name="fencing", daemon=True)
    try:
        _begin(engine, search, number)
        watch.start()
        yield
    finally:
        done.set()
        engine.dispose()


def _drives(engine: Engine, search: str, number: int) -> bool:
    """Whether the start with this number is the search's latest, and it is to be driven."""
    with engine.connect() as connection:
        row = connection.execute(select(SEARCHES.c.state, SEARCHES.c.task).where(SEARCHES.c.id == search)).one_or_none()
    return row is not None and row[0] in LIVE and row[1].get("start") == number


def _begin(engine: Engine, search: str, number: int) -> None:
    began = time.monotonic()
    while True:
        try:
            if not _drives(engine, search, number):
                text = _("start {number} of the search {search} is out of date: another driver has it, or it is to wait")
                raise Superseded(text.format(number=number, search=search))
            return
        except SQLAlchemyError as error:
            if time.monotonic() - began > UNANSWERED:
                text = _(
                    "the database of the service does not answer ({why}), so that nobody can say whose the search {search} is"
                )
                raise Superseded(text.format(why=type(error).__name__, search=search)) from error
        time.sleep(EVERY / 5)


def _watch(engine: Engine, search: str, number: int, done: threading.Event) -> None:
    while not done.wait(EVERY):
        try:
            if _drives(engine, search, number):
                continue
        except SQLAlchemyError:
            continue  # nobody can say
        text = _("the search {search} has a later start than {number}, or is to wait: this driver ends")
        print("pitprop: " + text.format(search=search, number=number), file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        if not done.wait(ENDING):
            os._exit(128 + signal.SIGTERM)
        return
