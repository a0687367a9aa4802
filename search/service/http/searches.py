"""Routes of searches: submit, list, look, and all that changes one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pitprop.addresses import safe
from pitprop.errors import UserError
from pitprop.messages import _, localized
from pitprop.service import bodies, inventory, models, submission
from pitprop.service.database.ledger import LIVE, OPEN, Conflict, Entry, Twice
from pitprop.service.database.lifecycle import Change
from pitprop.service.http.dependencies import (
    Limit,
    Parts,
    Reads,
    RequestKey,
    SearchId,
    Service,
    Submits,
    own,
    sees_all,
    visible,
)
from pitprop.service.http.problems import Denied, documented
from pitprop.service.notices.targets import shown as shown_target

router = APIRouter(prefix="/v1", tags=["searches"], responses=documented(401, 403, 421, 422, 429, 503))
CHANGES = documented(404, 409)


def shown(parts: Service, entry: Entry, estimates: Mapping[str, models.Estimate] | None = None) -> models.Search:
    """A search as it is listed."""
    return models.Search(**_fields(parts, entry, estimates))


def detailed(parts: Service, entry: Entry) -> models.SearchDetail:
    """A search with its space and its answer, or why that cannot be read."""
    answer, why = None, ""
    try:
        answer = parts.reader.answer(entry) if entry.progress is not None else None
    except UserError as error:
        why = str(error)
    return models.SearchDetail(
        **_fields(parts, entry, None),
        space=entry.space,
        overrides={**entry.overrides, **_hidden(entry)},
        answer=answer,
        unanswered=why,
        language=entry.language,
        mlflow=safe(where) if (where := parts.places.home.mlflow).startswith("http") else None,
    )


def _hidden(entry: Entry) -> dict[str, Any]:
    """Where it tells how it went, without what may be the key to a channel."""
    targets = entry.overrides.get("notify")
    return {"notify": [shown_target(one) for one in targets]} if targets else {}


def _fields(parts: Service, entry: Entry, estimates: Mapping[str, models.Estimate] | None) -> dict[str, Any]:
    if estimates is None:
        estimates = estimated(parts) if entry.state in OPEN else {}
    return {
        "id": entry.id,
        "name": entry.name,
        "study": entry.study,
        "owner": entry.owner,
        "question": entry.question,
        "state": entry.state,
        "reason": localized(entry.reason),
        "task": entry.task["verb"],
        "priority": entry.priority,
        "trials": entry.trials,
        "wants": entry.wants,
        "workers": entry.share if entry.state in LIVE else 0,
        "restarts": entry.restarts,
        "created": entry.created,
        "started": entry.started,
        "ended": entry.ended,
        "changed": entry.changed,
        "progress": _progress(entry),
        "estimate": _told(estimates.get(entry.id, models.Estimate())),
    }


def _told(estimate: models.Estimate) -> models.Estimate:
    """An estimate, which was worked out for all who ask, in the language in force."""
    return estimate.model_copy(update={"why": _(estimate.why)}) if estimate.why else estimate


def _progress(entry: Entry) -> models.Progress | None:
    """How far a search is by what its driver said last, and by what was asked for and has happened since."""
    if entry.progress is None:
        return None
    said = models.Progress(**entry.progress)
    left = said.running if entry.state not in LIVE else 0
    return said.model_copy(update={"target": entry.target, "running": said.running - left, "interrupted": left})


def estimated(parts: Service) -> dict[str, models.Estimate]:
    """When each search that is not over is likely to begin and to end."""
    return parts.estimates.get()


@router.post(
    "/searches",
    status_code=201,
    summary="submit a search",
    responses={200: {"model": models.Search, "description": "Sent before with the same Idempotency-Key"}, **documented(409, 413)},
)
def submit(parts: Parts, caller: Submits, request: bodies.Submit, response: Response, key: RequestKey = None) -> models.Search:
    """Queues a space of the catalogue, or one that is sent as YAML. The same `Idempotency-Key` never queues a second search."""
    before = parts.store.sent(caller.owner, key)
    if before is not None:
        return _again(parts, before, request, response)
    waiting = sum(parts.store.counts(caller.owner).get(state, 0) for state in OPEN)
    if waiting >= (most := parts.catalogue.limits.queued):
        text = _("{count} of your searches wait or run, and at most {most} may: cancel some, or wait until they are over")
        raise Denied(409, text.format(count=waiting, most=most))
    uploads = parts.places.uploads(caller.owner)
    entry = submission.submitted(request, parts.catalogue, caller.owner, uploads, parts.store.now(), key)
    try:
        added = parts.store.add(entry)
    except Twice as twice:
        return _again(parts, twice.entry, request, response)
    response.headers["Location"] = f"/v1/searches/{added.id}"
    return shown(parts, added)


def _again(parts: Service, before: Entry, request: bodies.Submit, response: Response) -> models.Search:
    if before.request_digest != submission.digest(request):
        raise Conflict(_("this Idempotency-Key was sent with another request: send another key"))
    response.status_code = 200
    return shown(parts, before)


@router.post("/validate", summary="check a space", responses=documented(413))
def validate(parts: Parts, caller: Reads, request: bodies.Validate) -> inventory.Validation:
    """Says everything that is wrong with a space, and runs nothing."""
    return submission.validated(request.yaml, request.name, parts.catalogue, parts.places.uploads(caller.owner))


@router.get("/searches", summary="list searches")
def listed(
    parts: Parts,
    caller: Reads,
    state: Annotated[list[models.SearchState], Query(description="of these states; of all, if none is given")] = [],  # noqa: B006
    owner: Annotated[str | None, Query(max_length=100, description="of this owner")] = None,
    text: Annotated[str, Query(max_length=200, description="with this in their name")] = "",
    after: Annotated[str | None, Query(pattern="^[0-9a-z]{1,32}$", description="after the search with this id")] = None,
    limit: Limit = 50,
) -> models.Listing[models.Search]:
    """The searches that you may see, the newest first."""
    whose = owner if sees_all(parts, caller) else caller.owner
    if owner is not None and owner != whose:
        return models.Listing[models.Search](items=[])
    place = None
    if after is not None:
        last = visible(parts, caller, after)
        place = (last.created, last.id)

    def read() -> list[Entry]:
        return parts.store.searches(state, owner=whose, text=text, after=place, limit=limit + 1, brief=True)

    found = parts.recent.get((tuple(state), whose, text, place, limit), read)
    estimates = estimated(parts) if any(one.state in OPEN for one in found) else {}
    items = [shown(parts, one, estimates) for one in found[:limit]]
    return models.Listing[models.Search](items=items, next=items[-1].id if len(found) > limit else None)


@router.get("/searches/{search}", summary="one search", responses=documented(404))
def look(parts: Parts, caller: Reads, search: SearchId) -> models.SearchDetail:
    """A search, how far it is, what it says so far, and its space."""
    return detailed(parts, visible(parts, caller, search))


@router.patch("/searches/{search}", summary="change priority or workers", responses=CHANGES)
def order(parts: Parts, caller: Submits, search: SearchId, request: bodies.Order) -> models.Search:
    """Changes which of your searches goes first, and how many workers it takes at most."""
    return shown(parts, _change(parts, caller, search).order(request.priority, request.workers))


@router.post("/searches/{search}/pause", summary="pause a search", responses=CHANGES)
def pause(parts: Parts, caller: Submits, search: SearchId) -> models.Search:
    """Ends its driver; what was finished is kept, and `resume` goes on from there."""
    return shown(parts, _change(parts, caller, search).pause())


@router.post("/searches/{search}/resume", summary="resume a search", responses=CHANGES)
def resume(parts: Parts, caller: Submits, search: SearchId) -> models.Search:
    """Queues a search again that was paused or cancelled, or has failed."""
    return shown(parts, _change(parts, caller, search).resume())


@router.post("/searches/{search}/cancel", summary="cancel a search", responses=CHANGES)
def cancel(parts: Parts, caller: Submits, search: SearchId) -> models.Search:
    """Ends a search; what was finished is kept."""
    return shown(parts, _change(parts, caller, search).cancel())


@router.post("/searches/{search}/extend", summary="plan more trials", responses=CHANGES)
def extend(parts: Parts, caller: Submits, search: SearchId, request: bodies.Extend) -> models.Search:
    """Plans so many more trials; a search that is done goes on."""
    return shown(parts, _change(parts, caller, search).extend(request.trials, parts.catalogue.limits.trials))


@router.post("/searches/{search}/revive", summary="revive trials", responses=CHANGES)
def revive(parts: Parts, caller: Submits, search: SearchId, request: bodies.Revive) -> models.Search:
    """Trains parked or waiting trials of a search that is over to their full budget."""
    entry = own(parts, caller, search)
    may = {*parts.reader.results(entry).summary.revivable, *parts.reader.results(entry).summary.waiting}
    if wrong := [number for number in request.trials if number not in may]:
        text = _("trial {number} of {search} is neither parked nor waiting, or was revived before; these can be: {known}")
        known = ", ".join(map(str, sorted(may))) or _("none")
        raise Conflict(text.format(number=wrong[0], search=entry.name, known=known))
    return shown(parts, _change(parts, caller, search).revive(request.trials))


@router.post("/searches/{search}/confirm", summary="confirm the best trials", responses=CHANGES)
def confirm(parts: Parts, caller: Submits, search: SearchId, request: Annotated[bodies.ConfirmSearch, Body()]) -> models.Search:
    """Trains the best trials and the baselines of a search that is over again, on fresh seeds."""
    entry = own(parts, caller, search)
    if not parts.reader.results(entry).summary.best:
        raise Conflict(_("nothing to confirm: no trial of {search} has completed yet").format(search=entry.name))
    return shown(parts, _change(parts, caller, search).confirm(request.top, request.seeds, request.trials))


@router.delete("/searches/{search}", status_code=204, summary="delete a search", responses=CHANGES)
def delete(parts: Parts, caller: Submits, search: SearchId) -> None:
    """Removes a search that does not run, with its study and all files."""
    entry = _change(parts, caller, search).delete()
    parts.places.forget(entry)
    parts.reader.forget(entry.id)
    shutil.rmtree(parts.places.folder(entry.id), ignore_errors=True)


def _change(parts: Service, caller: models.Caller, search: str) -> Change:
    return Change(parts.store, own(parts, caller, search).id, caller.owner)
