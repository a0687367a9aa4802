"""Routes of what a search's study says: its trials, one of them, the report, and events as they happen."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from pitprop import messages
from pitprop.service import lookup, models
from pitprop.service.http.dependencies import Limit, Parts, Reads, SearchId, visible
from pitprop.service.http.feed import STREAM, Feed, event
from pitprop.service.http.problems import documented

router = APIRouter(prefix="/v1/searches/{search}", tags=["studies"], responses=documented(401, 403, 404, 421, 422, 429, 503))
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
"""The report runs its own script and asks nobody for anything, and it is no page of ours to any other."""


@router.get("/trials", summary="the trials of a search")
def trials(
    parts: Parts,
    caller: Reads,
    search: SearchId,
    state: Annotated[list[str], Query(description="complete, pruned, parked, waiting, fail or running")] = [],  # noqa: B006
    after: Annotated[int | None, Query(ge=0, le=models.MOST, description="after the trial with this number")] = None,
    limit: Limit = 100,
) -> models.Listing[models.Trial]:
    """The trials by number."""
    records = parts.reader.trials(visible(parts, caller, search))
    chosen = [one for one in records[0 if after is None else after + 1 :] if not state or one.word in state]
    items = [lookup.trial(record) for record in chosen[:limit]]
    return models.Listing[models.Trial](items=items, next=str(items[-1].number) if len(chosen) > limit else None)


@router.get("/trials/{number}", summary="one trial")
def trial(
    parts: Parts, caller: Reads, search: SearchId, number: Annotated[int, Path(ge=0, le=models.MOST)]
) -> models.TrialDetail:
    """One trial with its curves, its verdicts, and the end of what it printed."""
    return parts.reader.trial(visible(parts, caller, search), number)


@router.get("/report", summary="the report", response_class=HTMLResponse)
def report(parts: Parts, caller: Reads, search: SearchId) -> HTMLResponse:
    """The report of the study as one HTML page."""
    page = parts.reader.report(visible(parts, caller, search), messages.language())
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})


@router.get("/answer", summary="the answer as text", response_class=PlainTextResponse)
def answer(
    parts: Parts,
    caller: Reads,
    search: SearchId,
    width: Annotated[int, Query(ge=20, le=500, description="columns of the terminal")] = 100,
    colour: Annotated[bool, Query(description="with the colours of a terminal")] = False,
    full: Annotated[bool, Query(description="with every reason, warning and interval")] = False,
) -> PlainTextResponse:
    """What `pitprop status` says of the study, on a terminal of that width."""
    return PlainTextResponse(parts.reader.text(visible(parts, caller, search), width, colour=colour, full=full))


@router.get(
    "/events",
    summary="what happens in a search",
    response_model=models.Listing[models.Event],
    responses={200: {"description": "Events", "content": {STREAM: {"schema": {"type": "string"}}}}},
)
def events(
    request: Request,
    parts: Parts,
    caller: Reads,
    search: SearchId,
    after: Annotated[int, Query(ge=0, le=models.MOST, description="after the event with this id")] = 0,
    limit: Limit = 1000,
    last: Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=models.MOST)] = None,
) -> models.Listing[models.Event] | StreamingResponse:
    """Events by their id: as server-sent events that go on until the search is deleted, or as a page of JSON.

    The stream goes on after the `Last-Event-ID` that a browser sends when it comes back. `Accept: text/event-stream` asks for it.
    """
    entry = visible(parts, caller, search)
    start = after if last is None else last
    if STREAM not in request.headers.get("accept", ""):
        found = [event(one) for one in parts.store.events(entry.id, start, limit)]
        return models.Listing[models.Event](items=found, next=str(found[-1].id) if len(found) == limit else None)
    feed: Feed = request.app.state.feed
    return StreamingResponse(feed.follow(entry.id, start), media_type=STREAM)
