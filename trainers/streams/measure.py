"""Validation of K two-stream models: each head's loss and score, what the fused one predicts, and what goes on inside."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pitprop.trainers.lanes import multiclass
from pitprop.trainers.lanes.perceptron import extremes
from pitprop.trainers.streams.model import HEADS, TERMS, Streams, terms
from torch import Tensor

SAMPLES = 8192
"""Validation samples of all lanes at a time, so that they stay in the cache."""
STREAMS = ("rgb", "pose")


def validate(
    model: Streams, views: Mapping[str, Tensor], val: tuple[Tensor, Tensor, Tensor], gamma: Tensor, bf16: bool
) -> dict[str, Tensor]:
    """Readings (K,) by metric name on ``val``: rgb (V, h, w), pose (V, d), y (V,). ``gamma`` (K,) is that of the lanes' loss.

    Names without a branch are the fused head's; losses are the heads' own terms, before any weight.
    """
    (rgb, pose, y), lanes = val, len(gamma)
    size = max(1, SAMPLES // lanes)
    heads: dict[str, list[Tensor]] = {name: [] for name in HEADS}
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in STREAMS}
    for images, points in zip(torch.split(rgb.flatten(1), size), torch.split(pose, size), strict=True):
        found = model.outputs(views, images.expand(lanes, -1, -1), points.expand(lanes, -1, -1), bf16)
        for name in HEADS:
            heads[name].append(found[name][-1])
        for name in STREAMS:
            seen[name].append(extremes(found[name][:-1]))
    logits = [torch.cat(parts, dim=1) for parts in heads.values()]
    losses = terms(logits, y.expand(lanes, -1), gamma).double().mean(dim=2)
    named = {"fused": "val/{}", "rgb": "val/rgb/{}", "pose": "val/pose/{}", "aux": "val/aux/{}"}
    readings = {named[term].format("loss"): loss for term, loss in zip(TERMS, losses, strict=True)}
    readings |= {named[name].format("top1"): multiclass.top1(part, y) for name, part in zip(HEADS, logits, strict=True)}
    readings |= multiclass.counts(logits[-1], y) | multiclass.ranking(logits[-1], y)
    for name, parts in seen.items():
        largest, saturated = (torch.stack(part) for part in zip(*parts, strict=True))
        inside = model.parts[name].activity(largest.amax(dim=0), saturated.sum(dim=0) / len(y))
        # Not what is saturated: over points in their own units large pre-activations are the rule, and a ReLU does not mind.
        readings |= {key.replace("/", f"/{name}."): value for key, value in inside.items() if key.startswith("dormant/")}
    return readings
