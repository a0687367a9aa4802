"""Ask a server: submit a search, look at it, follow it, change it. Each prints what the commands of this machine would."""

from __future__ import annotations

import json as lines
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import Any

from pitprop.cli.output import print_command, print_json
from pitprop.errors import UserError
from pitprop.messages import N_, _, ngettext
from pitprop.service import inventory, models
from pitprop.service.clients.client import Client, ServerError
from pitprop.views import words
from rich.console import Console
from rich.markup import escape
from rich.table import Table

OVER = ("done", "failed", "cancelled")
CONSOLES = {"complete": "green", "pruned": "yellow", "parked": "cyan", "waiting": "cyan"}


def client(url: str | None) -> Client:
    """A client of the server that is named, or of that of the environment."""
    return Client(url)


def refuse(flags: Sequence[str], url: str) -> None:
    """`UserError` if a flag was given that says how to train on this machine, by the name of its value."""
    if flags:
        text = _("--{flag} is for what trains on this machine, and {server} is asked: leave it out, or name the folder by --runs")
        raise UserError(text.format(flag=flags[0].replace("_", "-"), server=url))


def submit(asked: Client, space: str, uploads: Sequence[str], given: Mapping[str, Any]) -> models.Search:
    """Sends files, and queues a space: a file that is there, or else a name of the server's catalogue."""
    path = Path(space).expanduser()
    if not path.is_file() and (path.suffix in (".yaml", ".yml") or "/" in space):
        raise UserError(_("there is no file {path}").format(path=space))
    for name in uploads:
        asked.upload(Path(name).expanduser())
    return asked.submit(path if path.is_file() else space, **given)


def told(asked: Client, search: models.Search, *, json: bool) -> int:
    """What has become of a search that was submitted or changed, and how to follow it."""
    if json:
        print_json(search.model_dump(mode="json"))
        return 0
    console = Console()
    console.print(_line(search), highlight=False, soft_wrap=True)
    verb = N_("Its status:") if search.state in OVER else N_("Follow it:")
    print_command(console, _(verb), _command(asked, "status" if search.state in OVER else "watch", search.id))
    return 0


def change(asked: Client, word: str, verb: str, *, json: bool) -> int:
    """Cancels, pauses or resumes a search."""
    search = asked.found(word)
    changes = {"cancel": asked.cancel, "pause": asked.pause, "resume": asked.resume}
    return told(asked, changes[verb](search.id), json=json)


def queue(asked: Client, *, over: bool, limit: int, json: bool) -> int:
    """The searches of a server, the newest first."""
    found = list(asked.searches([] if over else [state for state in models.STATES if state not in OVER], most=limit))
    silence = asked.silence()
    if json:
        print_json({"searches": [one.model_dump(mode="json") for one in found], "silence": _dumped(silence)})
        return 0
    _print_silence(silence)
    if not found:
        print(_("no search waits or runs") if not over else _("there is no search yet"))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in (_("id"), _("name"), _("owner"), _("state"), _("trials"), _("best"), _("begins or ends")):
        table.add_column(name)
    for one in found:
        progress = one.progress
        score = words.score(progress.score) if progress is not None and progress.score is not None else ""
        begun = f"{progress.over}/{progress.target}" if progress is not None else f"0/{one.trials}"
        state = words.listed([_(models.STATES[one.state]), *_confirming(one.confirming)])
        table.add_row(one.id, escape(one.name), escape(one.owner), state, begun, score, _when(one))
    Console().print(table)
    return 0


def status(asked: Client, word: str, *, full: bool, json: bool) -> int:
    """How a search stands: its state, and what its study says."""
    search = asked.search(asked.found(word).id)
    if json:
        answer = search.answer
        told = dict(answer.summary) if answer is not None else {}
        about = search.model_dump(mode="json", exclude={"answer", "space"})
        print_json({**told, "search": about, "silence": _dumped(asked.silence())})
        return 0
    console = Console()
    console.print(_line(search), highlight=False, soft_wrap=True)
    if search.state not in OVER:
        _print_silence(asked.silence())
    _print_answer(asked, console, search, full=full)
    if search.state not in OVER:
        print_command(console, _("Follow it:"), _command(asked, "watch", search.id))
    elif not full:
        print_command(console, _("Every reason, warning and interval:"), _command(asked, "status", search.id, "--full"))
    return 0


