"""Curves to judge: one that is well in all its readings, and for each signature one that shows it and little else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pitprop.detection.facts import Facts, Peer
from pitprop.detection.stopping import EarlyStopping
from pitprop.telemetry import Epoch, Telemetry

CASE = {"0": 696, "1": 204}
"""Validation samples by class of a real search."""
KNOWN = Facts(40, "val/macro_f1", labels=CASE)


def curve(length: int, **metrics: Callable[[int], float | None] | float) -> Telemetry:
    """Epochs 1 to ``length``, of each metric its value or a function of the epoch; ``__`` in a name stands for ``/``.

    An epoch for which a function gives None does not report the metric.
    """
    rows = []
    for t in range(1, length + 1):
        row = {name.replace("__", "/"): given(t) if callable(given) else given for name, given in metrics.items()}
        rows.append(Epoch(t, {name: value for name, value in row.items() if value is not None}))
    return Telemetry(rows)


def joined(epochs: Sequence[Epoch], **metrics: Callable[[int], float | None] | float) -> Telemetry:
    """The same training with other readings, or more."""
    extra = curve(len(epochs), **metrics)
    return Telemetry(Epoch(mine.step, {**mine.metrics, **new.metrics}) for mine, new in zip(epochs, extra, strict=True))


def longer(epochs: Sequence[Epoch], more: int, again: int = 1) -> Telemetry:
    """The same training, whose last ``again`` epochs repeat themselves for ``more`` epochs."""
    tail = epochs[-again:]
    new = [Epoch(epochs[-1].step + 1 + i, tail[i % again].metrics) for i in range(more)]
    return Telemetry([*epochs, *new])


def at_first(value: float) -> Callable[[int], float | None]:
    """Reported in the first epoch alone."""
    return lambda t: value if t == 1 else None


def _minority(t: int) -> float:
    return min(200.0, max(0.0, 15.0 * (t - 4)))


HEALTHY = curve(
    40,
    train__loss=lambda t: 0.6 * 0.95**t,
    val__loss=lambda t: 0.3 + 0.24 * 0.9**t,
    chance__loss=0.5351,
    start__loss=0.56,
    start__macro_f1=at_first(0.4361),
    start__pose__top1=at_first(0.5),
    lr=lambda t: 1e-3 * min(t / 3, 0.5 + 0.5 * math.cos(math.pi * max(0, t - 3) / 38)),
    grad_norm=lambda t: 2.0 / t,
    grad_norm__rgb=lambda t: 1.5 / t,
    grad_norm__pose=lambda t: 1.0 / t,
    clipped=0.1,
    update_ratio=1e-3,
    params__total=1000.0,
    params__trainable=900.0,
    params__with_grad=900.0,
    params__non_finite=0.0,
    dormant__hidden=0.2,
    saturated__hidden=0.1,
    val__predicted__0=lambda t: 900.0 - _minority(t),
    val__predicted__1=_minority,
    val__labels__0=696.0,
    val__labels__1=204.0,
    val__true_positives__0=lambda t: 696.0 - 0.3 * _minority(t),
    val__true_positives__1=lambda t: 0.7 * _minority(t),
    val__auc=lambda t: 0.9 - 0.4 * 0.85**t,
    val__logit_spread=lambda t: 1 - 0.95 * 0.9**t,
    val__probability_spread=lambda t: 0.4 * (1 - 0.95 * 0.9**t),
    val__macro_f1=lambda t: 0.4361 if t < 5 else 0.8 - 0.36 * 0.85 ** (t - 4),
    val__rgb__top1=lambda t: 0.8 - 0.3 * 0.9**t,
    val__pose__top1=lambda t: 0.7 - 0.2 * 0.9**t,
    embedding__cosine=lambda t: 0.2 + 0.3 * 0.9**t,
    embedding__rank=lambda t: 60.0 - 40 * 0.9**t,
    embedding__dimensions=128.0,
    train__labels__0=2784.0,
    train__labels__1=816.0,
    batch__size=32.0,
    facts__classes=2.0,
    batch__classes=1.99,
    inputs__non_finite=0.0,
    files__missing=0.0,
    files__empty=0.0,
    seconds=60.0,
)
"""Reports every metric of the vocabulary, from scratch but for two branches that start from a checkpoint."""
HEALTHY_FACTS = replace(
    KNOWN,
    batch=32,
    checkpoint={"val/rgb/top1": 0.5, "val/pose/top1": 0.5},
    params={"lr": 1e-3, "focal.alpha": [1.0, 3.4]},
    stopping=EarlyStopping(10),
    peers=(Peer(0, {"lr": 1e-2}, joined(HEALTHY, train__loss=lambda t: 0.7 * 0.94**t)),),
    silence=30.0,
)


@dataclass(frozen=True, slots=True)
class Ill:
    """A training that shows a signature at its last epoch, and would go on to if its last ``again`` epochs came again."""

    epochs: Telemetry
    facts: Facts = KNOWN
    again: int = 1

    def until(self, end: int) -> Ill:
        """The first ``end`` epochs, and more of the same if there are not as many; a peer that is alike stays so."""
        epochs = longer(self.epochs[:end], end - len(self.epochs), self.again)
        return Ill(epochs, replace(self.facts, peers=tuple(replace(p, telemetry=epochs) for p in self.facts.peers)), self.again)


FALLING = curve(10, train__loss=lambda t: 0.6 * 0.9**t)
TWO_STREAM = Facts(40, "val/top1", checkpoint={"val/top1": 0.8919, "val/rgb/top1": 0.89, "val/pose/top1": 0.825})
ILL: Mapping[str, Ill] = {
    # proof
    "checkpoint_mismatch": Ill(
        curve(3, start__macro_f1=at_first(0.31), val__macro_f1=0.5), replace(KNOWN, checkpoint={"val/macro_f1": 0.56})
    ),
    "explosion": Ill(curve(20, val__loss=lambda t: 0.7 if t < 3 else 50.0, val__macro_f1=0.3)),
    "non_finite": Ill(curve(5, val__loss=lambda t: 0.7 if t < 3 else math.nan)),
    "non_finite_parameter": Ill(curve(5, params__non_finite=lambda t: 0.0 if t < 3 else 12.0)),
    "nothing_trains": Ill(curve(5, grad_norm=lambda t: 1.0 if t < 2 else 0.0, val__macro_f1=0.43)),
    "single_class_batches": Ill(curve(3, batch__classes=1.0, batch__size=32.0, val__macro_f1=0.43)),
    "stalled": Ill(curve(3, seconds=60.0), replace(KNOWN, silence=7200.0)),
    # evidence
    "branch_collapse": Ill(curve(40, val__top1=0.6, val__rgb__top1=0.88, val__pose__top1=0.31), TWO_STREAM),
    "short_of_chance": Ill(curve(40, val__macro_f1=lambda t: 0.01 + 5e-4 * t)),
    "chance_plateau": Ill(curve(40, val__loss=0.6, val__macro_f1=0.43)),
    "constant_prediction": Ill(curve(40, val__macro_f1=0.4361, val__predicted__0=900.0, val__predicted__1=0.0)),
    "contrastive_collapse": Ill(
        curve(40, val__loss=3.434, val__knn=0.5, batch__size=32.0, embedding__cosine=0.99), Facts(40, "val/knn")
    ),
    "hopelessly_slow": Ill(curve(40, val__loss=lambda t: 0.6 - 1e-6 * t, val__macro_f1=0.43)),
    "input_independent": Ill(curve(40, val__probability_spread=1e-5, val__macro_f1=0.43)),
    "late_collapse": Ill(curve(40, val__macro_f1=lambda t: 0.7 if t < 6 else 0.43)),
    "minority_prediction": Ill(curve(40, val__macro_f1=0.1848, val__predicted__0=0.0, val__predicted__1=900.0)),
    "no_positives": Ill(curve(40, val__event__f1=0.0, val__element__f1=0.0, val__edit=0.0), Facts(40, "val/edit")),
    # advice
    "bad_start": Ill(curve(3, start__loss=at_first(4.0), chance__loss=0.5351)),
    "branch_domination": Ill(curve(8, grad_norm__rgb=10.0, grad_norm__pose=1.0)),
    "branch_drop": Ill(curve(2, val__top1=0.8669, val__rgb__top1=0.8756, val__pose__top1=0.7666), TWO_STREAM),
    "clip_saturation": Ill(curve(8, clipped=0.9)),
    "dimensional_collapse": Ill(curve(8, embedding__rank=3.0, embedding__dimensions=128.0)),
    "dormant_units": Ill(curve(8, dormant__hidden=0.95)),
    "forgetting": Ill(curve(2, val__top1=0.8669), TWO_STREAM),
    "frozen_metric": Ill(
        curve(
            10, val__macro_f1=0.5, val__loss=lambda t: 0.6 * 0.9**t, val__predicted__0=lambda t: 500.0 + t, val__predicted__1=300
        ),
        again=5,
    ),
    "mostly_frozen": Ill(curve(2, params__trainable=5.0, params__total=1000.0)),
    "no_effect": Ill(FALLING, replace(KNOWN, params={"depth": 2}, peers=(Peer(3, {"depth": 4}, FALLING),)), again=5),
    "oscillation": Ill(curve(20, val__macro_f1=lambda t: 0.6 if t % 2 else 0.4), again=2),
    "overfit": Ill(curve(20, train__loss=lambda t: 0.7 * 0.9**t, val__loss=lambda t: 0.4 + 0.02 * abs(t - 8))),
    "ranks_without_deciding": Ill(curve(8, val__auc=0.8, val__predicted__0=900.0, val__predicted__1=0.0)),
    "saturation": Ill(curve(8, saturated__hidden=0.8)),
    "stopped_early": Ill(
        curve(6, val__macro_f1=lambda t: 0.5 if t == 1 else 0.49), replace(KNOWN, stopping=EarlyStopping(3, 0.001))
    ),
    "tiny_steps": Ill(curve(8, update_ratio=1e-9)),
    "unchanged_score": Ill(curve(12, val__accuracy=0.6912, train__loss=lambda t: 0.63 - 0.001 * t), Facts(12, "val/accuracy")),
}
"""By signature; a new one needs its curve here."""
