"""What a training reports: epochs of flat metrics, kept as JSON lines.

NaN and infinity are values here, never gaps: they are written as ``NaN`` and ``Infinity`` and read back as such. A metric
that an epoch did not report is absent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

VOCABULARY: Mapping[str, str] = {
    "train/loss": "mean training loss, the data term alone (no regularisation)",
    "val/loss": "mean validation loss, the data term alone",
    "chance/loss": "validation loss of a model that knows only the class prior",
    "lr": "learning rate at the end of the epoch",
    "grad_norm": "mean gradient norm over the epoch's steps, before clipping",
    "grad_norm/": "the same for one branch",
    "update_ratio": "mean length of a step over the length of the weights",
    "params/trainable": "number of parameters that may learn",
    "params/with_grad": "number of parameters that received a non-zero gradient",
    "val/predicted/": "how many validation samples were predicted as this class",
    "val/labels/": "how many validation samples are of this class",
    "val/auc": "area under the ROC curve",
    "val/logit_spread": "standard deviation of the logits across validation samples",
    "embedding/cosine": "mean cosine over pairs of embeddings",
    "embedding/rank": "effective rank of the embeddings",
    "batch/classes": "mean number of classes in a batch",
    "seconds": "wall time of the epoch",
    "val/": "any other validation metric",
}
"""The metric names that signatures understand; a name that ends in ``/`` is a prefix."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a trial reported at one step, by flat name. ``step`` counts finished epochs, from 1."""

    step: int
    metrics: Mapping[str, float]


Telemetry = Sequence[Epoch]
"""The epochs of one training, oldest first."""


def series(telemetry: Telemetry, name: str) -> list[float]:
    """The values of ``name``, one an epoch; NaN where an epoch did not report it."""
    return [epoch.metrics.get(name, math.nan) for epoch in telemetry]


def columns(epoch: Epoch, prefix: str) -> dict[str, float]:
    """The metrics of ``epoch`` under ``prefix``, by the rest of their names."""
    return {name[len(prefix) :]: value for name, value in epoch.metrics.items() if name.startswith(prefix)}


def reports(telemetry: Telemetry, name: str) -> bool:
    """Whether any epoch holds ``name`` (or, if it ends in ``/``, a metric under it)."""
    if name.endswith("/"):
        return any(key.startswith(name) for epoch in telemetry for key in epoch.metrics)
    return any(name in epoch.metrics for epoch in telemetry)


def dumps(epoch: Epoch) -> str:
    """One JSON line, without its newline."""
    return json.dumps({"step": epoch.step, **epoch.metrics})


def loads(line: str) -> Epoch:
    """The epoch of one JSON line; ``ValueError`` if it is not one."""
    row = json.loads(line)
    if not isinstance(row, dict) or "step" not in row:
        raise ValueError(f"not an epoch: {line[:80]!r}")
    return Epoch(int(row.pop("step")), {name: float(value) for name, value in row.items()})


def read(path: Path) -> list[Epoch]:
    """The epochs in a file, oldest first; none if there is no file. A line torn by a crash ends the reading."""
    epochs: list[Epoch] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return epochs
    for line in lines:
        try:
            epochs.append(loads(line))
        except (ValueError, TypeError):
            break
    return epochs


def append(path: Path, epoch: Epoch) -> None:
    """Adds one line to the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(dumps(epoch) + "\n")


def rewrite(path: Path, epochs: Iterable[Epoch]) -> None:
    """Replaces the file as a whole, or leaves it as it was."""
    draft = path.with_suffix(".part")
    draft.write_text("".join(dumps(epoch) + "\n" for epoch in epochs), encoding="utf-8")
    draft.replace(path)