def watch(asked: Client, word: str, *, json: bool) -> int:
    """Prints what happens in a search, a line each, until it does nothing by itself any more; then the answer.

    The exit code is 1 if it has failed or was cancelled. Leaving with Ctrl-C leaves the search as it is.
    """
    search, console, confirmed = asked.found(word), Console(), models.Confirming()
    try:
        for event in asked.followed(search.id):
            if json:
                print(lines.dumps(event.model_dump(mode="json")), flush=True)
            elif event.kind == "progress":
                now = models.Progress.model_validate(event.body).confirming
                if now is not None and now.trainings and now != confirmed:
                    confirmed = now
                    console.print(words.styled("dim", words.confirming(now.over, now.trainings)), highlight=False, soft_wrap=True)
            else:
                for line in _told(event, search.progress.unit if search.progress is not None else "epochs"):
                    console.print(line, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        print("pitprop: " + _("the search goes on: {command} follows it again").format(
            command=_command(asked, "watch", search.id)), file=sys.stderr)  # fmt: skip
        return 130
    search = asked.search(search.id)
    if not json:
        _print_answer(asked, console, search, full=False)
    return 1 if search.state in ("failed", "cancelled") else 0


def _dumped(silence: inventory.Silence | None) -> dict[str, Any] | None:
    return silence.model_dump(mode="json") if silence is not None else None


def _print_silence(silence: inventory.Silence | None) -> None:
    """That the server cannot say which drivers run, if it cannot."""
    if silence is not None:
        Console().print(_silent(silence.since, silence.said), highlight=False, soft_wrap=True)


def _silent(since: float, said: str) -> str:
    text = _("since {time} {said}").format(time=f"{datetime.fromtimestamp(since):%Y-%m-%d %H:%M}", said=said)
    return words.styled("yellow", text)


def _print_answer(asked: Client, console: Console, search: models.Search, *, full: bool) -> None:
    if search.progress is None:
        return
    with suppress(ServerError):  # it has no trial yet
        text = asked.answer(search.id, width=console.width, colour=console.is_terminal, full=full)
        print(text, end="", flush=True)


def _line(search: models.Search) -> str:
    """``rates (k3m9x2) queued: 2 before it, begins at about 14:05``."""
    colour = {"failed": "red", "done": "green", "running": "green"}.get(search.state, "yellow")
    head = f"[bold]{escape(search.name)}[/] ({search.id})  [{colour}]{_(models.STATES[search.state])}[/]"
    parts = [*([escape(search.reason)] if search.reason else []), *_confirming(search.confirming)]
    if search.state not in OVER:
        ahead = search.estimate.ahead
        parts += [_("{n} before it").format(n=ahead)] if search.state == "queued" and ahead is not None else []
        parts += [when] if (when := _when(search)) else []
    return head + (f": {words.listed(parts)}" if parts else "")


def _confirming(found: models.Confirming | None) -> list[str]:
    """How far a confirmation is, if there is one."""
    return [words.confirming(found.over, found.trainings)] if found is not None else []


def _when(search: models.Search) -> str:
    """When it is likely to begin, or to end; nothing where that is not known."""
    if search.state == "queued" and search.estimate.start is not None:
        return _("begins at about {time}").format(time=_clock(search.estimate.start))
    if search.state not in OVER and search.estimate.end is not None:
        return _("ends at about {time}").format(time=_clock(search.estimate.end))
    return _("ended {time}").format(time=_clock(search.ended)) if search.ended is not None else ""


def _clock(at: float) -> str:
    then, today = datetime.fromtimestamp(at), datetime.now().date()
    return f"{then:%H:%M}" if then.date() == today else f"{then:%Y-%m-%d %H:%M}"


def _told(event: models.Event, unit: str) -> Iterator[str]:
    """What is printed of an event, in markup."""
    body = event.body
    match event.kind:
        case "trial":
            yield _ended(body, unit)
        case "warned":
            word, where = _("warning"), words.trial(body.get("trial", 0))
            yield f"[yellow]{word}[/] {where}: {escape(str(body.get('signature')))}: {escape(str(body.get('reason')))}"
        case "target":
            text = _("target {name} is reached").format(name=body.get("name"))
            yield words.styled("green", text + f": {words.score(body.get('score'))}, {words.trial(body.get('trial', 0))}")
        case "told":
            yield words.styled("dim", str(body.get("text", "")))
        case "started" | "share":
            text = ngettext("{n} worker trains", "{n} workers train", int(body.get("workers", 1)))
            yield words.styled("dim", text.format(n=body.get("workers", 1)))
        case "silence" if body.get("since") is not None:
            yield _silent(float(body["since"]), str(body.get("said", "")))
        case "silence":
            yield words.styled("dim", _("it is known again which drivers run"))
        case kind if kind in models.STATES:
            reason = str(body.get("reason", ""))
            yield words.styled("bold", _(models.STATES[kind])) + (f": {escape(reason)}" if reason else "")
        case kind if kind in models.CHANGES:
            yield words.styled("dim", str(body.get("reason") or _(models.CHANGES[kind])))


def _ended(body: Mapping[str, Any], unit: str) -> str:
    """How a trial ended, as a search of this machine says it."""
    word, values = str(body.get("state")), body.get("values") or []
    score = f" {words.score(float(values[0]))}" if values and word == "complete" else ""
    head = _("{trial} {state} after {epochs}").format(
        trial=_("trial {n}").format(n=f"{body.get('trial'):>3}"),
        state=f"[{CONSOLES.get(word, 'red')}]{_(words.STATES[word]) if word in words.STATES else escape(word)}[/]{score}",
        epochs=words.budget(int(body.get("epochs", 0)), unit),
    )
    verdict = next((one for one in body.get("verdicts", ()) if one.get("action") != "warn"), None)
    story = f"{verdict['signature']}: {verdict['reason']}" if verdict is not None and word != "complete" else body.get("error")
    story = story or (_("baseline {name}").format(name=body["baseline"]) if body.get("baseline") else "")
    story = story or words.parameters(body.get("params", {}))
    return f"{head}  [dim]{escape(shorten(story, words.LONGEST, placeholder=' …'))}[/]"


def _command(asked: Client, verb: str, *rest: str) -> str:
    """A command for this server; what the environment says needs no flag."""
    import os

    flags = [] if os.environ.get("PITPROP_SERVER", "").rstrip("/") == asked.server else ["--server", asked.server]
    return shlex.join(["pitprop", verb, *rest, *flags])
