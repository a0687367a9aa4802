"""JSON lines that name their side, their reading or their place in a text of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pitprop.logs.diagnosis import diagnose

Rows = list[dict[str, Any]]


def each(*rows: Any) -> Rows:
    return [row(n) for n in range(1, 7) for row in rows]


LINES: dict[str, tuple[Rows, str, bool, float]] = {
    "stylegan": (
        each(
            lambda n: {"results": {"fid50k_full": 60 / n}, "metric": "fid50k_full", "snapshot_pkl": f"snapshot-{200 * n:06d}.pkl"}
        ),
        *("val/fid50k_full", False, 10.0),
    ),
    "inception": (
        each(
            lambda n: {"results": {"is50k_mean": n, "is50k_std": 1}, "metric": "is50k", "snapshot_pkl": f"snapshot-{n:06d}.pkl"}
        ),
        *("val/is50k_mean", True, 6.0),
    ),
    "split": (
        each(lambda n: {"epoch": n, "split": "train", "loss": 1 / n}, lambda n: {"epoch": n, "split": "valid", "acc": n / 10}),
        *("val/accuracy", True, 0.6),
    ),
    "mode": (
        each(
            lambda n: {"mode": "train", "iter": n, "lr": 1, "loss": 1},
            lambda n: {"mode": "val", "iter": n, "lr": 1, "mIoU": n / 9},
        ),
        *("val/miou", True, 6 / 9),
    ),
    "named": (
        each(
            lambda n: {"metric": "train/loss", "value": 1 / n, "step": n},
            lambda n: {"metric": "val/f1", "value": n / 9, "step": n},
        ),
        *("val/f1", True, 6 / 9),
    ),
    "checkpoint": (each(lambda n: {"ckpt": f"out/epoch_{n}.pth", "metrics": {"mAP": n / 9}}), "val/map", True, 6 / 9),
}


@pytest.mark.parametrize("kind", LINES)
def test_objects_that_say_their_side_reading_or_checkpoint_in_words_are_read(kind: str, tmp_path: Path) -> None:
    rows, metric, maximize, best = LINES[kind]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = diagnose([path])
    assert (found.facts.metric, found.facts.maximize, len(found.curve)) == (metric, maximize, 6)
    assert found.best == (6, pytest.approx(best))
