"""What every candidate trains: trials of ten short epochs of the trainer ``imbalanced``, about 0.25 s each on one core."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitprop.telemetry import Epoch

TRIALS, EPOCHS, WORKERS = 64, 10, 2
METRIC = "val/macro_f1"
SPACE = """\
question: What does the search cost beside the training?
trainer: imbalanced
objective: {{metric: {metric}, goal: maximize}}
epochs: {epochs}
trials: {trials}
params:
  lr: {{float: [1e-4, 1e-2], log: true}}
  weight_decay: {{float: [1e-5, 1e-1], log: true}}
  focal: {{gamma: {{float: [0.0, 5.0]}}}}
  prior_bias: {{choice: [false, true]}}
signatures: off  # every trial is to train all of its epochs
sampler: random
resources: {{workers: {workers}, lanes: {lanes}}}
"""


def space(lanes: int) -> str:
    """The YAML of the space, for ``lanes`` trials at once on each worker."""
    return SPACE.format(metric=METRIC, epochs=EPOCHS, trials=TRIALS, workers=WORKERS, lanes=lanes)


def configuration(number: int) -> dict[str, Any]:
    """A point of the space, the same for the same number."""
    draw = random.Random(number)
    return {
        "lr": 10 ** draw.uniform(-4, -2),
        "weight_decay": 10 ** draw.uniform(-5, -1),
        "focal": {"gamma": draw.uniform(0.0, 5.0)},
        "prior_bias": draw.random() < 0.5,
    }


def epochs(params: dict[str, Any]) -> Iterator[Epoch]:
    """The bare training of one trial: the trainer at one lane, with nothing around it."""
    from pitprop.trainer import Context, Lane, Start
    from pitprop.trainers import imbalanced  # torch only where it trains

    lane = Lane(0, 0)
    training = imbalanced.train_lanes([Start(lane, params, seed=0, folder=".")], Context(EPOCHS))
    for _ in range(EPOCHS):
        yield next(training)[lane]
    training.close()
