"""Chance levels: the loss and the score of a model that knows only how often each class occurs.

A prior is given as shares or as counts of the classes, in class order; it is scaled to sum to 1. Losses are means over the
samples, in nats. ``ValueError`` for a prior that is empty, negative or all zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from pitprop.detection import metrics
from pitprop.messages import Message, message


@dataclass(frozen=True, slots=True)
class Level:
    """Where a model stands that has learned nothing, and from where that is known, in words; there what is told is ``said``."""

    value: float
    source: Message
    by_source: float | None = None

    @property
    def said(self) -> float:
        return self.value if self.by_source is None else self.by_source

    @property
    def told(self) -> bool:
        """Whether somebody told it, and not this curve or others of the study, of which each shows a little another one."""
        return self.source in (STATED, REPORTED, NAMED, COUNTED, BY_CLASSES)


STATED, REPORTED, NAMED = message("stated"), message("reported"), message("by its name")
COUNTED, BY_CLASSES = message("by the class counts"), message("by the number of classes")


def shares(prior: Sequence[float]) -> list[float]:
    """``prior`` scaled to sum to 1."""
    total = math.fsum(prior)
    if not prior or min(prior) < 0 or not 0 < total < math.inf:
        raise ValueError(f"a class prior holds shares or counts that are not negative and not all zero, this is {list(prior)}")
    return [p / total for p in prior]


def cross_entropy(prior: Sequence[float]) -> float:
    """The entropy H(prior) = -sum p ln p: ln K for K equally frequent classes."""
    return -math.fsum(p * math.log(p) for p in shares(prior) if p > 0)


def focal(prior: Sequence[float], alpha: Sequence[float], gamma: float) -> float:
    """Focal loss (Lin et al. 2017) of the best constant prediction c: the least sum p_k alpha_k (1 - c_k)^gamma (-ln c_k).

    A plain mean over the samples, not divided by the weights. ``alpha`` is a weight by class, in the order of ``prior``.

    The best c is the prior only for gamma 0. Each term is convex and falls with c_k, so at the
    minimum all a_k g'(c_k) are equal (to minus a multiplier), and Newton's method finds the one at which the c_k sum to 1.
    """
    terms = [p * a for p, a in zip(shares(prior), alpha, strict=True) if p * a > 0]
    if gamma < 0 or min(alpha) < 0 or not terms:
        raise ValueError(f"focal loss takes alpha >= 0, not all zero, and gamma >= 0, not {list(alpha)} and {gamma}")
    if len(terms) == 1:
        return 0.0  # the one class that counts is predicted with certainty

    def solved(multiplier: float) -> dict[float, float]:
        return {a: _log_confidence(multiplier - math.log(a), gamma) for a in set(terms)}

    def excess(multiplier: float) -> tuple[float, float]:
        logs = solved(multiplier)
        total = math.fsum(math.exp(logs[a]) for a in terms)
        slopes = {a: 1 / _steepness(log, gamma)[1] for a, log in logs.items()}
        return math.log(total), math.fsum(math.exp(logs[a]) * slopes[a] for a in terms) / total

    logs = solved(_zero(excess, -700.0, math.log(math.fsum(terms)), 700.0))  # from what it is for gamma 0
    total = math.fsum(math.exp(logs[a]) for a in terms)
    best = {a: math.exp(log) / total for a, log in logs.items()}
    return math.fsum(-a * (1 - best[a]) ** gamma * math.log(best[a]) for a in terms)


def binary_cross_entropy(priors: Sequence[float]) -> float:
    """Multi-label cross entropy, summed over the labels: sum H(p_j, 1 - p_j). Divide by their number for torch's mean."""
    return math.fsum(cross_entropy([p, 1 - p]) for p in priors)


def supervised_contrastive(batch: int) -> float:
    """ln(N - 1): N samples in one view with identical embeddings (Khosla et al. 2020); ln 31 = 3.4340 for 32."""
    return _log_of(batch - 1, "a batch of at least 2")


def nt_xent(batch: int) -> float:
    """ln(2 N - 1): N samples in two views (SimCLR, and two-view supervised contrastive) with identical embeddings."""
    return _log_of(2 * batch - 1, "a batch of at least 1")


