"""Studies that were made after the rules and judged once before anybody looked at them; their spaces are a person's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.bench.detect.made import decisions, policies, rankings, sequences, transfers
from tests.bench.detect.made.plans import plan
from tests.bench.detect.made.study import LOSSES, NONE, Study

TRAIN: tuple[str, ...] = ("train_loss",)
RATE: tuple[str, ...] = ("train_loss", "lr")
INF = math.inf


def _study(
    name: str, make: Any, lr: tuple[float, float], epochs: int, steps: int, columns: tuple[str, ...], **space: Any
) -> Study:
    """A study over a plan; ``every`` and ``silent`` are the study's, all else is its space."""
    every, silent = space.pop("every", 1), space.pop("silent", False)
    return Study(name, make, lr, epochs, steps, columns, space, silent, plan, every)


BATCH = (0.3, 1.8)
HELD_OUT: Mapping[str, list[Study]] = {
    "letters": [
        _study(
            "bits",
            sequences.text,
            (-5, 0.5),
            60,
            8,
            ("train_loss", "lr"),
            sharp=(-1, 1.5),
            decay=(-5, 1),
            warmup=[0.1, 0.3],
            clip=[1.0, INF],
        ),
        _study(
            "smoothed",
            partial(sequences.text, metric="val/perplexity"),
            (-5, 0),
            25,
            16,
            LOSSES,
            smoothing=[0.0, 0.1, 0.3],
            batch=BATCH,
        ),
        _study(
            "accuracy",
            partial(sequences.text, metric="val/token_acc"),
            (-5, 0.5),
            100,
            5,
            NONE,
            every=5,
            silent=True,
            gain=(-1, 0.7),
        ),
        _study(
            "plain recurrent",
            sequences.recurrence,
            (-4.5, 0),
            120,
            4,
            TRAIN,
            radius=(-0.7, 0.6),
            tanh=[0, 1],
            clip=[0.1, 1.0, INF],
            schedule=[0, 2],
        ),
    ],
    "forecasts": [
        _study(
            "percent", sequences.forecast, (-6, 0), 80, 8, LOSSES, scaled=[0, 1, 1], robust=[0, 1], decay=(-4, 1), batch=BATCH
        ),
        _study(
            "symmetric",
            partial(sequences.forecast, metric="val/smape"),
            (-6, 0),
            200,
            3,
            NONE,
            scaled=[0, 1],
            robust=[0, 1],
            gain=(-1, 1),
        ),
        _study(
            "scaled error",
            partial(sequences.forecast, metric="val/mase"),
            (-5, 0),
            10,
            40,
            TRAIN,
            scaled=[1],
            optimizer=[0, 1, 2],
            schedule=[1, 4],
        ),
        _study(
            "likelihood",
            partial(sequences.forecast, metric="val/nll"),
            (-5, 0),
            40,
            12,
            ("train_loss", "val_loss", "lr"),
            scaled=[1],
            clip=[1.0, INF],
            schedule=[3, 4, 5],
        ),
    ],
    "recommenders": [
        _study("recall", rankings.recommend, (-4.5, 0.5), 30, 12, TRAIN, std=(-3, 0.3), decay=(-5, 0.5), swapped=[0] * 7 + [1]),
        _study(
            "ndcg",
            partial(rankings.recommend, metric="val/ndcg@10"),
            (-4.5, 0.5),
            100,
            6,
            LOSSES,
            std=(-3, 0),
            decay=(-5, 0),
            every=4,
            swapped=[0] * 9 + [1],
        ),
        _study(
            "in batch",
            partial(rankings.recommend, metric="val/mrr", pairs=False),
            (-4, 0.5),
            40,
            10,
            RATE,
            temperature=(-3, 1),
            std=[0.1, 1.0],
            warmup=[0, 0.2, 0.5],
        ),
        _study(
            "hits",
            partial(rankings.recommend, metric="val/hit_rate@10"),
            (-4, 1),
            15,
            25,
            NONE,
            std=(-3, 0.5),
            optimizer=[2],
            decay=(-4, 1),
        ),
    ],
    "odds": [
        _study(
            "brier",
            decisions.odds,
            (-4.5, 0.5),
            50,
            10,
            LOSSES,
            bias=[0, 0, -1.4, -1.4, -8, 8],
            positive=(-0.5, 0.8),
            rest=[0, 0, -4],
            batch=BATCH,
        ),
        _study(
            "rare",
            partial(decisions.odds, metric="val/mcc", rate=0.06),
            (-5, 1),
            40,
            12,
            ("train_loss", "val_loss", "lr"),
            positive=(-1, 2.5),
            gamma=[0, 2, 5],
            sorted=[0, 0, 0, 1],
        ),
        _study(
            "precision",
            partial(decisions.odds, metric="val/pr_auc", rate=0.1),
            (-5, 0.5),
            20,
            20,
            TRAIN,
            rest=[0, 0, -6],
            frozen=[0] * 5 + [1],
            decay=(-4, 1),
        ),
        _study(
            "kappa",
            partial(decisions.odds, metric="val/kappa", rate=0.4, noise=0.3),
            (-5, 1),
            7,
            60,
            LOSSES,
            gain=(-2, 1),
            sorted=[0, 0, 0, 1],
            batch=BATCH,
        ),
    ],
    "tags": [
        _study("micro", decisions.tags, (-5, 0.5), 40, 12, LOSSES, positive=(0, 2), bias=[0, -2.6], mixed=[0, 0, 0.3, 1]),
        _study(
            "macro",
            partial(decisions.tags, metric="val/f1_macro", above=0.2),
            (-5, 0.5),
            90,
            6,
            NONE,
            decay=(-5, 1),
            mixed=[0, 0, 0.5, 1],
            every=3,
        ),
        _study(
            "wrong",
            partial(decisions.tags, metric="val/hamming_loss"),
            (-4.5, 0.3),
            30,
            25,
            TRAIN,
            positive=(-0.5, 0.7),
            gain=(-1, 0.7),
        ),
        _study(
            "all right",
            partial(decisions.tags, metric="val/exact_match"),
            (-5, 0.5),
            50,
            10,
            ("val_loss", "lr"),
            bias=[0, -2.6, -8],
            decay=(-5, 0),
        ),
    ],
    "segments": [
        _study("dice", decisions.segments, (-5, 0.5), 40, 8, TRAIN, bias=[0, -3, -12], rest=[0, 0, -3], batch=[1, 2, 8]),
        _study(
            "dice in percent", partial(decisions.segments, unit=100.0), (-5, 0.5), 24, 12, LOSSES, smooth=(-3, 3), decay=(-4, 1.3)
        ),
        _study(
            "iou", partial(decisions.segments, metric="val/iou"), (-5, 0.5), 60, 5, NONE, gain=(-1.5, 1), every=2, clip=[0.1, INF]
        ),
    ],
    "graphs": [
        _study(
            "auc",
            rankings.edges,
            (-5, 0.5),
            60,
            6,
            ("train_loss", "val_loss", "lr"),
            reach=[1, 1, 2, 8, 32],
            drop=[0, 0.3],
            decay=(-5, 1),
        ),
        _study(
            "precision",
            partial(rankings.edges, metric="val/ap"),
            (-5, 0.5),
            30,
            12,
            TRAIN,
            reach=[1, 1, 3, 16],
            drop=[0, 0.5, 0.95],
        ),
        _study(
            "hits", partial(rankings.edges, metric="val/hits@10"), (-5, 0.5), 45, 8, NONE, reach=[1, 1, 2, 16], warmup=[0, 0.3]
        ),
        _study(
            "nodes",
            rankings.labelled,
            (-5, 1),
            150,
            1,
            LOSSES,
            reach=[1, 1, 2, 4, 32],
            drop=[0, 0.5],
            decay=(-5, 1),
            gain=(-1.5, 0.3),
        ),
    ],
    "others": [
        _study("twins", transfers.twins, (-5, 0.5), 60, 8, TRAIN, both=[0, 0, 0, 1], standard=[0, 1], decay=(-5, 0)),
        _study(
            "teacher", transfers.distilled, (-5, 0.5), 40, 10, LOSSES, temperature=(0, 1.5), decay=(-4, 1), optimizer=[0, 1, 2]
        ),
        _study(
            "teacher, same",
            partial(transfers.distilled, metric="val/agreement"),
            (-5, 0.5),
            18,
            20,
            TRAIN,
            temperature=(0, 1.5),
            batch=BATCH,
        ),
        _study(
            "tuned",
            transfers.tuned,
            (-5, 1),
            20,
            10,
            LOSSES,
            frozen=[0, 0, 0, 1],
            decay=(-4, 1),
            schedule=[0, 1, 4],
            warmup=[0, 0.1, 0.4],
        ),
        _study("opponents", transfers.opponents, (-5, 0), 80, 8, TRAIN, ratio=(-1, 1), optimizer=[2], schedule=[0, 1]),
        _study(
            "modes",
            partial(transfers.opponents, metric="val/modes"),
            (-5, 0),
            50,
            12,
            NONE,
            ratio=(-1, 1),
            optimizer=[2],
            schedule=[0],
        ),
    ],
    "control": [
        _study("point", policies.reach, (-4.5, 0), 60, 8, TRAIN, noise=(-1.5, 0.7), clip=[0.5, INF]),
        _study(
            "point, return only",
            partial(policies.reach, metric="eval/reward"),
            (-4.5, 0),
            120,
            4,
            NONE,
            noise=(-1.5, 0.5),
            every=3,
        ),
        _study("field", policies.field, (-5, 0), 40, 25, TRAIN, period=[1, 20, 100, 500], optimizer=[2], gain=(-1, 0.5)),
        _study(
            "field, every fifth",
            partial(policies.field, metric="eval/mean_ep_reward"),
            (-5, 0),
            150,
            8,
            RATE,
            period=[1, 50, 400],
            optimizer=[1, 2],
            every=5,
        ),
    ],
}
"""By kind, as ``KINDS`` of the other ones. Labels follow the same rule."""
