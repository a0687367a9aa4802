"""Events found in a recording and matched to the true ones, for one model at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pitprop.trainers import events as trainer
from torch import Tensor
from torch.nn.functional import max_pool1d

OPTIONS: Mapping[str, Any] = trainer.OPTIONS
PARAMS: Mapping[str, Any] = trainer.PARAMS


def element_f1(coarse: Sequence[Tensor], fine: Sequence[Tensor], scenes: Sequence[Scene], sizes: Sequence[int]) -> float:
    """The mean F1 over the elements of all heads that occur or are found, of logits (1, n) and (1, n, E) of each scene.

    A true event is matched by the first found frame within the tolerance that has its element and is free, as the trainer has it.
    """
    hits, found, true = np.zeros((3, sum(sizes)))
    first = np.cumsum([0, *sizes[:-1]])
    for score, logits, scene in zip(coarse, fine, scenes, strict=True):
        frames = peaks(score[0])
        heads = torch.split(logits[0, frames], list(sizes), dim=1)
        guesses = torch.stack([head.argmax(dim=1) for head in heads], dim=1).numpy() + first
        elements = scene.elements + first
        np.add.at(found, guesses, 1)
        np.add.at(true, elements, 1)
        for head in range(len(sizes)):
            np.add.at(hits, matched(frames.numpy(), guesses[:, head], scene.frames, elements[:, head]), 1)
    known = found + true > 0
    return float((2 * hits[known] / (found + true)[known]).mean())


def peaks(score: Tensor) -> Tensor:
    """The frames (m,) whose logit (n,) reaches the threshold, and which no frame nearby outdoes."""
    least, radius = float(np.log(PARAMS["threshold"] / (1 - PARAMS["threshold"]))), OPTIONS["suppress"] // 2
    best = max_pool1d(score[None], 2 * radius + 1, stride=1, padding=radius)[0]
    return ((score >= least) & (score == best)).nonzero()[:, 0]


def matched(found: NDArray[Any], guesses: NDArray[Any], true: NDArray[Any], elements: NDArray[Any]) -> list[int]:
    """The elements of the true events that are matched."""
    free, hits = np.ones(len(found), dtype=bool), list[int]()
    for frame, element in zip(true, elements, strict=True):
        (fits,) = np.nonzero(free & (guesses == element) & (np.abs(found - frame) <= OPTIONS["tolerance"]))
        if len(fits):
            free[fits[0]] = False
            hits.append(int(element))
    return hits


class Scene(NamedTuple):
    """A recording: signals x (1, c, n + 2 margin), at each frame ``event`` (n,) and ``labels`` (n, E) of 0 and 1.

    ``frames`` (m,) are those of its events, ``elements`` (m, heads) what they are.
    """

    x: Tensor
    event: Tensor
    labels: Tensor
    frames: NDArray[np.int64]
    elements: NDArray[np.int64]
