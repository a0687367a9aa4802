"""Constant prediction: every sample is predicted as one class, the most frequent one or one of equally frequent ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pitprop.detection import predictions, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry

READS = ("val/predicted/ or val/macro_f1 or val/f1",)
KIND = "soft"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.995) -> Message | None:
    """``patience`` reports in which one class that is not a minority holds at least ``share`` of the predictions.

    Macro F1 alone shows it too: it is then exactly (1/K) 2 p / (1 + p), for a class of share p among K classes. So does F1
    beside accuracy: it is then 2 a / (1 + a) for an accuracy of a.
    """
    found = predictions.constant(telemetry, facts, reading.window(telemetry, facts, patience), share)
    kind = found.kind(reading.labels(telemetry, facts)) if found else ""
    return found.sentence(kind, telemetry[-1].step) if found and kind != "minority" else None


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    """The class weights, where they are not yet those of the class counts; otherwise the learning rate."""
    ratio, now, rate = advice.class_ratio(telemetry, facts), advice.weighting(facts), advice.rate(telemetry, facts)
    if ratio is not None and ratio < predictions.ALIKE:
        init = Advice(message("check labels, initial weights and normalisation"))
        return rate, advice.warm_up(facts), init
    if ratio is not None and now is not None and now >= ratio / advice.NEAR:
        said = N_("alpha ratio {now:.1f} is already at the class ratio {ratio:.1f} or above: {then}")
        known, *rest = advice.few((rate, advice.warm_up(facts)) if rate.change else (advice.warm_up(facts), rate))
        return replace(known, text=message(said, now=now, ratio=ratio, then=known.text)), *rest, advice.balance(facts)
    weight = message("raise the minority's alpha ratio or class weight")
    if ratio is not None:
        said = N_("{weight} towards {ratio:.1f} : 1, the inverse of the class counts")
        weight = message(said, weight=weight, ratio=ratio)
    return Advice(weight, moves="weight+"), advice.balance(facts), rate
