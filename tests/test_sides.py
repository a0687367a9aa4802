"""What is held out for validation: a share of each class, and never a part of a group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.trainers.data import pendigits, satimage, sides, table


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.15, 0.6), st.integers(2, 4))
def test_no_group_is_on_both_sides_and_each_side_has_every_class(seed: int, fraction: float, classes: int) -> None:
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(30), random.integers(4, 9, 30))
    y = np.arange(len(group)) % classes
    held = sides.held(y, fraction, seed, group)
    assert not set(group[held]) & set(group[~held])
    assert abs(held.mean() - fraction) < 0.1
    assert set(y[held]) == set(y[~held]) == set(range(classes))


def test_what_recognises_subjects_scores_high_on_rows_and_at_chance_on_subjects() -> None:
    random = np.random.default_rng(0)
    subject = np.repeat(np.arange(40), 20)
    y = random.integers(0, 2, 40)[subject]
    x = random.normal(size=(40, 8))[subject] + 0.1 * random.normal(size=(800, 8))

    def nearest(held: np.ndarray) -> float:
        distances = ((x[held, None] - x[None, ~held]) ** 2).sum(axis=2)
        return float((y[~held][distances.argmin(axis=1)] == y[held]).mean())

    assert nearest(sides.held(y, 0.3, 0)) > 0.95
    assert nearest(sides.held(y, 0.3, 0, subject)) < 0.75


@pytest.mark.parametrize("kind", ["table", "satimage", "pendigits"])
def test_every_trainer_with_rows_takes_groups_from_a_users_file(kind: str, tmp_path: Path) -> None:
    random, y, group, path = np.random.default_rng(0), np.arange(120) % 2, np.arange(120) // 6, tmp_path / "own.npz"
    marked = np.repeat(group, 4).reshape(120, 2, 2).astype(float)  # so that a row tells its group
    arrays = {
        "table": {"x": marked.reshape(120, 4)},
        "satimage": {"x": marked},
        "pendigits": {"rgb": marked, "pose": random.normal(size=(120, 2))},
    }
    np.savez(path, y=y, group=group, **arrays[kind])
    if kind == "table":
        found = table.split(table.load(str(path)), 0.3, 0)
        train, val = found.x_train, found.x_val
    elif kind == "satimage":
        found = satimage.split(satimage.load(str(path)), 0.3, 0)
        train, val = found.x_train, found.x_val
    else:
        found = pendigits.split(pendigits.load(str(path), 12, (0.0, 0.0), 0), 0.3, 0)
        train, val = found.train.rgb, found.val.rgb
    first = [set(np.round(side.reshape(len(side), -1)[:, 0], 4).tolist()) for side in (train, val)]
    assert not first[0] & first[1]
    np.savez(path, y=y, group=group[:5], **arrays[kind])
    load = {"table": table.load, "satimage": satimage.load, "pendigits": lambda name: pendigits.load(name, 12, (0.0, 0.0), 0)}
    with pytest.raises(ValueError, match=r"group in .* has shape \(5,\); it has to be \(120,\)"):
        load[kind](str(path))
