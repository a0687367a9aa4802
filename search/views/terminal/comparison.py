"""Print studies side by side on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pitprop.messages import N_, _
from pitprop.study import ranking
from pitprop.views import words
from pitprop.views.content import Content
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROWS: Mapping[str, Callable[[Content], str]] = {
    N_("objective"): lambda one: one.space.objective.metric,
    N_("best"): lambda one: words.score(ranking.score(one.summary.best[0])) if one.summary.best else "",
    N_("confirmed"): lambda one: "" if (mean := confirmed_mean(one)) is None else words.score(mean),
    N_("trial"): lambda one: str(one.summary.best[0].number) if one.summary.best else "",
    N_("trials"): lambda one: _("{done} of {target}").format(done=len(one.records), target=one.summary.target),
    N_("stopped"): lambda one: str(one.summary.states["PRUNED"]),
    N_("epochs spent"): lambda one: str(one.summary.spent),
    N_("epochs saved"): lambda one: words.percent(one.summary.saved, one.summary.budget) if one.summary.budget else "",
}
"""What is said of each study, by its title."""


def confirmed_mean(one: Content) -> float | None:
    """The mean on fresh seeds of the best trial of the search; None if that is not confirmed."""
    found = {x.trial: x.mean for x in (one.confirmation.candidates if one.confirmation else ()) if x.scores}
    return found.get(one.summary.best[0].number) if one.summary.best else None


def to_json(one: Content) -> dict[str, Any]:
    """A study for scripts."""
    return one.summary.to_json() | {"confirmation": one.confirmation.to_json() if one.confirmation else None}


def print_comparison(console: Console, studies: Sequence[Content]) -> None:
    """A column for each study, with its lead over every baseline that one of them has, and what is best in it."""
    baselines = dict.fromkeys(name for one in studies for name in one.summary.baselines)
    params = dict.fromkeys(name for one in studies for best in one.summary.best[:1] for name in best.params)
    table = Table(box=None, pad_edge=False)
    for name in ("", *(escape(one.space.name) for one in studies)):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for title, cell in ROWS.items():
        table.add_row(_(title), *(cell(one) for one in studies))
    for name in baselines:
        table.add_row(escape(_("lead over {name}").format(name=name)), *(_lead(one, name) for one in studies))
    table.add_section()
    for name in params:
        values = (one.summary.best[0].params.get(name) if one.summary.best else None for one in studies)
        table.add_row(escape(name), *("" if found is None else escape(words.value(found)) for found in values))
    console.print(table)
    if len({one.space.objective for one in studies}) > 1:
        console.print(words.styled("yellow", _("their objectives differ, so their scores cannot be compared")))


def _lead(one: Content, name: str) -> str:
    best = one.summary.best[:1]
    lead = one.summary.delta(best[0], name) if best and name in one.summary.baselines else None
    return "" if lead is None else words.difference(lead)
