"""Windows cut from recordings, and the order in which an epoch shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pitprop.trainers.sequences.recordings import Recording
from torch import Generator, Tensor


def padded(recording: Recording, margin: int) -> Tensor:
    """The signals with ``margin`` frames before and after them, equal to the first and last: (n + 2 margin, c)."""
    return torch.from_numpy(np.pad(recording.x, ((margin, margin), (0, 0)), mode="edge"))


def labels(recording: Recording, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Whether there is an event at each frame (n,), and the elements that it has (n, all heads' elements): 0 and 1, floats."""
    event, elements = torch.zeros(len(recording.x)), torch.zeros(len(recording.x), sum(sizes))
    event[recording.frames] = 1
    first = np.cumsum([0, *sizes[:-1]])
    elements[recording.frames[:, None], first + recording.elements] = 1
    return event, elements


def cut(recordings: Sequence[Recording], sizes: Sequence[int], length: int, margin: int) -> Windows:
    """Windows side by side of ``length`` frames; what is left at a recording's end, shorter than one, is left out.

    `ValueError` if no recording is as long, or no window holds an event.
    """
    parts = []
    for recording in recordings:
        count = len(recording.x) // length
        if count:
            event, elements = (
                label[: count * length].view(count, length, *label.shape[1:]) for label in labels(recording, sizes)
            )
            x = padded(recording, margin)[: count * length + 2 * margin].unfold(0, length + 2 * margin, length)
            parts.append((x.transpose(1, 2), event, elements))
    if not parts:
        raise ValueError(f"window: {length} frames are longer than any recording to train by; give a smaller number")
    x, event, elements = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    if not event.any():
        raise ValueError(f"window: none of {len(event)} windows of {length} frames holds an event; give a smaller number")
    return Windows(x.contiguous(), event, elements)


def order(random: Generator, holds: Tensor, share: float | None) -> Tensor:
    """As many windows as there are, (N,), where ``holds`` (N,) says which hold an event: all of them in random order.

    With a ``share``, so many of them do, unless all do anyway. Of either kind none is drawn again before all others were.
    """
    total = len(holds)
    if share is None or bool(holds.all()):
        return torch.randperm(total, generator=random)
    with_event = round(share * total)
    kinds = ((holds.nonzero()[:, 0], with_event), ((~holds).nonzero()[:, 0], total - with_event))
    drawn = torch.cat([_draw(random, rows, count) for rows, count in kinds])
    return drawn[torch.randperm(total, generator=random)]


def _draw(random: Generator, rows: Tensor, count: int) -> Tensor:
    """``count`` of the ``rows``, of which there is one at least: each as often as the others, or once more."""
    rounds = [rows[torch.randperm(len(rows), generator=random)] for _ in range(-(-count // len(rows)))]
    return torch.cat([rows[:0], *rounds])[:count]


@dataclass(frozen=True, slots=True)
class Windows:
    """Of N windows: the signals x (N, length + 2 margin, c), events (N, length) and elements (N, length, E)."""

    x: Tensor
    event: Tensor
    elements: Tensor
