"""How often a change of one parameter is said to cost something that costs nothing, and how often one that does is found.

``python tests/bench/by_parameter.py --studies 4000``: simulated studies of a winner and its changes, of which none or
one differs by two standard deviations of the score.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pitprop.results.statistics import OPEN, WORSE, changed

Scores = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int, int], Scores]


def _wild(draw: np.random.Generator, rows: int, seeds: int) -> Scores:
    return draw.normal(size=(rows, seeds)) * np.where(np.arange(rows) == rows - 1, 5.0, 1.0)[:, None]


NOISES: dict[str, Noise] = {
    "normal": lambda draw, rows, seeds: draw.normal(size=(rows, seeds)),
    "half of it shared by the seeds": lambda draw, rows, seeds: (
        (draw.normal(size=(rows, seeds)) + draw.normal(size=(1, seeds))) / np.sqrt(2)
    ),
    "t (3)": lambda draw, rows, seeds: draw.standard_t(3, size=(rows, seeds)) / np.sqrt(3),
    "exponential, tail downwards": lambda draw, rows, seeds: -draw.exponential(size=(rows, seeds)),
    "one spreads five times as much": _wild,
}


def study(noise: Noise, draw: np.random.Generator, changes: int, seeds: int, shift: float) -> tuple[bool, bool]:
    """Whether a change that does nothing is told to do something, and whether the one that costs ``shift`` is found."""
    table = noise(draw, changes + 1, seeds)
    table[1] -= shift
    told = changed(table[0].tolist(), {str(row): table[row].tolist() for row in range(1, changes + 1)}, maximize=True)
    wrong = any(one.verdict != OPEN for name, one in told.items() if not shift or name != "1")
    return wrong, told["1"].verdict == WORSE


def rates(noise: Noise, studies: int, changes: int, seeds: int) -> tuple[float, float]:
    """The shares of studies with a wrong word where nothing differs, and of those in which a difference of 2 is found."""
    draw = np.random.default_rng(0)
    wrong = sum(study(noise, draw, changes, seeds, 0.0)[0] for _ in range(studies))
    found = sum(study(noise, draw, changes, seeds, 2.0)[1] for _ in range(studies))
    return wrong / studies, found / studies


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    given = parser.parse_args()
    print(f"{'changes':>7} {'seeds':>5} {'wrong':>6} {'found':>6}  noise")
    for changes, seeds in ((14, 8), (14, 5), (22, 8), (4, 8)):
        for name, noise in NOISES.items():
            wrong, found = rates(noise, given.studies, changes, seeds)
            print(f"{changes:7} {seeds:5} {wrong:6.1%} {found:6.1%}  {name}", flush=True)


if __name__ == "__main__":
    main()
