"""The note on the page of a study's own run, in Markdown: the answer, and what was stopped and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import shorten

from pitprop.detection.detect import Verdict
from pitprop.study import causes, ranking
from pitprop.study.record import WORDS, Record, StudyCard
from pitprop.track.view import varied

ROWS, REASON, LONGEST = 10, 200, 7000  # MLflow takes notes of 8,000 characters
LEADS = {"ahead": "ahead of", "behind": "behind", "level": "level with"}
Address = Callable[[int | None], str]
"""Where MLflow's page shows the trial of a number; empty if it has no run."""


def note(
    card: StudyCard,
    records: Sequence[Record],
    best: Sequence[int],
    baselines: Mapping[str, float],
    address: Address,
    answer: str = "",
) -> str:
    """The ``answer``, and what was stopped by which signature; *trial 12* becomes a link. Without an answer the best so far."""
    winners = [_winner(card, record, varied(records), baselines) for record in records if record.number in best]
    so_far = "\n\n".join(winners) or "No trial has completed yet."
    alike = causes.in_common(records, card.objective.metric) or ""
    parts = [answer or so_far, alike, _counts(records), _stopped(records)]
    return linked("\n\n".join(part for part in parts if part)[:LONGEST], address)


def linked(text: str, address: Address) -> str:
    """``text`` with a link wherever it speaks of a trial that has a run."""

    def link(found: re.Match[str]) -> str:
        where = address(int(found[1]))
        return f"[{found[0]}]({where})" if where else found[0]

    return re.sub(r"(?<!\[)\btrial (\d+)\b", link, text)


def _winner(card: StudyCard, record: Record, searched: Iterable[str], baselines: Mapping[str, float]) -> str:
    values = record.values or ()
    shown = [f"{goal.metric} {value:.4f}" for goal, value in zip(card.objectives, values, strict=False)]
    score = ", ".join(shown) or record.word
    drawn = {name: record.params[name] for name in searched if name in record.params}
    params = ", ".join(f"{_code(name)} {f'{v:.4g}' if isinstance(v, float) else v}" for name, v in drawn.items())
    leads = []
    for name, value in baselines.items() if values else ():
        lead = ranking.lead(card.objective, values[0], value)
        word = LEADS[ranking.standing(lead)]
        leads.append(f"{word} baseline {_code(name)} ({value:.4f})" + (f" by {lead:+.4f}" if lead else ""))
    beside = ": " + ", ".join(leads) if leads else ""
    title = "On the front" if len(card.objectives) > 1 else "Best"
    return f"**{title}: trial {record.number}**, {score} in {record.epochs} {card.unit}{beside}" + (
        f"\n\n{params}" if params else ""
    )


def _counts(records: Sequence[Record]) -> str:
    counts = Counter(record.word for record in records)
    said = ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])
    return f"{len(records)} trial{'' if len(records) == 1 else 's'}: {said.replace('fail', 'failed')}." if records else ""


def _stopped(records: Iterable[Record]) -> str:
    """A table: how many trials each signature stopped, and what it said of the first."""
    groups: dict[str, list[tuple[int, Verdict]]] = {}
    for record in records:
        if (verdict := record.ending) and not record.waits:
            groups.setdefault(verdict.signature, []).append((record.number, verdict))
    rows = [
        f"| {len(found)} | {name} | trial {found[0][0]}: {_cell(found[0][1].reason)} |"
        for name, found in sorted(groups.items(), key=lambda group: -len(group[1]))[:ROWS]
    ]
    return "\n".join(["| trials stopped | signature | the first of them |", "|---|---|---|", *rows]) if rows else ""


def _cell(text: str) -> str:
    return shorten(text, REASON, placeholder=" …").replace("|", "\\|")


def _code(name: str) -> str:
    return f"`{name}`"
