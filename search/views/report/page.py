"""The whole report, section by section: the answer first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitprop.results.summary import Summary
from pitprop.space import Space
from pitprop.study.record import Record
from pitprop.views.report import advice, answer, costs, curves, landscape, losses, making, standing
from pitprop.views.report.document import Page, Spans, code
from pitprop.views.report.material import Material, gather
from pitprop.views.report.words import Words

if TYPE_CHECKING:
    from pitprop.results.confirmation import Confirmation


def page(space: Space, records: Sequence[Record], summary: Summary, confirmation: Confirmation | None, lang: str = "en") -> Page:
    """What the report says, in one of the languages of `pitprop.views.report.words`."""
    words = Words(lang)
    m = gather(space, records, summary, confirmation, words)
    sections = [
        answer.section(m),
        standing.section(m),
        *([landscape.front(m)] if space.searches_stopping and summary.best else []),
        advice.section(m),
        costs.section(m),
        curves.section(m),
        losses.section(m),
        *([losses.followups(m)] if summary.remedied else []),
        landscape.section(m),
        losses.everything(m),
        making.section(m),
    ]
    title = words.text("title", name=space.name)
    return Page(lang, title, space.question, _facts(m), words.text("contents"), tuple(sections))


def _facts(m: Material) -> Spans:
    """How the study stands, in a line."""
    words, states, parked = m.words, m.summary.states, len(m.summary.parked)
    counts = {"complete": states["COMPLETE"], "pruned": states["PRUNED"] - parked, "parked": parked, "fail": states["FAIL"],
              "running": states["RUNNING"]}  # fmt: skip
    shown = words.listed(words.say("count", n=n, state=words.say(word)) for word, n in counts.items() if n)
    facts = words.say(
        "facts",
        done=sum(states.values()),
        target=m.summary.target,
        counts=shown,
        trainer=code(m.space.trainer.rpartition(".")[2] if "/" not in m.space.trainer else m.space.trainer.rpartition("/")[2]),
        metric=code(m.metric),
        goal=words.say(m.space.objective.goal),
    )
    return words.paragraph([facts, _when(m)])


def _when(m: Material) -> Spans:
    starts = [record.started for record in m.records if record.started]
    ends = [record.ended for record in m.records if record.ended]
    if not starts or not ends:
        return ()
    start, end = (datetime.fromtimestamp(at, UTC) for at in (min(starts), max(ends)))
    short = "%H:%M" if start.date() == end.date() else "%Y-%m-%d %H:%M"
    return m.words.say("when", start=f"{start:%Y-%m-%d %H:%M}", end=end.strftime(short))
