"""Find events in frame scores, and score them and their elements against the true ones: the metrics of F3Set.

Liu et al., "F3Set: Towards Analyzing Fast, Frequent, and Fine-grained Events from Videos", ICLR 2025: F1 of the localisation, of
events and of elements within a tolerance, and the edit score. Their code counts a frame as missed that lies beside an event
which is found; here true and found events are matched one to one instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool1d, pad


def peaks(score: Tensor, least: Tensor, radius: int) -> Tensor:
    """The frames at which an event is found, (K, T), given scores (K, T) and the ``least`` score of an event (K,).

    F3ED's non-maximum suppression: no frame within ``radius`` scores more. Of frames that score alike the first is kept.
    """
    found = score >= least[:, None]
    if radius:
        before, after = pad(score, (radius, 0), value=-torch.inf)[:, :-1], pad(score, (0, radius), value=-torch.inf)[:, 1:]
        found &= score > max_pool1d(before[:, None], radius, stride=1)[:, 0]
        found &= score >= max_pool1d(after[:, None], radius, stride=1)[:, 0]
    return found


def decoded(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """The kind of each frame's event and the likeliest element of each head, (K, T, 1 + heads), given logits (K, T, E)."""
    elements = torch.stack([head.argmax(dim=2) for head in torch.split(logits, list(sizes), dim=2)], dim=2)
    return named(elements, sizes)


def named(elements: Tensor, sizes: Sequence[int]) -> Tensor:
    """Elements (..., heads) behind the number of their combination, the kind of the event: (..., 1 + heads)."""
    kind = torch.zeros_like(elements[..., 0])
    for head, size in enumerate(sizes):
        kind = kind * size + elements[..., head]
    return torch.cat([kind[..., None], elements], dim=-1)


def tally(found: Tensor, guess: Tensor, truth: Truth, tolerance: int, radius: int) -> Tally:
    """Counts of one recording, given where `peaks` finds events (K, T) and what each frame would be (K, T, 1 + heads)."""
    hits = _matched(found, guess, truth, tolerance).double()
    all_found, events = found.sum(dim=1).double(), hits.new_full((len(found),), len(truth.frames))
    counts = [torch.stack([hits[..., 0].sum(dim=1), all_found, events])[..., None]]
    for column, size in enumerate([math.prod(truth.sizes), *truth.sizes]):
        told = torch.zeros(len(truth.frames), size, dtype=torch.float64, device=found.device)
        told.scatter_(1, truth.labels[:, column, None], 1.0)
        guessed = torch.zeros(len(found), size, dtype=torch.float64, device=found.device)
        guessed.scatter_add_(1, guess[..., column], found.double())
        counts.append(torch.stack([hits[..., column + 1] @ told, guessed, told.sum(dim=0).expand_as(guessed)]))
    score = edit(found, guess[..., 0], truth.labels[:, 0], radius)
    return Tally(counts[0], counts[1], torch.cat(counts[2:], dim=2), score)


def f1(counts: Tensor) -> Tensor:
    """The mean F1, 2 hits / (found + true), over the classes that occur or are found; of counts (3, K, C), (K,)."""
    hits, found, true = counts
    known = (found + true > 0).sum(dim=1)
    mean: Tensor = (2 * hits / (found + true).clamp(min=1)).sum(dim=1) / known.clamp(min=1)
    return mean


def edit(found: Tensor, kind: Tensor, true: Tensor, radius: int) -> Tensor:
    """100 (1 - d / max(n, m)), d the Levenshtein distance between the n found kinds and the m ``true`` ones in a row: (K,).

    The edit score of Lea et al. (ECCV 2016), where each event is a segment; events of one kind in a row remain several.
    """
    lanes, frames = found.shape
    most = -(-frames // (radius + 1))  # two events that are found lie more than the radius apart
    place = (found.cumsum(dim=1) - 1).where(found, most)
    row = torch.full((lanes, most + 1), -1, device=found.device).scatter_(1, place, kind)[:, :most]
    columns = torch.arange(most + 1, dtype=torch.float32, device=found.device)
    distance = columns.expand(lanes, -1)
    for index, label in enumerate(true):
        changed = torch.minimum(distance[:, 1:] + 1, distance[:, :-1] + (row != label))
        best = torch.cat([torch.full_like(changed[:, :1], index + 1), changed], dim=1)
        distance = (best - columns).cummin(dim=1).values + columns  # or the best one further left, and the rest inserted
    count = found.sum(dim=1)
    last = distance.gather(1, count[:, None])[:, 0].double()
    return 100 * (1 - last / count.clamp(min=max(len(true), 1)))


def _matched(found: Tensor, guess: Tensor, truth: Truth, tolerance: int) -> Tensor:
    """Whether each true event is matched: in time alone, and in each column of ``guess`` too, (K, m, 2 + heads).

    Each takes the first free one of its own kind within the tolerance. As all spans are as long, no matching is larger.
    """
    lanes, frames, columns = guess.shape
    taken = torch.zeros(lanes, frames, columns + 1, dtype=torch.bool, device=found.device)
    hits = torch.zeros(lanes, len(truth.frames), columns + 1, dtype=torch.bool, device=found.device)
    for index, frame in enumerate(truth.frames):
        near = slice(max(0, frame - tolerance), frame + tolerance + 1)
        there = found[:, near, None]
        fits = torch.cat([there, there & (guess[:, near] == truth.labels[index])], dim=2) & ~taken[:, near]
        taken[:, near] |= fits & (fits.cumsum(dim=1) == 1)
        hits[:, index] = fits.any(dim=1)
    return hits


def truth(frames: NDArray[np.int64], elements: NDArray[np.int64], sizes: Sequence[int], device: str) -> Truth:
    """The events of a recording, given their elements (m, heads)."""
    return Truth(frames.tolist(), named(torch.from_numpy(elements), sizes).to(device), sizes)


@dataclass(frozen=True, slots=True)
class Truth:
    """A recording's events: their frames in order, their kinds and elements (m, 1 + heads), and how many each head has."""

    frames: Sequence[int]
    labels: Tensor
    sizes: Sequence[int]


@dataclass(frozen=True, slots=True)
class Tally:
    """Hits, found and true events (3, K, C): of all events (C is 1), of each kind, of each element; and the edit score (K,)."""

    located: Tensor
    kinds: Tensor
    elements: Tensor
    edit: Tensor
