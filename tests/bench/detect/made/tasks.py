"""What the runs of a study are trained on: batches, a loss and a score, for all of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.bench.detect.made.lanes import Array, Params, Recipe, forward, perceptron, recurrent, unrolled

Measured = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is measured, and what is known of it before a training."""

    metric: str
    chance: float
    chance_loss: float | None = None
    maximize: bool | None = None
    classes: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """``validate`` gives score and validation loss by run; ``chance`` is their value for a model that has learned nothing.

    ``maximize`` is said where a person who names the metric would say it; else it is what the table of metrics holds. ``classes``
    is how many there are, where chance does not tell it.
    """

    metric: str
    params: Params
    loss: Callable[[Params, int], Tensor]
    validate: Callable[[Params], Measured]
    chance: float
    chance_loss: float | None
    maximize: bool | None = None
    classes: int | None = None

    @property
    def goal(self) -> Goal:
        """What a person could know of it before a training."""
        return Goal(self.metric, self.chance, self.chance_loss, self.maximize, self.classes)


def classes(recipe: Recipe, seed: int, count: int = 10, unit: float = 100.0, noise: float = 1.0, n: int = 1000) -> Task:
    """``count`` Gaussian classes of equal size; accuracy in parts of ``unit``."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(count, 16, generator=g)
    y = torch.arange(3 * n) % count
    x = centres[y] + noise * torch.randn(3 * n, 16, generator=g)
    params = perceptron(len(recipe.lr), (16, 32, 32, count), recipe.gain, g)

    def validate(p: Params) -> Measured:
        logits = forward(p, x[2 * n :])
        return unit * (logits.argmax(2) == y[2 * n :]).float().mean(1), _entropy(logits, y[2 * n :])

    return Task("val/accuracy", params, _batched(x[: 2 * n], y[: 2 * n], 64, seed), validate, unit / count, math.log(count))


def modular(recipe: Recipe, seed: int, prime: int = 19, share: float = 0.6) -> Task:
    """Addition modulo a prime, from a share of all pairs: training loss falls to 0 long before validation learns (grokking)."""
    g = torch.Generator().manual_seed(seed)
    pairs = torch.cartesian_prod(torch.arange(prime), torch.arange(prime))[torch.randperm(prime**2, generator=g)]
    x = torch.cat([functional.one_hot(pairs[:, 0], prime), functional.one_hot(pairs[:, 1], prime)], 1).float()
    y, cut = pairs.sum(1) % prime, int(share * prime**2)
    params = perceptron(len(recipe.lr), (2 * prime, 48, prime), recipe.gain, g)

    def validate(p: Params) -> Measured:
        logits = forward(p, x[cut:])
        return (logits.argmax(2) == y[cut:]).float().mean(1), _entropy(logits, y[cut:])

    return Task("val/accuracy", params, _batched(x[:cut], y[:cut], cut, seed), validate, 1 / prime, math.log(prime))


def parity(recipe: Recipe, seed: int, bits: int = 14, n: int = 800) -> Task:
    """Parity of three bits among others: flat at ln 2 until it is found, late in many runs."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 2, (3 * n, bits), generator=g).float() * 2 - 1
    y = (x[:, :3].prod(1) > 0).long()
    params = perceptron(len(recipe.lr), (bits, 48, 2), recipe.gain, g)

    def validate(p: Params) -> Measured:
        logits = forward(p, x[2 * n :])
        return (logits.argmax(2) == y[2 * n :]).float().mean(1), _entropy(logits, y[2 * n :])

    return Task("val/accuracy", params, _batched(x[: 2 * n], y[: 2 * n], 64, seed), validate, 0.5, math.log(2))


