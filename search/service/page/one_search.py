"""What the page shows of one search: how far it is, what happened last, curves, where trainings die, and the answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup
from pitprop import messages, telemetry
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service import models
from pitprop.service.database.ledger import LIVE, Entry, Told
from pitprop.service.http.dependencies import Service
from pitprop.service.page import drawing
from pitprop.service.page.templates import markdown
from pitprop.study.record import Record, State
from pitprop.views import landscape, words
from pitprop.views.content import Content
from pitprop.views.report.markdown import section

EVENTS, CURVES, AXES, SHOWN = 40, 16, 6, 500
"""So many of the last events, of curves, of parameters, and of trials along each of these are shown."""
OVER = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class News:
    """An event in words: when it was, what it is about, and why."""

    at: float
    what: str
    why: str
    kind: str
    """``stopped``, ``complete``, ``failed``, ``warned`` or ``note``."""


@dataclass(frozen=True, slots=True)
class Range:
    """A searched parameter, its ends, and its trials along it."""

    name: str
    ends: Sequence[str]
    """What stands below it: its ends, or its ``choices``."""
    choices: bool
    strip: Markup


@dataclass(frozen=True, slots=True)
class Study:
    """What is shown of a study."""

    answer: Markup
    deadly: Markup
    ranges: Sequence[Range]
    curves: Markup
    revivable: Sequence[int]
    confirmable: bool
    confirmed: bool
    """Whether fresh seeds chose the trial to take, which need not be the best of the search."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A search as the page shows it; ``stamp`` changes when it does."""

    search: models.Search
    news: Sequence[News]
    study: Study | None
    stamp: str

    @property
    def may(self) -> list[str]:
        """What can be done with it by a button alone."""
        state = self.search.state
        may = {
            "pause": state in ("queued", "running"),
            "resume": state in ("paused", "cancelled", "failed"),
            "cancel": state in ("queued", "running", "paused", "pausing"),
        }
        return [verb for verb, able in may.items() if able]

    @property
    def over(self) -> bool:
        """Whether nothing happens by itself any more."""
        return self.search.state in (*OVER, "paused")


def stamp(parts: Service, entry: Entry) -> str:
    """What changes with anything that is shown; looking for it reads no study."""
    sizes = [file.stat().st_size for file in _growing(parts, entry)]
    seen = (entry.events, entry.state, entry.progress, entry.trials, entry.share, entry.reason, sizes, messages.language())
    return hashlib.sha256(json.dumps(seen, default=str).encode()).hexdigest()[:16]


def seen(parts: Service, entry: Entry, search: models.Search) -> Seen:
    """All that is shown of a search."""
    events = parts.store.events(entry.id, max(0, entry.events - EVENTS), EVENTS)
    unit = search.progress.unit if search.progress is not None else "epochs"
    news = [found for one in reversed(events) for found in _news(replace(one, body=messages.told(one.body)), unit)]
    return Seen(search, news, _study(parts, entry), stamp(parts, entry))


def _growing(parts: Service, entry: Entry) -> Iterator[Any]:
    """The curves of the trials that began last, while a driver may write them."""
    if entry.state in ("running", "pausing", "cancelling"):
        folder = parts.places.study_folder(entry)
        begun = sorted((one for one in folder.glob("[0-9]*") if one.is_dir()), reverse=True)[:CURVES] if folder.is_dir() else []
        yield from (file for one in begun if (file := telemetry.file(one)).exists())


def _study(parts: Service, entry: Entry) -> Study | None:
    if entry.progress is None:
        return None
    try:
        content = parts.reader.content(entry)
    except UserError:  # it has no trial yet, or cannot be read: the page of the search says which
        return None
    return Study(
        answer=markdown(section(content, "answer")),
        deadly=markdown(section(content, "deadly")) if len(content.ended) > 1 else Markup(""),
        ranges=_ranges(content),
        curves=_curves(content, live=entry.state in LIVE),
        revivable=sorted({*content.summary.revivable, *content.summary.waiting}),
        confirmable=bool(content.summary.best),
        confirmed=content.winner is not None,
    )


