"""What is known of a training before its first epoch: the ground that signatures judge from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Facts:
    """Known before training. Whatever is None or empty is read off the telemetry where it can be.

    ``budget`` and ``warmup`` are in epochs; ``metric`` is the objective's name and ``maximize`` its direction; ``labels``
    are validation samples by class; ``chance_score`` and ``chance_loss`` are what a model reaches that has learned nothing;
    ``baseline`` is the objective of the best baseline.
    """

    budget: int
    metric: str = "val/macro_f1"
    maximize: bool = True
    warmup: float | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    chance_score: float | None = None
    chance_loss: float | None = None
    baseline: float | None = None
