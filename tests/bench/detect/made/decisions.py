"""Tasks of yes and no: probabilities of a rare event, rare labels of many, pixels of a shape."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from tests.bench.detect.made.lanes import Params, forward, perceptron
from tests.bench.detect.made.plans import Plan, biased, fed, held
from tests.bench.detect.made.tasks import Measured, Task

_bce = partial(functional.binary_cross_entropy_with_logits, reduction="none")


def odds(recipe: Plan, seed: int, metric: str = "val/brier", rate: float = 0.2, n: int = 500, noise: float = 0.7) -> Task:
    """Probabilities of an event that a net tells in part: Brier score, correlation (MCC), kappa, or precision over recall."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(3 * n, 10, generator=g)
    strength = x[:, 0] * x[:, 1] + x[:, 2].abs() + 0.7 * x[:, 3] + noise * torch.randn(3 * n, generator=g)
    y = (strength > strength.quantile(1 - rate)).float()
    params, true = perceptron(len(recipe.lr), (10, 24, 24, 1), recipe.gain, g), y[2 * n :]
    params = biased(biased(params, "b0", recipe.of("rest", 2)), "b2", recipe.of("bias", 2))
    weight, gamma = recipe.of("positive", 1, 1.0), recipe.of("gamma", 1)

    def loss(p: Params, rows: Tensor) -> Tensor:
        out = forward(held(p, recipe.of("frozen")), x[rows])[..., 0]
        aim = y[rows]
        hit = torch.where(aim > 0, out.sigmoid(), (-out).sigmoid())
        return _bce(out, aim) * torch.where(aim > 0, weight, 1.0) * (1 - hit).clamp(min=1e-6) ** gamma

    def validate(p: Params) -> Measured:
        out = forward(p, x[2 * n :])[..., 0]
        return _judged(metric, out, true), _bce(out, true.expand_as(out)).mean(1)

    share = float(true.mean())
    chance = {"val/brier": share * (1 - share), "val/pr_auc": share}.get(metric, 0.0)
    level = -share * math.log(share) - (1 - share) * math.log(1 - share)
    sampled = fed(recipe, 2 * n, 64, seed, loss, y[: 2 * n].argsort())
    return Task(metric, params, sampled, validate, chance, level, metric != "val/brier")


def _judged(metric: str, out: Tensor, true: Tensor) -> Tensor:
    if metric == "val/brier":
        return (out.sigmoid() - true).pow(2).mean(1)
    if metric == "val/pr_auc":
        hits = true.expand_as(out).gather(1, out.argsort(1, descending=True))
        precision = hits.cumsum(1) / torch.arange(1, len(true) + 1)
        return torch.where(out.isfinite().all(1), (precision * hits).sum(1) / hits.sum(1), math.nan)
    said, n = (out > 0).float(), len(true)
    both, some, real = (said * true).sum(1) / n, said.mean(1), true.mean()
    if metric == "val/mcc":
        return (both - some * real) / (some * (1 - some) * real * (1 - real)).sqrt().clamp(min=1e-9)
    agree, luck = 1 - some - real + 2 * both, some * real + (1 - some) * (1 - real)
    return (agree - luck) / (1 - luck)


