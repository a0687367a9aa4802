"""Events as they happen, to any number of followers: the database is asked once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pitprop import messages
from pitprop.messages import Message
from pitprop.service import models
from pitprop.service.database.ledger import News, Store, Told
from pitprop.service.running.silence import Silence
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

STREAM = "text/event-stream"
EVERY = 0.3
"""Seconds between two looks for events."""
SILENCE = 15.0
"""Seconds after which a follower is told that nothing has happened, so that no proxy takes the connection for dead."""
PAGE = 500
GONE = News(-1, None, 0.0)


def event(told: Told) -> models.Event:
    """An event as the API tells it, in the language in force."""
    said = dict(_texts(told.body))
    return models.Event(id=told.id, search=told.search, kind=told.kind, at=told.at, body=messages.told(told.body), texts=said)


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, models.Worded]]:
    """The messages of what is told, by where they stand."""
    if isinstance(value, Message):
        yield place, _worded(value)
    elif isinstance(value, Mapping | list):
        for name, one in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _texts(one, f"{place}.{name}" if place else str(name))


def _worded(said: Message) -> models.Worded:
    values = {name: _worded(one) if isinstance(one, Message) else one for name, one in said.values.items()}
    return models.Worded(template=said.plural if said.plural and said.n != 1 else said.template, values=values)


def _since(silence: Silence | None) -> float | None:
    return silence.since if silence is not None else None


@dataclass(slots=True)
class Heard:
    """What one follower has heard last: the number of an event, how far the search is, and since when nobody answers."""

    event: int
    progress: object = None
    silence: float | None = None


class Feed:
    """Followers of searches. Its task looks for news while there are any.

    ``silence`` is that nobody can say which drivers run: followers hear when that begins, and when it ends.
    """

    def __init__(self, store: Store, silence: Callable[[], Silence | None]) -> None:
        self._store, self._silence = store, silence
        self._followed: Counter[str] = Counter()
        self._last: dict[str, News] = {}
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def follow(self, search: str, after: int) -> AsyncIterator[str]:
        """The events of a search after that one, as a browser's EventSource reads them; ends when the search is gone."""
        self._followed[search] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        heard = Heard(after)
        try:
            yield "retry: 2000\n\n"
            while not self._closed:
                found = await self._after(search, heard.event)
                for one in found:
                    yield f"id: {one.id}\nevent: {one.kind}\ndata: {event(one).model_dump_json()}\n\n"
                    heard.event = one.id
                if len(found) == PAGE:
                    continue
                told = self._last.get(search)
                for now in self._passing(search, told, heard):  # without an id: they are no events to resume at
                    yield f"event: {now.kind}\ndata: {now.model_dump_json()}\n\n"
                if not await self._wait(search, heard):
                    return
                if self._last.get(search) == told:
                    yield ": nothing yet\n\n"
        finally:
            self._followed[search] -= 1
            if not self._followed[search]:
                del self._followed[search]
                self._last.pop(search, None)

    def _passing(self, search: str, told: News | None, heard: Heard) -> Iterator[models.Event]:
        """What is no event of a search, and new to a follower."""
        if told is not None and told.progress is not None and told.progress != heard.progress:
            heard.progress = told.progress
            yield models.Event(id=heard.event, search=search, kind="progress", at=told.at, body=told.progress)
        silence = self._silence()
        if (since := _since(silence)) != heard.silence:
            heard.silence = since
            body = {"since": since, "said": silence.told() if silence is not None else ""}
            yield models.Event(id=heard.event, search=search, kind="silence", at=time.time(), body=body)

    async def _after(self, search: str, after: int) -> list[Told]:
        """The next events, once the database answers."""
        while not self._closed:
            with suppress(SQLAlchemyError):
                return await run_in_threadpool(self._store.events, search, after, PAGE)
            await asyncio.sleep(EVERY)
        return []

    async def close(self) -> None:
        """Ends all followers."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        async with self._news:
            self._news.notify_all()

    async def _wait(self, search: str, heard: Heard) -> bool:
        """Waits for news of a search, but not for ever; False if it is gone."""

        def is_news() -> bool:
            if self._closed or _since(self._silence()) != heard.silence:
                return True
            news = self._last.get(search)
            return news is not None and (news.gone or news.last > heard.event or news.progress != heard.progress)

        try:
            async with asyncio.timeout(SILENCE), self._news:
                await self._news.wait_for(is_news)
        except TimeoutError:
            return True
        news = self._last.get(search)
        return news is None or not news.gone

    async def _watch(self) -> None:
        while self._followed:
            try:
                found = await run_in_threadpool(self._store.news, list(self._followed))
            except SQLAlchemyError:  # it may answer again, and the followers wait for that
                found = None
            if found is not None:
                self._last = {search: found.get(search, GONE) for search in self._followed}
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(EVERY)
