"""In which language somebody is answered: the one that the request asks for, English if it asks for none of ours."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Query
from pitprop.messages import LANGUAGES, in_language
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

PART = re.compile(r"\s*([A-Za-z]{1,8})(?:-[\w-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")
Lang = Annotated[
    str | None,
    Query(pattern=f"^({'|'.join(LANGUAGES)})$", description="language of what is told, in place of that of Accept-Language"),
]


def preferred(header: str) -> str:
    """The first of the languages of an ``Accept-Language`` that we speak."""
    wanted: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        found = PART.fullmatch(part)
        if found is not None and found[1].lower() in LANGUAGES:
            wanted.append((-float(found[2] or 1), found[1].lower()))
    return min(wanted, key=lambda one: one[0])[1] if wanted else LANGUAGES[0]


def spoken(lang: Lang = None) -> None:
    """Has the parameter documented and checked; `Speaking` heeds it."""


class Speaking:
    """Answers in the language that the request asks for, errors and streams too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        given = dict(parse_qsl(query)).get("lang") if "lang=" in query else None
        with in_language(given if given in LANGUAGES else preferred(Headers(scope=scope).get("accept-language", ""))):
            await self._app(scope, receive, send)
