"""Print diagnosed trainings on the terminal: the answer first, then why, what next, and which checks were inactive."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from pitprop.detection import signatures
from pitprop.detection.detect import Verdict
from pitprop.logs.diagnosis import ALIKE, Diagnosis, advice, unlike
from pitprop.messages import N_, Message, _, localized, ngettext
from pitprop.telemetry import reports
from pitprop.views import chart, words
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

ROWS, WIDEST = 12, 7
"""Rows and columns of a curve's table."""
MEAN = N_("mean")
"""What stands in front of the number of several epochs that are taken together."""
MOST = 6
"""Curves side by side."""


def print_diagnosis(console: Console, found: Diagnosis, baseline: Mapping[str, float]) -> None:
    """One training; ``baseline`` is what it should beat, by metric."""
    console.print(f"{_answer(found)}  [bold]{escape(found.name)}[/]{escape(_when(found))}", highlight=False)
    _print_verdicts(console, found)
    if found.best:
        _print_curve(console, found, baseline)
    console.print()
    console.print(Padding(_readings(found), (0, 0, 0, 2)))
    console.print()
    for note in _notes(found):
        console.print(f"[dim]{escape(note)}[/]", highlight=False)


def print_comparison(console: Console, found: Sequence[Diagnosis], baseline: Mapping[str, float]) -> None:
    """Several trainings, in the order in which they were named; of many the table comes last. ``baseline`` is to be beaten."""
    head = _("{n} trainings").format(n=len(found)), _("{n} dead").format(n=sum(one.dead for one in found))
    if open_ := sum(one.unjudged is not None for one in found):
        head = head[0], head[1] + _(", {n} that cannot be judged").format(n=open_)
    console.print(f"[bold]{head[0]}[/], {head[1]}\n", highlight=False)
    if len(found) <= MOST:
        console.print(_table(found, baseline))
        for name, values in islice(unlike(found).items(), MOST):
            told = words.listed(f"{one.name} {value}" for one, value in zip(found, values, strict=True) if value)
            console.print(Padding(f"{escape(name)}: {escape(told)}", (0, 0, 0, 2)), highlight=False)
    for one in found:
        if one.verdicts or one.unjudged is not None:
            _print_why(console, one)
    alike = [one for one in found if one.curve and (one.facts.metric, one.unit) == (found[0].facts.metric, found[0].unit)]
    if 1 < len(alike) <= MOST:
        title = _("{metric} by {unit}").format(metric=found[0].facts.metric, unit=_word(found[0].unit))
        console.print(f"\n{escape(title)}", highlight=False)
        console.print(Padding(_curves(alike), (0, 0, 0, 2)))
    names: dict[str, list[str]] = {}
    for one in found:
        for remedy in advice(one):
            names.setdefault(localized(remedy), []).append(one.name)
    for remedy, which in names.items():
        head = _("next"), _("for {names}").format(names=words.listed(which))
        console.print(f"\n[bold]{head[0]}[/] {escape(head[1])}: {escape(remedy)}", highlight=False)
    if len(found) > MOST:  # what comes last is what is seen
        console.print()
        console.print(_table(found, baseline))


def _answer(found: Diagnosis) -> str:
    if found.dead:
        return words.styled("bold red", _("dead"))
    return words.styled("bold green", _("alive")) if found.alive else words.styled("bold yellow", _("cannot judge"))


def _at(found: Diagnosis, step: int) -> str:
    """``epoch 7``, or what else its epochs are."""
    return f"{_unit(found)} {step}"


def _named(found: Diagnosis, name: str, step: int) -> str:
    """``explosion at epoch 7``."""
    return _("{name} at {at}").format(name=name, at=_at(found, step))


def _word(unit: str) -> str:
    """What is called an epoch, in the language in force."""
    return unit.localized() if isinstance(unit, Message) else _(unit)


def _unit(found: Diagnosis) -> str:
    """What to call an epoch in front of its number: the first word of what it is."""
    return _(MEAN if isinstance(found.unit, Message) else found.unit.partition(" ")[0])


def _when(found: Diagnosis) -> str:
    """Of what it died, and when that could have been known; or what was seen of one that lives."""
    spent, ended, total = found.telemetry[-1].step, found.ended, found.facts.budget
    if found.unjudged is not None:
        return f": {localized(found.unjudged)}"
    if ended:
        text = _(": {signature}; could have been known at {at} of {total}").format(
            signature=ended.signature, at=_at(found, ended.step), total=total
        )
        share = words.percent(1 - ended.step / spent)  # of what its log counts: how long each took is not known
        saved = _(", which saves {share} of its {unit}s").format(share=share, unit=_unit(found))
        return text + (saved if ended.step < spent else "")
    if back := next((verdict for verdict in found.verdicts if verdict.ends), None):
        return _(": it recovered; a search would have stopped it at {at} of {total}").format(
            at=_at(found, back.step), total=total
        )
    n = len(found.verdicts)
    seen = ngettext("{n} warning", "{n} warnings", n).format(n=n) if n else _("nothing wrong")
    return _(": {seen} in {spent} of {total} {unit}s").format(seen=seen, spent=spent, total=total, unit=_unit(found))


