"""A visit of the page: who looks, in which language, and whether what is sent comes from a form of ours."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from pitprop import messages
from pitprop.errors import UserError
from pitprop.messages import LANGUAGES, _, in_language
from pitprop.service.database.lifecycle import Gone
from pitprop.service.http import problems
from pitprop.service.http.dependencies import parts_of
from pitprop.service.http.guard import allow
from pitprop.service.http.language import preferred
from pitprop.service.http.problems import Denied
from pitprop.service.models import Caller, Scope
from pitprop.service.page import templates
from pydantic import ValidationError
from starlette.exceptions import HTTPException

LANGUAGE, CSRF = "pitprop_lang", "pitprop_csrf"
"""The cookies of the language, and of what every form of ours has to send back."""
FIELD = "csrf"
REFUSALS = (HTTPException, UserError, Gone, RequestValidationError, ValidationError)
"""What is told to who asks; everything else is a mistake of ours."""
YEAR = 365 * 86400
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing from elsewhere, no script and no style within a page, and no page of ours within another."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none at all, browsers do not say either from where a form is sent
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language, Cookie",
}


class Asked(APIRoute):
    """A route of the page: in the language of who asks, with errors as pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route with that around it."""
        original = super().get_route_handler()

        async def answered(request: Request) -> Response:
            with in_language(language(request)):
                try:
                    response = await original(request)
                except REFUSALS as error:
                    response = refused(request, error)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if request.query_params.get("lang") in LANGUAGES:
                keep(request, response, LANGUAGE, request.query_params["lang"], YEAR, readable=True)
            if CSRF not in request.cookies:
                keep(request, response, CSRF, csrf(request), None)
            return response

        return answered


def language(request: Request) -> str:
    """The language that was chosen with the switch, or the first of those that the browser asks for which we speak."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE)):
        if chosen in LANGUAGES:
            return str(chosen)
    return preferred(request.headers.get("accept-language", ""))


def csrf(request: Request) -> str:
    """What a form sends back: a page of another site can neither read it nor set it."""
    if not hasattr(request.state, "csrf"):
        known = request.cookies.get(CSRF, "")
        request.state.csrf = known if re.fullmatch(r"[\w-]{40,64}", known) else secrets.token_urlsafe(32)
    return str(request.state.csrf)


def keep(request: Request, response: Response, name: str, value: str, age: int | None, *, readable: bool = False) -> None:
    """Sets a cookie that is sent to nobody else, over TLS alone where the page came so, and that no script reads."""
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    response.set_cookie(name, value, max_age=age, path="/", secure=secure, httponly=not readable, samesite="strict")


async def fields(request: Request) -> Mapping[str, list[str]]:
    """What a form of ours sends; `Denied` if it was none of ours. It is read once."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        raise Denied(415, _("only forms are accepted here"))
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=500)
    except ValueError:
        raise Denied(422, _("the form cannot be read")) from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    sent = found.get(FIELD, [""])[0]
    if not request.cookies.get(CSRF) or not hmac.compare_digest(sent.encode(), request.cookies[CSRF].encode()):
        raise Denied(403, _("the form is out of date, or not of this page: load the page again"))
    return found


Form = Annotated[Mapping[str, list[str]], Depends(fields)]


def one(form: Mapping[str, list[str]], name: str) -> str | None:
    """What stands in a field; None if that is nothing."""
    return form.get(name, [""])[0].strip() or None


def viewer(request: Request) -> Caller:
    """Who looks."""
    found = parts_of(request).guard.caller(request)
    allow(found, Scope.READ)
    return found


def changer(request: Request) -> Caller:
    """Who changes searches."""
    found = parts_of(request).guard.caller(request)
    allow(found, Scope.SUBMIT)
    return found


Views = Annotated[Caller, Depends(viewer)]
Changes = Annotated[Caller, Depends(changer)]


def shown(request: Request, name: str, code: int = 200, **values: Any) -> Response:
    """A template as the answer."""
    parts = parts_of(request)
    common = {
        "lang": messages.language(),
        "other": next(one for one in LANGUAGES if one != messages.language()),
        "csrf": csrf(request),
        "locked": parts.guard.locked(),
        "here": request.url.path,
        "caller": values.pop("caller", None),
        "silence": parts.silence(),
    }
    return Response(templates.render(name, **common, **values), code, media_type="text/html; charset=utf-8")


def within(address: str | None) -> str:
    """An address of ours to go on to; the first page for anything else."""
    return address if address is not None and re.fullmatch(r"/(?![/\\])[\w./?=&%+-]{0,500}", address) else "/"


def refused(request: Request, error: Exception) -> Response:
    """A page that says what went wrong; the form of the token where one is needed."""
    status, said = told(error)
    if status == 401 and request.method == "GET":
        where = f"/login?next={quote(request.url.path)}"
        if "hx-request" in request.headers:
            return Response(status_code=204, headers={"HX-Redirect": "/login"})
        return RedirectResponse(where, 303)
    if "hx-request" in request.headers:
        return shown(request, "problems.html.j2", status, said=said, good=None, shipped="")
    return shown(request, "refused.html.j2", status, said=said, status=status)


def told(error: Exception) -> tuple[int, list[str]]:
    """The status of an error, and its sentences."""
    if isinstance(error, Gone):
        return 404, [_("there is no such search, or it is not yours")]
    if isinstance(error, HTTPException):
        return error.status_code, [str(error.detail)]
    if isinstance(error, RequestValidationError | ValidationError):
        return 422, [problems.sentence(one) for one in error.errors()]
    return 409, list(getattr(error, "problems", None) or str(error).splitlines())
