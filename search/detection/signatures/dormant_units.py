"""Dormant units: nearly all units of a layer are zero on every validation sample."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

READS = ("dormant/",)
KIND = "advice"
ELSEWHERE = "AUTOTRAINER (.7), SageMaker (.5), DeepDiagnosis (.7), TheDeepChecker (.5), which alarm on healthy networks"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.9) -> Message | None:
    """More than ``share`` of a layer's units in ``patience`` reports. Limits of .5 and .7 alarm on most healthy networks."""
    layers, window = telemetry.each(_layers)[-patience:], telemetry[-patience:]
    if len(window) < patience:
        return None
    for layer, last in layers[-1].items():
        if all(found.get(layer, 0) > share for found in layers):
            return message(
                "{share:.0%} of the units of layer {layer} are dead in epochs {first}-{last}",
                **{"share": last, "layer": layer, "first": window[0].step, "last": window[-1].step},
            )
    return None


def _layers(epoch: Epoch) -> dict[str, float]:
    return columns(epoch, "dormant/")


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    leaky, init = Advice(message("use a leaky ReLU or GELU")), Advice(message("check the initial weights and normalisation"))
    return advice.lower_rate(telemetry, facts), leaky, init
