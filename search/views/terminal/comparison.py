"""Print studies side by side on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pitprop.messages import N_, _
from pitprop.study import ranking
from pitprop.study.record import State
from pitprop.views import words
from pitprop.views.content import Content
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROWS: Mapping[str, Callable[[Content], str]] = {
    N_("objective"): lambda one: words.listed(goal.metric for goal in one.space.objectives),
    N_("trial"): lambda one: str(one.best.number) if one.best is not None else "",
    N_("in the search"): lambda one: words.score(ranking.score(one.best)) if one.best is not None else "",
    N_("confirmed"): lambda one: words.score(one.winner.mean) if one.winner is not None else "",
    N_("trials"): lambda one: _("{done} of {target}").format(done=len(one.records), target=one.summary.target),
    N_("stopped"): lambda one: str(one.summary.states[State.PRUNED]),
    N_("epochs spent"): lambda one: str(one.summary.spent),
    N_("epochs saved"): lambda one: words.percent(one.summary.saved, one.summary.budget) if one.summary.budget else "",
}
"""What is said of each study, by its title."""


def to_json(one: Content) -> dict[str, Any]:
    """A study for scripts."""
    return one.summary.to_json() | {"confirmation": one.confirmation.to_json() if one.confirmation else None}


@dataclass(frozen=True, slots=True)
class Compared:
    """Studies side by side: what is said of each, and what is best in it, as rows of a title and a cell for each study."""

    names: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    best: Sequence[tuple[str, Sequence[str]]]
    note: str
    """Why they cannot be compared; empty if they can."""


def compared(studies: Sequence[Content]) -> Compared:
    """Each study with its lead over every baseline that one of them has, and with the parameters of its best trial."""
    baselines = dict.fromkeys(name for one in studies for name in one.summary.baselines)
    params = dict.fromkeys(name for one in studies if one.best is not None for name in one.best.params)
    rows = [(_(title), [cell(one) for one in studies]) for title, cell in ROWS.items()]
    rows += [(_("lead over {name}").format(name=name), [_lead(one, name) for one in studies]) for name in baselines]
    best = []
    for name in params:
        values = (one.best.params.get(name) if one.best is not None else None for one in studies)
        best.append((name, ["" if found is None else words.value(found) for found in values]))
    differ = len({one.space.objectives for one in studies}) > 1
    note = _("their objectives differ, so their scores cannot be compared") if differ else ""
    return Compared([one.space.name for one in studies], rows, best, note)


def print_comparison(console: Console, studies: Sequence[Content]) -> None:
    """The same as a table."""
    found, table = compared(studies), Table(box=None, pad_edge=False)
    for name in ("", *map(escape, found.names)):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for title, cells in found.rows:
        table.add_row(escape(title), *map(escape, cells))
    table.add_section()
    for title, cells in found.best:
        table.add_row(escape(title), *map(escape, cells))
    console.print(table)
    if found.note:
        console.print(words.styled("yellow", found.note))


def _lead(one: Content, name: str) -> str:
    """On fresh seeds where it is known, else in the search."""
    found = next((lead for lead in one.leads if lead.baseline.name == name), None)
    value = None if found is None else found.sure.mean if found.sure is not None else found.delta
    return "" if value is None else words.difference(value)