def _chosen(steps: Sequence[int], must: Iterable[int]) -> list[int]:
    """Up to `ROWS` places in ``steps``, evenly spread, and those of ``must``."""
    spread = {round(i * (len(steps) - 1) / (ROWS - 1)) for i in range(ROWS)} if len(steps) > ROWS else set(range(len(steps)))
    return sorted(spread | {steps.index(step) for step in must if step in steps})


def _number(value: float | None) -> str:
    return "" if value is None else "nan" if math.isnan(value) else f"{value:.4g}"


def _print_verdicts(console: Console, found: Diagnosis) -> None:
    """The one that ended it first and what else would have in a line; then warnings, and gates."""
    also = [verdict for verdict in found.verdicts if found.ended and verdict.ends and verdict is not found.ended]
    for verdict in sorted(found.verdicts, key=lambda one: one is not found.ended):
        if verdict not in also:
            _print_verdict(console, found, verdict)
    if also:
        names = words.listed(_named(found, verdict.signature, verdict.step) for verdict in also)
        console.print(Padding(words.styled("dim", _("also {names}").format(names=names)), (0, 0, 0, 2)), highlight=False)
    for gate, value, missed in found.gates:
        if missed is None:
            word = _("not reached") if value is None else _("passed with {value}").format(value=f"{value:.4g}")
            line = escape(f"{_named(found, gate.metric, gate.epoch)}: {word}")
            console.print("  " + words.styled("green", _("gate")), line, highlight=False)


def _print_verdict(console: Console, found: Diagnosis, verdict: Verdict) -> None:
    color = "red" if verdict is found.ended else "yellow"
    head = f"[{color}]{_(verdict.action)}[/] {escape(_named(found, verdict.signature, verdict.step))}: "
    console.print(Padding(head + escape(localized(verdict.reason)), (0, 0, 0, 2)), highlight=False)
    if verdict.remedy:
        word, text, remedy = _("next"), _("remedy: {remedy}"), escape(localized(verdict.remedy))
        line = f"{words.styled('bold', word)} {remedy}" if verdict.remedy in advice(found) else text.format(remedy=remedy)
        console.print(Padding(line, (0, 0, 0, 4)), highlight=False)


def _print_curve(console: Console, found: Diagnosis, baseline: Mapping[str, float]) -> None:
    """How far it came, against the baseline in all that this names, and the curve."""
    metric, (step, value) = found.facts.metric, found.best or (0, math.nan)
    line = _("{metric} best {value} at {at}, last {last}").format(
        metric=metric, value=f"[bold]{value:.4g}[/]", at=_at(found, step), last=f"{found.curve[-1][1]:.4g}"
    )
    if (known := baseline.get(metric)) is not None:
        line += _(", ") + words.lead((value - known) * found.facts.sign, _("the baseline"), known)
    console.print(f"\n{line}", highlight=False)
    for name, known in baseline.items():
        if name != metric and (here := found.there.get(name)) is not None:
            text = _("{name} {here} there, the baseline {known}: {difference}").format(
                name=name, here=f"{here:.4g}", known=f"{known:.4g}", difference=f"{here - known:+.4f}"
            )
            console.print(f"  {escape(text)}", highlight=False)
    for drawn in chart.lines(found.curve, found.chance, found.ended.step if found.ended else None):
        console.print(f"  {drawn}", style="cyan", highlight=False, soft_wrap=True, markup=False)


def _readings(found: Diagnosis) -> Table:
    """The readings of some epochs, among them the best and that of the verdict."""
    names = list(_columns(found))[:WIDEST]
    table = Table(box=None, pad_edge=False)
    for name in (_unit(found), *names):
        table.add_column(name.replace("val/predicted/", "predicted "), justify="right", overflow="fold")
    must = [found.ended.step if found.ended else 0, found.best[0] if found.best else 0]
    for index in _chosen([epoch.step for epoch in found.telemetry], must):
        epoch = found.telemetry[index]
        table.add_row(str(epoch.step), *(_number(epoch.metrics.get(name)) for name in names))
    return table