def ranking(recipe: Recipe, seed: int, labels: int = 12, n: int = 900) -> Task:
    """Rare labels that inputs hardly tell: mean average precision of at most about .3."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(3 * n, 24, generator=g)
    strength = x @ torch.randn(24, labels, generator=g) / math.sqrt(24)
    y = (strength + 1.2 * torch.randn(3 * n, labels, generator=g) > 2.6).float()
    params = perceptron(len(recipe.lr), (24, 32, labels), recipe.gain, g)
    rate = y[2 * n :].mean(0)
    level = float(functional.binary_cross_entropy(rate.expand(n, -1), y[2 * n :]))

    def validate(p: Params) -> Measured:
        logits, true = forward(p, x[2 * n :]), y[2 * n :]
        losses = functional.binary_cross_entropy_with_logits(logits, true.expand_as(logits), reduction="none").mean((1, 2))
        order = true.expand_as(logits).gather(1, logits.argsort(1, descending=True))
        precision = order.cumsum(1) / torch.arange(1, n + 1).view(1, -1, 1)
        return ((precision * order).sum(1) / order.sum(1).clamp(min=1)).mean(1), losses

    def error(logits: Tensor, true: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits, true.expand_as(logits), reduction="none").mean((1, 2))

    batched = _batched(x[: 2 * n], y[: 2 * n], 64, seed, error)
    return Task("val/mAP", params, batched, validate, float(rate.mean()), level)


def denoising(recipe: Recipe, seed: int, metric: str = "val/psnr", n: int = 600) -> Task:
    """Signals of few frequencies under noise, restored: PSNR in dB (or the squared error alone)."""
    g = torch.Generator().manual_seed(seed)
    t = torch.linspace(0, 6.28, 24)
    phase, pace = torch.rand(3 * n, 1, generator=g) * 6.28, torch.randint(1, 4, (3 * n, 1), generator=g)
    clean = 0.5 + 0.4 * torch.sin(pace * t + phase)
    noisy = clean + 0.3 * torch.randn(clean.shape, generator=g)
    params = perceptron(len(recipe.lr), (24, 32, 24), recipe.gain, g)
    var = float((clean[2 * n :] - clean[: 2 * n].mean(0)).pow(2).mean())

    def error(out: Tensor, true: Tensor) -> Tensor:
        return (out - true).pow(2).mean((1, 2))

    def validate(p: Params) -> Measured:
        loss = error(forward(p, noisy[2 * n :]), clean[2 * n :])
        return -10 * torch.log10(loss) if metric == "val/psnr" else loss, loss

    chance = -10 * math.log10(var) if metric == "val/psnr" else var
    return Task(metric, params, _batched(noisy[: 2 * n], clean[: 2 * n], 64, seed, error), validate, chance, var)


def adding(recipe: Recipe, seed: int, length: int = 12, n: int = 200) -> Task:
    """The sum of two marked numbers of a sequence: a plateau at the variance until a recurrent net finds the marks."""
    g = torch.Generator().manual_seed(seed)
    values, marks = torch.rand(5 * n, length, generator=g), torch.zeros(5 * n, length)
    half = length // 2
    marks[torch.arange(5 * n), torch.randint(0, half, (5 * n,), generator=g)] = 1
    marks[torch.arange(5 * n), torch.randint(half, length, (5 * n,), generator=g)] = 1
    x, y = torch.stack([values, marks], 2), (values * marks).sum(1)
    params, var = recurrent(len(recipe.lr), (2, 12, 1), recipe.gain, g), float(y[4 * n :].var())

    def loss(p: Params, rows: Tensor) -> Tensor:
        return (unrolled(p, x[rows])[:, :, -1, 0] - y[rows]).pow(2).mean(1)

    def validate(p: Params) -> Measured:
        found = loss(p, torch.arange(4 * n, 5 * n))
        return found, found

    return Task("val/loss", params, _drawn(loss, 4 * n, 32, seed), validate, var, var)


def language(recipe: Recipe, seed: int, letters: int = 8, length: int = 10, n: int = 200) -> Task:
    """The next letter of a Markov chain of order two, by a recurrent net: loss in nats, chance is the entropy of the letters."""
    g = torch.Generator().manual_seed(seed)
    table = torch.softmax(2.5 * torch.randn(letters, letters, letters, generator=g), 2)
    text = [torch.randint(0, letters, (5 * n,), generator=g) for _ in range(2)]
    for _ in range(length):
        text.append(torch.multinomial(table[text[-2], text[-1]], 1, generator=g)[:, 0])
    whole = torch.stack(text, 1)
    x, y = functional.one_hot(whole[:, :-1], letters).float(), whole[:, 1:]
    params = recurrent(len(recipe.lr), (letters, 12, letters), recipe.gain, g)
    share = torch.bincount(y.flatten(), minlength=letters) / y.numel()

    def loss(p: Params, rows: Tensor) -> Tensor:
        return _entropy(unrolled(p, x[rows]).flatten(1, 2), y[rows].flatten())

    def validate(p: Params) -> Measured:
        found = loss(p, torch.arange(4 * n, 5 * n))
        return found, found

    chance = float(-(share * share.log()).sum())
    return Task("val/loss", params, _drawn(loss, 4 * n, 32, seed), validate, chance, chance)


def translation(recipe: Recipe, seed: int, words: int = 24, noise: float = 0.35, n: int = 120) -> Task:
    """Words of a sequence for words by their neighbours, some at random: BLEU from 0 to 100, a third is reached."""
    g = torch.Generator().manual_seed(seed)
    source = torch.randint(0, words, (9 * n, 12), generator=g)
    map_ = torch.randint(0, words, (words, 4), generator=g)
    target = map_[source, source.roll(1, 1) % 4]
    mask = torch.rand(target.shape, generator=g) < noise
    target = torch.where(mask, torch.randint(0, words, target.shape, generator=g), target)
    x = torch.cat([functional.one_hot(source, words), functional.one_hot(source.roll(1, 1), words)], 2).float()
    params, size = perceptron(len(recipe.lr), (2 * words, 40, words), recipe.gain, g), 8 * n
    share = torch.bincount(target.flatten(), minlength=words) / target.numel()

    def loss(p: Params, rows: Tensor) -> Tensor:
        return _entropy(forward(p, x[rows].flatten(0, 1)), target[rows].flatten())

    def validate(p: Params) -> Measured:
        logits = forward(p, x[size:].flatten(0, 1))
        said = logits.argmax(2).view(len(recipe.lr), n, 12).numpy()
        return torch.from_numpy(bleu(said, target[size:].numpy())), _entropy(logits, target[size:].flatten())

    return Task("val/bleu", params, _drawn(loss, size, 16, seed), validate, 0.0, float(-(share * share.log()).sum()))


def speech(recipe: Recipe, seed: int, unit: float = 1.0, words: int = 6, n: int = 100) -> Task:
    """Words spoken over a few frames each, aligned by CTC: a plateau of blanks (WER 1) until an alignment is found."""
    g = torch.Generator().manual_seed(seed)
    said = torch.randint(1, words + 1, (7 * n, 4), generator=g)
    sounds = torch.randn(words + 1, 10, generator=g)
    x = sounds[said.repeat_interleave(4, 1)] + 0.9 * torch.randn(7 * n, 16, 10, generator=g)
    x[:, 3::4] = 0.9 * torch.randn(7 * n, 4, 10, generator=g)
    wide = torch.cat([x.roll(1, 1), x, x.roll(-1, 1)], 2)
    runs, size = len(recipe.lr), 6 * n
    params = perceptron(runs, (30, 24, words + 1), recipe.gain, g)

    def loss(p: Params, rows: Tensor) -> Tensor:
        logs = forward(p, wide[rows].flatten(0, 1)).view(runs * len(rows), 16, -1).log_softmax(2).transpose(0, 1)
        lengths = torch.full((runs * len(rows),), 16), torch.full((runs * len(rows),), 4)
        losses = functional.ctc_loss(logs, said[rows].repeat(runs, 1), *lengths, reduction="none")
        return losses.view(runs, -1).mean(1)

    def validate(p: Params) -> Measured:
        rows = torch.arange(size, 7 * n)
        best = forward(p, wide[rows].flatten(0, 1)).argmax(2).view(runs, n, 16).numpy()
        truth = said[rows].numpy()
        rates = [np.mean([edits(_decoded(b), list(t)) for b, t in zip(run, truth, strict=True)]) / 4 for run in best]
        return unit * torch.tensor(rates), loss(p, rows)

    return Task("val/wer", params, _drawn(loss, size, 16, seed), validate, unit, None)


def bleu(said: Array, truth: Array) -> Array:
    """Corpus BLEU of 4-grams, 0 to 100, by run, for word numbers of (runs, n, length) and what is right, (n, length)."""
    logs = np.zeros(len(said))
    for n in range(1, 5):
        a, b = (sum(one[..., i : one.shape[-1] - n + 1 + i] * 1000**i for i in range(n)) for one in (said, truth[None]))
        mine, theirs = ((a[..., None] == other[..., None, :]).sum(-1) for other in (a, b))
        right = np.minimum(1, theirs / mine).sum((1, 2)) / a[0].size  # each word counts as often as it is in both
        logs += np.log(np.maximum(right, 1e-300)) / 4
    return np.asarray(100 * np.exp(logs))


def edits(said: Sequence[int], truth: Sequence[int]) -> int:
    """The edit distance of two sequences."""
    row = list(range(len(truth) + 1))
    for i, a in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(truth, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def _decoded(frames: Array) -> list[int]:
    return [int(f) for f, before in zip(frames, [0, *frames[:-1]], strict=True) if f and f != before]


def _entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Cross entropy by run for ``logits`` of (runs, batch, classes)."""
    return -logits.log_softmax(2).gather(2, y.expand(len(logits), -1)[..., None])[..., 0].mean(1)


def _batched(
    x: Tensor, y: Tensor, size: int, seed: int, error: Callable[[Tensor, Tensor], Tensor] = _entropy
) -> Callable[[Params, int], Tensor]:
    return _drawn(lambda p, rows: error(forward(p, x[rows]), y[rows]), len(x), size, seed)


def _drawn(loss: Callable[[Params, Tensor], Tensor], n: int, size: int, seed: int) -> Callable[[Params, int], Tensor]:
    """The loss of a batch of ``size`` rows of ``n``, drawn by the number of the step."""

    def of(params: Params, step: int) -> Tensor:
        rows = torch.randperm(n, generator=torch.Generator().manual_seed(1_000_003 * seed + step))[:size]
        return loss(params, rows)

    return of
