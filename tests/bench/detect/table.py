"""The figures as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pitprop.detection import life, reading
from pitprop.telemetry import Telemetry

from tests.bench.detect.curves import Run
from tests.bench.detect.figures import Figures, Share, Stops, killed

WIDTH = 42
HEADER = (
    f"{'':<{WIDTH}}{'dead found':>18}{'at epoch':>15}{'lost: top 10 %':>16}{'healthy':>15}{'others':>15}"
    f"{'epochs saved':>14}{'of dead':>9}{'regret: mean':>14}{'worst':>8}"
)


def row(title: str, found: Figures) -> str:
    """One line of the table: counts with percentages, everything else in per cent."""
    when = f"{found.epoch:.0f} ({100 * found.share:.0f} %)"
    lost = f"{share(found.top10):>16}{share(found.healthy):>15}{share(found.others):>15}"
    saved = f"{100 * found.saved:>12.1f} %{100 * found.saved_dead:>7.1f} %"
    regret = f"{100 * found.regret[0]:>12.2f} %{100 * found.regret[1]:>6.1f} %"
    return f"{title:<{WIDTH}}{share(found.recall):>18}{when:>15}{lost}{saved}{regret}"


def share(of: Share) -> str:
    return f"{of.part}/{of.whole} {100 * of.ratio:5.1f} %" if of.whole else "-"


def signatures(found: Figures) -> Iterator[str]:
    """Which signature stopped how many runs of which label."""
    labels = ("dead", "poor", "late_collapse", "healthy", "false kill", "words true")
    yield f"{'  stopped by':<{WIDTH}}" + "".join(f"{label:>15}" for label in labels)
    for name, counts in sorted(found.by.items(), key=lambda item: -sum(item[1].values())):
        yield f"{'  ' + name:<{WIDTH}}" + "".join(f"{counts.get(label, 0):>15}" for label in labels)


def memorised(dataset: Sequence[Run], where: Stops) -> Iterator[str]:
    """How many of the dead that were not found end with a training loss that falls or is near 0: these are spared, not judged."""
    dead = [run for run, stop in zip(dataset, where, strict=True) if run.label == "dead" and stop is None]
    spared = sum(_by_heart(run) for run in dead)
    if spared:
        why = "their training loss falls far below that of validation, or to 0, and they may generalise late"
        yield f"  memorised, not judged: {spared} of {len(dead)} dead that were not found: {why}"


def _by_heart(run: Run) -> bool:
    curve = Telemetry(run.epochs)
    count = reading.window(curve, run.facts, 5)
    signs = (look(curve, run.facts, count) for look in (life.memorising, life.fitting))
    return any(sign is not None and sign.alive for sign in signs)


def misses(dataset: Sequence[Run], where: Stops) -> Iterator[str]:
    """The dead runs that were not found, and the runs that were killed for nothing."""
    for run, stop in zip(dataset, where, strict=True):
        if run.label == "dead" and stop is None:
            yield f"  missed: run {run.number} of {run.study}, best {run.best:.4g}, chance {run.chance:.4g}"
        elif stop and killed(run, stop):
            top, at = ", top 10 %" if run.top10 else "", f"{stop.by} at epoch {stop.step} of {len(run.epochs)}"
            score = f"{run.reached(stop.step):.4g} then, {run.best:.4g} at the end"
            yield f"  killed: run {run.number} of {run.study}, {run.label}{top}, by {at}, {score}"
