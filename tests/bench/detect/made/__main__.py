"""Makes the curves: ``python -m tests.bench.detect.made FOLDER``, one data set a kind, in the layout of ``curves``."""

from __future__ import annotations

import json
import math
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pitprop.detection import metrics

from tests.bench.detect.made import returns, tasks, unseen
from tests.bench.detect.made.heldout import HELD_OUT
from tests.bench.detect.made.lanes import Array, Recipe, train
from tests.bench.detect.made.study import LOSSES, NONE, Study

RUNS = 64
DEAD, POOR, LATE = 0.1, 0.5, 0.1
"""Bounds of the labels, as shares of the way from chance to the best of the study: those of the generated curves."""


WIDE, RECURRENT = (-6.0, 0.5), (-6.5, 0.0)
LONG = {"warmup": [0.0, 0.3, 0.5, 0.7]}
LARGE = {"gain": [3.2, 5.0, 10.0], "clip": [math.inf]}
KINDS: dict[str, list[Study]] = {
    "percent": [
        Study("10 classes", partial(tasks.classes, count=10), WIDE),
        Study("100 classes", partial(tasks.classes, count=100, n=1500), WIDE, steps=30),
        Study("weak", partial(tasks.classes, count=5, noise=6.0), WIDE, columns=LOSSES),
        Study("two classes", partial(tasks.classes, count=2, noise=2.0), WIDE, columns=LOSSES),
    ],
    "bleu": [
        Study("noisy", tasks.translation, WIDE, steps=25),
        Study("noisier", partial(tasks.translation, noise=0.6), WIDE, steps=25, columns=LOSSES),
        Study("clean", partial(tasks.translation, noise=0.1), WIDE, steps=25, columns=LOSSES, epochs=20),
        Study("few words", partial(tasks.translation, words=12), WIDE, steps=10, columns=("train_loss",)),
    ],
    "map": [
        Study("12 labels", tasks.ranking, WIDE),
        Study("40 labels", partial(tasks.ranking, labels=40), WIDE, columns=LOSSES),
        Study("6 labels", partial(tasks.ranking, labels=6), WIDE, columns=("train_loss",), epochs=20),
        Study("score only", tasks.ranking, WIDE, columns=NONE),
    ],
    "wer": [
        Study("share", tasks.speech, WIDE, steps=20),
        Study("percent", partial(tasks.speech, unit=100.0), WIDE, steps=20, columns=LOSSES),
        Study("12 words", partial(tasks.speech, words=12), WIDE, steps=30, columns=("train_loss",)),
        Study("12 in percent", partial(tasks.speech, words=12, unit=100.0), WIDE, steps=30),
    ],
    "psnr": [
        Study("db", tasks.denoising, WIDE),
        Study("db, no lr", tasks.denoising, WIDE, columns=LOSSES, epochs=20),
        Study("db, score only", tasks.denoising, WIDE, columns=NONE),
        Study("mse", partial(tasks.denoising, metric="val/loss"), WIDE, columns=("lr",)),
    ],
    "returns": [
        Study("corridor", returns.corridor, (-5, 0.5), columns=NONE, epochs=40),
        Study("long corridor", partial(returns.corridor, cells=9, steps=40), (-5, 0.5), columns=NONE, epochs=40),
        Study("pole", returns.pole, (-4, 1.0), columns=NONE, epochs=40),
        Study("maze", returns.maze, (-5, 0.3), columns=NONE, epochs=40),
    ],
    "cyclic": [
        Study("10 classes", partial(tasks.classes, unit=1.0), WIDE, epochs=40, fixed={"schedule": [3]}),
        Study("weak", partial(tasks.classes, count=5, noise=5.0, unit=1.0), WIDE, epochs=40, fixed={"schedule": [3]}),
        Study("no lr", partial(tasks.classes, unit=1.0), WIDE, epochs=40, columns=LOSSES, fixed={"schedule": [3]}),
        Study("language", tasks.language, RECURRENT, epochs=40, fixed={"schedule": [3]}),
    ],
    "grokking": [
        Study("sum", tasks.modular, (-4.5, 0), epochs=60, steps=50, fixed={"decay": [0.0, 0.1, 1.0], "optimizer": [2]}),
        Study("sum, no lr", tasks.modular, (-4.5, 0), 60, 50, LOSSES, {"decay": [0.1, 1.0, 3.0], "optimizer": [2]}),
        Study("half", partial(tasks.modular, share=0.5), (-4.5, 0), 60, 50, fixed={"decay": [0.1, 1.0], "optimizer": [2]}),
        Study("percent", partial(tasks.modular, prime=17), (-4.5, 0), 40, 60, LOSSES, {"decay": [0.1, 1.0], "optimizer": [2]}),
    ],
    "few": [
        Study("5", partial(tasks.classes, unit=1.0), WIDE, epochs=5, steps=60),
        Study("8 in percent", tasks.classes, WIDE, epochs=8, steps=40, columns=LOSSES),
        Study("10, score only", partial(tasks.classes, unit=1.0), WIDE, epochs=10, steps=30, columns=NONE),
        Study("12, weak", partial(tasks.classes, count=5, noise=5.0, unit=1.0), WIDE, epochs=12, steps=30),
        Study("16, language", tasks.language, RECURRENT, epochs=16, steps=30, columns=LOSSES),
        Study("10, wer", tasks.speech, WIDE, epochs=10, steps=50, columns=("train_loss",)),
    ],
    "score_only": [
        Study("10 classes", partial(tasks.classes, unit=1.0), WIDE, columns=NONE),
        Study("percent", tasks.classes, WIDE, columns=NONE),
        Study("weak", partial(tasks.classes, count=5, noise=5.0, unit=1.0), WIDE, columns=NONE),
        Study("parity", tasks.parity, (-5, 0), columns=NONE, steps=40),
    ],
    "recurrent": [
        Study("language", tasks.language, RECURRENT, epochs=50, columns=("train_loss",)),
        Study("adding", tasks.adding, RECURRENT, epochs=50, steps=20, columns=("train_loss",)),
        Study("language, val only", partial(tasks.language, letters=16), RECURRENT, epochs=50, columns=NONE),
        Study("short adding", partial(tasks.adding, length=8), RECURRENT, epochs=50, steps=20, columns=NONE),
    ],
    "late": [
        Study("parity", tasks.parity, (-4, 0), epochs=40, steps=40, fixed=LONG),
        Study("parity, lr not logged", tasks.parity, (-4, 0), 40, 40, LOSSES, LONG, silent=True),
        Study("classes, lr not logged", partial(tasks.classes, unit=1.0), (-5, 0), 40, 15, LOSSES, LONG, silent=True),
        Study("weak", partial(tasks.classes, count=5, noise=5.0, unit=1.0), (-4, 0), 40, 15, fixed=LONG),
    ],
    "absurd": [
        Study("10 classes", partial(tasks.classes, unit=1.0), (-4, 1.5), fixed=LARGE),
        Study("losses", partial(tasks.classes, unit=1.0), (-4, 1.5), columns=LOSSES, fixed=LARGE, epochs=40),
        Study("weak", partial(tasks.classes, count=5, noise=5.0), (-4, 1.5), fixed=LARGE),
        Study("val only", partial(tasks.classes, count=20), (-4, 1.5), columns=("val_loss",), fixed=LARGE),
    ],
    "lists": [
        Study("ndcg", unseen.lists, WIDE),
        Study("ndcg, score only", unseen.lists, WIDE, columns=NONE),
        Study("survival", unseen.survival, WIDE, columns=LOSSES),
        Study("survival, score only", unseen.survival, WIDE, columns=NONE),
    ],
    "vision": [
        Study("masks", unseen.masks, WIDE, columns=LOSSES),
        Study("masks, score only", unseen.masks, WIDE, columns=NONE, epochs=40),
        Study("boxes", unseen.boxes, WIDE, epochs=40),
        Study("boxes, score only", unseen.boxes, WIDE, columns=NONE, epochs=40),
    ],
    "generators": [
        Study("diffusion", unseen.diffusion, WIDE, columns=LOSSES),
        Study("autoencoder", unseen.autoencoder, WIDE),
        Study("autoencoder, score only", partial(unseen.autoencoder, rise=100), WIDE, columns=NONE),
        Study("embeddings", unseen.embeddings, WIDE, columns=LOSSES),
    ],
    "plateaus": [
        Study("perplexity", unseen.perplexity, RECURRENT, epochs=40, columns=LOSSES, fixed={"warmup": [0.4]}),
        Study("perplexity, silent", unseen.perplexity, RECURRENT, 40, 15, NONE, {"warmup": [0.4]}, silent=True),
        Study("copying", unseen.copying, RECURRENT, epochs=50, columns=LOSSES),
        Study("copying, train", partial(unseen.copying, gap=8), RECURRENT, epochs=50, steps=20, columns=("train_loss",)),
    ],
    "quantities": [
        Study("r2", unseen.regression, WIDE, columns=LOSSES),
        Study("r2, score only", partial(unseen.regression, shift=8.0), WIDE, columns=NONE),
        Study("rmse", partial(unseen.regression, metric="val/rmse"), WIDE, columns=NONE, epochs=40),
        Study("several", unseen.several, WIDE, columns=LOSSES),
    ],
    **HELD_OUT,
}
"""The studies of each kind; the bench makes figures of both halves of them."""


