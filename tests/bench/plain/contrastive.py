"""The trainer ``contrastive``: an encoder for each band and the supervised contrastive loss, scored by nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from pitprop.trainers import contrastive as trainer
from pitprop.trainers.contrastive import KNOWN
from pitprop.trainers.data import satimage
from pitprop.trainers.embeddings import batches
from pitprop.trainers.embeddings.quality import NEIGHBOURS
from pitprop.trainers.lanes.hyperparameters import complete
from torch import Tensor, nn
from torch.nn import functional

from .training import Training, seeded, warmup_cosine

OPTIONS: Mapping[str, Any] = trainer.OPTIONS


def load() -> Data:
    """The satellite image that ships, split as the trainer splits it; the validation side is shuffled, as it comes by class."""
    split = satimage.split(satimage.load(), OPTIONS["val_fraction"], OPTIONS["split_seed"])
    x, y, x_val, y_val = (torch.from_numpy(part) for part in (split.x_train, split.y_train, split.x_val, split.y_val))
    random = torch.Generator().manual_seed(0)
    order, known = (torch.randperm(len(side), generator=random) for side in (y_val, y))
    return Data(x, y, x_val[order], y_val[order], known[:KNOWN])


def begin(data: Data, params: Mapping[str, Any], epochs: int, seed: int = 0) -> Training:
    """A training of ``epochs``: stratified batches, embeddings through a layer norm and to length 1, all encoders learning."""
    settings, random = complete(params, trainer.PARAMS), torch.Generator().manual_seed(seed)
    batch, temperature, lr = OPTIONS["batch_size"], settings["temperature"], settings["lr"]
    _, modalities, inputs = data.x.shape
    model = seeded(seed, lambda: Encoders(modalities, inputs, [*OPTIONS["hidden"], OPTIONS["embedding"]]))
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=settings["weight_decay"], fused=True)
    warmup, steps = settings["warmup"], len(data.y) // batch
    start, end = (min(rate, lr) / lr for rate in (warmup["start_lr"], settings["min_lr"]))
    return Training(
        model,
        optimizer,
        warmup_cosine(optimizer, steps, epochs, warmup=warmup["epochs"], start=start, end=end),
        batches=lambda: torch.split(batches.rows(settings["sampler"], random, data.y, batch), batch),
        loss=lambda rows: supervised_contrastive(model(data.x[rows]), data.y[rows], temperature),
        validate=lambda: validate(model, data, batch, temperature),
    )


def supervised_contrastive(z: Tensor, y: Tensor, temperature: float) -> Tensor:
    """The mean loss of samples that are not alone in their class (Khosla et al. 2020), of batches (..., N, E) and (..., N)."""
    itself = torch.eye(y.shape[-1], dtype=torch.bool)
    logits = (z @ z.mT / temperature).masked_fill(itself, -torch.inf)
    positive = (y[..., :, None] == y[..., None, :]) & ~itself
    logs = functional.log_softmax(logits, dim=-1).masked_fill(~positive, 0.0)
    count = positive.sum(dim=-1)
    return (-logs.sum(dim=-1) / count.clamp(min=1)).sum() / (count > 0).sum()


def validate(model: nn.Module, data: Data, batch: int, temperature: float) -> tuple[float, float]:
    """The loss on whole batches, and the balanced accuracy of a vote among the nearest of some training samples."""
    z, known = model(data.x_val), model(data.x[data.known])
    whole = len(z) // batch * batch
    loss = supervised_contrastive(z[:whole].unflatten(0, (-1, batch)), data.y_val[:whole].view(-1, batch), temperature)
    nearest = (z @ known.T).topk(NEIGHBOURS, dim=1).indices
    right = data.y[data.known][nearest].mode(dim=1).values == data.y_val
    classes = [right[data.y_val == label].double().mean() for label in range(int(data.y_val.max()) + 1)]
    return loss.item(), torch.stack(classes).mean().item()


class Encoders(nn.Module):
    """A perceptron for each modality; the embedding is the mean of what they give."""

    def __init__(self, modalities: int, inputs: int, widths: list[int]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(perceptron([inputs, *widths]) for _ in range(modalities))

    def forward(self, x: Tensor) -> Tensor:
        """Samples (B, m, d) to embeddings (B, E) of length 1."""
        z = torch.stack([part(x[:, index]) for index, part in enumerate(self.parts)]).mean(dim=0)
        return functional.normalize(functional.layer_norm(z, z.shape[1:]), dim=1)


def perceptron(widths: list[int]) -> nn.Module:
    layers = [layer for sizes in pairwise(widths) for layer in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Data(NamedTuple):
    """Features (n, m, d) and classes (n,) of both sides, and the training rows among which neighbours are looked for."""

    x: Tensor
    y: Tensor
    x_val: Tensor
    y_val: Tensor
    known: Tensor
