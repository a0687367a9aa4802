"""What a training is to be judged by, out of what its log reports: by what each name means, never by a name that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pitprop.detection import metrics
from pitprop.messages import Message, message
from pitprop.telemetry import Telemetry

FEW = 5
"""Readings of which a score needs as many as that, or as the training loss has."""
BEST = ("val/macro_f1", "val/balanced_accuracy", "val/auc", "val/top1", "val/accuracy", "val/mean1", "val/f1")
"""Objectives, the first that is reported counts; then what lies further down."""
HARDEST = ["map", "ap", "bleu", "sacrebleu", "chrf", "wer", "cer", "miou", "dice", "f1", "fitness"]
"""Words of the scores that a field reports first; all other scores come after them."""
LEAST = ["precision", "prec", "recall", "rec", "specificity", "sensitivity", "top5", "knn", "probe", "pass"]
"""Words of scores that are half of one."""
PARTIAL = re.compile(r"(?:map|ap)_?(?:50|75|s|m|l|small|medium|large)(?:_b|_m)?$")
"""A detector's precision at one overlap or size only."""
EVALUATED = frozenset(
    ["map", "ap", "ar", "bleu", "sacrebleu", "chrf", "rouge", "wer", "cer", "miou", "dice", "psnr", "fid", "return", "reward"]
)
"""Words of what is measured by an evaluation, whatever side a log says."""
PLAIN = (("loss",), ("xent", "nll", "ce", "bce", "crossentropy", "logloss"), ("bpb", "bpd", "bpc"), ("ppl", "perplexity"))
"""Losses that stand for the whole one, in this order; ``total`` and others lie between the first and the next."""
GENERATOR, DISCRIMINATOR = frozenset(["g", "gen", "generator", "errg"]), frozenset(["d", "disc", "discriminator", "errd"])
JOINED = frozenset(["fused", "fusion", "ensemble", "joint", "overall", "combined", "total", "mean", "avg", "all"])
"""Words of the score of all branches of a model together."""
PLAYED = frozenset(["ep", "episode", "episodes", "episodic", "rollout", "return", "returns", "total", "mean100"])
"""Words of what a whole game brought."""
HINTS = frozenset(["signal", "intrinsic", "extrinsic", "shaped", "penalty", "bonus", "curiosity", "std"])
"""Words of parts of a reward, or of one that a network gives."""
EXTREME = frozenset(["max", "min", "maximum", "minimum"])
"""Words of the best and the worst of several games."""
POLICY = re.compile(r"(?:^|[/_])(?:policy|actor|value_loss|explained_variance|approx_kl|clip_fraction|ep_len|ent_coef|td_error)")


def choose(telemetry: Telemetry) -> str:
    """The name of the objective; empty where nothing that is reported could be one.

    A return or reward first; then the usual score, any other score or error of validation, the loss of validation, that of
    training. The losses of a policy and of a GAN are none.
    """
    names = {name for epoch in telemetry for name in epoch.metrics}
    counts = {name: len(telemetry.column(name).values) for name in sorted(names)}
    known = [name for name in counts if metrics.of(name).objective and not name.startswith("start/")]
    if adversarial(counts) or reinforced(counts):
        known = [name for name in known if metrics.of(name).family != "loss"]
    enough = [name for name in known if counts[name] >= max(1, min(FEW, counts.get("train/loss", 0)))]
    found = min(enough or [name for name in known if counts[name]] or known, key=_rank, default="")
    return _fused(found, known) or found


def _fused(metric: str, known: Sequence[str]) -> str:
    """The same score of what joins the branches of a model, as RGBPose_1:1 joins rgb and pose; empty if there is no such."""
    if metric.count("/") != 2:
        return ""
    side, _, score = metric.split("/")
    branches = {one: name.group(1).lower() for one in known if (name := re.fullmatch(rf"{side}/([^/]+)/{re.escape(score)}", one))}
    if len(branches) < 3:
        return ""
    joins = (one for one, name in branches.items() if sum(other in name for other in branches.values() if other != name) > 1)
    return next(joins, next((one for one, name in branches.items() if JOINED & {*metrics.split(name)}), ""))


def scored(telemetry: Telemetry) -> str:
    """The objective, if it is a score or an error of validation: one that counts even where it was measured a few times only."""
    found = choose(telemetry) if telemetry else ""
    return found if found.startswith("val/") and metrics.of(found).family in ("score", "error") else ""


def none(names: Iterable[str], shown: str) -> Message:
    """Why none of the readings, of which some are ``shown``, is an objective, and what to say."""
    names = list(names)
    if adversarial(names):
        return message("the losses of a GAN do not tell how good it is; report a score such as FID, or name one with --metric")
    if reinforced(names):
        return message("no return or reward is among its readings ({names}), and the losses of a policy say nothing", names=shown)
    return message(
        "none of its readings ({names}) is known as a score, an error, a loss or a reward; --metric NAME with --goal says what "
        "to judge by",
        names=shown,
    )


def adversarial(names: Iterable[str]) -> bool:
    """Whether these are the losses of a generator and a discriminator."""
    words = [{*metrics.split(name)} for name in names if metrics.of(name).family in ("loss", "")]  # D_A says no more
    made = GENERATOR | {"adv", "adversarial", "gan"}
    return any(found & made for found in words) and any(found & DISCRIMINATOR for found in words)


def reinforced(names: Iterable[str]) -> bool:
    """Whether a policy is trained: by its losses, or since a reward is reported."""
    return any(metrics.of(name).family == "reward" or POLICY.search(name) for name in names)


def _rank(name: str) -> tuple[int, ...]:
    """The less, the better an objective."""
    meaning, words = metrics.of(name), metrics.split(name)
    depth, measured = name.count("/"), name.startswith("val/")
    if meaning.family == "reward":
        extreme = bool(EXTREME & {*words})
        played = not PLAYED & {*words} and bool(HINTS & {*words})
        return 0, "eval" not in words and not measured, meaning.share, extreme, played, not PLAYED & {*words}, len(words)
    if meaning.family == "loss":
        return 3 if measured else 4, _plain(words), depth, len(words)
    if name in BEST:
        return 1, 0, BEST.index(name)
    if not measured and not EVALUATED & {*words, *(word.rstrip("0123456789") for word in words)}:
        return 5, depth, len(words)
    first = next((place for place, word in enumerate(HARDEST) if any(word == one.rstrip("0123456789") for one in words)), 99)
    half = any(word in LEAST for word in words)
    return (
        (1 if measured else 2),
        1 + half,
        depth,
        first,
        bool(PARTIAL.search("_".join(words))),
        meaning.chance is None,
        len(words),
    )


def _plain(words: list[str]) -> int:
    """How well a loss stands for the whole one."""
    rest = [word for word in words if word not in ("val", "train")]
    if rest == ["loss"]:
        return 0
    if "total" in rest:
        return 1
    return next((2 + place for place, known in enumerate(PLAIN) if rest and rest[-1] in known and len(rest) == 1), 9)
