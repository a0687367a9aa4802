"""Tasks of which another net is part: a twin, a teacher, an earlier self, an opponent."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.bench.detect.made.lanes import Params, Recipe, forward, perceptron, train
from tests.bench.detect.made.plans import Plan, fed, held
from tests.bench.detect.made.tasks import Measured, Task


def twins(recipe: Plan, seed: int, metric: str = "val/knn_top1", count: int = 8, n: int = 250) -> Task:
    """Two views embedded alike by a predictor (SimSiam): all become one where the other branch has a gradient too (``both``).

    The loss is a cosine below 0. Chance is what neighbours tell by embeddings that were not trained.
    """
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(3 * n) % count
    clean = 1.4 * torch.randn(count, 8, generator=g)[y] + 0.6 * torch.randn(3 * n, 8, generator=g)
    views = [
        torch.cat([clean + 0.5 * torch.randn(clean.shape, generator=g), 3 * torch.randn(clean.shape, generator=g)], 1)
        for _ in "ab"
    ]
    runs = len(recipe.lr)
    params = perceptron(runs, (16, 32, 12), recipe.gain, g)
    params |= {f"p{k}": v for k, v in perceptron(runs, (12, 12, 12), recipe.gain, g).items()}

    def embedded(p: Params, x: Tensor) -> Tensor:
        z = forward({k: v for k, v in p.items() if k[0] != "p"}, x)
        even = (z - z.mean(1, keepdim=True)) / (z.var(1, keepdim=True) + 1e-4).sqrt()
        return torch.where(recipe.of("standard", 2) > 0, even, z)

    def loss(p: Params, rows: Tensor) -> Tensor:
        a, b = (embedded(p, view[rows]) for view in views)
        head, total = {k[1:]: v for k, v in p.items() if k[0] == "p"}, torch.zeros(rows.shape)
        for one, other in ((a, b), (b, a)):
            aim = torch.where(recipe.of("both", 2) > 0, other, other.detach())
            total = total - 0.5 * functional.cosine_similarity(forward(head, one), aim, dim=2)
        return total

    def validate(p: Params) -> Measured:
        z = functional.normalize(embedded(p, views[0]), dim=2)
        near = (z[:, 2 * n :] @ z[:, : 2 * n].transpose(1, 2)).argmax(2)
        right = (y[near] == y[2 * n :]).float().mean(1)
        score = torch.where(z.isfinite().all(2).all(1), 100 * right, math.nan)
        return score, loss(p, torch.arange(2 * n, 3 * n).expand(runs, -1)).mean(1)

    with torch.no_grad():
        chance = float(validate(params)[0].nanmedian())
    return Task(metric, params, fed(recipe, 2 * n, 64, seed, loss), validate, chance, None, True, count)


def distilled(recipe: Plan, seed: int, metric: str = "val/kl", count: int = 6, n: int = 300) -> Task:
    """What a teacher says, softened by ``temperature`` of the run: divergence, or how often both say the same, in percent."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(3 * n, 10, generator=g)
    teacher = (x @ torch.randn(10, 20, generator=g)).tanh() @ torch.randn(20, count, generator=g)
    told = teacher.log_softmax(1)
    params, heat = perceptron(len(recipe.lr), (10, 24, 24, count), recipe.gain, g), recipe.of("temperature", 2, 1.0)

    def loss(p: Params, rows: Tensor) -> Tensor:
        soft, logs = (teacher[rows] / heat).log_softmax(2), (forward(p, x[rows]) / heat).log_softmax(2)
        return (heat[..., 0] ** 2) * (soft.exp() * (soft - logs)).sum(2)

    def validate(p: Params) -> Measured:
        out, aim = forward(p, x[2 * n :]), told[2 * n :]
        found = (aim.exp() * (aim - out.log_softmax(2))).sum(2).mean(1)
        return (found if metric == "val/kl" else 100 * (out.argmax(2) == aim.argmax(1)).float().mean(1)), found

    aim = told[2 * n :]
    mean = aim.exp().mean(0)
    level = float((aim.exp() * (aim - mean.log())).sum(1).mean())
    most = 100 * float(torch.bincount(aim.argmax(1)).max() / n)
    chance = level if metric == "val/kl" else most
    known = None if metric == "val/kl" else count
    return Task(metric, params, fed(recipe, 2 * n, 48, seed, loss), validate, chance, level, metric != "val/kl", known)


