"""Saturation: most of a layer's pre-activations are where a sigmoid or tanh is flat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

READS = ("saturated/",)
KIND = "advice"
ELSEWHERE = "SageMaker, DeepDiagnosis, TheDeepChecker"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, share: float = 0.5) -> Message | None:
    """More than ``share`` of a layer's pre-activations beyond -5 or 5 in ``patience`` reports."""
    layers, window = telemetry.each(_layers)[-patience:], telemetry[-patience:]
    if len(window) < patience:
        return None
    for layer, last in layers[-1].items():
        if all(found.get(layer, 0) > share for found in layers):
            return message(
                "{share:.0%} of layer {layer} is saturated in epochs {first}-{last}",
                **{"share": last, "layer": layer, "first": window[0].step, "last": window[-1].step},
            )
    return None


def _layers(epoch: Epoch) -> dict[str, float]:
    return columns(epoch, "saturated/")


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    norm = Advice(message("normalise the inputs or add a normalisation layer"))
    gain = Advice(message("lower the gain of the initial weights"))
    lower = advice.lower_rate(telemetry, facts)
    return norm, gain, lower and replace(lower, change={})
