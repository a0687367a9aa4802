"""What verdicts need and nobody has told: where chance is, and when the rate rises and falls; with the words that ask for it."""

from __future__ import annotations

from dataclasses import dataclass

from pitprop.detection import chance as levels_of
from pitprop.detection import levels, metrics
from pitprop.detection.facts import DROPS, WARM_SHARES, WARMUPS, Facts
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Question:
    """A fact that is not known: what ``lacks``, what the ``answer`` is, and how a space or an adapter takes it."""

    lacks: Message
    answer: Message
    facts: str
    option: str


MEAN = N_("what the same output for every sample scores, such as the mean of the targets")
RANDOM = N_("what guessing at random scores, such as the share of the positives")
GUESS = N_("the entropy of the labels, ln 10 = 2.303 of ten classes of one size; of a squared error the variance of the targets")
ACTING = N_("what acting at random returns")
CLASSES = N_("the number of classes if they are of one size, or else what predicting only the largest scores")


def chance(telemetry: Telemetry, facts: Facts) -> Question | None:
    """Where chance is; None where facts, readings or the metric's name tell it."""
    if levels.known_score(telemetry, facts) is not None or levels.known_loss(telemetry, facts, guess=False) is not None:
        return None
    metric, meaning = facts.metric, metrics.of(facts.metric)
    lacks = message("nothing tells where {metric} stands in a model that has learned nothing", metric=metric)
    if levels_of.accurate(name := metric.rsplit("/", 1)[-1]) or name in levels_of.ERRORS:
        own = f"facts: {{classes: N}} or {{chance: {{{metric}: ...}}}}"
        return Question(lacks, message(CLASSES), own, "labels={'0': 700, '1': 300} or classes=N")
    said = f"facts: {{chance: {{{metric}: ...}}}}"
    if meaning.family == "loss":
        return Question(lacks, message(GUESS), said, "chance_loss=2.303")
    answer = ACTING if meaning.family == "reward" else RANDOM if meaning.share else MEAN
    return Question(lacks, message(answer), said, "chance_score=...")


def schedule(telemetry: Telemetry, facts: Facts) -> Question | None:
    """When the learning rate rises and is lowered; None where a person, parameters and the log tell it, or a logged rate."""
    unrated = 0.0 in telemetry.column("facts/rate").values
    if unrated or facts.warmup is not None or facts.drops is not None or telemetry.column("lr").values:
        return None
    rises = facts.own(*WARMUPS, *WARM_SHARES) is None and not telemetry.column("facts/warmup").values
    if facts.own(*DROPS) is not None or telemetry.column("facts/drop/0").values:
        lacks = message("nothing tells how long the learning rate rises at first")
        return Question(lacks, message("0 if it does not"), "facts: {warmup: 5}", "warmup=5") if rises else None
    if not rises:
        lacks = message("nothing tells after which epochs a step lowers the learning rate")
        return Question(lacks, message("[] if none does"), "facts: {drops: [30]}", "drops=[30]")
    lacks = message("nothing tells how long the learning rate rises at first, and after which epochs a step lowers it")
    return Question(lacks, message("0 and [] if it does not"), "facts: {warmup: 5, drops: [30]}", "warmup=5, drops=[30]")
