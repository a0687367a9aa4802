"""AdamW, SGD and a learning rate schedule for K lanes at once, each with its own step count."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from pitprop.trainers.lanes.stack import Stack
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8
MOMENTUM = 0.9


def warmup_cosine(
    step: Tensor, peak: Tensor, warmup: Tensor, start_factor: Tensor, total: int, lowest: Tensor | float = 0.0
) -> Tensor:
    """The learning rate (K, S) at ``step`` (K, S), counted from 0; the others are (K, 1), in float64.

    Linear from ``start_factor * peak`` over ``warmup`` steps, then half a cosine down to ``lowest`` at ``total`` steps.
    """
    rise = start_factor + (1 - start_factor) * step / warmup.clamp(min=1)
    fall = 0.5 * (1 + torch.cos(torch.pi * (step - warmup) / (total - warmup).clamp(min=1)))
    return torch.where(step < warmup, peak * rise, lowest + (peak - lowest) * fall)


def coefficients(step: Tensor, lr: Tensor, weight_decay: Tensor) -> list[tuple[Tensor, ...]]:
    """AdamW's three factors for each of S steps, (K, 1) each: the step's size, the second moment's scale and the decay.

    ``step`` and ``lr`` are (K, S), ``weight_decay`` is (K, 1), in float64: in float32 the bias correction 1 - 0.999^t loses
    so many digits that trainings drift apart.
    """
    count = step + 1
    size = lr / (1 - BETAS[0] ** count)
    scale = (1 - BETAS[1] ** count).sqrt()
    table = torch.stack([size, scale, lr * weight_decay]).float()
    return [tuple(row[..., None]) for row in table.permute(2, 0, 1).contiguous()]


def clip(stack: Stack, norm: Tensor, limit: Tensor) -> None:
    """Scales gradients longer than ``limit`` (K,) down to it; infinity leaves them. As `torch.nn.utils.clip_grad_norm_`."""
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    stack.grads.mul_(torch.where(limit.isinf(), 1.0, factor)[:, None])


def adamw(stack: Stack, factors: Sequence[Tensor]) -> Tensor:
    """One step of AdamW (Loshchilov and Hutter 2019), as `torch.optim.AdamW`. How long it was, over the weights' length: (K,)."""
    size, scale, decay = factors
    stack.mean.lerp_(stack.grads, 1 - BETAS[0])
    stack.square.mul_(BETAS[1]).addcmul_(stack.grads, stack.grads, value=1 - BETAS[1])
    update = stack.mean / stack.square.sqrt().div_(scale).add_(EPSILON)
    update.mul_(size).addcmul_(stack.weights, decay)
    length = norms(stack.weights)
    stack.weights.sub_(update)
    return norms(update) / length


def sgd_coefficients(step: Tensor, lr: Tensor, weight_decay: Tensor) -> list[tuple[Tensor, ...]]:
    """SGD's two factors for each of S steps, (K, 1) each: the step's size and the decay. Arguments as for `coefficients`."""
    table = torch.stack([lr, weight_decay.expand_as(lr)]).float()
    return [tuple(row[..., None]) for row in table.permute(2, 0, 1).contiguous()]


def sgd(stack: Stack, factors: Sequence[Tensor]) -> Tensor:
    """One step with `MOMENTUM`, as `torch.optim.SGD`; ``mean`` holds the momentum. How long it was, over the weights' length."""
    size, decay = factors
    stack.mean.mul_(MOMENTUM).add_(stack.grads).addcmul_(stack.weights, decay)
    update = stack.mean * size
    length = norms(stack.weights)
    stack.weights.sub_(update)
    return norms(update) / length


def norms(rows: Tensor) -> Tensor:
    """The length of each row, (K, P) to (K,)."""
    length: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return length


Rule = tuple[Callable[[Tensor, Tensor, Tensor], list[tuple[Tensor, ...]]], Callable[[Stack, Sequence[Tensor]], Tensor]]
"""An optimizer: the factors of its steps, and one step with them."""
ADAMW: Rule = (coefficients, adamw)
SGD: Rule = (sgd_coefficients, sgd)