def clip(batch: int) -> float:
    """ln N: N pairs with identical embeddings in CLIP's loss (Radford et al. 2021)."""
    return _log_of(batch, "a batch of at least 1")


USUAL = (*range(2, 11), 20, 50, 100, 200, 1000)
"""Numbers of classes that are common. A loss that stands at the logarithm of one of them is that of a guess."""
ALIKE = (15, 31, 63, 127, 255, 511, 1023)
"""N - 1 for common sizes N of a batch: at its logarithm a contrastive loss stands whose embeddings are all alike."""
RUNNING = 5
"""Losses whose middle one stands for them."""
CONTRASTIVE: Mapping[str, Callable[[int], float]] = {"supcon": supervised_contrastive, "ntxent": nt_xent, "clip": clip}
"""Losses whose value at chance follows from the batch, by name."""


def _log_of(others: int, wanted: str) -> float:
    if others < 1:
        raise ValueError(f"a contrastive loss needs {wanted}")
    return math.log(others)


def macro_f1(prior: Sequence[float], c: int | None = None) -> float:
    """Macro F1 when every sample is predicted as class ``c`` (by default the most frequent): (1/K) 2 p_c / (1 + p_c)."""
    p = shares(prior)
    share = max(p) if c is None else p[c]
    return 2 * share / (1 + share) / len(p)


def accuracy(prior: Sequence[float], c: int | None = None) -> float:
    """The share of class ``c``, by default the most frequent."""
    return max(shares(prior)) if c is None else shares(prior)[c]


def balanced_accuracy(classes: int) -> float:
    """1 / K, whichever class is predicted."""
    return 1 / classes


def perplexity(prior: Sequence[float]) -> float:
    """The exponential of the entropy: K for K equally frequent classes, such as the tokens of a vocabulary."""
    return math.exp(cross_entropy(prior))


ACCURACY = frozenset(("acc", "accuracy", "top1", "mean1"))
"""Words for the share of samples that are classified rightly."""
BALANCED = frozenset(("balanced", "macro", "mean", "mean1"))
"""Words beside them that make it the mean of the shares of each class."""
ERRORS = frozenset(("error_rate", "class_error", "classification_error", "top1_error", "err1"))
"""Names for the share of samples that are classified wrongly."""


def average_precision(prior: Sequence[float], c: int | None = None) -> float:
    """The share of class ``c``, by default the rarest one that there is: the precision at every recall of a random ranking."""
    p = shares(prior)
    return min(share for share in p if share > 0) if c is None else p[c]


def score(metric: str, prior: Sequence[float]) -> float | None:
    """What the best constant predictor reaches in ``metric``, as a share; None for a metric that is not known here.

    Only the last part of the name counts: ``val/macro_f1`` and ``val/pose/macro_f1`` are both macro F1.
    """
    name, meaning = metric.rsplit("/", 1)[-1], metrics.of(metric.rsplit("/", 1)[-1])
    if meaning.chance is not None:
        return meaning.chance
    if name in ERRORS and prior:
        return 1 - accuracy(prior)
    known = {"macro_f1": macro_f1, "f1_macro": macro_f1, "average_precision": average_precision, "ap": average_precision}
    if name in ("ppl", "perplexity") and prior:
        return perplexity(prior)
    if accurate(name) and prior:
        return balanced_accuracy(len(prior)) if _balanced(name) else accuracy(prior)
    return known[name](prior) if name in known and prior else None


def accurate(name: str) -> bool:
    """Whether it is an accuracy whose classes tell its chance, whatever of (``node_acc``).

    That of one of several guesses (``top5_acc``), of one class, or of the neighbours of embeddings, which tell some classes
    before any training, is not.
    """
    words, meaning = metrics.split(name), metrics.of(name)
    several = any((word.isdigit() and word != "1") or (word.startswith("top") and word not in ("top", "top1")) for word in words)
    told = ACCURACY & {*words} and not {"knn", "probe"} & {*words}
    return bool(told) and not several and meaning.maximize is True and meaning.share


