"""Writes the catalogue in signatures.md anew, from the signature files: python docs/build_signatures.py"""

from __future__ import annotations

import inspect
from pathlib import Path

from pitprop.detection import signatures
from pitprop.detection.detect import remedies
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import words
from pitprop.telemetry import Telemetry

PAGE = Path(__file__).with_name("signatures.md")
FIRST, LAST = "<!-- catalogue: written by build_signatures.py -->", "<!-- end of the catalogue -->"
KINDS = {
    "hard": "Proof: ends a training at once (`prune`)",
    "soft": "Evidence: after a grace and without a life sign, parks a training (`park`)",
    "advice": "Advice: never stops a training (`warn`)",
}


def page(text: str) -> str:
    """``text`` with its catalogue replaced."""
    before, rest = text.split(FIRST)
    return f"{before}{FIRST}\n{catalogue()}\n{LAST}{rest.split(LAST)[1]}"


def catalogue() -> str:
    """Every signature by kind: a table of all, and then what each of them reads, asks for and advises."""
    parts = []
    for kind, title in KINDS.items():
        names = [name for name in signatures.names() if kind == signatures.load(name).KIND]
        parts += [f"\n### {title}\n", "| signature | what it is |", "|---|---|", *map(_row, names)]
    return "\n".join([*parts, "\n### Each in full", *map(_entry, signatures.names())])


def _row(name: str) -> str:
    return f"| [`{name}`](#{name}) | {_first_line(name)} |"


def _entry(name: str) -> str:
    module = signatures.load(name)
    reads = ", ".join(f"`{need}`" for need in module.READS).replace(" or ", "` or `")
    defaults = ", ".join(f"`{key}` {value:g}" for key, value in signatures.thresholds(name).items())
    rule = " ".join((inspect.getdoc(module.detect) or "").split()).replace("``", "`")
    return (
        f"\n#### {name}\n{_first_line(name)}\n\n"
        f"- reads: {reads}\n- rule: {rule}\n- defaults: `{signatures.action(name)}`; {defaults}\n"
        f"- remedy: {words(remedies(name, Telemetry(), Facts(budget=40)))}\n- elsewhere: {module.ELSEWHERE or 'nobody'}"
    )


def _first_line(name: str) -> str:
    line = (signatures.load(name).__doc__ or "").split("\n")[0].split(": ", 1)[1]
    return line[0].upper() + line[1:]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