def tuned(recipe: Plan, seed: int, metric: str = "val/accuracy", count: int = 7, n: int = 280) -> Task:
    """A net that knows its classes is taken to like ones: it begins far above chance, and a high rate makes it forget all."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(5 * n) % count
    centres = torch.randn(count, 12, generator=g)
    x = centres[y] + 0.8 * torch.randn(5 * n, 12, generator=g)
    moved = x + 0.9 * torch.randn(12, generator=g) + 0.5 * x.roll(1, 1)
    start = _pretrained(x[: 2 * n], y[: 2 * n], count, seed)
    params = {k: v.expand(len(recipe.lr), *v.shape[1:]).clone().requires_grad_() for k, v in start.items()}

    def loss(p: Params, rows: Tensor) -> Tensor:
        at = 2 * n + rows
        logs = forward(held(p, recipe.of("frozen")), moved[at]).log_softmax(2)
        return -logs.gather(2, y[at][..., None])[..., 0]

    def validate(p: Params) -> Measured:
        out, true = forward(p, moved[4 * n :]), y[4 * n :]
        entropy = -out.log_softmax(2).gather(2, true.expand(len(out), -1)[..., None])[..., 0].mean(1)
        return (out.argmax(2) == true).float().mean(1), entropy

    return Task(metric, params, fed(recipe, n, 32, seed, loss), validate, 1 / count, math.log(count), True)


def _pretrained(x: Tensor, y: Tensor, count: int, seed: int) -> Params:
    one = np.ones(1)
    recipe = Recipe(3e-3 * one, np.array([2]), np.array([1]), 0.1 * one, one, 0.0 * one, math.inf * one)
    params = perceptron(1, (12, 32, 32, count), one, torch.Generator().manual_seed(seed + 1))

    def loss(p: Params, step: int) -> Tensor:
        return functional.cross_entropy(forward(p, x)[0], y)[None]

    epoch = train(params, recipe, loss, 1, 150)
    epoch()
    return {k: v.detach() for k, v in params.items()}


def opponents(recipe: Plan, seed: int, metric: str = "val/fid", n: int = 256) -> Task:
    """A generator against a judge of its points, eight of a ring: a Fréchet distance, or how many of the eight are met.

    The loss is that of both, which tells nothing. Chance is what a generator that was not trained reaches.
    """
    g = torch.Generator().manual_seed(seed)
    runs, turn = len(recipe.lr), torch.arange(8) * math.pi / 4
    ring = 2 * torch.stack([turn.cos(), turn.sin()], 1) + torch.tensor([1.0, 0.5])
    params = {f"g{k}": v for k, v in perceptron(runs, (4, 32, 32, 2), recipe.gain, g).items()}
    params |= {f"d{k}": v for k, v in perceptron(runs, (2, 32, 32, 1), recipe.gain, g).items()}
    code, pull = torch.randn(n, 4, generator=g), recipe.of("ratio", 1, 1.0)

    def part(p: Params, letter: str, still: bool = False) -> Params:
        return {k[1:]: v.detach() if still else v for k, v in p.items() if k[0] == letter}

    def loss(p: Params, step: int) -> Tensor:
        h = torch.Generator().manual_seed(1_000_003 * seed + step)
        real = ring[torch.randint(0, 8, (64,), generator=h)] + 0.1 * torch.randn(64, 2, generator=h)
        fake = forward(part(p, "g"), torch.randn(64, 4, generator=h))
        judge = functional.softplus(-forward(part(p, "d"), real)) + functional.softplus(forward(part(p, "d"), fake.detach()))
        fool = functional.softplus(-forward(part(p, "d", True), fake))
        return (pull[..., None] * judge + fool).mean((1, 2))

    def validate(p: Params) -> Measured:
        out = forward(part(p, "g"), code)
        if metric == "val/modes":
            near = (out[:, :, None] - ring).norm(dim=3) < 0.5
            score = (near.float().mean(1) > 0.02).float().sum(1)
            return torch.where(out.isfinite().all(2).all(1), score, math.nan), loss(p, 0)
        return _frechet(out, ring), loss(p, 0)

    with torch.no_grad():
        chance = float(validate(params)[0].nanmedian())
    return Task(metric, params, loss, validate, chance, None, metric == "val/modes")


def _frechet(out: Tensor, ring: Tensor) -> Tensor:
    """The Fréchet distance of the normal distributions of points by run and of those around a ring."""
    mean, far = out.mean(1), out - out.mean(1, keepdim=True)
    own = far.transpose(1, 2) @ far / out.shape[1]
    true = (ring - ring.mean(0)).T @ (ring - ring.mean(0)) / 8 + 0.01 * torch.eye(2)
    product = true @ own
    det = (product[:, 0, 0] * product[:, 1, 1] - product[:, 0, 1] * product[:, 1, 0]).clamp(min=0)
    trace = product.diagonal(dim1=1, dim2=2).sum(1)
    root = (trace + 2 * det.sqrt()).clamp(min=0).sqrt()
    return (mean - ring.mean(0)).pow(2).sum(1) + true.trace() + own.diagonal(dim1=1, dim2=2).sum(1) - 2 * root
