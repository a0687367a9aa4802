"""Validate K models on the held-out recordings, each in full: losses, frames, events and elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pitprop.trainers.lanes import evaluation, losses
from pitprop.trainers.lanes.perceptron import extremes
from pitprop.trainers.sequences import spotting
from pitprop.trainers.sequences.recordings import Split
from pitprop.trainers.sequences.windows import labels, padded
from torch import Tensor

FRAMES = 8192
"""Frames of all lanes at a time, so that what a layer gives stays in the cache."""

Outputs = Callable[[Tensor], Sequence[Tensor]]
"""The outputs of each layer and the logits of both heads, given signals; see `Convolution.outputs`."""


class Validation:
    """The held-out recordings of a split, on the device; ``margin`` is what the model takes off either end."""

    def __init__(self, split: Split, margin: int, rules: Rules, device: str) -> None:
        self._sizes, self._margin, self._rules = split.sizes, margin, rules
        self._x = [padded(one, margin).to(device) for one in split.val]
        events, elements = zip(*(labels(one, split.sizes) for one in split.val), strict=True)
        self._event, self._elements = torch.cat(events).to(device), torch.cat(elements).to(device)
        self._at = self._event.nonzero()[:, 0]
        self._truths = [spotting.truth(one.frames, one.elements, split.sizes, device) for one in split.val]
        self.frames, self.elements = len(self._event), self._elements[self._at].tolist()

    def measure(self, outputs: Outputs, weighting: Weighting) -> dict[str, Tensor]:
        """Readings (K,) by metric name."""
        least = weighting.least
        parts, inside = self._predict(outputs, len(least))
        coarse, fine = (torch.cat(logits, dim=1) for logits in zip(*parts, strict=True))
        loss = self._losses(coarse, fine, weighting)
        return loss | evaluation.thresholded(coarse, self._event.long(), least) | self._events(parts, least) | inside

    def _predict(self, outputs: Outputs, lanes: int) -> tuple[list[tuple[Tensor, Tensor]], dict[str, Tensor]]:
        """Coarse (K, n) and fine (K, n, E) logits of each recording, and readings (K,) of each layer."""
        piece, parts, seen = max(1, FRAMES // lanes), list[tuple[Tensor, Tensor]](), []
        for x in self._x:
            heads = []
            for begin in range(0, len(x) - 2 * self._margin, piece):
                *hidden, coarse, fine = outputs(x[None, None, begin : begin + piece + 2 * self._margin].expand(lanes, 1, -1, -1))
                heads.append((coarse[:, 0, :, 0].float(), fine[:, 0].float()))
                largest, saturated = extremes([output[:, 0].float() for output in hidden])
                units = torch.tensor([output[0].numel() for output in hidden], device=x.device)
                seen.append((largest, saturated / units))
            parts.append((torch.cat([one for one, _ in heads], dim=1), torch.cat([other for _, other in heads], dim=1)))
        largest, saturated = (torch.stack(readings) for readings in zip(*seen, strict=True))
        layers = range(saturated.shape[2])
        dormant = (largest.amax(dim=0) <= 0).float().view(lanes, len(layers), -1).mean(dim=2)
        inside = {f"dormant/{layer}": dormant[:, layer] for layer in layers}
        return parts, inside | {f"saturated/{layer}": saturated.mean(dim=0)[:, layer] for layer in layers}

    def _losses(self, coarse: Tensor, fine: Tensor, weighting: Weighting) -> dict[str, Tensor]:
        event, elements = self._event.expand_as(coarse)[:, None], self._elements[self._at].expand(len(coarse), 1, -1, -1)
        found = losses.binary_focal(coarse[:, None], event, weighting.classes, weighting.gamma) / self.frames
        told = losses.event_elements(fine[:, None, self._at], event[..., self._at], elements) / len(self._at)
        return {
            "val/loss": weighting.coarse * found + weighting.fine * told,
            "val/coarse/loss": found,
            "val/fine/loss": told,
        }

    def _events(self, parts: Sequence[tuple[Tensor, Tensor]], least: Tensor) -> dict[str, Tensor]:
        """What the coarse head finds, and what the fine ones say of it: their guesses count where it found an event alone."""
        tallies, right = [], []
        for (coarse, fine), truth in zip(parts, self._truths, strict=True):
            found, guess = spotting.peaks(coarse, least, self._rules.radius), spotting.decoded(fine, self._sizes)
            tallies.append(spotting.tally(found, guess, truth, self._rules.tolerance, self._rules.radius))
            right.append(guess[:, truth.frames] == truth.labels)
        located = torch.stack([one.located for one in tallies]).sum(dim=0)
        accuracy = torch.cat(right, dim=1).double().mean(dim=1)
        heads = {f"val/fine/accuracy_{head}": accuracy[:, 1 + head] for head in range(len(self._sizes))}
        return heads | {
            "val/lcl_f1": spotting.f1(located),
            "val/event_f1": spotting.f1(torch.stack([one.kinds for one in tallies]).sum(dim=0)),
            "val/element_f1": spotting.f1(torch.stack([one.elements for one in tallies]).sum(dim=0)),
            "val/edit": torch.stack([one.edit for one in tallies]).mean(dim=0),
            "val/found": located[1, :, 0],
            "val/fine/accuracy": accuracy[:, 1:].mean(dim=1),
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """How events count: matched within ``tolerance`` frames, and one only within ``radius`` frames."""

    tolerance: int
    radius: int


@dataclass(frozen=True, slots=True)
class Weighting:
    """Of K lanes: the weights of frames without and with an event (K, 2), gamma (K,), and either head's weight (K,).

    A frame is an event's from the coarse logit ``least`` (K,) on.
    """

    classes: Tensor
    gamma: Tensor
    coarse: Tensor
    fine: Tensor
    least: Tensor
