"""The commands of the service: serve it, and make, list and revoke its tokens."""

from __future__ import annotations

import socket
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from pitprop.cli.output import print_json
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service.bodies import MakeToken
from pitprop.service.database import tokens
from pitprop.service.log_lines import to_stderr
from pitprop.service.models import Scope
from pitprop.service.serving import ServiceOptions, opened_store, served
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI
    from pitprop.service.http.feed import Feed

CONNECTIONS = 2000
"""How many there may be at once; more are answered with 503."""
OPERATOR = "operator"
"""Who is written down for what is done on the command line."""


def serve(options: ServiceOptions, *, log_json: bool = False) -> int:
    """Serves until it is ended; the drivers end with it, and their searches go on when it is back."""
    import uvicorn

    to_stderr(as_json=log_json)
    with _bound(options) as listening, served(options) as app:
        config = uvicorn.Config(
            app,
            access_log=False,
            server_header=False,
            log_level="warning",
            timeout_graceful_shutdown=5,
            limit_concurrency=CONNECTIONS,
        )
        server = _ending(app)(config)
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{host}:{options.port}"
        print(_("the service is on {address} (Ctrl-C ends it)").format(address=address), flush=True)
        server.run([listening])
    return 0


def _ending(app: FastAPI) -> type[uvicorn.Server]:
    """A server that lets those go first who follow events, and would hold up its end."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            feed: Feed = app.state.feed
            await feed.close()
            await super().shutdown(sockets)

    return Server


def _bound(options: ServiceOptions) -> socket.socket:
    """Where to listen; `UserError` if somebody else does."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        text = _("port {port} of {host} cannot be used ({reason}): choose another with --port")
        reason = getattr(error, "strerror", None) or error
        raise UserError(text.format(port=options.port, host=options.host, reason=reason)) from error


def make(owner: str, scope: str, days: int, runs: str | None) -> int:
    """Makes a token and prints it, which is done this once."""
    try:
        asked = MakeToken(owner=owner, scope=Scope(scope), days=days)
    except ValueError as error:
        text = _("{owner} cannot own a token: an owner's name has letters, digits, dots, dashes and @, and days are 1 to 3650")
        raise UserError(text.format(owner=repr(owner))) from error
    with opened_store(runs) as store:
        first = not tokens.any_made(store)
        _known, secret = tokens.make(store, asked.owner, asked.scope, asked.days, OPERATOR)
    print(secret, flush=True)
    if first:  # beside what a script reads
        text = _("this is the first token: from now on every request to the service needs one, also on this machine")
        print(f"pitprop: {text}", file=sys.stderr)
    return 0


def listed(runs: str | None, *, json: bool) -> int:
    """Lists the tokens, without what they are."""
    with opened_store(runs) as store:
        found = tokens.listed(store)
        now = store.now()
    if json:
        names = ("id", "owner", "scope", "created", "expires", "revoked")
        print_json([{name: getattr(one, name) for name in names} for one in found])
        return 0
    table = Table(box=None, pad_edge=False)
    for title in (_("id"), _("owner"), _("scope"), _("until"), ""):
        table.add_column(title)
    for one in found:
        ended = _("revoked") if one.revoked is not None else _("expired") if one.expires <= now else ""
        table.add_row(one.id, one.owner, str(one.scope), f"{datetime.fromtimestamp(one.expires):%Y-%m-%d}", ended)
    Console().print(table)
    return 0


def revoke(name: str, runs: str | None) -> int:
    """Takes a token back."""
    with opened_store(runs) as store:
        tokens.revoke(store, name, OPERATOR)
    print(_("{name} is revoked").format(name=name))
    return 0
