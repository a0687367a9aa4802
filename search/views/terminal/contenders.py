"""What a confirmation shows, on the terminal."""

from __future__ import annotations

from pitprop.results.confirmation import Confirmation
from pitprop.results.statistics import BETTER, OPEN, Difference
from pitprop.space import Space
from rich.console import Console
from rich.markup import escape


def print_confirmation(console: Console, space: Space, found: Confirmation) -> None:
    """What the fresh seeds show: each mean beside the value of the search, and leads over baselines with their 95 % intervals."""
    head = f"\n[bold]Confirmed[/] on {len(found.seeds)} fresh seeds, the same for all"
    console.print(f"{head}: mean {space.objective.metric}, leads with their 95 % intervals", highlight=False)
    for one in (*found.candidates, *found.baselines):
        mean = f"[bold]{one.mean:.4f}[/]" if one.scores else "not yet"
        searched = "" if one.searched is None else f", in the search {one.searched:.4f}"
        console.print(f"{escape(one.name)}: {mean}{searched}", highlight=False)
        for name, lead in found.differences.get(one.name, {}).items():
            console.print(f"  {_lead(name, lead)}", highlight=False)
    if found.winner is not None:
        console.print(f"[bold green]Take {found.winner.name}[/]: {escape(found.answer(found.winner))}", highlight=False)


def _lead(name: str, lead: Difference) -> str:
    """By how much, the interval, and ``better than model_1``."""
    color = {BETTER: "green", OPEN: "yellow"}.get(lead.verdict, "red")
    than = "from" if lead.verdict == OPEN else "than"
    return f"{lead.mean:+.4f}  {lead.low:+.4f} to {lead.high:+.4f}  [{color}]{lead.verdict}[/] {than} {escape(name)}"
