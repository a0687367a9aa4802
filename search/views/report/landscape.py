"""Where in its space a search is good, and where its trials die."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pitprop.space.distributions import STOPPING
from pitprop.views.report import importance, plots
from pitprop.views.report.axes import Axis, Part, axes, deadly, label
from pitprop.views.report.document import Block, Figure, Section, Spans, Table, Text, Values, code, plain
from pitprop.views.report.material import Material
from pitprop.views.report.svg import evenly
from pitprop.views.report.words import difference, score

SLICES = 12
"""At most so many parameters have a picture of their own."""

TOP = 12
"""At most so many of the best are set off."""

DOTS = 250
"""At most so many trials are drawn in each."""


def section(m: Material) -> Section:
    """What matters, each parameter by itself, and all of them at once."""
    title = m.words.text("space")
    if len(m.ended) < 2:
        return Section("space", title, (Text(m.words.say("not enough")),))
    shares = importance.importances(m.space, m.scored)
    blocks: list[Block] = [Text(m.words.paragraph(mortality(m)), "answer")]
    if shares:
        share = f"{importance.quantile(len(m.scored)):.0%}"
        caption = m.words.say("importance caption", share=share, n=len(m.scored))
        told = "\n".join(f"{part:4.0%}  {name}" for name, part in shares.items())
        blocks.append(Figure("importance", (plots.importance(shares),), caption, told))
    else:
        blocks.append(Text(m.words.say("importance few", n=len(m.scored), least=importance.LEAST), "note"))
    blocks += _pictures(m, sorted(axes(m.space), key=lambda axis: -(shares or {}).get(axis.name, 0.0)))
    return Section("space", title, tuple(blocks))


def parts(m: Material) -> list[Part]:
    """The parts of the space in which trials die more than elsewhere, the worst first.

    Early stopping is no such part: a trial that it ended sooner had less time to be found dead.
    """
    found = (deadly(axis, m.ended) for axis in axes(m.space) if not axis.name.startswith(STOPPING + "."))
    return sorted((part for part in found if part is not None), key=lambda part: -part.excess)


def mortality(m: Material) -> Iterator[Spans]:
    """A sentence for each of them."""
    found = parts(m)
    if not found:
        yield m.words.say("dies evenly" if any(r.state in ("PRUNED", "FAIL") for r in m.ended) else "no deaths")
    for part in found[:3]:
        yield place(m, part, "dies")


def place(m: Material, part: Part, phrase: str) -> Spans:
    """Where that is, in the words of ``phrase``."""
    counts: Values = {
        "n": part.trials,
        "dead": part.dead,
        "rest": part.rest,
        "others": part.others,
        "param": code(part.axis.name),
    }
    if part.axis.choices:
        return m.words.say(f"{phrase} value", value=label(part.axis.choices[part.first]), **counts)
    low, high = map(label, part.bounds)
    return m.words.say(f"{phrase} range", low=low, high=high, **counts)


def _pictures(m: Material, every: Sequence[Axis]) -> Iterator[Block]:
    """Of the most important parameters; a trial that others continue is not drawn beside them."""
    shown, drawn = every[:SLICES], evenly(m.ended, DOTS)
    baselines = [r for r in m.records if r.baseline is not None and r.values]
    caption = [m.words.say("slices caption")]
    caption += [m.words.say("slices some", n=len(every), shown=SLICES)] if len(every) > SLICES else []
    caption += [m.words.say("dots some", n=len(m.ended), shown=DOTS)] if len(m.ended) > DOTS else []
    pictures = tuple(plots.slices(axis, drawn, m.ended, baselines, m.best, m.metric) for axis in shown)
    yield Figure("slices", pictures, m.words.paragraph(caption))
    if len(every) > 1:
        top = sorted(m.scored, key=lambda r: -m.sign * (r.values or (math.nan,))[0])[
            : min(TOP, max(1, round(len(m.scored) / 10)))
        ]
        lines = list({record.number: record for record in (*drawn, *top)}.values())
        yield Figure("parallel", (plots.parallel(shown, lines, top),), m.words.say("parallel caption", top=len(top)))


def front(m: Material) -> Section:
    """Two objectives: what the score costs in epochs."""
    text = m.words.text
    names = list(m.summary.baselines)
    head = (text("head trial"), m.metric, text("head epochs"), *names, text("head params"))
    rows = []
    for record in m.summary.best:
        value, epochs = record.values or (math.nan, math.nan)
        deltas = [plain(difference(m.summary.delta(record, name))) for name in names]
        rows.append((plain(str(record.number)), plain(score(value)), plain(f"{epochs:g}"), *deltas, m.settings(m.drawn(record))))
    shown = evenly([r for r in m.records if r.values and r.baseline is None], DOTS)
    picture = plots.front(shown, m.summary.best, m.summary.baselines, m.metric)
    table = Table(head, tuple(rows), frozenset(range(3 + len(names))))
    return Section("front", text("front"), (Figure("front", (picture,), m.words.say("front caption")), table))
