"""Print what a preflight found on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.driver.preflight.findings import Finding
from pitprop.messages import N_, _, localized
from pitprop.views import words
from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOTHING = N_("no preflight: the trainer has no function preflight(params, context)")
COLOURS = {N_("stop"): "red", N_("warn"): "yellow", N_("ok"): "green", N_("unchecked"): "dim"}


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Every finding, with the numbers behind it."""
    table = Table(box=None, pad_edge=False)
    for name in (_("check"), "", _("what was measured")):
        table.add_column(name, overflow="fold")
    for finding in findings:
        colour = COLOURS[finding.severity]
        text = _("remedy: {remedy}").format(remedy=localized(finding.remedy))
        remedy = f"\n[dim]{escape(text)}[/]" if finding.remedy else ""
        table.add_row(finding.check, f"[{colour}]{_(finding.severity)}[/]", escape(localized(finding.reason)) + remedy)
    console.print(table if findings else f"[dim]{_(NOTHING)}[/]", highlight=False)


def print_outcome(console: Console, findings: Sequence[Finding]) -> None:
    """A line for each warning, and one for the rest."""
    for finding in findings:
        if finding.severity == "warn":
            line = f"{escape(localized(finding.reason))}; {escape(localized(finding.remedy))}"
            console.print(words.styled("yellow", _("preflight")), f"{finding.check}: {line}", highlight=False)
    counts = [(severity, sum(finding.severity == severity for finding in findings)) for severity in COLOURS]
    told = words.listed(f"{count} {_(severity)}" for severity, count in counts if count)
    line = _("preflight: {findings}").format(findings=told) if findings else _(NOTHING)
    console.print(f"[dim]{line}[/]", highlight=False)
