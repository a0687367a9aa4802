"""No effect: two trials with different hyperparameters have identical curves, so the trainer ignores what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pitprop.detection import reading
from pitprop.detection.facts import Facts
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Epoch, Telemetry

READS = ("train/loss or val/loss",)
KIND = "advice"
ELSEWHERE = "SageMaker (SimilarAcrossRuns)"
LOSSES = ("train/loss", "val/loss")


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, tolerance: float = 1e-6) -> Message | None:
    """Losses and objective within ``tolerance`` (relative) of an earlier trial's in each of the last ``patience`` epochs.

    Only for losses that change: all dead trainings have the same curve.
    """
    count = reading.window(telemetry, facts, patience)
    names = [name for name in LOSSES if telemetry and name in telemetry[-1].metrics]
    if len(telemetry) < count or not names or not any(_moves(telemetry, name, count) for name in names):
        return None
    first, last = telemetry[-count], telemetry[-1]
    for peer in facts.peers:
        end = len(telemetry) - 1 + _later(telemetry, peer.telemetry)
        if not 0 < end < len(peer.telemetry) or not _same(last, peer.telemetry[end], names[:1], tolerance):
            continue  # true of nearly all, and cheap to see
        pairs = zip(telemetry[-count:], peer.telemetry[max(0, end - count + 1) : end + 1], strict=False)
        apart = sorted(name for name in {*facts.params, *peer.params} if facts.params.get(name) != peer.params.get(name))
        if apart and all(_same(mine, theirs, (*names, facts.metric), tolerance) for mine, theirs in pairs):
            return _reason(apart, {"trial": peer.trial, "first": first.step, "last": last.step})
    return None


def _later(mine: Telemetry, theirs: Telemetry) -> int:
    """How many reports later in its own curve the peer has the same step, if both report as often."""
    stride = (mine[-1].step - mine[0].step) / (len(mine) - 1)
    return round((mine[0].step - theirs[0].step) / stride) if theirs and stride else 0


def _same(mine: Epoch, theirs: Epoch, names: Sequence[str], tolerance: float) -> bool:
    for name in names:
        a, b = mine.metrics.get(name, 0.0), theirs.metrics.get(name, 0.0)
        if not abs(a - b) <= tolerance * max(abs(a), abs(b)):
            return False
    return mine.step == theirs.step


def _moves(telemetry: Telemetry, name: str, count: int) -> bool:
    values = telemetry.column(name).values[-count:]
    return len(values) == count and max(values) - min(values) > 1e-3 * abs(max(values))


def _reason(apart: Sequence[str], said: Mapping[str, int]) -> Message:
    if len(apart) == 1:
        differs = N_("the same curve as trial {trial} in epochs {first}-{last}, although {name} differs")
        return message(differs, **said, name=apart[0])
    differ = N_("the same curve as trial {trial} in epochs {first}-{last}, although {names} differ")
    return message(differ, **said, names=Message.join(apart[:4]))


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message(
        "check how the trainer reads it (a misspelt name, a default that wins, a branch never taken), or remove it from the "
        "search"
    )
