"""The confirmation in tables and a figure: what fresh seeds say, beside what the search had said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pitprop.views.report.document import Block, Figure, Spans, Table, Text, code, plain
from pitprop.views.report.material import Material, number
from pitprop.views.report.svg import ACCENT, SOFT, WIDTH, bare, render
from pitprop.views.report.words import difference, score, signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper
    from pitprop.results.statistics import Difference


def blocks(m: Material) -> Iterator[Block]:
    """Nothing if there is no confirmation; of one that is under way, what there is."""
    text, told = m.words.text, m.confirmation
    if told is None:
        return
    yield Text(m.words.say("confirmation about", seeds=", ".join(map(str, told.seeds))))
    rows = []
    for one in (*told.candidates, *told.baselines):
        mean = number(one.mean) if one.scores else m.words.say("unknown")
        rows.append((_who(m, one.name, one.trial), number(one.searched), mean, plain("  ".join(map(score, one.scores)))))
    yield Table((text("contender"), text("searched"), text("mean"), text("scores")), tuple(rows), frozenset({1, 2, 3}))
    numbers = {one.name: one.trial for one in told.candidates}
    leads = [(name, against, lead) for name, row in told.differences.items() for against, lead in row.items()]
    if not leads:
        return
    head = tuple(text(key) for key in ("contender", "against", "lead", "interval", "verdict", "detectable"))
    yield Table(
        head,
        tuple(_row(m, _who(m, name, numbers.get(name)), against, lead) for name, against, lead in leads),
        frozenset({2, 3, 5}),
    )
    drawn = [lead for lead in leads if math.isfinite(lead[2].low) and math.isfinite(lead[2].high)]
    if drawn:
        yield Figure("intervals", (_intervals(drawn, m.metric),), m.words.say("intervals caption"))


def _who(m: Material, name: str, trial: int | None) -> Spans:
    """A contender: a trial by its number, a baseline by its name."""
    return (code(name),) if trial is None else m.words.say("trial", n=trial)


def _row(m: Material, who: Spans, against: str, lead: Difference) -> tuple[Spans, ...]:
    target = against.removeprefix("target ")
    other = (code(against),) if target == against else m.words.say("target of", name=code(target))
    between = plain(f"{signed(lead.low)} … {signed(lead.high)}")
    return who, other, plain(difference(lead.mean)), between, m.words.say(lead.verdict), number(lead.detectable)


def _intervals(rows: Sequence[tuple[str, str, Difference]], metric: str) -> str:
    """A line for each contender and baseline, the first on top."""

    def draw(paper: Paper) -> None:
        axes = paper.add_subplot()
        axes.axvline(0, color=SOFT, linewidth=0.8)
        for place, (_, _, one) in enumerate(rows):
            fill = "none" if one.verdict == "not distinguishable" else ACCENT
            axes.plot([one.low, one.high], [place, place], color=ACCENT, linewidth=1.4, solid_capstyle="butt")
            axes.plot([one.mean], [place], "o", markersize=6, markerfacecolor=fill, markeredgecolor=ACCENT)
        axes.set_yticks(range(len(rows)), [f"{name} – {against}" for name, against, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(metric)
        bare(axes)

    return render("intervals", (WIDTH, 0.6 + 0.26 * len(rows)), draw)
