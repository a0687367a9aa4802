"""Rebuilds lunges/ from the wheel of stickleback 0.1.6: ``pip download --no-deps stickleback==0.1.6``, then run this
file with its path. The package itself is never imported: it pins an old numpy."""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHANNELS = {"pitch": 100, "roll": 100, "depth": 10, "speed": 100}
"""What is kept, and the steps in its unit: 0.01 rad, 0.1 m and 0.01 m/s."""
RATE = 10
"""Samples a second in the package; every tenth is kept."""


def build(wheel: Path, folder: Path) -> None:
    """Writes a file for each of the six deployments, at 1 Hz, with its lunges and their three elements."""
    with zipfile.ZipFile(wheel) as archive:
        sensors, events = (_rows(archive, f"stickleback/data/{name}.csv") for name in ("sensors", "events"))
    at = {name: _frames(sensors[name], events[name]) for name in sorted(sensors)}
    signals = {name: _quantised(rows[::RATE]) for name, rows in sensors.items()}
    depths = np.concatenate([signals[name][frames, 2] for name, frames in at.items()])
    bounds = np.quantile(depths, [1 / 3, 2 / 3])
    folder.mkdir(exist_ok=True)
    for name, frames in at.items():
        x = signals[name]
        pitch, roll, depth, _ = x[frames].T
        elements = np.stack([roll > 0, pitch > 0, np.searchsorted(bounds, depth)], axis=1).astype(np.int8)
        np.savez_compressed(
            folder / f"{name}.npz", x=x, channels=np.array(list(CHANNELS)), frames=frames.astype(np.int32), elements=elements
        )


def _rows(archive: zipfile.ZipFile, path: str) -> dict[str, list[dict[str, str]]]:
    """The rows of a table by deployment."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    with archive.open(path) as file:
        for row in csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")):
            found[row["deployid"]].append(row)
    return found


def _quantised(rows: list[dict[str, str]]) -> NDArray[np.int16]:
    values = np.array([[float(row[channel]) for channel in CHANNELS] for row in rows])
    steps: NDArray[np.int16] = np.rint(values * list(CHANNELS.values())).astype(np.int16)
    return steps


def _frames(rows: list[dict[str, str]], events: list[dict[str, str]]) -> NDArray[np.int64]:
    """The kept samples nearest to the events, in order."""
    begin = datetime.fromisoformat(rows[0]["datetime"])
    seconds = sorted((datetime.fromisoformat(event["datetime"]) - begin).total_seconds() for event in events)
    return np.rint(seconds).astype(np.int64)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(__file__).with_name("lunges"))
