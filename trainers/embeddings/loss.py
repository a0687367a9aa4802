"""The supervised contrastive loss with a lane axis."""

from __future__ import annotations

import torch
from torch import Tensor


def supervised_contrastive(z: Tensor, y: Tensor, temperature: Tensor) -> Tensor:
    """The loss of Khosla et al. (2020), equation 2 ("out"), of batches in one view: embeddings (K, N, E), classes (K, N) to (K,).

    Of each sample, against the N - 1 others: the mean of -ln softmax(z_i z_p / temperature) over those of its class. The mean is
    over samples that are not alone in theirs. Embeddings all alike give ln(N - 1), whatever the classes.
    """
    itself = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    logits = (z * temperature.reciprocal()[:, None, None]) @ z.mT
    positive = (y[:, :, None] == y[:, None, :]) & ~itself
    count = positive.sum(dim=2)
    near = (logits * positive).sum(dim=2) / count.clamp(min=1)
    loss = torch.logsumexp(logits.masked_fill(itself, -torch.inf), dim=2) - near
    paired = count > 0
    return torch.where(paired, loss, 0.0).sum(dim=1) / paired.sum(dim=1).clamp(min=1)
