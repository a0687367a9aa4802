"""What the search cost, and what stopping early has saved: in epochs, and in hours where the trainer reports seconds."""

from __future__ import annotations

import math

from pitprop import telemetry
from pitprop.study.record import Record
from pitprop.views.report.document import Section, Spans, Text, code, strong
from pitprop.views.report.material import Material
from pitprop.views.report.words import share


def section(m: Material) -> Section:
    say, summary, words = m.words.say, m.summary, m.words
    numbers = {"spent": f"{summary.spent}", "budget": f"{summary.budget}"}
    if m.space.searches_stopping:
        lines = [say("spent", **numbers), say("answered", saved=f"{summary.saved}", budget=numbers["budget"])]
        return Section("costs", words.text("costs"), (Text(words.paragraph(lines)),))
    seconds = {record.number: trained_seconds(record, m.space.seeds) for record in m.records if record.state != "RUNNING"}
    known = [time for time, epochs in seconds.values() if epochs]
    lines = [say("spent hours", time=words.duration(math.fsum(known)), **numbers)] if known else [say("spent", **numbers)]
    stopped = [r for r in m.records if r.state == "PRUNED" and r.number not in summary.revived]
    lines += _saved(m, stopped, seconds) if stopped else [say("saved none")]
    patience = sum(max(_budget(m) - r.epochs, 0) for r in m.records if r.state == "COMPLETE")
    if patience:
        lines.append(say("saved by patience", epochs=words.say("epochs", n=patience)))
    lines += [] if known else [say("no seconds", seconds=code("seconds"))]
    return Section("costs", words.text("costs"), (Text(words.paragraph(lines)),))


def trained_seconds(record: Record, seeds: int) -> tuple[float, int]:
    """The seconds that a trial's epochs report, over all its seeds, and how many epochs report any."""
    curves = [telemetry.read(telemetry.file(record.folder, replica)) for replica in range(seeds)]
    read = [
        epoch.metrics["seconds"] for curve in curves for epoch in curve if math.isfinite(epoch.metrics.get("seconds", math.nan))
    ]
    return math.fsum(read), len(read)


def _saved(m: Material, stopped: list[Record], seconds: dict[int, tuple[float, int]]) -> list[Spans]:
    """Epochs not trained; and hours, each trial's at its own mean pace."""
    say, words = m.words.say, m.words
    lost = {record.number: max(_budget(m) - record.epochs, 0) for record in stopped}
    epochs = sum(lost.values())
    saved = words.say("epochs", n=epochs)
    lines = [say("saved by pruning", n=len(stopped), epochs=(strong(saved[0].text + "".join(s.text for s in saved[1:])),),
                 share=share(epochs, m.summary.budget))]  # fmt: skip
    paces = [(lost[number], *seconds[number]) for number in lost if seconds[number][1]]
    hours = math.fsum(missing * time / count for missing, time, count in paces)
    return [*lines, say("saved hours", time=words.duration(hours))] if paces else lines


def _budget(m: Material) -> int:
    return m.space.epochs * m.space.seeds
