"""Draws docs/scheduling.svg, the epochs that a search granted over its time: python docs/build_scheduling.py runs/SPACE"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

WIDE, ROW, LEFT, TOP = 760, 9, 44, 34
CSS = "text{font:12px sans-serif;fill:#444} .new{fill:#9ab} .on{fill:#247} .aside{fill:#d70}"


def grants(folder: Path) -> Iterator[tuple[int, int, int, str]]:
    """What was granted, in its order: the trial, from and until which of its epochs, and as what."""
    trained: dict[int, int] = {}
    saved = 0
    parked = 0
    for row in map(json.loads, (folder / "grants.jsonl").read_text(encoding="utf-8").splitlines()):
        if "revive" in row:
            parked = trained.get(row["revive"], 0)
        elif "until" in row:
            number, until = row["trial"], row["until"]
            before = trained.setdefault(number, parked)
            aside = row.get("saved", saved) > saved
            yield number, before, until, "aside" if aside else "on" if before else "new"
            trained[number], saved, parked = until, row.get("saved", saved), 0
        elif "scores" in row and (file := folder / "trials" / f"{row['trial']:04d}" / "telemetry.jsonl").exists():
            trained[row["trial"]] = len(file.read_text(encoding="utf-8").splitlines())


def svg(folder: Path) -> str:
    """A row for each trial, a bar for each grant."""
    found = list(grants(folder))
    lengths = [
        min(until, len((folder / "trials" / f"{number:04d}" / "telemetry.jsonl").read_text(encoding="utf-8").splitlines()))
        - before
        for number, before, until, _ in found
    ]
    scale = WIDE / sum(lengths)
    rows = max(number for number, *_ in found) + 1
    high = TOP + rows * ROW
    bars, at = [], 0
    for (number, _, _, kind), length in zip(found, lengths, strict=True):
        box = f'x="{LEFT + at * scale:.1f}" y="{TOP + number * ROW}" width="{max(length * scale, 0.8):.1f}" height="{ROW - 2}"'
        bars.append(f'<rect class="{kind}" {box}/>')
        at += length
    texts = [
        f'<text x="{LEFT}" y="20">begins</text><text x="{LEFT + 80}" y="20">goes on by its rank</text>',
        f'<text x="{LEFT + 230}" y="20">goes on out of the reserve</text>',
        f'<text x="{LEFT}" y="{high + 18}">0</text><text x="{LEFT + WIDE - 90}" y="{high + 18}">{at} epochs of all</text>',
        f'<text x="2" y="{TOP + 8}">trial 0</text><text x="2" y="{high - 2}">{rows - 1}</text>',
    ]
    keys = zip(("new", "on", "aside"), (-14, 66, 216), strict=True)
    texts += [f'<rect class="{kind}" x="{LEFT + x}" y="10" width="10" height="10"/>' for kind, x in keys]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 10} {high + 26}"><style>{CSS}</style>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *texts, *bars, "</svg>"])


if __name__ == "__main__":
    Path(__file__).with_name("scheduling.svg").write_text(svg(Path(sys.argv[1])) + "\n", encoding="utf-8")
