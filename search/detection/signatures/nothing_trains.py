"""Nothing trains: no parameter receives a gradient, or none is moved."""

from __future__ import annotations

from pitprop.detection import levels
from pitprop.detection.facts import Facts
from pitprop.telemetry import Telemetry

READS = ("grad_norm or update_ratio or params/trainable or params/with_grad",)
KIND = "hard"
ELSEWHERE = "SageMaker (AllZero, TensorVariance, UnchangedTensor), DeepDiagnosis"


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 3) -> str | None:
    """No parameter that may learn or ever had a gradient, or in ``patience`` reports gradients or steps of exactly 0.

    A training whose score stands above chance has learned, and may have reached a loss of 0. A learning rate of 0, as a
    schedule may begin with, moves nothing either.
    """
    if not telemetry or levels.above_chance(telemetry, facts, 1):
        return None
    step = telemetry[-1].step
    for name, what in (("params/trainable", "may learn"), ("params/with_grad", "has received a gradient")):
        values = telemetry.column(name).values
        if values and not any(values):
            return f"no parameter {what} up to epoch {step} ({name} is 0)"
    idle = ("grad_norm", "the gradient norm"), ("params/with_grad", "the number of parameters with a gradient")
    for name, what in (*idle, ("update_ratio", "the length of a step")):
        readings = levels.recent(telemetry, name, patience)
        if len(readings) == patience and not any(value for _, value in readings) and not _resting(telemetry, name, patience):
            return f"{what} is exactly 0 in epochs {readings[0][0]}-{step}"
    return None


def _resting(telemetry: Telemetry, name: str, patience: int) -> bool:
    """Whether no step was meant to be made: the learning rate is 0."""
    rates = telemetry.column("lr").values[-patience:]
    return name == "update_ratio" and bool(rates) and not any(rates)


def remedy(telemetry: Telemetry, facts: Facts) -> str:
    return (
        "unfreeze at least one part that learns, check that the loss depends on the parameters (detach, no_grad, a gate that "
        "is never open), lower the learning rate if units died, scale the loss if gradients underflow"
    )