def tags(recipe: Plan, seed: int, metric: str = "val/f1_micro", labels: int = 15, above: float = 0.5, n: int = 400) -> Task:
    """Rare labels, each from inputs of its own, decided at ``above``: F1, wrong labels (Hamming) or samples all right.

    Chance is the best that a constant answer reaches: of F1 all labels everywhere, of the others none.
    """
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(3 * n, 20, generator=g)
    hidden = torch.relu(x @ torch.randn(20, 30, generator=g) / math.sqrt(20))
    strength = hidden @ torch.randn(30, labels, generator=g)
    y = (strength > strength.quantile(0.93, dim=0)).float()
    params = biased(perceptron(len(recipe.lr), (20, 48, labels), recipe.gain, g), "b1", recipe.of("bias", 2))
    wrong, weight = y[torch.randperm(3 * n, generator=g)], recipe.of("positive", 2, 1.0)
    mixed = torch.rand(3 * n, generator=g) < recipe.of("mixed", 1)

    def loss(p: Params, rows: Tensor) -> Tensor:
        out = forward(p, x[rows])
        aim = torch.where(mixed.gather(1, rows)[..., None], wrong[rows], y[rows])
        return (_bce(out, aim) * torch.where(aim > 0, weight, 1.0)).mean(2)

    def validate(p: Params) -> Measured:
        out, true = forward(p, x[2 * n :]), y[2 * n :]
        said = (out.sigmoid() > above).float()
        found = _bce(out, true.expand_as(out)).mean((1, 2))
        if metric == "val/hamming_loss":
            return (said != true).float().mean((1, 2)), found
        if metric == "val/exact_match":
            return 100 * (said == true).all(2).float().mean(1), found
        over = 1 if metric == "val/f1_macro" else (1, 2)
        every = said.sum(over) + true.expand_as(said).sum(over)
        score = 2 * (said * true).sum(over) / every.clamp(min=1)
        return score.view(len(out), -1).mean(1), found

    rate, whole = y[2 * n :].mean(0), float((y[2 * n :].sum(1) == 0).float().mean())
    micro = float(2 * rate.mean() / (1 + rate.mean()))
    macro = float((2 * rate / (1 + rate)).mean())
    table = {"val/f1_micro": micro, "val/f1_macro": macro, "val/hamming_loss": float(rate.mean()), "val/exact_match": 100 * whole}
    level = float(functional.binary_cross_entropy(rate.expand(n, -1), y[2 * n :]))
    return Task(metric, params, fed(recipe, 2 * n, 64, seed, loss), validate, table[metric], level, metric != "val/hamming_loss")


def segments(recipe: Plan, seed: int, metric: str = "val/dice", unit: float = 1.0, side: int = 12, n: int = 60) -> Task:
    """Pixels of a rectangle in noise from the pixels around them, by the Dice loss alone: Dice or IoU by image.

    Chance is a mask of all pixels.
    """
    g = torch.Generator().manual_seed(seed)
    low = torch.randint(0, side - 5, (3 * n, 2), generator=g)
    high, at = low + torch.randint(3, 6, (3 * n, 2), generator=g), torch.arange(side)
    inside = (at >= low[..., None]) & (at < high[..., None])
    y = (inside[:, 0, :, None] & inside[:, 1, None]).float()
    image = y + 0.9 * torch.randn(y.shape, generator=g)
    x = functional.unfold(image[:, None], 5, padding=2).transpose(1, 2)
    y = y.flatten(1)
    params = perceptron(len(recipe.lr), (25, 16, 1), recipe.gain, g)
    params = biased(biased(params, "b0", recipe.of("rest", 2)), "b1", recipe.of("bias", 2))
    smooth = recipe.of("smooth", 1, 1.0)

    def overlap(p: Params, rows: Tensor) -> Tensor:
        out = forward(p, x[rows].flatten(-3, -2)).view(len(recipe.lr), rows.shape[-1], -1).sigmoid()
        both = (out * y[rows]).sum(2)
        return 1 - (2 * both + smooth) / (out.sum(2) + y[rows].sum(-1) + smooth)

    def validate(p: Params) -> Measured:
        rows = torch.arange(2 * n, 3 * n)
        out, true = forward(p, x[rows].flatten(0, 1)).view(len(recipe.lr), n, -1), y[rows]
        said = (out > 0).float()
        both, total = (said * true).sum(2), said.sum(2) + true.sum(1)
        score = 2 * both / total if metric == "val/dice" else both / (total - both)
        return unit * score.mean(1), overlap(p, rows).mean(1)

    share = y[2 * n :].mean(1)
    chance = float((2 * share / (1 + share) if metric == "val/dice" else share).mean())
    return Task(metric, params, fed(recipe, 2 * n, 8, seed, overlap), validate, unit * chance, None, True)