def _ranges(content: Content) -> list[Range]:
    found = []
    for axis in landscape.axes(content.space)[:AXES]:
        dots = [
            drawing.Dot(_spread(axis, at, record.number), record.number, landscape.died(record))
            for record in content.ended[-SHOWN:]
            if (at := axis.at(record.params.get(axis.name))) is not None
        ]
        if dots:
            dead = sum(dot.died for dot in dots)
            said = _("{name}: {n} trials, of which {dead} died").format(name=axis.name, n=len(dots), dead=dead)
            ends = axis.choices or (axis.low, axis.high)
            found.append(Range(axis.name, [landscape.label(one) for one in ends], bool(axis.choices), drawing.strip(dots, said)))
    return found


def _spread(axis: landscape.Axis, at: float, number: int) -> float:
    """Where a trial is drawn: those of one choice beside each other."""
    return at + (number * 0.618 % 1 - 0.5) * 0.7 / len(axis.choices) if axis.choices else at


def _curves(content: Content, *, live: bool) -> Markup:
    """The best trial, those that run, or did when the driver ended that was ``live``, and the last that ended."""
    best, metric = content.best, content.space.objective.metric
    running = [one for one in content.records if one.state == State.RUNNING]
    ended = [one for one in reversed(content.records) if one.state != State.RUNNING and one is not best]
    chosen = [*([best] if best is not None else []), *running, *ended][:CURVES]
    kinds: Mapping[str, str] = {State.RUNNING: "running", State.COMPLETE: "ended"}

    def line(record: Record) -> drawing.Line:
        curve = telemetry.read(telemetry.file(record.folder))
        points = [(epoch.step, epoch.metrics[metric]) for epoch in curve if metric in epoch.metrics]
        kind = "best" if record is best else kinds.get(record.state, "stopped")
        left = record.state == State.RUNNING and not live
        name = words.listed([words.trial(record.number), _("interrupted") if left else words.standing(record)])
        return drawing.Line(name, kind, drawing.finite(points))

    lines = [line(record) for record in chosen]
    said = _("{metric} by {unit} of {n} trials").format(metric=metric, unit=words.unit_of(content.space, 1), n=len(lines))
    maximize = content.space.objective.goal == "maximize"
    return drawing.curves(lines, metric, words.unit_of(content.space, 1), said, maximize=maximize)


def _news(event: Told, unit: str) -> Iterator[News]:
    tell: Callable[[Told, str], News] | None = {"trial": _trial, "warned": _warned}.get(event.kind)
    body = event.body
    if tell is not None:
        yield tell(event, unit)
    elif event.kind in models.STATES:
        kind = "failed" if event.kind == "failed" else "note"
        yield News(event.at, _(models.STATES[event.kind]), str(body.get("reason", "")), kind)
    elif event.kind == "target":
        text = _("target {name} is reached").format(name=body.get("name"))
        score = _("{score} by {trial}").format(score=words.score(body.get("score")), trial=words.trial(body.get("trial", 0)))
        yield News(event.at, text, score, "complete")
    elif event.kind == "told":
        yield News(event.at, str(body.get("text", "")), "", "failed" if body.get("dead") else "note")
    elif event.kind in ("started", "share"):
        text = messages.ngettext("{n} worker trains", "{n} workers train", int(body.get("workers", 1)))
        yield News(event.at, text.format(n=body.get("workers", 1)), "", "note")
    elif event.kind in models.CHANGES:
        yield News(event.at, _(models.CHANGES[event.kind]), str(body.get("reason", "")), "note")


def _trial(event: Told, unit: str) -> News:
    body = event.body
    word, values = str(body.get("state")), body.get("values") or []
    verdict = next((one for one in body.get("verdicts", ()) if one.get("action") != "warn"), None)
    what = _("{trial} {state} after {epochs}").format(
        trial=words.trial(body["trial"]),
        state=_(words.STATES.get(word, word)),
        epochs=words.budget(int(body.get("epochs", 0)), unit),
    )
    if word == "complete":
        score = words.score(float(values[0])) if values else ""
        return News(event.at, f"{what} {score}".strip(), words.parameters(body.get("params", {})), "complete")
    if verdict is None:
        return News(event.at, what, str(body.get("error") or ""), "failed")
    return News(event.at, what, f"{words.signature(verdict['signature'])}: {verdict['reason']}", "stopped")


def _warned(event: Told, _unit: str) -> News:
    body = event.body
    what = _("{trial}: warning").format(trial=words.trial(body.get("trial", 0)))
    return News(event.at, what, f"{words.signature(str(body.get('signature')))}: {body.get('reason')}", "warned")
