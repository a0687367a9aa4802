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
    score is above chance, the loss has to stand at that of equal embeddings, or a window of reports has to show no life.
    """
    readings, above = reading.recent(telemetry, "batch/classes", patience), levels.above_chance(telemetry, facts, 1)
    if len(readings) < patience or above:
        return None
    expected = _expected(telemetry, facts)
    most = max(value for _, value in readings)
    if above is None and not (most == 1 and _equal(telemetry, facts)) and not _lifeless(telemetry, facts):
        return None
    if expected is not None and expected < 1.05:  # batches of one sample, or of a rare second class
        return None
    if most >= 2 or most - 1 >= (share * (expected - 1) if expected else 0.05):
        return None
    said = {"classes": readings[-1][1], "step": telemetry[-1].step}
    if not expected:
        return message("batches hold {classes:.2f} classes on average at epoch {step}", **said)
    drawn = N_("batches hold {classes:.2f} classes on average at epoch {step}, drawing at random gives {expected:.2f}")
    return message(drawn, **said, expected=expected)


def _equal(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether the loss of training is that of embeddings all alike, within 0.1 %: nothing is better on batches of one class."""
    losses, batch = telemetry.column("train/loss").values, _batch(telemetry, facts)
    return bool(losses) and batch is not None and batch > 2 and abs(losses[-1] / chance.supervised_contrastive(batch) - 1) < 1e-3


def _batch(telemetry: Telemetry, facts: Facts) -> int | None:
    """The samples of a batch, as reported or stated."""
    sizes = telemetry.column("batch/size").values
    return round(sizes[-1]) if sizes and math.isfinite(sizes[-1]) else facts.batch


def _lifeless(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether a window of readings is there, and shows no life; at once if the objective is not reported at all."""
    values, count = telemetry.column(facts.metric).values, reading.window(telemetry, facts, 5)
    return not values or (len(values) >= count and not life.alive(life.signs(telemetry, facts, count), telemetry, facts))


def _expected(telemetry: Telemetry, facts: Facts) -> float | None:
    """The classes that a batch drawn at random would hold; None if prior or batch size are not known."""
    prior = list((columns(telemetry[-1], "train/labels/") or reading.labels(telemetry, facts)).values())
    batch = _batch(telemetry, facts)
    counted = prior and min(prior) >= 0 and 0 < sum(prior) < math.inf
    return chance.classes_in_batch(prior, batch) if counted and batch is not None and batch > 0 else None


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message("fix the batch sampler (shuffle; several classes a batch): no hyperparameter helps")