def _columns(found: Diagnosis) -> Iterator[str]:
    """The objective, branches, losses, counts of predictions, and what else is looked at."""
    known = sorted({name for epoch in found.telemetry for name in epoch.metrics})
    counts = [name for name in known if name.startswith("val/predicted/")]
    aside = ("val/predicted/", "val/labels/", "val/true_positives/")
    branches = [name for name in known if name.startswith("val/") and name.count("/") == 2 and not name.startswith(aside)]
    names = (found.facts.metric, *branches[:3], "train/loss", "val/loss", "val/auc", *counts[:4], "grad_norm", "lr")
    names = names if found.facts.metric else (*names, *known)  # nothing that is known to matter, so all there is
    yield from (name for name in dict.fromkeys(names) if reports(found.telemetry, name))


def _notes(found: Diagnosis) -> Iterator[str]:
    """What is called an epoch, what was concluded, and which checks are inactive."""
    if found.unit != "epoch":
        yield _("an epoch here is one {unit} of the log, which has {n}").format(
            unit=_word(found.unit), n=found.telemetry[-1].step
        )
    if found.facts.metric:
        more, less = _("judged by {metric}, of which more is better"), _("judged by {metric}, of which less is better")
        yield (more if found.facts.maximize else less).format(metric=found.facts.metric)
    yield from map(localized, found.notes)
    lacking: dict[str, list[str]] = {}
    for name, needs in found.unwatched.items():
        if signatures.action(name) != "warn":
            lacking.setdefault(needs[0].split(" or ")[0], []).append(name)
    only = sum(signatures.action(name) == "warn" for name in found.unwatched)
    parts = [f"{', '.join(names)} ({need})" for need, names in lacking.items()]
    parts += [ngettext("{n} that only warns", "{n} that only warn", only).format(n=only)] if only else []
    if parts:
        yield _("inactive checks, since the log does not report what they read: {checks}").format(checks=words.listed(parts))


def _table(found: Sequence[Diagnosis], baseline: Mapping[str, float]) -> Table:
    """A row for each: the best, what it gains on the baseline, what else the baseline names, and gates."""
    others = [name for name in baseline if any(name != one.facts.metric and reports(one.telemetry, name) for one in found)]
    gates = any(one.gates for one in found)
    table = Table(box=None, pad_edge=False)
    table.add_column(_("training"), overflow="fold", min_width=min(24, max(len(one.name) for one in found)))
    table.add_column("")
    more = [*([_("gain"), *others] if baseline else []), *([_("gates")] if gates else [])]
    mixed = len({one.facts.metric for one in found if one.best}) > 1
    for name in (*([_("objective")] if mixed else []), _("best"), _("at"), _("last"), *more):
        table.add_column(name.removeprefix("val/"), justify="right")
    for one in found:
        best, known = one.best, baseline.get(one.facts.metric)
        cells = [_number(best[1]), str(best[0]), _number(one.curve[-1][1])] if best else ["", "", ""]
        if baseline:
            gain = f"{one.facts.sign * (best[1] - known):+.4f}" if best and known is not None else ""
            cells += [gain, *(_number(one.there.get(name)) for name in others)]
        if gates:
            missed = sum(reason is not None for _gate, _value, reason in one.gates)
            cells.append(_("{n} missed").format(n=missed) if missed else _("passed"))
        own = [escape(one.facts.metric)] if mixed else []
        table.add_row(escape(one.name), _answer(one), *own, *cells)
    return table


def _print_why(console: Console, one: Diagnosis) -> None:
    """What was seen, in a line."""
    own = [verdict for verdict in one.verdicts if not verdict.ends and not verdict.signature.startswith("gate:")]
    warned = [f"{v.signature} ({localized(v.reason)})" if v.signature == ALIKE else v.signature for v in own]
    text = _when(one) if not one.alive else _(": warnings of {names}").format(names=words.listed(warned)) if warned else ""
    missed = [_named(one, f"{gate.metric} {value:.4g}", gate.epoch) for gate, value, reason in one.gates if reason and value]
    text += ("; " if text else ": ") + _("missed {gates}").format(gates=words.listed(missed)) if missed else ""
    if text:
        console.print(Padding(f"[dim]{escape(one.name)}{escape(text)}[/]", (0, 0, 0, 2)), highlight=False)


def _curves(found: Sequence[Diagnosis]) -> Table:
    """The objective of each, by epoch."""
    table = Table(box=None, pad_edge=False)
    table.add_column(_unit(found[0]), justify="right")
    for one in found:
        table.add_column(escape(one.name.rsplit("/", 1)[-1]), justify="right", overflow="fold")
    curves = [dict(one.curve) for one in found]
    steps = sorted({step for curve in curves for step in curve})
    for index in _chosen(steps, [one.best[0] for one in found if one.best]):
        table.add_row(str(steps[index]), *(_number(curve.get(steps[index])) for curve in curves))
    return table
