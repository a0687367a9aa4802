"""No effect: two trials with different hyperparameters have identical curves, so what differs is not wired to anything."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.telemetry import Epoch, Telemetry

READS = ("train/loss or val/loss",)
KIND = "advice"
ELSEWHERE = "SageMaker (SimilarAcrossRuns)"
LOSSES = ("train/loss", "val/loss")


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, tolerance: float = 1e-6) -> str | None:
    """Losses and objective within ``tolerance`` (relative) of an earlier trial's in each of the last ``patience`` epochs.

    Only for losses that move: all dead trainings look alike.
    """
    count = levels.window(facts, patience)
    names = [name for name in LOSSES if telemetry and name in telemetry[-1].metrics]
    if len(telemetry) < count or not names or not any(_moves(telemetry, name, count) for name in names):
        return None
    first, last = telemetry[-count], telemetry[-1]
    for peer in facts.peers:
        end = last.step - peer.telemetry[0].step if peer.telemetry else 0
        if not 0 < end < len(peer.telemetry) or not _same(last, peer.telemetry[end], names[:1], tolerance):
            continue  # nearly all, so it is seen at a glance
        pairs = zip(telemetry[-count:], peer.telemetry[max(0, end - count + 1) : end + 1], strict=False)
        apart = sorted(name for name in {*facts.params, *peer.params} if facts.params.get(name) != peer.params.get(name))
        if apart and all(_same(mine, theirs, (*names, facts.metric), tolerance) for mine, theirs in pairs):
            return f"the same curve as trial {peer.trial} in epochs {first.step}-{last.step}, though {_listed(apart)}"
    return None


def _same(mine: Epoch, theirs: Epoch, names: Sequence[str], tolerance: float) -> bool:
    for name in names:
        a, b = mine.metrics.get(name, 0.0), theirs.metrics.get(name, 0.0)
        if not abs(a - b) <= tolerance * max(abs(a), abs(b)):
            return False
    return mine.step == theirs.step


def _moves(telemetry: Telemetry, name: str, count: int) -> bool:
    values = telemetry.column(name).values[-count:]
    return len(values) == count and max(values) - min(values) > 1e-3 * abs(max(values))


def _listed(names: Sequence[str]) -> str:
    return f"{names[0]} differs" if len(names) == 1 else f"{' and '.join(names[:4])} differ"


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    return "look how the trainer reads it (a misspelt name, a default that wins, a branch never taken), or search it no longer"
