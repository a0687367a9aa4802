"""What a reader gives: a row of readings, by the names of our vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """Readings that a log gives at one place.

    ``kind`` is ``"train"`` for some steps of training, ``"mean"`` for what stands in place of all of an epoch's, ``"val"`` for a
    validation (or a piece of what is printed of one), ``"part"`` for one batch of a validation, to be averaged, and
    ``"epoch"`` for all there is of a finished epoch.
    ``step`` counts optimizer steps over the whole training and ``epoch`` is the source's own number, each None if not said.
    ``weight`` is of how many such rows it gives the means.
    """

    kind: str
    metrics: Mapping[str, float]
    step: int | None = None
    epoch: int | None = None
    weight: int = 1
