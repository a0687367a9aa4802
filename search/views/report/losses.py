"""What was stopped and why, by signature; what failed; what was warned of; and what follow-up trials made of remedies."""

from __future__ import annotations

from collections.abc import Iterator

from pitprop.results.reasons import Reason
from pitprop.results.summary import Remedied
from pitprop.study.record import Record
from pitprop.study.story import ending, state
from pitprop.views.report.document import Block, Fold, Section, Span, Spans, Table, Text, plain, said
from pitprop.views.report.material import Material
from pitprop.views.report.words import difference

NAMED = 12
"""So many of the trials that were told the same are named, where a table names them all or none was stopped."""

REMEDIES = 3
"""Up to so many remedies of a signature stand above its trials; more stand beside each."""

OPEN = 12
"""Up to so many stopped trials are shown without a click."""


def section(m: Material) -> Section:
    """Groups of trials that the same signature stopped, each with its reason, epoch and remedy."""
    stopped = [record for record in m.records if record.state == "PRUNED"]
    parked = len(m.summary.parked)
    kinds = {"how pruned": len(stopped) - parked, "how parked": parked}
    how = m.words.listed(m.words.say(key, n=n) for key, n in kinds.items() if n)
    told = m.words.say("stopped", n=len(stopped), all=len(m.records), how=how) if stopped else m.words.say("none stopped")
    blocks: list[Block] = [Text(told)]
    blocks += [_group(m, reason, opened=len(stopped) <= OPEN) for reason in m.summary.pruned]
    blocks += [*_failed(m), *_warned(m)]
    return Section("losses", m.words.text("losses"), tuple(blocks))


def remedies(m: Material, reason: Reason) -> list[tuple[str, list[int]]]:
    """What a signature advised, with the trials that it told so, the most frequent first."""
    told: dict[str, list[int]] = {}
    for number in reason.trials:
        verdict = ending(m.records[number])
        told.setdefault(verdict.remedy if verdict is not None else "", []).append(number)
    return sorted(told.items(), key=lambda item: -len(item[1]))


def _group(m: Material, reason: Reason, *, opened: bool) -> Fold:
    say, text = m.words.say, m.words.text
    told = [(remedy, trials) for remedy, trials in remedies(m, reason) if remedy]
    few = len(told) <= REMEDIES
    blocks: list[Block] = [Text(plain(meaning))] if (meaning := m.words.meaning(reason.signature)) else []
    for remedy, trials in told if few else ():
        whose = m.words.numbers(trials, NAMED)
        blocks.append(Text(say("remedy", remedy=remedy) if len(told) == 1 else say("remedy of", trials=whose, remedy=remedy)))
    alike: dict[tuple[Spans, ...], list[int]] = {}  # trials that are answered from one curve ended alike
    for number in reason.trials:
        alike.setdefault(_row(m, m.records[number], advised=not few), []).append(number)
    head = (text("head trial"), text("head epoch"), text("head state"), text("head reason"))
    rows = tuple((m.words.numbers(trials), *cells) for cells, trials in alike.items())
    blocks.append(Table(head, rows, frozenset({1})))
    key = "group all parked" if reason.parked == reason.trials else "group parked" if reason.parked else "group"
    title = say(key, name=m.name(reason.signature), trials=say("trials", n=len(reason.trials)), parked=len(reason.parked))
    return Fold(title, tuple(blocks), opened)


def _row(m: Material, record: Record, *, advised: bool) -> tuple[Spans, ...]:
    """What stopped a trial, but for its number; ``advised``: with what to change."""
    verdict = ending(record)
    stood = m.words.text(state(record))
    if record.number in m.summary.revived:
        stood = m.words.text("revived as", state=stood, n=m.summary.revived[record.number])
    advice = m.words.say("and remedy", remedy=verdict.remedy) if advised and verdict and verdict.remedy else ()
    step, reason = (str(verdict.step), verdict.reason) if verdict is not None else ("", "")
    return plain(step), plain(stood), (*plain(reason), *advice)


def _failed(m: Material) -> Iterator[Block]:
    text, failed = m.words.text, m.summary.failed
    if not failed:
        return
    rows = [(plain(str(record.number)), plain(str(record.epochs)), plain(record.error or "")) for record in failed]
    head = (text("head trial"), text("head epochs"), text("head error"))
    title = m.words.say("failed title", trials=m.words.say("trials", n=len(failed)))
    yield Fold(title, (Table(head, tuple(rows), frozenset({0, 1})),), opened=len(failed) <= OPEN)


def _warned(m: Material) -> Iterator[Block]:
    text, warned = m.words.text, m.summary.warned
    if not warned:
        return
    head = tuple(text(key) for key in ("head signature", "head trials", "head first", "head remedy"))
    rows = [(m.name(one.signature), m.words.numbers(one.trials, NAMED), plain(one.example), plain(one.remedy)) for one in warned]
    yield Fold(m.words.say("warned title", n=len(warned)), (Table(head, tuple(rows)),))


def followups(m: Material) -> Section:
    """Trials that tried what a verdict or a missed gate named, and whether that helped."""
    text, tried = m.words.text, m.summary.remedied
    known = [one for one in tried if one.gain is not None]
    better = sum(one.gain is not None and one.gain > 0 for one in tried)
    head = tuple(text(key) for key in ("head trial", "follows", "cause", "changed", "gain", "helped"))
    rows = []
    for one in tried:
        cells = (plain(str(one.trial)), plain(str(one.mends)), m.name(one.cause), m.settings(one.changed))
        rows.append((*cells, plain(difference(one.gain)), _helped(m, one)))
    about = m.words.say("followups about", n=len(tried), better=better, known=len(known))
    blocks: list[Block] = [Text(about), _folded(m, Table(head, tuple(rows), frozenset({0, 1, 4})), len(rows))]
    return Section("followups", text("followups"), tuple(blocks))


def _helped(m: Material, one: Remedied) -> Spans:
    record = m.records[one.trial]
    if (verdict := ending(record)) is not None:
        return m.words.say("again stopped", signature=m.name(verdict.signature))
    if one.gain is not None:
        return m.words.say("yes" if one.gain > 0 else "no")
    return m.words.say("now scores" if record.values is not None else "fail" if record.state == "FAIL" else "open")


def _folded(m: Material, table: Table, count: int) -> Block:
    return table if count <= 30 else Fold(m.words.say("list", n=count), (table,))


def everything(m: Material) -> Section:
    """A row for each trial."""
    text = m.words.text
    front = m.space.searches_stopping
    head = [text("head trial"), text("head state"), m.metric, text("head epochs"), text("head params"), text("head note")]
    rows = []
    for record in m.records:
        values = record.values
        epochs = values[1] if front and values else record.epochs
        shown = plain("" if values is None else f"{values[0]:.4f}")
        cells = (plain(str(record.number)), m.words.say(state(record)), shown, plain(f"{epochs:g}"))
        rows.append((*cells, m.settings(m.drawn(record)), m.words.listed(_notes(m, record))))
    table = Table(tuple(head), tuple(rows), frozenset({0, 2, 3}))
    return Section("trials", text("trials-all"), (_folded(m, table, len(rows)),))


def _notes(m: Material, record: Record) -> Iterator[Spans]:
    say = m.words.say
    if record.baseline is not None:
        yield say("baseline note", name=record.baseline)
    if record.revives is not None:
        yield say("continues note", n=record.revives)
    if record.remedy_of is not None:
        yield say("mends note", n=record.remedy_of, cause=said(m.name(record.cause)))
    if (verdict := ending(record)) is not None:
        yield m.name(verdict.signature)
    if record.error:
        yield (Span(record.error),)
