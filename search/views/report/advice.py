"""What to try next: drawn from remedies, missed gates, ends of ranges, parked trials, and what is not yet confirmed."""

from __future__ import annotations

from collections.abc import Iterator

from pitprop.detection import life
from pitprop.detection.facts import Facts
from pitprop.space.leaf import STOPPING
from pitprop.study.story import warnings
from pitprop.views.report.answer import confirmed
from pitprop.views.report.axes import axes
from pitprop.views.report.document import Items, Section, Spans, Text, Values, code
from pitprop.views.report.landscape import parts, place
from pitprop.views.report.losses import remedies
from pitprop.views.report.material import Material
from pitprop.views.report.words import parameter, score

EDGE = 0.05
"""The best lies at the end of a range if it is within this share of it."""

REMEDIES = 3
"""The remedies of so many signatures are repeated."""

OFTEN = 0.05
"""A signature that stopped a smaller share of the trials is no pattern, unless it is the only one."""


def section(m: Material) -> Section:
    """A numbered list, the most useful first."""
    items = [*_finish(m), *_widen(m), *_gates(m), *_remedies(m), *_suggested(m), *_avoid(m), *_revive(m), *_warned(m), *_more(m)]
    block = Items(tuple(items)) if items else Text(m.words.say("nothing next"))
    return Section("advice", m.words.text("advice"), (block,))


def _finish(m: Material) -> Iterator[Spans]:
    """What is under way, or not yet sure."""
    say, name = m.words.say, m.space.name
    if m.summary.states["RUNNING"]:
        yield say("do wait", command=code(f"make search SPACE={name}"))
    if m.best is not None and m.confirmation is None:
        yield say("do confirm", command=code(f"make confirm SPACE={name}"))
    told = m.confirmation.differences.get(m.winner.name, {}) if m.confirmation is not None and m.winner is not None else {}
    for baseline, one in told.items():
        if one.verdict == "not distinguishable" and m.confirmation is not None and not baseline.startswith("target "):
            seeds = len(m.confirmation.seeds)
            yield say("do more seeds", baseline=code(baseline), n=seeds, seeds=seeds, detectable=score(one.detectable))
    for target in m.summary.targets:
        if m.best is not None and m.best.values and target.trial is None and not confirmed(m, target):
            yield say("do target", name=code(target.name), delta=score(abs(target.value - m.best.values[0])))


def _widen(m: Material) -> Iterator[Spans]:
    """Ranges at whose end the best lies; one that ends at 0 mostly cannot be any wider."""
    for axis in axes(m.space) if m.best is not None else ():
        value = m.best.params.get(axis.name) if m.best is not None else None
        at = axis.at(value)
        if axis.choices or at is None or EDGE < at < 1 - EDGE or (at <= EDGE and axis.low == 0):
            continue
        key, end = ("do widen low", axis.low) if at <= EDGE else ("do widen high", axis.high)
        yield m.words.say(key, param=code(axis.name), value=parameter(value), end=f"{end:g}")


def _gates(m: Material) -> Iterator[Spans]:
    if m.best is None:
        return
    for gate in m.gates():
        if gate is not None and gate.missed(m.curves[m.best.number]):
            key = "do gate" if gate.remedy else "do gate bare"
            yield m.words.say(key, gate=m.gate(gate.metric, gate.epoch), remedy=gate.remedy)


def _remedies(m: Material) -> Iterator[Spans]:
    """What the signatures advise that stopped most; and failures."""
    for place_, reason in enumerate(m.summary.pruned[:REMEDIES]):
        remedy = remedies(m, reason)[0][0]
        if remedy and (not place_ or len(reason.trials) >= OFTEN * len(m.records)):
            counts: Values = {"n": len(reason.trials), "all": len(m.records)}
            yield m.words.say("do remedy", name=m.name(reason.signature), remedy=remedy, **counts)
    if m.summary.failed:
        yield m.words.say("do fail", n=len(m.summary.failed), error=m.summary.failed[0].error or "")


def _suggested(m: Material) -> Iterator[Spans]:
    """Changes that verdicts name and nobody has tried."""
    decode = {leaf.name: leaf.decode for leaf in m.space.leaves}
    for one in m.summary.suggested[:REMEDIES]:
        change = {name: decode[name](value) for name, value in one.change.items()}
        yield m.words.say("do change", trial=one.remedy_of, change=m.settings(change), cause=m.name(one.cause))
    if m.summary.suggested:
        yield m.words.say("do try", n=len(m.summary.suggested), setting=code("remedies: try"))


def _avoid(m: Material) -> Iterator[Spans]:
    """The worst part of the space, where at least three in four died."""
    for part in parts(m)[:1]:
        inside = part.axis.cell((m.best.params if m.best is not None else {}).get(part.axis.name))
        if part.dead >= 0.75 * part.trials and not (inside is not None and part.first <= inside <= part.last):
            yield place(m, part, "do avoid")


def _revive(m: Material) -> Iterator[Spans]:
    """The parked trial that had shown most when it was stopped; none that showed nothing."""
    facts = Facts(m.space.epochs, m.metric, m.sign > 0)
    promises = {number: life.promise(m.curves[number], facts) for number in m.summary.revivable if m.curves[number]}
    able = {number: promise for number, promise in promises.items() if promise > 0}
    if able and STOPPING not in m.records[max(able)].params:
        number = max(able, key=lambda one: able[one])
        yield m.words.say("do revive", command=code(f"pitprop revive {m.space.name} {number}"))


def _warned(m: Material) -> Iterator[Spans]:
    """What was said of the best trial itself; gates are told of above."""
    for verdict in warnings(m.best) if m.best is not None else ():
        if verdict.remedy and not verdict.signature.startswith("gate:"):
            yield m.words.say("do warned", name=m.name(verdict.signature), remedy=verdict.remedy)


def _more(m: Material) -> Iterator[Spans]:
    """More trials, where the best came in the last fifth of them."""
    total = len(m.records)
    if m.best is not None and m.summary.finished and total >= 10 and m.best.number >= 0.8 * total and m.winner is None:
        command = code(f"make search SPACE={m.space.name} TRIALS=+20")
        yield m.words.say("do more", trial=m.best.number, n=total, command=command)
