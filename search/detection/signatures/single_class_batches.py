"""Single-class batches: each batch holds one class only, so that the model does best by forgetting all others."""

from __future__ import annotations

import math

from pitprop.detection import chance, levels, life, reading
from pitprop.detection.facts import Facts
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry, columns

READS = ("batch/classes",)
KIND = "hard"
ELSEWHERE = ""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 1, share: float = 0.5) -> Message | None:
    """Hardly any second class in a batch in each of ``patience`` reports, where several are expected; no score above chance.

    That is, less than ``share`` of the classes beyond the first that drawing at random would give, by class prior and batch
    size; where these are not known, less than 1.05 classes. Batches of one sample are left alone. Where it is not known what
    score is above chance, a window of reports has to show no life.
    """
    readings, above = reading.recent(telemetry, "batch/classes", patience), levels.above_chance(telemetry, facts, 1)
    if len(readings) < patience or above or (above is None and not _lifeless(telemetry, facts)):
        return None
    expected = _expected(telemetry, facts)
    most = max(value for _, value in readings)
    if expected is not None and expected < 1.05:  # batches of one sample, or of a rare second class
        return None
    if most >= 2 or most - 1 >= (share * (expected - 1) if expected else 0.05):
        return None
    said = {"classes": readings[-1][1], "step": telemetry[-1].step}
    if not expected:
        return message("batches hold {classes:.2f} classes on average at epoch {step}", **said)
    drawn = N_("batches hold {classes:.2f} classes on average at epoch {step}, drawing at random gives {expected:.2f}")
    return message(drawn, **said, expected=expected)


def _lifeless(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether a window of readings is there, and shows no life; at once if the objective is not reported at all."""
    values, count = telemetry.column(facts.metric).values, reading.window(telemetry, facts, 5)
    return not values or (len(values) >= count and not life.alive(life.signs(telemetry, facts, count), telemetry, facts))


def _expected(telemetry: Telemetry, facts: Facts) -> float | None:
    """The classes that a batch drawn at random would hold; None if prior or batch size are not known."""
    prior = list((columns(telemetry[-1], "train/labels/") or reading.labels(telemetry, facts)).values())
    sizes = telemetry.column("batch/size").values
    batch = round(sizes[-1]) if sizes else facts.batch
    counted = prior and min(prior) >= 0 and 0 < sum(prior) < math.inf
    return chance.classes_in_batch(prior, batch) if counted and batch is not None and batch > 0 else None


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message("fix the batch sampler (shuffle; several classes a batch): no hyperparameter helps")
