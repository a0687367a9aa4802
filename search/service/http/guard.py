"""Who may ask: hosts and origins, tokens and their scopes, and how much at a time. Nothing reaches a route before this."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from pitprop.messages import _
from pitprop.service.database import tokens
from pitprop.service.database.ledger import Store
from pitprop.service.http.problems import Denied, problem
from pitprop.service.models import Caller, Scope
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Asked

COOKIE = "pitprop_session"
"""The cookie in which a page keeps a token, where a script cannot read it."""
CALLERS = 10_000
"""For how many callers requests are counted."""
WRITES = ("POST", "PUT", "PATCH", "DELETE")
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Rate:
    """So many requests a minute of each caller, of which a sixth may come at once."""

    def __init__(self, minute: int) -> None:
        self._each, self._most = minute / 60.0, max(10.0, minute / 6.0)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def spend(self, caller: str, now: float) -> float:
        """Takes one request; the seconds to wait if there is none left, else 0."""
        with self._lock:
            left, since = self._left.pop(caller, (self._most, now))
            left = min(self._most, left + max(0.0, now - since) * self._each)
            wait = 0.0 if left >= 1 else (1 - left) / self._each
            self._left[caller] = (left if wait else left - 1, now)
            while len(self._left) > CALLERS:
                self._left.popitem(last=False)
            return wait


@dataclass
class Guard:
    """Who may ask for what, of a service that listens on ``host``.

    Without tokens everybody on this machine is the one owner; a page of another site cannot pass for that, for it neither has our
    name (``Host``) nor can leave out its own (``Origin``). Once a token was made, or off loopback, each request needs one.
    """

    store: Store
    rate: Rate
    host: str
    names: frozenset[str] = frozenset()
    """Further names under which a proxy passes requests on."""
    needs_token: bool = False
    _seen: bool = field(default=False, init=False)

    def caller(self, request: Request) -> Caller:
        """Who asks; `Denied` if that is nobody who may, or who has asked too much."""
        self.check_host(request)
        found = self._authenticated(request)
        wait = self.rate.spend(found.owner, time.monotonic())
        if wait:
            text = _("too many requests: ask again in {seconds:.0f} s")
            raise Denied(429, text.format(seconds=wait + 0.5), {"Retry-After": str(int(wait) + 1)})
        return found

    def locked(self) -> bool:
        """Whether a request needs a token."""
        if not self.needs_token and not self._seen:
            self._seen = tokens.any_made(self.store)
        return self.needs_token or self._seen

    def _authenticated(self, request: Request) -> Caller:
        if not self.locked():
            return Caller(owner=tokens.LOCAL, scope=Scope.ADMIN)
        kind, _space, secret = request.headers.get("authorization", "").partition(" ")
        secret = secret.strip() if kind.lower() == "bearer" else request.cookies.get(COOKIE, "")
        if not secret:
            said = _("a token is needed: Authorization: Bearer TOKEN, which `pitprop token make` makes")
            raise Denied(401, said, {"WWW-Authenticate": "Bearer"})
        return self.checked(request, secret)

    def checked(self, request: Request, secret: str) -> Caller:
        """Whose token it is that is sent; `Denied` if it is nobody's. Guesses are counted."""
        found = tokens.caller(self.store, secret)
        if found is None:
            address = request.client.host if request.client is not None else "?"
            if self.rate.spend(f"guess {address}", time.monotonic()):
                raise Denied(429, _("too many requests: ask again in a while"), {"Retry-After": "10"})
            said = _("the token is not known, has expired, or was revoked")
            raise Denied(401, said, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return found

    def check_host(self, request: Request) -> None:
        """Refuses what a page of another site has a browser send."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        named = host in self.names or (is_loopback(host) if is_loopback(self.host) else True)
        if not named:
            raise Denied(
                421, _("this service does not go by the name {name}: see `pitprop serve --name`").format(name=repr(host))
            )
        origin = request.headers.get("origin")
        if request.method in WRITES and origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            raise Denied(403, _("requests from pages of other sites are refused"))
        if request.method in WRITES and request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Denied(403, _("requests from pages of other sites are refused"))


def allow(caller: Caller, scope: Scope) -> None:
    """`Denied` if the caller's token does not allow ``scope``."""
    if scope not in tokens.ALLOWS[caller.scope]:
        raise Denied(403, _("the token allows {has}, and this takes {needs}").format(has=caller.scope, needs=scope))


class Bounded:
    """Refuses a body that is larger than allowed, however it says its size; and gives every answer the headers of ours."""

    def __init__(self, app: ASGIApp, most: int, uploads: int) -> None:
        self._app, self._most, self._uploads = app, most, uploads

    async def __call__(self, scope: Asked, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._uploads if scope["path"].startswith("/v1/uploads/") and scope["method"] == "PUT" else self._most
        said = _length(scope["headers"])
        started, taken = False, 0

        async def bounded() -> Message:
            nonlocal taken
            event = await receive()
            taken += len(event.get("body", b""))
            if taken > most:
                raise Denied(413, _("the body is larger than the {most} bytes that are allowed").format(most=most))
            return event

        async def headed(event: Message) -> None:
            nonlocal started
            if event["type"] == "http.response.start":
                started = True
                known = {name.lower() for name, _value in event["headers"]}
                more = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items() if k.lower().encode() not in known]
                event = {**event, "headers": [*event["headers"], *more]}
            await send(event)

        try:
            if said > most:
                raise Denied(413, _("the body is larger than the {most} bytes that are allowed").format(most=most))
            await self._app(scope, bounded, headed)
        except asyncio.CancelledError:
            if started:
                raise
            stops = _("the service is being stopped: ask again in a while")  # it waits no longer for what takes long
            await problem(503, stops, headers={"Retry-After": "5"})(scope, receive, headed)
        except Denied as error:
            if started:
                raise
            await problem(error.status_code, error.detail, headers=error.headers)(scope, receive, headed)


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The size that a body is said to have; 0 if it is not said."""
    found: Any = next((value for name, value in headers if name == b"content-length"), b"0")
    return int(found) if found.isdigit() and len(found) < 19 else 0
