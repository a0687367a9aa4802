"""Hopelessly slow: at chance, and the loss falls so slowly that five times its rate would not be enough in time."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry

READS = ("val/loss or train/loss",)
KIND = "soft"
BY_LOSS = True
ELSEWHERE = ""
GRACE = 0.25
DESPITE = ("loss_falling",)


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, least: float = 0.05, band: float = 0.08) -> Message | None:
    """At chance (by 2 %, late ``band``), and five times the rate of the last ``patience`` readings gains under ``least``.

    At the last epoch, which leaves nothing to gain, these readings themselves have to. Not where the training had learned and
    has fallen back: that is `late_collapse`.
    """
    if levels.learned_once(telemetry, facts):
        return None
    count = reading.window(telemetry, facts, patience)
    name, losses = reading.losses(telemetry, count)
    margin = levels.opening(telemetry, facts, GRACE, band)
    if len(losses) < count or levels.above_chance(telemetry, facts, count, margin) is not False:
        return None
    (since, first), (step, last) = losses[0], losses[-1]
    drop = (first - last) / (abs(first) or 1.0)
    left = max(0, facts.budget - step)
    ahead = 5 * drop * left / max(step - since, 1) if left else drop
    if ahead >= least or (left and ahead < 0):
        return None
    where = message("still where it began") if levels.against_start(telemetry, facts) else message("at chance")
    if drop <= -1:
        return message(
            "{where}, and {name} rose from {begun:.4g} to {now:.4g} in epochs {first}-{last}",
            **{"where": where, "name": name, "begun": first, "now": last, "first": since, "last": step},
        )
    if drop <= 0:
        still = N_("{where}, and {name} did not fall at all in epochs {first}-{last}")
        rose = N_("{where}, and {name} rose by {rise:.2%} in epochs {first}-{last}")
        return message(rose if drop <= -5e-5 else still, where=where, name=name, rise=-drop, first=since, last=step)
    if not left:
        end = N_("{where}, and {name} fell by only {drop:.2%} in epochs {first}-{last}, the last ones")
        return message(end, where=where, name=name, drop=drop, first=since, last=step)
    return message(
        "{where}, and {name} fell by {drop:.2%} in epochs {first}-{last}: at five times that rate it would be "
        "{ahead:.1%} lower at the end",
        **{"where": where, "name": name, "drop": drop, "first": since, "last": step, "ahead": ahead},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    warm, last = advice.shorter_warm_up(telemetry, facts), Advice(message("look at what is frozen"))
    return advice.rate(telemetry, facts), warm, last
