"""What a space says of the workers: what each of them has to itself, and how many there may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pitprop.messages import N_
from pitprop.space.schema.kinds import MAPPING, Count, Positive, Rows, Text, numeric, whole
from pydantic.dataclasses import dataclass

WORKERS = whole(1, N_("a whole number of at least 1, or a mapping such as {min: 1, max: 16}"))
GPUS = numeric(
    N_("a number of at least 0: a part of one GPU, or several whole ones"),
    lambda value: value >= 0 and (value <= 1 or value.is_integer()),
    minimum=0,
)


@dataclass(frozen=True, slots=True, config=MAPPING)
class Workers:
    """How many workers train at once on a cluster whose nodes come and go."""

    min: Count = 1
    """Fewer do not begin: a search waits for so many."""
    max: Count | None = None
    """As many as fit, if not said."""


@dataclass(frozen=True, slots=True, config=MAPPING)
class Resources:
    """What one worker holds, and how many workers and lanes there may be; as many as fit, if not said."""

    cpus: Positive = 1.0
    """CPUs of one worker."""
    gpus: Annotated[float, GPUS] = 0.0
    """GPUs of one worker: 0.25 lets four share one, 2 gives it two of one node."""
    accelerator_type: Text | None = None
    """The kind of its GPUs in the words of Ray, such as H100 or A100-40G; any, if not said."""
    workers: Annotated[Workers | int, Rows(Workers, WORKERS)] | None = None
    """How many workers train at once, or {min: 1, max: 16} where nodes come and go."""
    lanes: Count | None = None
    """How many trials a worker trains as one, if the trainer can."""

    @property
    def most_workers(self) -> int | None:
        """How many workers there may be; None: as many as fit."""
        return self.workers.max if isinstance(self.workers, Workers) else self.workers


def contradictions(said: Resources) -> Iterator[tuple[str, str]]:
    """What does not go together, by its key: a sentence each."""
    if isinstance(said.workers, Workers) and said.workers.max is not None and said.workers.max < said.workers.min:
        yield "resources.workers", f"max: {said.workers.max} is less than min: {said.workers.min}; raise max, or lower min"
    if said.accelerator_type is not None and not said.gpus:
        yield "resources.accelerator_type", "is the kind of GPUs, and gpus is 0: give each worker gpus: 1, or leave the kind out"
