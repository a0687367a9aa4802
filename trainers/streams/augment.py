"""Augmentation of images: another brightness and contrast, and another place, for each image in each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

import torch
from torch import Generator, Tensor


def changes(
    randoms: Sequence[Generator], lanes: Sequence[tuple[float, int]], rows: int, batch: int, device: str
) -> Iterator[Change | None]:
    """The change of each batch in an epoch of ``rows`` images, drawn lane by lane; None for each if no lane changes any.

    ``lanes`` are each lane's jitter (a share of contrast and brightness) and shift (pixels).
    """
    if not any(jitter or shift for jitter, shift in lanes):
        return repeat(None, -(-rows // batch))
    light, moved = torch.zeros(len(lanes), rows, 2), torch.zeros(len(lanes), rows, 2, dtype=torch.long)
    for index, (random, (jitter, shift)) in enumerate(zip(randoms, lanes, strict=True)):
        light[index] = jitter * (2 * torch.rand(rows, 2, generator=random) - 1)
        moved[index] = torch.randint(-shift, shift + 1, (rows, 2), generator=random)
    return zip(torch.split(light.to(device), batch, dim=1), torch.split(moved.to(device), batch, dim=1), strict=True)


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


Change = Sequence[Tensor]
"""Of the images of a batch, (K, B, 2) each: contrast's change and brightness', then how far to look down and right, in pixels."""
