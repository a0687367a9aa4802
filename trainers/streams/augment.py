"""Augmentation of images: another brightness and contrast, and another place, for each image in each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pitprop.trainers.streams.settings import Settings
from torch import Generator, Tensor


def changes(
    randoms: Sequence[Generator], settings: Sequence[Settings], rows: int, batch: int, device: str
) -> Iterator[Change | None]:
    """For each batch of an epoch over ``rows`` images what becomes of them, drawn lane by lane; None if no lane changes any."""
    if not any(lane.jitter or lane.shift for lane in settings):
        while True:
            yield None
    light, moved = torch.zeros(len(settings), rows, 2), torch.zeros(len(settings), rows, 2, dtype=torch.long)
    for index, (random, lane) in enumerate(zip(randoms, settings, strict=True)):
        light[index] = lane.jitter * (2 * torch.rand(rows, 2, generator=random) - 1)
        moved[index] = torch.randint(-lane.shift, lane.shift + 1, (rows, 2), generator=random)
    parts = (torch.split(part.to(device), batch, dim=1) for part in (light, moved))
    yield from zip(*parts, strict=True)


def apply(change: Change | None, images: Tensor) -> Tensor:
    """Images (K, B, h, w), changed. What a shift brings in repeats the edge. A lane that changes nothing keeps its every bit."""
    if change is None:
        return images
    light, moved = change
    (lanes, batch, *sides), device = images.shape, images.device
    down, right = (
        (torch.arange(side, device=device) + moved[..., axis, None]).clamp(0, side - 1) for axis, side in enumerate(sides)
    )
    lane, row = torch.arange(lanes, device=device)[:, None, None, None], torch.arange(batch, device=device)[:, None, None]
    factor, offset = light[..., None, None].unbind(dim=2)
    return images[lane, row, down[..., :, None], right[..., None, :]] * (1 + factor) + offset


Change = tuple[Tensor, Tensor]
"""Of the images of a batch, (K, B, 2) each: contrast's change and brightness', then how far to look down and right, in pixels."""
