"""The commands of ``pitprop`` by which an operator runs a service. Nothing heavy is imported before one runs."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace

from pitprop.cli.command import command, json_flag, language_flag
from pitprop.cli.options import whole

PORT = 8400


def runs(parser: ArgumentParser) -> None:
    """Where the service keeps things."""
    parser.add_argument("--runs", metavar="DIR", help="folder of studies, curves and the MLflow store (./runs)")


def _port(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=whole, default=PORT, help=f"port of the address ({PORT})")


def _serve_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen on, which needs tokens off this machine")
    add("--catalogue", metavar="FILE", help="what may be submitted: spaces, trainers, commands, folders, limits (what ships)")
    add("--tokens", action="store_true", help="each request needs a token, on this machine too, as behind a proxy")
    add("--name", metavar="HOST", action="append", default=[], help="a name under which a proxy passes requests on")
    add("--log-json", action="store_true", help="write the log as JSON, a line for each record")


@command("serve", "run searches for others: a queue with an HTTP API", _serve_flags, runs, _port)
def _serve(given: Namespace) -> int:
    from pitprop.cli.server import service
    from pitprop.service.serving import ServiceOptions

    options = ServiceOptions(given.runs, given.host, given.port, given.catalogue, given.tokens, tuple(given.name))
    return service.serve(options, log_json=given.log_json)


def _token_flags(parser: ArgumentParser) -> None:
    ways = parser.add_subparsers(dest="way", required=True, metavar="make|list|revoke")
    make = ways.add_parser("make", help="make one, and print it this once")
    make.add_argument("owner", metavar="OWNER", help="whose searches it is for")
    make.add_argument("--scope", choices=("read", "submit", "admin"), default="submit", help="what it allows (submit)")
    make.add_argument("--days", type=whole, default=90, metavar="N", help="days until it expires (90)")
    listed = ways.add_parser("list", help="list them, without what they are")
    json_flag(listed)
    revoke = ways.add_parser("revoke", help="take one back, at once")
    revoke.add_argument("id", metavar="ID", help="as `pitprop token list` says it")
    for way in (make, listed, revoke):
        runs(way)
        language_flag(way, default=SUPPRESS)  # which leaves what stands before the way as it is


@command("token", "make, list and revoke the tokens of the service", _token_flags)
def _token(given: Namespace) -> int:
    from pitprop.cli.server import service

    if given.way == "make":
        return service.make(given.owner, given.scope, given.days, given.runs)
    return service.listed(given.runs, json=given.json) if given.way == "list" else service.revoke(given.id, given.runs)
