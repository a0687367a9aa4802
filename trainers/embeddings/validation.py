"""What is measured of one model's embeddings: the loss on fixed batches, how far they spread, how they hold classes apart."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pitprop.detection import chance
from pitprop.trainers.data.satimage import Split
from pitprop.trainers.embeddings import quality
from pitprop.trainers.embeddings.loss import supervised_contrastive
from pitprop.trainers.lanes import draw
from torch import Tensor

KNOWN = 1024
"""Among the embeddings of how many training samples neighbours are looked for; the linear probe is fitted on the same."""


class Validation:
    """Validation samples, x (m, V, d) and y (V,), in a random order that is always the same, and training samples to know."""

    def __init__(self, split: Split, batch: int, device: str) -> None:
        self._batch = batch
        self.labels = torch.from_numpy(split.y_val).bincount(minlength=split.classes).tolist()
        self._classes = split.classes
        order = draw.order(draw.generator(0, "validation"), len(split.y_val))
        known = draw.order(draw.generator(0, "known"), len(split.y_train))[:KNOWN]
        sides = (split.x_val, split.y_val, order), (split.x_train, split.y_train, known)
        (self._x, self._y), (self._known, self._known_y) = (
            (torch.from_numpy(x)[rows].transpose(0, 1).contiguous().to(device), torch.from_numpy(y)[rows].to(device))
            for x, y, rows in sides
        )

    def measure(self, embed: Callable[[Tensor], Tensor], temperature: float) -> dict[str, Tensor]:
        """Readings (1,) by metric name, given what turns samples (1, m, n, d) into embeddings (1, n, E)."""
        known, z = embed(self._known[None]), embed(self._x[None])
        count = len(self._y) // self._batch
        whole = slice(count * self._batch)  # the loss of a smaller batch has another level at chance
        batches, labels = z[0, whole].view(count, self._batch, -1), self._y[whole].view(count, self._batch)
        each = supervised_contrastive(batches, labels, torch.full((count,), temperature, device=z.device))
        loss = each.mean(dim=0, keepdim=True)
        level = {"val/loss": loss, "val/loss_ratio": loss / chance.supervised_contrastive(self._batch)}
        return level | quality.spread(z) | quality.separation(known, self._known_y, z, self._y, self._classes)
