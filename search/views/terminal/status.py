"""Print what a study says on the terminal: what was stopped, and the answer last. The report says the same at length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pitprop.messages import _, localized, ngettext
from pitprop.results.summary import Reason
from pitprop.space import Space
from pitprop.study.stored import Known
from pitprop.views import words
from pitprop.views.content import Content
from pitprop.views.report import markdown
from pitprop.views.terminal.front_table import print_front
from pitprop.views.terminal.markdown_table import WholeMarkdown
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.theme import Theme

FAILED_SHOWN = 3
SIGNATURES_SHOWN = 4
PARKED_SHOWN = 12
THEME = Theme({"markdown.code": "cyan", "markdown.table.border": "dim", "markdown.table.header": "bold"})


def print_status(console: Console, content: Content, *, full: bool = False) -> None:
    """The end of a search, or `pitprop status`: what was stopped, in a few lines, and the answer last; all of it if ``full``."""
    summary = content.summary
    done = _("{done} of {target} trials: {counts}").format(
        done=len(content.records), target=summary.target, counts=words.counts(summary)
    )
    console.print(f"\n[bold]{escape(summary.space.name)}[/]  {done}", highlight=False)
    print_known(console, content.knows)
    if summary.saved > 0:
        saved = _("{saved} of {epochs} saved ({share})").format(
            saved=summary.saved,
            epochs=words.budget(summary.budget, summary.space.unit),
            share=words.percent(summary.saved, summary.budget),
        )
        console.print(saved, highlight=False)
    if summary.left_out.patience:
        spared = words.budget(summary.left_out.patience, summary.space.unit)
        console.print(_("early stopping left out {epochs} more").format(epochs=spared), highlight=False)
    if content.advice.alike:
        console.print(words.styled("yellow", escape(content.advice.alike)), highlight=False)
    for one in content.advice.barred:
        console.print(escape(one), highlight=False)
    if full:
        _print_reasons(console, content)
    else:
        _print_counts(console, content)
    if codes := words.codes(content.records):
        console.print(words.styled("yellow", codes), highlight=False)
    print_failed(console, content, full=full)
    if content.advice.exhausted:
        console.print(_("Every trial that the space allows has been trained."), highlight=False)
    if full:
        print_confirmation(console, content)
    shown = ["effects"] if full or content.ablation is not None else []
    print_sections(console, content, "answer", *shown)
    if content.front is not None:
        print_front(console, content.front, full=full)


def _print_counts(console: Console, content: Content) -> None:
    """How many trials each signature stopped, and how many it warned of, in a line each."""
    for title, reasons in ((_("stopped by"), content.summary.pruned), (_("warned of"), content.summary.warned)):
        if reasons:
            shown = [f"{words.signature(one.signature)} {len(one.trials)}" for one in reasons[:SIGNATURES_SHOWN]]
            rest = len(reasons) - len(shown)
            shown += [_("{n} more").format(n=rest)] if rest else []
            console.print(f"{title}: {escape(words.listed(shown))}", style="dim", highlight=False)


def _print_reasons(console: Console, content: Content) -> None:
    """Why trials were stopped and warned of, with the remedies, and what became of those that were tried."""
    summary = content.summary
    if summary.remedied:
        print_sections(console, content, "followups")
    if summary.pruned:
        title = _("Pruned or parked") if summary.parked else _("Pruned")
        console.print(_reasons(title, summary.pruned, summary.revived))
    if summary.warned:
        console.print(_reasons(_("Warnings"), summary.warned, {}))
    if content.advice.suggested:
        for number, change, _cause in content.advice.suggested:
            text = _("Next: run {trial} again with {change} (automatic with `remedies: try`)")
            line = text.format(trial=words.trial(number), change=words.parameters(change))
            console.print(words.styled("dim", line), highlight=False)


def print_failed(console: Console, content: Content, *, full: bool) -> None:
    """Where trials failed, and why: a sentence for those of one part of the space, else one for each trial."""
    if any(group.part for group in content.failing):
        print_sections(console, content, "failing")
    placed = {record.number for group in content.failing if group.part for record in group.trials[1:]}
    failed = [record for record in content.summary.failed if record.number not in placed]
    shown = failed if full else failed[:FAILED_SHOWN]
    for record in shown:
        line = f"{words.trial(record.number)}: {localized(record.error) or ''}"
        console.print(words.styled("red", _("failed")), escape(line), highlight=False)
    if more := len(failed) - len(shown):
        line = ngettext("… and {n} more failed; {command} lists all", "… and {n} more failed; {command} lists all", more)
        command = content.command("status", "--full")
        console.print(escape(line.format(n=more, command=command)), highlight=False, soft_wrap=True)


def print_confirmation(console: Console, content: Content) -> None:
    """What fresh seeds show: each mean beside the value of the search, and the leads over baselines."""
    if content.confirmation is not None:
        n = len(content.confirmation.seeds)
        head = ngettext("Confirmed on {n} fresh seed", "Confirmed on {n} fresh seeds, the same for all", n).format(n=n)
        console.print(f"\n[bold]{head}[/]", highlight=False)
        print_sections(console, content, "confirmation")


def print_sections(console: Console, content: Content, *names: str) -> None:
    """Sections of the report by the name of their block."""
    with console.use_theme(THEME):
        console.print(WholeMarkdown(markdown.section(content, *names)))


def print_known(console: Console, known: Iterable[Known]) -> None:
    """A line for each source of trials that the sampler knows and that are none of the search."""
    for one in known:
        console.print(words.styled("dim", words.knows(one)), highlight=False, soft_wrap=True)


def print_notes(console: Console, space: Space) -> None:
    """What is done otherwise than the space asks for, a sentence each."""
    for note in space.notes:
        console.print(words.styled("yellow", localized(note)), highlight=False, soft_wrap=True)


def print_inactive(console: Console, space: Space) -> None:
    """One line on how many signatures are off, as the trainer does not report what they read; nothing if none is."""
    from pitprop.detection import signatures

    if n := len({name for name, _reading in space.unwatched()}):
        line = ngettext(
            "{n} of {all} checks is off: the trainer does not report what it needs (pitprop list)",
            "{n} of {all} checks are off: the trainer does not report what they need (pitprop list)",
            n,
        ).format(n=n, all=len(signatures.names()))
        console.print(words.styled("dim", line), highlight=False)


def _reasons(title: str, reasons: Iterable[Reason], revived: Mapping[int, int]) -> Table:
    """For each signature that spoke: of how many trials, what it said of the first, and what to change in that one."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column(_("trials"), justify="right")
    table.add_column(_("signature, and why in the first of them"), overflow="fold")
    continued = _("{n} (continued as {other})")
    for reason in reasons:
        first = f" ({words.trial(reason.trials[0])})"
        example = localized(reason.example) + first
        lines = [f"[bold]{escape(words.signature(reason.signature))}[/]: {escape(example)}"]
        if reason.remedy:
            lines.append(words.styled("dim", _("remedy: {remedy}").format(remedy=localized(reason.remedy)) + first))
        parked = [continued.format(n=n, other=revived[n]) if n in revived else str(n) for n in reason.parked]
        if len(parked) > PARKED_SHOWN:
            parked[PARKED_SHOWN:] = [_("{n} more").format(n=len(parked) - PARKED_SHOWN)]
        lines += [words.styled("cyan", _("parked: {trials}").format(trials=words.listed(parked)))] if parked else []
        table.add_row(str(len(reason.trials)), "\n".join(lines))
    return table
