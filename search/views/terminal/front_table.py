"""Print the Pareto front of a study on the terminal: a line for each trial with its values, and what it is below."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.messages import _, ngettext
from pitprop.views import words
from pitprop.views.front import Front, Member
from rich.console import Console
from rich.markup import escape
from rich.table import Table

SHOWN = 6
"""So many trials of a front are shown, evenly from one end to the other, unless all of it is asked for."""


def print_front(console: Console, front: Front, *, full: bool = False) -> None:
    """The front with its values in the search and, where it was confirmed, the means on fresh seeds; baselines last."""
    members = front.members if full else front.evenly(SHOWN)
    table = Table(box=None, pad_edge=False, collapse_padding=True, padding=(0, 1))
    table.add_column(_("trial"), overflow="fold")
    for metric in front.metrics:
        table.add_column(escape(metric), justify="right", overflow="fold")
    if front.confirmed:
        for metric in front.metrics:
            table.add_column(escape(words.fresh(metric)), justify="right", overflow="fold")
        table.add_column(_("front"), overflow="fold")
    for one in (*members, *front.baselines):
        table.add_row(*_cells(front, one))
    console.print()
    console.print(table)
    for one in members:
        text = _("{trial}: {parameters}").format(trial=one.name, parameters=words.parameters(one.params))
        console.print(words.styled("dim", text), highlight=False)
    if more := len(front.members) - len(members):
        line = ngettext("… and {n} more trial of the front", "… and {n} more trials of the front", more)
        console.print(words.styled("dim", line.format(n=more)), highlight=False)


def _cells(front: Front, one: Member) -> Sequence[str]:
    name = one.name if one.trial is None else str(one.trial)
    cells = [escape(name), *map(words.number, one.values)]
    if front.confirmed:
        cells += map(words.measured, one.means, one.intervals) if one.means else ["–"] * len(front.metrics)
        cells += ["" if one.trial is None else "–" if one.holds is None else _("yes") if one.holds else _("no")]
    return cells
