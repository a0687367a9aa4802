"""Policies and values by small nets: a point that is driven home, and a field with pits by deep Q-learning."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tests.bench.detect.made.lanes import Params, forward, perceptron
from tests.bench.detect.made.plans import Plan
from tests.bench.detect.made.tasks import Measured, Task


def reach(recipe: Plan, seed: int, metric: str = "eval/episode_return", steps: int = 12) -> Task:
    """A point driven to the middle, by REINFORCE: distance and effort cost at each step, so that returns are below 0.

    Chance is what policies that were not trained reach.
    """
    g = torch.Generator().manual_seed(seed)
    runs = len(recipe.lr)
    params, noise = perceptron(runs, (4, 16, 2), 0.3 * recipe.gain, g), recipe.of("noise", 2, 0.3)
    starts = 2 * torch.rand(40, 2, generator=g) - 1

    def driven(p: Params, at: Tensor, h: torch.Generator | None) -> Measured:
        """Returns by run and episode, and the log probability of what was done."""
        at, pace = at.expand(runs, -1, -1), torch.zeros(runs, len(at), 2)
        total, logs = torch.zeros(runs, at.shape[1]), torch.zeros(runs, at.shape[1])
        for _ in range(steps):
            mean = forward(p, torch.cat([at, pace], 2))
            action = mean if h is None else (mean + noise * torch.randn(mean.shape, generator=h)).detach()
            logs = logs - ((action - mean) / noise).pow(2).sum(2) / 2
            push = action.detach().clamp(-3, 3)
            pace = (0.8 * pace + 0.3 * push).clamp(-2, 2)
            at = (at + 0.5 * pace).clamp(-6, 6)
            total = total - at.norm(dim=2) - 0.05 * push.pow(2).sum(2)
        return total, logs

    def loss(p: Params, step: int) -> Tensor:
        h = torch.Generator().manual_seed(1_000_003 * seed + step)
        total, logs = driven(p, 2 * torch.rand(24, 2, generator=h) - 1, h)
        better = (total - total.mean(1, keepdim=True)) / (total.std(1, keepdim=True) + 0.1)
        return -(better * logs).mean(1)

    def validate(p: Params) -> Measured:
        total = driven(p, starts, None)[0].mean(1)
        broken = torch.stack([v.isfinite().flatten(1).all(1) for v in p.values()]).all(0)
        return torch.where(broken, total, math.nan), torch.full((runs,), math.nan)

    with torch.no_grad():
        chance = float(validate(params)[0].nanmedian())
    return Task(metric, params, loss, validate, chance, None, True)


def field(recipe: Plan, seed: int, metric: str = "eval/mean_reward", side: int = 5, longest: int = 30) -> Task:
    """A square with pits and an exit: -1 a step, -8 in a pit, +10 outside. Deep Q-learning, target nets by ``period``.

    The loss is that of the values and grows while they are learned. Chance is what nets that were not trained reach.
    """
    g = torch.Generator().manual_seed(seed)
    runs, cells = len(recipe.lr), side * side
    moves = torch.tensor([(1, 0), (-1, 0), (0, 1), (0, -1)])
    at = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    to = ((at[:, None] + moves).clamp(0, side - 1) * torch.tensor([side, 1])).sum(2)
    pit = torch.zeros(cells).index_fill(0, torch.randperm(cells - 2, generator=g)[:4] + 1, 1.0)
    reward = -1.0 - 8.0 * pit[to] + 11.0 * (to == cells - 1).float()
    go_on, seen = 0.95 * (to != cells - 1).float(), torch.eye(cells)
    params = perceptron(runs, (cells, 24, 4), recipe.gain, g)
    target = {k: v.detach().clone() for k, v in params.items()}
    period = recipe.of("period", 2, 20.0)

    def loss(p: Params, step: int) -> Tensor:
        h = torch.Generator().manual_seed(1_000_003 * seed + step)
        s, a = torch.randint(0, cells - 1, (32,), generator=h), torch.randint(0, 4, (32,), generator=h)
        for k, v in p.items():
            target[k] = torch.where(step % period < 1, v.detach(), target[k])
        aim = reward[s, a] + go_on[s, a] * forward(target, seen[to[s, a]]).amax(2)
        return (forward(p, seen[s])[:, torch.arange(32), a] - aim).pow(2).mean(1)

    def validate(p: Params) -> Measured:
        values = forward(p, seen)
        best, lane = values.argmax(2), torch.arange(runs)[:, None]
        where = torch.arange(cells - 1).expand(runs, -1)
        total, alive = torch.zeros(runs, cells - 1), torch.ones(runs, cells - 1)
        for _ in range(longest):
            a = best[lane, where]
            total = total + alive * reward[where, a]
            where = to[where, a]
            alive = alive * (where != cells - 1).float()
        return torch.where(values.isfinite().all(2).all(1), total.mean(1), math.nan), torch.full((runs,), math.nan)

    with torch.no_grad():
        chance = float(validate(params)[0].nanmedian())
    return Task(metric, params, loss, validate, chance, None, True)
