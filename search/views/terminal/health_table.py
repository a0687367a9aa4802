"""Print what `pitprop doctor` found on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.health import Check
from pitprop.messages import N_, _, localized, ngettext
from rich.console import Console
from rich.markup import escape
from rich.table import Table

STATES = {"ok": (N_("ok"), "green"), "warn": (N_("warn"), "yellow"), "bad": (N_("bad"), "red")}


def print_checks(console: Console, found: Sequence[Check]) -> None:
    """A line for each, with what to do where something is to be done; then what that comes to."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for fold in (False, False, True):
        table.add_column(overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    before = ""
    for one in found:
        word, colour = STATES[one.state]
        todo = f"\n[dim]{escape(localized(one.do))}[/]" if one.do else ""
        table.add_row(
            "" if one.area == before else escape(_(one.area)), f"[{colour}]{_(word)}[/]", escape(localized(one.said)) + todo
        )
        before = one.area
    console.print(table, highlight=False)
    bad, warned = (sum(one.state == state for one in found) for state in ("bad", "warn"))
    if bad:
        text = ngettext("{n} of these keeps a search from running", "{n} of these keep a search from running", bad)
        console.print(f"[red]{text.format(n=bad)}[/]", highlight=False)
    elif warned:
        text = ngettext("a search can run; {n} line warns", "a search can run; {n} lines warn", warned)
        console.print(f"[yellow]{text.format(n=warned)}[/]", highlight=False)
    else:
        text = _("a search can run")
        console.print(f"[green]{text}[/]", highlight=False)
