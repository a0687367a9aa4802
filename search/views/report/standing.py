"""Where the best trial stands: against every baseline, on fresh seeds, at the targets and at the gates."""

from __future__ import annotations

from collections.abc import Iterator

from pitprop.detection.detect import Bound
from pitprop.space import Baseline
from pitprop.space.stops import Gate, Relative
from pitprop.views.report import fresh
from pitprop.views.report.answer import confirmed
from pitprop.views.report.document import Block, Section, Spans, Table, Text, code, joined, plain
from pitprop.views.report.material import Material, number
from pitprop.views.report.words import difference


def section(m: Material) -> Section:
    """The tables, as far as the space has anything to fill them with."""
    blocks = [*_baselines(m), *_targets(m), *fresh.blocks(m), *_gates(m)]
    return Section("standing", m.words.text("standing"), tuple(blocks))


def _baselines(m: Material) -> Iterator[Block]:
    text = m.words.text
    if not m.space.baselines:
        yield Text(m.words.say("no baselines"))
        return
    told = {one.name: one.mean for one in m.confirmation.baselines if one.scores} if m.confirmation else {}
    head = [text("baseline"), text("kind"), m.metric, *([text("confirmed")] if told else [])]
    rows = []
    for one in m.space.baselines:
        delta = m.summary.delta(m.best, one.name) if m.best is not None else None
        value = m.summary.baselines.get(one.name)
        known = number(value) if value is not None else m.words.say("unknown")
        fresh = [number(told.get(one.name))] if told else []
        rows.append(((code(one.name),), _kind(m, one), known, *fresh, *([plain(difference(delta))] if m.best else [])))
    if m.best is not None:
        head.append(text("difference searched" if told else "difference", trial=m.trial(m.best.number)))
    yield Table(tuple(head), tuple(rows), frozenset(range(2, len(head))))
    yield Text(m.words.say("baselines note"), "note")


def _kind(m: Material, one: Baseline) -> Spans:
    if one.checkpoint:
        return m.words.say("checkpoint")
    if one.run is not None or one.study is not None:
        return m.words.say("run", name=one.run) if one.run is not None else m.words.say("study", name=one.study or "")
    return m.words.say("trained" if one.params is not None else "recorded")


def _targets(m: Material) -> Iterator[Block]:
    text, say = m.words.text, m.words.say
    rows = []
    for target in m.summary.targets:
        told = confirmed(m, target)
        by = say("nobody") if target.trial is None else say("trial", n=target.trial)
        rows.append(((code(target.name),), number(target.value), by, plain("") if told is None else say("yes" if told else "no")))
    if rows:
        yield Table((text("target"), m.metric, text("reached by"), text("is confirmed")), tuple(rows), frozenset({1}))


def _gates(m: Material) -> Iterator[Block]:
    if not m.space.gates:
        return
    head = [m.words.text(key) for key in ("gate", "bound", "action", "met", "missed", "not reached")]
    head += [m.words.text("its value", trial=m.trial(m.best.number))] if m.best is not None else []
    rows = tuple(_gate(m, gate, known) for gate, known in zip(m.space.gates, m.gates(), strict=True))
    yield Text(m.words.say("gates"))
    yield Table(tuple(head), rows, frozenset({3, 4, 5, 6}))


def _gate(m: Material, gate: Gate, known: Bound | None) -> tuple[Spans, ...]:
    """One gate: how many trials of the search met it; nothing is known while its baseline is not done."""
    say, judged = m.words.say, [m.curves[r.number] for r in m.records if r.baseline is None and r.state != "RUNNING"]
    bounds = [
        ("at least", gate.at_least, known.at_least if known else None),
        ("at most", gate.at_most, known.at_most if known else None),
    ]
    shown = m.words.listed(say(word, x=_bound(m, bound, value)) for word, bound, value in bounds if bound is not None)
    cells = m.gate(gate.metric, gate.epoch), shown, say(gate.action)
    reached = sum(known is not None and known.value(curve) is not None for curve in judged)
    missed = sum(known is not None and known.missed(curve) is not None for curve in judged)
    counts = [reached - missed, missed, len(judged) - reached] if known is not None else ["", "", ""]
    best = []
    if m.best is not None:
        value = known.value(m.curves[m.best.number]) if known is not None else None
        fails = known is not None and known.missed(m.curves[m.best.number]) is not None
        best = [joined([number(value), say("missed" if fails else "met")], ", ") if value is not None else plain("")]
    return (*cells, *(plain(str(count)) for count in counts), *best)


def _bound(m: Material, bound: float | Relative, value: float | None) -> Spans:
    """A bound in numbers, and what it hangs on."""
    if not isinstance(bound, Relative):
        return plain(f"{bound:.4g}")
    relative = m.words.say("plus", baseline=code(bound.baseline), plus=difference(bound.plus))
    return relative if value is None else m.words.say("that is", x=f"{value:.4f}", relative=relative)
