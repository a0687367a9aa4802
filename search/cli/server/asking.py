"""The commands of ``pitprop`` that ask a server_flag, with their flags. Nothing heavy is imported before one runs.

The address comes from ``--server`` or ``PITPROP_SERVER``, the token from ``PITPROP_TOKEN`` alone: a command line can be read by
every user of a machine.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from pitprop.cli.command import command, json_flag, server_flag
from pitprop.cli.options import natural, seconds, whole

if TYPE_CHECKING:
    from pitprop.service.clients.client import Client


def status(given: Namespace, url: str) -> int:
    """How a search stands on a server."""
    from pitprop.cli.server import remote

    with remote.client(url) as asked:
        return remote.status(asked, given.space, full=given.full, json=given.json)


def watch(given: Namespace, url: str) -> int:
    """Follows a search of a server on the terminal."""
    from pitprop.cli.server import remote

    with remote.client(url) as asked:
        return remote.watch(asked, given.space, json=given.json)


def revive(given: Namespace, url: str) -> int:
    """Has a server continue parked trials of a search that is over."""
    from pitprop.cli.server import remote

    here = ("workers", "seed", "quiet", "inline", "no_report", "code_changed", "ray", "storage", "worker_logs", "events", "start")
    remote.refuse([name for name in here if getattr(given, name)], url)
    with remote.client(url) as asked:
        search = asked.found(given.space)
        return remote.told(asked, asked.revive(search.id, given.trial), json=given.json)


def _client(given: Namespace) -> Client:
    from pitprop.cli.server import remote

    return remote.client(given.server)


def _submit_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("space", metavar="SPACE", help="path of a space, or name of a space of the server's catalogue")
    add("--name", metavar="NAME", help="what the search is called (the space's name)")
    add("--trials", type=whole, metavar="N", help="trials in all, with the baselines (the space's)")
    add("--timeout", type=seconds, metavar="S", help="seconds after which no more trials are started (the space's)")
    add("--seed", type=natural, metavar="N", help="seed of the sampler and of the trainings (the space's)")
    add("--priority", type=int, default=0, metavar="N", help="which of your searches goes first: the highest, of -100 to 100 (0)")
    add("--workers", type=whole, metavar="N", help="workers that it takes at most (as many as it can use)")
    add("--notify", metavar="WHERE", action="append", default=[], help="tell how it went: https://…, mailto:…, ntfy+https://…")
    add("--upload", metavar="FILE", action="append", default=[], help="send a file first, which the space names as upload:NAME")
    add("--watch", action="store_true", help="follow it until it is over")


@command("submit", "have a server search a space", _submit_flags, json_flag, server_flag)
def _submit(given: Namespace) -> int:
    from pitprop.cli.server import remote

    wanted = ("name", "trials", "timeout", "seed", "priority", "workers", "notify")
    with _client(given) as asked:
        search = remote.submit(asked, given.space, given.upload, {name: getattr(given, name) for name in wanted})
        if not given.watch:
            return remote.told(asked, search, json=given.json)
        return remote.watch(asked, search.id, json=given.json)


def _queue_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="those too that are over")
    parser.add_argument("--limit", type=whole, default=50, metavar="N", help="searches to list at most (50)")


@command("queue", "list the searches of a server that wait or run", _queue_flags, json_flag, server_flag)
def _queue(given: Namespace) -> int:
    from pitprop.cli.server import remote

    with _client(given) as asked:
        return remote.queue(asked, over=given.all, limit=given.limit, json=given.json)


def _search_word(parser: ArgumentParser) -> None:
    parser.add_argument("search", metavar="SEARCH", help="id of a search, or the name of the newest one that is called so")


@command("cancel", "end a search of a server; what was finished is kept", _search_word, json_flag, server_flag)
def _cancel(given: Namespace) -> int:
    return _change(given)


@command("pause", "end a search of a server for now", _search_word, json_flag, server_flag)
def _pause(given: Namespace) -> int:
    return _change(given)


@command(
    "resume", "let a search of a server go on that was paused, was cancelled or failed", _search_word, json_flag, server_flag
)
def _resume(given: Namespace) -> int:
    return _change(given)


def _more(parser: ArgumentParser) -> None:
    parser.add_argument("trials", metavar="N", type=whole, help="so many trials more than are planned")


@command("extend", "plan more trials of a search of a server", _search_word, _more, json_flag, server_flag)
def _extend(given: Namespace) -> int:
    from pitprop.cli.server import remote

    with _client(given) as asked:
        search = asked.found(given.search)
        return remote.told(asked, asked.extend(search.id, given.trials), json=given.json)


def _change(given: Namespace) -> int:
    from pitprop.cli.server import remote

    with _client(given) as asked:
        return remote.change(asked, given.search, given.command, json=given.json)


def _mcp_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--write", action="store_true", help="let the assistant submit and change searches too")


@command("mcp", "let an assistant look at the searches of a server (Model Context Protocol)", _mcp_flags, server_flag)
def _mcp(given: Namespace) -> int:
    from pitprop.service.clients import assistant

    return assistant.serve(given.server, write=given.write)
