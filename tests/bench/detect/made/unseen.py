"""Tasks that no threshold was chosen on: ranked lists, survival, masks, boxes, generators, embeddings, several losses at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tests.bench.detect.made.lanes import Params, Recipe, forward, perceptron, recurrent, unrolled
from tests.bench.detect.made.tasks import Measured, Task, _batched, _drawn, _entropy

Net = Callable[[Params, Tensor], Tensor]


def lists(recipe: Recipe, seed: int, documents: int = 10, n: int = 200) -> Task:
    """Documents of a query put in order: NDCG, which a random order has much of."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(5 * n, documents, 12, generator=g)
    worth = x @ torch.randn(12, generator=g) + 0.5 * x[..., 0] * x[..., 1] + 1.5 * torch.randn(5 * n, documents, generator=g)
    gain = 2.0 ** (worth.argsort(1).argsort(1) // 3).float() - 1
    params, discount = perceptron(len(recipe.lr), (12, 24, 1), recipe.gain, g), 1 / torch.arange(2, documents + 2).log2()
    most = (gain.sort(1, descending=True).values * discount).sum(1)

    def scores(p: Params, rows: Tensor) -> Tensor:
        return forward(p, x[rows].flatten(0, 1)).view(len(recipe.lr), len(rows), documents)

    def loss(p: Params, rows: Tensor) -> Tensor:
        return -(functional.softmax(gain[rows], 1) * scores(p, rows).log_softmax(2)).sum(2).mean(1)

    def validate(p: Params) -> Measured:
        rows = torch.arange(4 * n, 5 * n)
        order = scores(p, rows).argsort(2, descending=True)
        found = gain[rows].expand(len(order), -1, -1).gather(2, order)
        return ((found * discount).sum(2) / most[rows]).mean(1), loss(p, rows)

    chance = float((gain[4 * n :].mean(1) * discount.sum() / most[4 * n :]).mean())
    return Task("val/ndcg", params, _drawn(loss, 4 * n, 32, seed), validate, chance, math.log(documents))


def survival(recipe: Recipe, seed: int, n: int = 300) -> Task:
    """Times of events, many censored, by Cox's partial likelihood: the concordance index."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(3 * n, 12, generator=g)
    risk = (x[:, :3].sum(1) + x[:, 3] * x[:, 4]) * 0.8
    times = -torch.rand(3 * n, generator=g).log() * (-risk).exp()
    ends = -torch.rand(3 * n, generator=g).log() * 1.5
    seen, at = (times <= ends).float(), torch.minimum(times, ends)
    params = perceptron(len(recipe.lr), (12, 24, 1), recipe.gain, g)

    def loss(p: Params, rows: Tensor) -> Tensor:
        order = rows[at[rows].argsort(descending=True)]
        out = forward(p, x[order])[..., 0]
        return -((out - out.logcumsumexp(1)) * seen[order]).sum(1) / seen[order].sum().clamp(min=1)

    def validate(p: Params) -> Measured:
        rows = torch.arange(2 * n, 3 * n)
        out, pairs = forward(p, x[rows])[..., 0], (at[rows, None] < at[None, rows]) * seen[rows, None]
        right = (out[:, :, None] > out[:, None]).float() + 0.5 * (out[:, :, None] == out[:, None]).float()
        return (right * pairs).sum((1, 2)) / pairs.sum(), loss(p, rows)

    return Task("val/c_index", params, _drawn(loss, 2 * n, 64, seed), validate, 0.5, None)


def perplexity(recipe: Recipe, seed: int, letters: int = 12, gap: int = 4, n: int = 200) -> Task:
    """The next letter of a text, which is one some letters before or at random: perplexity of a recurrent net."""
    g = torch.Generator().manual_seed(seed)
    text = [torch.randint(0, letters, (5 * n,), generator=g) for _ in range(gap)]
    for _ in range(10):
        fresh = torch.randint(0, letters, (5 * n,), generator=g)
        text.append(torch.where(torch.rand(5 * n, generator=g) < 0.8, (text[-gap] + 1) % letters, fresh))
    whole = torch.stack(text, 1)
    x, y = functional.one_hot(whole[:, :-1], letters).float(), whole[:, 1:]
    params = recurrent(len(recipe.lr), (letters, 16, letters), recipe.gain, g)

    def loss(p: Params, rows: Tensor) -> Tensor:
        return _entropy(unrolled(p, x[rows])[:, :, gap:].flatten(1, 2), y[rows, gap:].flatten())

    def validate(p: Params) -> Measured:
        found = loss(p, torch.arange(4 * n, 5 * n))
        return found.clamp(max=60).exp(), found

    return Task("val/ppl", params, _drawn(loss, 4 * n, 32, seed), validate, float(letters), math.log(letters))


def masks(recipe: Recipe, seed: int, count: int = 6, n: int = 1500) -> Task:
    """Pixels of which most are of the background: mean IoU over the classes."""
    g = torch.Generator().manual_seed(seed)
    prior = torch.tensor([0.8] + [0.2 / (count - 1)] * (count - 1))
    y = torch.multinomial(prior, 3 * n, replacement=True, generator=g)
    x = torch.randn(count, 12, generator=g)[y] + 0.8 * torch.randn(3 * n, 12, generator=g)
    params = perceptron(len(recipe.lr), (12, 24, 24, count), recipe.gain, g)

    def validate(p: Params) -> Measured:
        logits = forward(p, x[2 * n :])
        said, true = functional.one_hot(logits.argmax(2), count), functional.one_hot(y[2 * n :], count)
        both = (said * true).sum(1)
        return (both / (said.sum(1) + true.sum(0) - both).clamp(min=1)).mean(1), _entropy(logits, y[2 * n :])

    share = torch.bincount(y[2 * n :], minlength=count) / n
    loss = _batched(x[: 2 * n], y[: 2 * n], 64, seed)
    return Task("val/mIoU", params, loss, validate, float(share[0] / count), float(-(share * share.log()).sum()))


def boxes(recipe: Recipe, seed: int, n: int = 400, least: float = 0.75) -> Task:
    """Intervals in a noisy signal: the share of those found, by IoU of at least .75, which is 0 for long."""
    g = torch.Generator().manual_seed(seed)
    wide = 0.1 + 0.2 * torch.rand(3 * n, generator=g)
    low = torch.rand(3 * n, generator=g) * (1 - wide)
    box, places = torch.stack([low, low + wide], 1), torch.linspace(0, 1, 32)
    x = ((places >= box[:, :1]) & (places <= box[:, 1:])).float() + 0.2 * torch.randn(3 * n, 32, generator=g)
    params = perceptron(len(recipe.lr), (32, 32, 32, 2), recipe.gain, g)

    def error(out: Tensor, true: Tensor) -> Tensor:
        return (out - true).abs().mean((1, 2))

    def validate(p: Params) -> Measured:
        out, true = forward(p, x[2 * n :]), box[2 * n :]
        both = (torch.minimum(out[..., 1], true[:, 1]) - torch.maximum(out[..., 0], true[:, 0])).clamp(min=0)
        whole = torch.maximum(out[..., 1], true[:, 1]) - torch.minimum(out[..., 0], true[:, 0])
        return (both / whole.clamp(min=1e-9) >= least).float().mean(1), error(out, true)

    level = float((box[2 * n :] - box[: 2 * n].median(0).values).abs().mean())
    return Task("val/AP75", params, _batched(x[: 2 * n], box[: 2 * n], 64, seed, error), validate, 0.0, level)


def diffusion(recipe: Recipe, seed: int, n: int = 600) -> Task:
    """The noise in points of a spiral at any level: a squared error whose chance is 1, and of which a part stays."""
    g = torch.Generator().manual_seed(seed)
    turn = torch.rand(3 * n, generator=g) * 9
    clean = torch.stack([turn * turn.cos(), turn * turn.sin()], 1) / 5
    level, noise = torch.rand(3 * n, 1, generator=g), torch.randn(3 * n, 2, generator=g)
    x = torch.cat([clean * (1 - level).sqrt() + noise * level.sqrt(), level, 1 - level], 1)
    params = perceptron(len(recipe.lr), (4, 32, 32, 2), recipe.gain, g)

    def error(out: Tensor, true: Tensor) -> Tensor:
        return (out - true).pow(2).mean((1, 2))

    def validate(p: Params) -> Measured:
        found = error(forward(p, x[2 * n :]), noise[2 * n :])
        return found, found

    chance = float(noise[2 * n :].pow(2).mean())
    return Task("val/loss", params, _batched(x[: 2 * n], noise[: 2 * n], 64, seed, error), validate, chance, chance)


def autoencoder(recipe: Recipe, seed: int, n: int = 500, rise: int = 300) -> Task:
    """A variational autoencoder whose KL term rises over some steps: ELBO; where that term wins, nothing is coded."""
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(3 * n, 3, generator=g)
    x = (2 * hidden @ torch.randn(3, 20, generator=g) + torch.randn(3 * n, 20, generator=g) > 0).float()
    coder, decoder = (perceptron(len(recipe.lr), sizes, recipe.gain, g) for sizes in ((20, 24, 6), (3, 24, 20)))
    params = {f"{part}{k}": v for part, net in (("c", coder), ("d", decoder)) for k, v in net.items()}

    def terms(p: Params, rows: Tensor, noise: Tensor) -> Measured:
        code = forward({k[1:]: v for k, v in p.items() if k[0] == "c"}, x[rows])
        mean, log = code[..., :3], code[..., 3:].clamp(-8, 8)
        z = mean + (log / 2).exp() * noise
        weights = {k[1:]: v for k, v in p.items() if k[0] == "d"}
        out = ((z @ weights["w0"] + weights["b0"]).relu() @ weights["w1"]) + weights["b1"]
        told = functional.binary_cross_entropy_with_logits(out, x[rows].expand_as(out), reduction="none").sum(2).mean(1)
        return told, 0.5 * (mean**2 + log.exp() - 1 - log).sum(2).mean(1)

    def loss(p: Params, step: int) -> Tensor:
        h = torch.Generator().manual_seed(1_000_003 * seed + step)
        rows = torch.randperm(2 * n, generator=h)[:64]
        told, kl = terms(p, rows, torch.randn(64, 3, generator=h))
        return told + min(1.0, step / rise) * kl

    def validate(p: Params) -> Measured:
        told, kl = terms(p, torch.arange(2 * n, 3 * n), torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)))
        return -(told + kl), told + kl

    rate = x[2 * n :].mean(0)
    chance = float(-(rate * rate.log() + (1 - rate) * (1 - rate).log()).sum())
    return Task("val/elbo", params, loss, validate, -chance, chance)


def copying(recipe: Recipe, seed: int, letters: int = 6, gap: int = 5, n: int = 200) -> Task:
    """The letter that stood some letters before, after blanks: a loss that rests at ln K until the memory works, then falls."""
    g = torch.Generator().manual_seed(seed)
    first = torch.randint(0, letters, (5 * n,), generator=g)
    noise = torch.randint(0, letters, (5 * n, gap), generator=g)
    x = functional.one_hot(torch.cat([first[:, None], noise], 1), letters).float()
    params = recurrent(len(recipe.lr), (letters, 16, letters), recipe.gain, g)

    def loss(p: Params, rows: Tensor) -> Tensor:
        return _entropy(unrolled(p, x[rows])[:, :, -1], first[rows])

    def validate(p: Params) -> Measured:
        found = loss(p, torch.arange(4 * n, 5 * n))
        return found, found

    chance = math.log(letters)
    return Task("val/mlm_loss", params, _drawn(loss, 4 * n, 32, seed), validate, chance, chance)


def embeddings(recipe: Recipe, seed: int, count: int = 8, n: int = 400) -> Task:
    """Two views of a sample embedded alike, without negatives: the loss is least where all are, and neighbours tell the class."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(3 * n) % count
    x = torch.cat([torch.randn(count, 8, generator=g)[y], 3 * torch.randn(3 * n, 8, generator=g)], 1)
    views = [
        torch.cat([x[:, :8] + 0.5 * torch.randn(3 * n, 8, generator=g), 3 * torch.randn(3 * n, 8, generator=g)], 1) for _ in "ab"
    ]
    params = perceptron(len(recipe.lr), (16, 24, 6), recipe.gain, g)

    def loss(p: Params, rows: Tensor) -> Tensor:
        a, b = (functional.normalize(forward(p, view[rows]), dim=2) for view in views)
        spread = torch.cat([a, b], 1).std(1)
        return (2 - 2 * (a * b).sum(2)).mean(1) + (0.35 - spread).clamp(min=0).mean(1)

    def validate(p: Params) -> Measured:
        z = functional.normalize(forward(p, x), dim=2)
        near = (z[:, 2 * n :] @ z[:, :n].transpose(1, 2)).argmax(2)
        return (y[near] == y[2 * n :]).float().mean(1), loss(p, torch.arange(2 * n, 3 * n))

    return Task("val/knn", params, _drawn(loss, 2 * n, 64, seed), validate, 1 / count, None)


def regression(recipe: Recipe, seed: int, metric: str = "val/r2", n: int = 500, shift: float = 3.0) -> Task:
    """A quantity whose mean is far from 0: R2, which begins far below 0."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(3 * n, 10, generator=g)
    y = (x[:, 0] * x[:, 1] + x[:, 2].sin() + 0.5 * x[:, 3] + shift + 0.4 * torch.randn(3 * n, generator=g))[:, None]
    params, var = perceptron(len(recipe.lr), (10, 32, 32, 1), recipe.gain, g), float(y[2 * n :].var())

    def error(out: Tensor, true: Tensor) -> Tensor:
        return (out - true).pow(2).mean((1, 2))

    def validate(p: Params) -> Measured:
        found = error(forward(p, x[2 * n :]), y[2 * n :])
        return 1 - found / var if metric == "val/r2" else found.sqrt(), found

    chance = 0.0 if metric == "val/r2" else math.sqrt(var)
    return Task(metric, params, _batched(x[: 2 * n], y[: 2 * n], 64, seed, error), validate, chance, var)


def several(recipe: Recipe, seed: int, count: int = 8, weight: float = 20.0, n: int = 600) -> Task:
    """Classes and a quantity learned at once, the quantity with a weight: accuracy beside the sum of both losses."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(3 * n) % count
    x = torch.randn(count, 12, generator=g)[y] + torch.randn(3 * n, 12, generator=g)
    aim = x[:, 0] * x[:, 1] + 2.0
    params, var = perceptron(len(recipe.lr), (12, 32, 32, count + 1), recipe.gain, g), float(aim[2 * n :].var())

    def loss(p: Params, rows: Tensor) -> Tensor:
        out = forward(p, x[rows])
        return _entropy(out[..., :-1], y[rows]) + weight * (out[..., -1] - aim[rows]).pow(2).mean(1)

    def validate(p: Params) -> Measured:
        rows = torch.arange(2 * n, 3 * n)
        return (forward(p, x[rows])[..., :-1].argmax(2) == y[rows]).float().mean(1), loss(p, rows)

    whole = math.log(count) + weight * var
    return Task("val/accuracy", params, _drawn(loss, 2 * n, 64, seed), validate, 1 / count, whole)
