"""Tasks of sequences: letters by a small transformer or a plain recurrent net, the next value of a series."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tests.bench.detect.made.lanes import Params, forward, perceptron
from tests.bench.detect.made.plans import Plan, fed
from tests.bench.detect.made.tasks import Measured, Task

LETTERS, WIDE = 14, 16
Net = Callable[[Params, Tensor], Tensor]


def text(recipe: Plan, seed: int, metric: str = "val/bpc", length: int = 14, n: int = 100) -> Task:
    """Letters of words, by one block of a transformer: bits by letter, perplexity, or the share of letters in percent."""
    g = torch.Generator().manual_seed(seed)
    whole = _written(4 * n, length + 1, g)
    params = _block(recipe, length, g)
    return _lettered(recipe, seed, metric, whole, params, _attended, n)


def recurrence(recipe: Plan, seed: int, metric: str = "val/nats", length: int = 14, n: int = 100) -> Task:
    """The same letters by a recurrent net without gates, whose states grow or fade by ``radius``."""
    g = torch.Generator().manual_seed(seed)
    whole, runs = _written(4 * n, length + 1, g), len(recipe.lr)
    turned = torch.linalg.qr(torch.randn(runs, WIDE, WIDE, generator=g)).Q
    params = {"wx": torch.randn(runs, LETTERS, WIDE, generator=g) / 2, "wh": turned * recipe.of("radius", 2, 1.0)}
    params |= {"wo": torch.randn(runs, WIDE, LETTERS, generator=g) / 4, "bo": torch.zeros(runs, 1, LETTERS)}
    tanh = recipe.of("tanh", 2)

    def states(p: Params, x: Tensor) -> Tensor:
        h, out = torch.zeros(runs, x.shape[-3], WIDE), []
        for t in range(length):
            a = x[..., t, :] @ p["wx"] + h @ p["wh"]
            h = torch.where(tanh > 0, a.tanh(), a.relu())
            out.append(h)
        return torch.stack(out, 2) @ p["wo"][:, None] + p["bo"][:, None]

    return _lettered(recipe, seed, metric, whole, {k: v.requires_grad_() for k, v in params.items()}, states, n)


def _written(count: int, length: int, g: torch.Generator) -> Tensor:
    """Text of words of three to five letters, frequent and rare ones, with a blank behind each."""
    sizes = torch.randint(3, 6, (14,), generator=g).tolist()
    words = [[*torch.randint(1, LETTERS, (size,), generator=g).tolist(), 0] for size in sizes]
    often = 1 / torch.arange(1, len(words) + 1)
    chosen = torch.multinomial(often, count * length // 4 + length, replacement=True, generator=g)
    stream = torch.tensor([letter for word in chosen.tolist() for letter in words[word]])
    return stream[: count * length].view(count, length)


def _block(recipe: Plan, length: int, g: torch.Generator) -> Params:
    shapes = {"e": (LETTERS, WIDE), "at": (length, WIDE), "qk": (WIDE, 2 * WIDE), "v": (WIDE, WIDE), "o": (WIDE, LETTERS)}
    shapes |= {"m1": (WIDE, 32), "m2": (32, WIDE)}
    scale = torch.as_tensor(recipe.gain, dtype=torch.float32).view(-1, 1, 1)
    params = {k: scale * torch.randn(len(recipe.lr), *s, generator=g) / math.sqrt(s[0]) for k, s in shapes.items()}
    params["e"], params["at"] = 3 * params["e"], 3 * params["at"]
    params["qk"] = params["qk"] * recipe.of("sharp", 2, 1.0)
    params["bo"] = torch.zeros(len(recipe.lr), 1, LETTERS)
    return {k: v.requires_grad_() for k, v in params.items()}


def _attended(p: Params, x: Tensor) -> Tensor:
    h = x @ p["e"][:, None] + p["at"][:, None]
    length = h.shape[2]
    q, k = (functional.layer_norm(h, (WIDE,)) @ p["qk"][:, None]).chunk(2, dim=3)
    hidden = torch.ones(length, length).triu(1).bool()
    weights = (q @ k.transpose(2, 3) / math.sqrt(WIDE)).masked_fill(hidden, -1e9).softmax(3)
    h = h + weights @ (functional.layer_norm(h, (WIDE,)) @ p["v"][:, None])
    h = h + (functional.layer_norm(h, (WIDE,)) @ p["m1"][:, None]).relu() @ p["m2"][:, None]
    return h @ p["o"][:, None] + p["bo"][:, None]


def _lettered(recipe: Plan, seed: int, metric: str, whole: Tensor, params: Params, net: Net, n: int) -> Task:
    x, y = functional.one_hot(whole[:, :-1], LETTERS).float(), whole[:, 1:]
    smooth, share = recipe.of("smoothing", 2), torch.bincount(y[3 * n :].flatten(), minlength=LETTERS) / y[3 * n :].numel()

    def entropy(p: Params, rows: Tensor, blur: Tensor) -> Measured:
        logs = net(p, x[rows]).log_softmax(3)
        right = -logs.gather(3, y[rows].expand(*logs.shape[:3])[..., None])[..., 0].mean(2)
        hit = (logs.argmax(3) == y[rows]).float().mean((1, 2))
        return (1 - blur[..., 0]) * right - blur[..., 0] * logs.mean((2, 3)), hit

    def validate(p: Params) -> Measured:
        each, hit = entropy(p, torch.arange(3 * n, 4 * n), torch.zeros(len(recipe.lr), 1, 1))
        found = each.mean(1)
        scores = {"val/bpc": found / math.log(2), "val/nats": found, "val/perplexity": found.exp(), "val/token_acc": 100 * hit}
        return scores[metric], found

    level = float(-(share * share.clamp(min=1e-9).log()).sum())
    chances = {"val/bpc": level / math.log(2), "val/nats": level, "val/perplexity": math.exp(level)}
    chance = chances.get(metric, 100 * float(share.max()))
    sampled = fed(recipe, 3 * n, 24, seed, lambda p, rows: entropy(p, rows, smooth)[0])
    share_right = metric == "val/token_acc"
    return Task(metric, params, sampled, validate, chance, level, share_right, LETTERS if share_right else None)


def forecast(recipe: Plan, seed: int, metric: str = "val/mape", back: int = 16, n: int = 250) -> Task:
    """The next value of a series of about 60, scaled or raw: errors in percent, absolute, scaled, or a likelihood below 0.

    Chance is the mean of the series, or its own normal distribution.
    """
    g = torch.Generator().manual_seed(seed)
    t = torch.arange(3 * n + back).float()
    wave = 10 * (t / 3.7).sin() + 6 * (t / 9).sin() * (t / 2.1).cos()
    series = 60 + wave + 1.5 * torch.randn(len(t), generator=g)
    x, y = series.unfold(0, back, 1)[: 3 * n], series[back : back + 3 * n]
    mean, std = float(y[: 2 * n].mean()), float(y[: 2 * n].std())
    likely = metric == "val/nll"
    params = perceptron(len(recipe.lr), (back, 24, 24, 2 if likely else 1), recipe.gain, g)
    scaled = recipe.of("scaled", 1, 1.0)
    low, wide = torch.where(scaled > 0, mean, 0.0), torch.where(scaled > 0, std, 1.0)

    def out(p: Params, rows: Tensor) -> Tensor:
        return forward(p, (x[rows] - low[..., None]) / wide[..., None])

    def error(p: Params, rows: Tensor) -> Tensor:
        found, aim = out(p, rows), (y[rows] - low) / wide
        far = aim - found[..., 0]
        if likely:
            return 0.5 * (far.pow(2) * (-found[..., 1]).exp() + found[..., 1] + math.log(2 * math.pi))
        return torch.where(recipe.of("robust", 1) > 0, far.abs(), far.pow(2))

    held = torch.arange(2 * n, 3 * n)

    def validate(p: Params) -> Measured:
        losses = error(p, held).mean(1)
        said = out(p, held)[..., 0] * wide + low
        return losses if likely else _missed(metric, said, y[held]), losses

    whole = 0.5 * float((y[held].var() / std**2).log() + 1 + math.log(2 * math.pi))
    chance = whole if likely else float(_missed(metric, torch.full((1, n), mean), y[held]))
    return Task(metric, params, fed(recipe, 2 * n, 32, seed, error), validate, chance, whole if likely else None, False)


def _missed(metric: str, said: Tensor, true: Tensor) -> Tensor:
    far = (said - true).abs()
    if metric == "val/mape":
        return 100 * (far / true).mean(1)
    if metric == "val/smape":
        return 100 * (2 * far / (said.abs() + true.abs())).mean(1)
    if metric == "val/mase":
        return far.mean(1) / (true[1:] - true[:-1]).abs().mean()
    return far.mean(1)
