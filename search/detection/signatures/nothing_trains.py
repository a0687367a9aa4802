"""Nothing trains: no parameter receives a gradient, or none changes."""

from __future__ import annotations

from collections.abc import Sequence

from pitprop.detection import levels, reading
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry

READS = ("grad_norm or update_ratio or params/trainable or params/with_grad",)
KIND = "hard"
ELSEWHERE = "SageMaker (AllZero, TensorVariance, UnchangedTensor), DeepDiagnosis"
NEVER = {
    "params/trainable": N_("no parameter is trainable up to epoch {step} (params/trainable is 0)"),
    "params/with_grad": N_("no parameter has received a gradient up to epoch {step} (params/with_grad is 0)"),
}
IDLE = {
    "grad_norm": N_("the gradient norm is exactly 0 in epochs {first}-{last}"),
    "params/with_grad": N_("the number of parameters with a gradient is exactly 0 in epochs {first}-{last}"),
    "update_ratio": N_("the size of the update steps is exactly 0 in epochs {first}-{last}"),
}


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 3) -> Message | None:
    """No trainable parameter, none that ever had a gradient, or in ``patience`` reports gradients or steps of exactly 0.

    It does not count where the score is above chance: that training has learned, and its loss may be 0. Nor do steps of 0
    where the learning rate is 0, as at the beginning of some schedules.
    """
    if not telemetry or levels.above_chance(telemetry, facts, 1):
        return None
    step = telemetry[-1].step
    for name, template in NEVER.items():
        values = telemetry.column(name).values
        if values and not any(values):
            return message(template, step=step)
    for name, template in IDLE.items():
        readings = reading.recent(telemetry, name, patience)
        if len(readings) == patience and not any(value for _, value in readings) and not _resting(telemetry, name, patience):
            return message(template, first=readings[0][0], last=step)
    return None


def _resting(telemetry: Telemetry, name: str, patience: int) -> bool:
    """Whether steps of 0 are intended: the learning rate is 0."""
    rates = telemetry.column("lr").values[-patience:]
    return name == "update_ratio" and bool(rates) and not any(rates)


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    loss = message("check that the loss depends on the parameters (detach, no_grad, a gate that never opens)")
    units = message("lower the learning rate if units died, scale the loss if gradients underflow")
    return Advice(message("unfreeze at least one part of the model")), Advice(loss), Advice(units)
