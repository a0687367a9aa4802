"""Studies side by side, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pitprop.results import confirmation
from pitprop.results.confirmation import Confirmation
from pitprop.results.summary import Summary, summarise
from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.addresses import Addresses
from pitprop.study.record import Record
from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Side:
    """One study: how it stands, and what its confirmation shows, None if there is none."""

    summary: Summary
    confirmation: Confirmation | None

    @property
    def name(self) -> str:
        return self.summary.space.name

    @property
    def mean(self) -> float | None:
        """The confirmed mean of the best trial; None if that is not confirmed."""
        scores = {one.trial: one.mean for one in (self.confirmation.candidates if self.confirmation else ()) if one.scores}
        return scores.get(self.summary.best[0].number) if self.summary.best else None

    def to_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return self.summary.to_json() | {"confirmation": self.confirmation.to_json() if self.confirmation else None}


def side(space: Space, records: Sequence[Record], target: int, where: Addresses) -> Side:
    """A study, given its trials."""
    return Side(summarise(space, records, target), confirmation.read(space, records, where))


def print_sides(console: Console, sides: Sequence[Side]) -> None:
    """A column for each study, with its lead over every baseline that one of them has, and what is best in it."""
    baselines = dict.fromkeys(name for one in sides for name in one.summary.baselines)
    params = dict.fromkeys(name for one in sides for best in one.summary.best[:1] for name in best.params)
    table = Table(box=None, pad_edge=False)
    for name in ("", *(escape(one.name) for one in sides)):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for title, cell in _ROWS.items():
        table.add_row(title, *(cell(one) for one in sides))
    for name in baselines:
        table.add_row(f"lead over {escape(name)}", *(_lead(one, name) for one in sides))
    table.add_section()
    for name in params:
        table.add_row(escape(name), *(_param(one, name) for one in sides))
    console.print(table)
    if len({one.summary.space.objective for one in sides}) > 1:
        console.print("[yellow]they do not have the same objective, so their scores cannot be compared[/]")


def _lead(one: Side, name: str) -> str:
    best = one.summary.best[:1]
    lead = one.summary.delta(best[0], name) if best and name in one.summary.baselines else None
    return "" if lead is None else f"{lead:+.4f}"


def _param(one: Side, name: str) -> str:
    value = one.summary.best[0].params.get(name) if one.summary.best else None
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else escape(json.dumps(value))


_ROWS: Mapping[str, Callable[[Side], str]] = {
    "objective": lambda one: one.summary.space.objective.metric,
    "best": lambda one: f"{ranking.score(one.summary.best[0]):.4f}" if one.summary.best else "",
    "confirmed": lambda one: "" if one.mean is None else f"{one.mean:.4f}",
    "trial": lambda one: str(one.summary.best[0].number) if one.summary.best else "",
    "trials": lambda one: f"{sum(one.summary.states.values())} of {one.summary.target}",
    "stopped": lambda one: str(one.summary.states["PRUNED"]),
    "epochs spent": lambda one: str(one.summary.spent),
    "epochs saved": lambda one: f"{one.summary.saved / one.summary.budget:.0%}" if one.summary.budget else "",
}
"""What is said of each study, by its title."""
