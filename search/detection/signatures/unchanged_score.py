"""Unchanged score: it is the same to the last digit in many evaluations while the training goes on."""

from __future__ import annotations

from pitprop.detection import metrics, reading
from pitprop.detection.facts import Facts
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

READS = ("val/",)
KIND = "advice"
ELSEWHERE = "SageMaker (UnchangedTensor)"
COARSE = 2
"""How many times as many evaluations it takes of a score that is printed in whole percent."""


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 5, settled: int = 10) -> Message | None:
    """The same objective in ``patience`` evaluations from the first on, or in ``settled`` of them that came later.

    It needs no prediction counts, and is silent where the class counts are known, by which such a score is judged. A loss does
    not count, nor a perfect score, nor one that settled while the learning rate fell to a tenth.
    """
    values, meaning = telemetry.column(facts.metric).values, metrics.of(facts.metric)
    if meaning.family == "loss" or not values or reading.labels(telemetry, facts):
        return None
    last, whole = values[-1], reading.unit(telemetry, facts)
    same = next((n for n, value in enumerate(reversed(values)) if value != last), len(values))
    coarse = last != 0 and abs(100 * last / whole - round(100 * last / whole)) < 1e-9
    rates = telemetry.column("lr").values
    least = patience if same == len(values) else settled
    enough = max(least, reading.window(telemetry, facts, least)) * (COARSE if coarse else 1)  # it waits for no grace
    perfect = meaning.share and last == (whole if facts.maximize else 0.0)
    if same < enough or perfect or (same < len(values) and rates and rates[-1] < 0.1 * max(rates)):
        return None
    steps = telemetry.column(facts.metric).steps
    return message(
        "{metric} is {value:.6g} to the last digit in {count} evaluations, epochs {first}-{last}",
        **{"metric": facts.metric, "value": last, "count": same, "first": steps[-same], "last": steps[-1]},
    )


def remedy(telemetry: Telemetry, facts: Facts) -> Message:
    return message(
        "look at what is predicted: most often it is one class, or nothing, for every sample; check labels, class weights and "
        "the learning rate, and that the model which is evaluated is the one that trains"
    )
