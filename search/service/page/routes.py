"""The addresses of the page. What changes a search is a form, which works without scripts, and ends at the page of the search."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathPart
from fastapi.responses import FileResponse, RedirectResponse
from pitprop import messages
from pitprop.messages import _
from pitprop.service import bodies, models
from pitprop.service.http import searches as api
from pitprop.service.http.dependencies import Parts, SearchId, visible
from pitprop.service.http.guard import COOKIE
from pitprop.service.http.problems import Denied
from pitprop.service.page import one_search
from pitprop.service.page.lines import placed
from pitprop.service.page.visit import REFUSALS, Asked, Changes, Form, Views, keep, one, shown, told, within
from pitprop.service.submission import new_id

router = APIRouter(route_class=Asked, include_in_schema=False)
STATIC = Path(__file__).with_name("static")
FILES = {"htmx.min.js": "text/javascript", "page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
LISTED = 50
DAY = 86400
GROUPS = {
    "": (),
    "open": tuple(state for state in models.SearchState if state not in one_search.OVER),
    "over": tuple(state for state in models.SearchState if state in one_search.OVER),
}
"""The states that the filter of the list names."""
Text = Annotated[str, Query(max_length=200)]


@router.get("/")
def searches(request: Request, parts: Parts, caller: Views, text: Text = "", state: Text = "", after: Text = "") -> Response:
    """Searches, the newest first."""
    return shown(request, "searches.html.j2", caller=caller, **_listed(parts, caller, text, state, after))


@router.get("/rows")
def rows(
    request: Request, parts: Parts, caller: Views, text: Text = "", state: Text = "", after: Text = "", stamp: Text = ""
) -> Response:
    """The list alone, which the page asks for anew; nothing if it is as it was."""
    found = _listed(parts, caller, text, state, after)
    if found["stamp"] == stamp:
        return Response(status_code=204)
    return shown(request, "rows.html.j2", caller=caller, **found)


@router.get("/silence")
def silence(request: Request, caller: Views) -> Response:
    """Whether anybody can say which drivers run, which the page asks for anew."""
    return shown(request, "silence.html.j2", caller=caller)


def _listed(parts: Parts, caller: models.Caller, text: str, state: str, after: str) -> dict[str, Any]:
    states = list(GROUPS.get(state, ()))
    found = api.listed(parts, caller, states, None, text, after or None, LISTED)
    asked = {name: value for name, value in {"text": text, "state": state}.items() if value}
    more = f"/?{urlencode({**asked, 'after': found.next})}" if found.next else ""
    told = [(one.model_dump(mode="json", exclude={"estimate"}), one.estimate.ahead) for one in found.items]
    stamp = hashlib.sha256(json.dumps([told, messages.language()]).encode()).hexdigest()[:16]
    again = f"/rows?{urlencode({**asked, **({'after': after} if after else {}), 'stamp': stamp})}"
    return {"found": found.items, "text": text, "group": state, "more": more, "again": again, "stamp": stamp}


@router.get("/searches/{search}")
def search(request: Request, parts: Parts, caller: Views, search: SearchId) -> Response:
    """One search, which is kept up to date while it runs."""
    entry = visible(parts, caller, search)
    detail = api.detailed(parts, entry)
    found = one_search.seen(parts, entry, detail)
    mine = caller.scope != models.Scope.READ and (caller.owner == entry.owner or caller.scope == models.Scope.ADMIN)
    return shown(request, "search.html.j2", caller=caller, one=found, search=detail, mine=mine)


@router.get("/searches/{search}/live")
def refreshed(request: Request, parts: Parts, caller: Views, search: SearchId, stamp: Text = "", state: Text = "") -> Response:
    """What has changed of a search since the stamp; nothing if nothing has."""
    entry = visible(parts, caller, search)
    if one_search.stamp(parts, entry) == stamp:
        return Response(status_code=204)
    if entry.state != state:  # other buttons are needed, and another title
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    found = one_search.seen(parts, entry, api.shown(parts, entry))
    return shown(request, "live.html.j2", caller=caller, one=found, search=found.search)


@router.get("/searches/{search}/report")
def report(request: Request, caller: Views, search: SearchId) -> Response:
    """The report, in the language of the page."""
    return RedirectResponse(f"/v1/searches/{search}/report?lang={messages.language()}", 303)


def _number(form: Form, name: str) -> int | None:
    given = one(form, name)
    if given is None:
        return None
    if not given.isascii() or not given.lstrip("-").isdecimal() or len(given) > 12:
        raise Denied(422, _("{name}: {value} is not a whole number").format(name=name, value=repr(given[:40])))
    return int(given)


def _numbers(form: Form, name: str) -> list[int]:
    return [int(part) for part in form.get(name, []) if part.isascii() and part.isdecimal() and len(part) < 10]


def _plain(verb: Callable[..., models.Search]) -> Callable[..., models.Search]:
    return lambda parts, caller, search, _form: verb(parts, caller, search)


def _extend(parts: Parts, caller: models.Caller, search: str, form: Form) -> models.Search:
    return api.extend(parts, caller, search, bodies.Extend(trials=_number(form, "trials") or 0))


def _revive(parts: Parts, caller: models.Caller, search: str, form: Form) -> models.Search:
    return api.revive(parts, caller, search, bodies.Revive(trials=_numbers(form, "trial")))


def _confirm(parts: Parts, caller: models.Caller, search: str, form: Form) -> models.Search:
    given = {"top": _number(form, "top"), "seeds": _number(form, "seeds")}
    return api.confirm(parts, caller, search, bodies.ConfirmSearch.model_validate(given))


def _order(parts: Parts, caller: models.Caller, search: str, form: Form) -> models.Search:
    return api.order(parts, caller, search, bodies.Order.model_validate({"priority": _number(form, "priority")}))


VERBS: dict[str, Callable[..., models.Search]] = {
    "pause": _plain(api.pause),
    "resume": _plain(api.resume),
    "cancel": _plain(api.cancel),
    "extend": _extend,
    "revive": _revive,
    "confirm": _confirm,
    "order": _order,
}
"""What a form of a search does, by the end of its address."""


@router.post("/searches/{search}/delete")
def delete(parts: Parts, caller: Changes, search: SearchId, form: Form) -> Response:
    """Removes the search with its study and all files, if it is said for sure, and shows the others."""
    if one(form, "sure") != "yes":
        raise Denied(422, _("nothing was deleted: tick that the search is to be deleted with its study and all files"))
    api.delete(parts, caller, search)
    return RedirectResponse("/", 303)


@router.post("/searches/{search}/{verb}")
def change(
    parts: Parts, caller: Changes, search: SearchId, verb: Annotated[str, PathPart(pattern=f"^({'|'.join(VERBS)})$")], form: Form
) -> Response:
    """Does that, and shows the search."""
    VERBS[verb](parts, caller, search, form)
    return RedirectResponse(f"/searches/{search}", 303)


@router.get("/compare")
def compare(
    request: Request,
    parts: Parts,
    caller: Views,
    search: Annotated[list[str], Query(max_length=12)] = [],  # noqa: B006
) -> Response:
    """Searches side by side."""
    from pitprop.views.terminal.comparison import compared

    entries = [visible(parts, caller, one) for one in dict.fromkeys(search)]
    begun = [entry for entry in entries if entry.progress is not None]
    found = compared([parts.reader.content(entry) for entry in begun]) if begun else None
    idle = [entry.name for entry in entries if entry.progress is None]
    return shown(request, "compare.html.j2", caller=caller, entries=begun, found=found, idle=idle)


@router.get("/submit")
def write(request: Request, parts: Parts, caller: Views, space: Text = "", like: Text = "") -> Response:
    """The editor, with a space of the catalogue, or that of a search, to begin with."""
    text, name = "", ""
    if like:
        entry = visible(parts, caller, like)
        text, name = entry.space, entry.name
    elif space in parts.catalogue.spaces:
        text, name = parts.catalogue.spaces[space].read_text(encoding="utf-8"), space
    given = {"yaml": text, "name": name}
    values: dict[str, Any] = {"given": given, "space": space, "said": [], "catalogue": parts.catalogue.told, "key": new_id()}
    return shown(request, "submit.html.j2", caller=caller, **values)


@router.post("/validate")
def validate(request: Request, parts: Parts, caller: Views, form: Form) -> Response:
    """What is wrong with what stands in the editor, all of it with its line."""
    text, shipped = _text(form), _shipped(parts, form)
    if not text.strip() or shipped:
        said = _("As in the catalogue, this can be submitted.") if shipped else ""
        return shown(request, "problems.html.j2", said=[], good=None, shipped=said)
    found = api.validate(parts, caller, bodies.Validate(yaml=text, name=_name(form)))
    good = None if found.problems else found
    return shown(request, "problems.html.j2", said=placed(text, found.problems), good=good, shipped="")


@router.post("/submit")
def submit(request: Request, parts: Parts, caller: Changes, form: Form) -> Response:
    """Queues what stands in the form; or shows it again with all that is wrong."""
    given: dict[str, Any] = {"name": one(form, "name"), "notify": one(form, "notify")}
    text, space = _text(form), _shipped(parts, form)
    try:
        for name in ("trials", "timeout", "seed", "priority", "workers"):
            given[name] = _number(form, name)
        asked = {key: value for key, value in given.items() if value is not None}
        asked |= {"notify": (given["notify"] or "").split(), **({"space": space} if space else {"yaml": text})}
        added = api.submit(parts, caller, bodies.Submit.model_validate(asked), Response(), one(form, "key"))
    except REFUSALS as error:
        status, said = told(error)
        fields = {key: "" if value is None else value for key, value in given.items()} | {"yaml": text}
        values: dict[str, Any] = {"given": fields, "space": space, "said": placed(text, said), "catalogue": parts.catalogue.told}
        return shown(request, "submit.html.j2", status, caller=caller, key=one(form, "key") or new_id(), **values)
    return RedirectResponse(f"/searches/{added.id}", 303)


def _text(form: Form) -> str:
    return form.get("yaml", [""])[0].replace("\r\n", "\n")


def _shipped(parts: Parts, form: Form) -> str:
    """The space of the catalogue that stands in the editor as it is there, which may name what a submitted one may not."""
    name = one(form, "space") or ""
    path = parts.catalogue.spaces.get(name)
    return name if path is not None and path.read_text(encoding="utf-8").strip() == _text(form).strip() else ""


def _name(form: Form) -> str:
    given = one(form, "name") or ""
    return given if re.fullmatch(models.NAME, given) else "space"


@router.get("/login")
def ask(request: Request, next: Text = "/") -> Response:
    """The form for the token."""
    return shown(request, "login.html.j2", next=within(next), said="")


@router.post("/login")
def login(request: Request, parts: Parts, form: Form) -> Response:
    """Keeps the token in a cookie that no script reads, if it is known."""
    parts.guard.check_host(request)
    secret, then = one(form, "token") or "", within(one(form, "next"))
    try:
        parts.guard.checked(request, secret)
    except Denied as error:
        return shown(request, "login.html.j2", error.status_code, next=then, said=str(error.detail))
    response = RedirectResponse(then, 303)
    keep(request, response, COOKIE, secret, 30 * DAY)
    return response


@router.post("/logout")
def logout(request: Request, form: Form) -> Response:
    """Forgets the token."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.get("/static/{name}")
def static(name: str) -> Response:
    """A file of the page."""
    if name not in FILES:
        raise Denied(404, _("there is no such file"))
    return FileResponse(STATIC / name, media_type=FILES[name], headers={"Cache-Control": "public, max-age=3600"})