def main(arguments: Sequence[str]) -> int:
    """Writes two files a kind into the folder, of all kinds or those that are named; those that are there stay."""
    if not arguments or unknown(arguments[1:]):
        print(f"usage: python -m tests.bench.detect.made FOLDER [KIND ...], of {', '.join(KINDS)}", file=sys.stderr)
        return 2
    make(Path(arguments[0]), arguments[1:])
    return 0


def unknown(kinds: Sequence[str]) -> set[str]:
    """Those of ``kinds`` that are none."""
    return {*kinds} - KINDS.keys()


def make(folder: Path, only: Sequence[str] = ()) -> None:
    """Makes what the folder lacks, of all kinds or ``only`` some."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for number, kind in enumerate(KINDS):
        if (only and kind not in only) or (folder / f"{kind}_points.parquet").exists():
            continue
        began = time.perf_counter()
        made = [rows for s, study in enumerate(KINDS[kind]) for rows in _study(kind, study, 100 * number + s)]
        for run, (row, points) in enumerate(made):
            row["run"], points["run"] = run, run
        pd.DataFrame([row for row, _ in made]).to_parquet(folder / f"{kind}_runs.parquet")
        pd.concat([points for _, points in made]).to_parquet(folder / f"{kind}_points.parquet")
        print(f"{kind}: {len(made)} runs made in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def _study(kind: str, study: Study, seed: int) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The runs of a study with their points."""
    random = np.random.default_rng(zlib.crc32(f"{kind} {study.name}".encode()))
    recipe = study.draw(RUNS, random, study.lr, **study.fixed)
    maker = study.make.func if isinstance(study.make, partial) else study.make
    trains = _returns if maker.__module__ == returns.__name__ else _trained
    goal, table = trains(study, recipe, seed)
    metric, chance = goal.metric, goal.chance
    sign = 1 if (metrics.of(metric).maximize if goal.maximize is None else goal.maximize) else -1
    scores = sign * table["metric"]
    best = np.nanmax(np.where(np.isfinite(scores), scores, -np.inf), axis=0)
    room = best.max() - sign * chance
    share = (best - sign * chance) / room
    tail = max(1, study.epochs // 10)
    last = np.nanmax(np.where(np.isfinite(scores[-tail:]), scores[-tail:], -np.inf), axis=0)
    top = best >= np.sort(best)[-max(1, RUNS // 10)]
    for run in range(RUNS):
        late = share[run] >= DEAD and (last[run] - sign * chance) / room < LATE
        label = "dead" if share[run] < DEAD else "late_collapse" if late else "poor" if share[run] < POOR else "healthy"
        row = {
            "study": f"{kind}:{study.name}",
            "label": label,
            "best": sign * best[run],
            "nbest": share[run],
            "objective": metric,
        }
        row |= {
            "top10": bool(top[run] and label == "healthy"),
            "chance": chance,
            "Lchance": goal.chance_loss,
            "T": study.epochs,
            "family": kind,
        }
        row |= {name: value for name, value in (("maximize", goal.maximize), ("K", goal.classes)) if value is not None}
        row |= {"warm_frac": np.nan if study.silent else recipe.warmup[run], "hp": json.dumps(recipe.row(run)), "seed": seed}
        points = pd.DataFrame({name: values[:, run] for name, values in table.items() if name in ("metric", *study.columns)})
        points["t"], points["nonfinite_step"] = range(study.epochs), ~np.isfinite(table["train_loss"][:, run])
        if study.every > 1:
            points["evaluated"] = [study.evaluates(epoch) for epoch in range(study.epochs)]
        yield row, points


def _trained(study: Study, recipe: Recipe, seed: int) -> tuple[tasks.Goal, dict[str, Array]]:
    torch.manual_seed(seed)
    task = study.make(recipe, seed)
    epoch = train(task.params, recipe, task.loss, study.epochs, study.steps)
    nothing, rows = np.full(len(recipe.lr), np.nan), []
    for number in range(study.epochs):
        read, score, loss = dict(epoch()), nothing, nothing
        if study.evaluates(number):
            with torch.no_grad():
                score, loss = (value.double().numpy() for value in task.validate(task.params))
        rows.append(read | {"metric": score, "val_loss": loss})
    table = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return task.goal, table


def _returns(study: Study, recipe: Recipe, seed: int) -> tuple[tasks.Goal, dict[str, Array]]:
    """The chance of a return is what policies reach that do not learn: the median of those at a rate of 0."""
    still = Recipe(
        **{n: (0.0 if n == "lr" else 1.0) * getattr(recipe, n) for n in ("lr", "warmup", "gain", "decay", "clip")},
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
    )
    chance = float(np.median(np.stack(list(study.make(still, seed, 3)))))
    scores = np.stack(list(study.make(recipe, seed, study.epochs)))
    return tasks.Goal("val/return", chance), {"metric": scores, "train_loss": np.zeros_like(scores)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
