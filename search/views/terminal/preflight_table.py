"""What a person reads of a preflight."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.driver.checks import Finding
from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOTHING = "no preflight: the trainer has no function preflight(params, context)"
COLOURS = {"stop": "red", "warn": "yellow", "ok": "green", "unchecked": "dim"}


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Every finding, with the numbers behind it."""
    table = Table(box=None, pad_edge=False)
    for name in ("check", "", "what was measured"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        colour = COLOURS[finding.severity]
        remedy = f"\n[dim]remedy: {escape(finding.remedy)}[/]" if finding.remedy else ""
        table.add_row(finding.check, f"[{colour}]{finding.severity}[/]", escape(finding.reason) + remedy)
    console.print(table if findings else f"[dim]{NOTHING}[/]", highlight=False)


def print_outcome(console: Console, findings: Sequence[Finding]) -> None:
    """A line for each warning, and one for the rest."""
    for finding in findings:
        if finding.severity == "warn":
            line = f"{escape(finding.reason)}; {escape(finding.remedy)}"
            console.print(f"[yellow]preflight[/] {finding.check}: {line}", highlight=False)
    counts = [(severity, sum(finding.severity == severity for finding in findings)) for severity in COLOURS]
    told = ", ".join(f"{count} {severity}" for severity, count in counts if count)
    console.print(f"[dim]{f'preflight: {told}' if findings else NOTHING}[/]", highlight=False)