def _balanced(name: str) -> bool:
    return bool(BALANCED & {*metrics.split(name)})


def standard_error(metric: str, counts: Sequence[int]) -> float | None:
    """The standard error of ``metric`` for guesses at chance on these validation ``counts`` by class; None if not known.

    Accuracy: binomial. Balanced accuracy: sqrt(sum p (1 - p) / n_k) / K with p = 1/K, used for macro F1 too. AUC: the
    rank-sum variance (n1 + n0 + 1) / (12 n1 n0), its mean over one-against-rest for more classes.
    """
    name, filled = metric.rsplit("/", 1)[-1], [n for n in counts if n > 0]
    total, classes = sum(filled), len(filled)
    if classes < 2:
        return None
    if accurate(name) and not _balanced(name):
        p = max(filled) / total
        return math.sqrt(p * (1 - p) / total)
    if accurate(name) or name in ("macro_f1", "f1_macro"):
        p = 1 / classes
        return math.sqrt(math.fsum(p * (1 - p) / n for n in filled)) / classes
    if name == "auc":
        return math.fsum(math.sqrt((total + 1) / (12 * n * (total - n))) for n in filled) / classes
    return None


def standing(losses: Sequence[float]) -> int:
    """The K at whose logarithm all losses stand, by 1 %; 0 if there is none."""
    if not 0 < min(losses, default=0) <= max(losses) < 10:
        return 0
    middle = median(losses)
    count = round(math.exp(middle))
    stands = count > 1 and abs(middle / math.log(count) - 1) < 0.01 and max(losses) - min(losses) < 0.02 * middle
    return count if stands else 0


def usual(losses: Sequence[float]) -> int:
    """The common number K of classes at whose logarithm ten losses or more stand: by 1.5 %, as weights are random; else 0.

    Embeddings that are all alike have no such chance in them: of `ALIKE` it is by 0.05 %.
    """
    middles = [median(losses[i : i + RUNNING]) for i in range(len(losses) - RUNNING + 1)] if len(losses) >= 2 * RUNNING else []
    if not middles or max(middles) - min(middles) > 0.02 * median(middles):
        return 0
    found = next((count for count in ALIKE if abs(median(middles) / math.log(count) - 1) < 0.0005), 0)
    return found or next((count for count in USUAL if abs(median(middles) / math.log(count) - 1) < 0.015), 0)


def classes_in_batch(prior: Sequence[float], batch: int) -> float:
    """The number of classes expected among ``batch`` samples that are drawn from ``prior``: sum 1 - (1 - p_k)^B."""
    return math.fsum(1 - (1 - p) ** batch for p in shares(prior))


def _log_confidence(slope: float, gamma: float) -> float:
    """The ln c at which (1 - c)^gamma (-ln c) falls with a slope of this logarithm; about 0 if it is steeper all the way."""

    def above(log: float) -> tuple[float, float]:
        steepness, change = _steepness(log, gamma)
        return steepness - slope, change

    return _zero(above, -745.0, -min(max(slope, 0.1), 744.0), 0.0)  # ln c, so that rare classes keep their digits


def _steepness(log: float, gamma: float) -> tuple[float, float]:
    """The logarithm of how steeply (1 - c)^gamma (-ln c) falls with c, and how that changes with ln c; at this ln c."""
    c, rest = math.exp(log), -math.expm1(log)
    factor = rest - gamma * c * log
    steepness = (gamma - 1) * math.log(rest) - log + math.log(factor)
    return steepness, (1 - gamma) * c / rest - 1 - c * (1 + gamma + gamma * log) / factor


def _zero(falling: Callable[[float], tuple[float, float]], low: float, x: float, high: float) -> float:
    """Where a falling function, given with its slope, is 0: Newton's steps from ``x``, halves where they leave the bracket."""
    for _ in range(100):
        value, slope = falling(x)
        low, high = (x, high) if value > 0 else (low, x)
        newton = x - value / slope if slope else math.inf
        if min(abs(newton - x), high - low) <= 1e-13 + 1e-12 * abs(x):
            break
        x = newton if low < newton < high else (low + high) / 2
    return x
