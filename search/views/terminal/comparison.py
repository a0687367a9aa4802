"""Print studies side by side on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def print_comparison(console: Console, studies: Sequence[Content]) -> None:
    """A column for each study, with its lead over every baseline that one of them has, and what is best in it."""
    baselines = dict.fromkeys(name for one in studies for name in one.summary.baselines)
    params = dict.fromkeys(name for one in studies if one.best is not None for name in one.best.params)
    table = Table(box=None, pad_edge=False)
    for name in ("", *(escape(one.space.name) for one in studies)):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for title, cell in ROWS.items():
        table.add_row(_(title), *(cell(one) for one in studies))
    for name in baselines:
        table.add_row(escape(_("lead over {name}").format(name=name)), *(_lead(one, name) for one in studies))
    table.add_section()
    for name in params:
        values = (one.best.params.get(name) if one.best is not None else None for one in studies)
        table.add_row(escape(name), *("" if found is None else escape(words.value(found)) for found in values))
    console.print(table)
    if len({one.space.objectives for one in studies}) > 1:
        console.print(words.styled("yellow", _("their objectives differ, so their scores cannot be compared")))


def _lead(one: Content, name: str) -> str:
    """On fresh seeds where it is known, else in the search."""
    found = next((lead for lead in one.leads if lead.baseline.name == name), None)
    value = None if found is None else found.sure.mean if found.sure is not None else found.delta
    return "" if value is None else words.difference(value)
