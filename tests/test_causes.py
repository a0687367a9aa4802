"""Where nearly all trials died: what separates the most alive of the dead from the rest, and what the space cannot try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Said
from pitprop import telemetry
from pitprop.detection.detect import Verdict
from pitprop.space import Space
from pitprop.study import causes, remedies
from pitprop.study.record import Record
from pitprop.telemetry import Epoch

RATES = [10 ** (-8 + 0.4 * n) for n in range(10)]


def trial(
    folder: Path, params: dict[str, Any], losses: Sequence[float], signature: str = "hopelessly_slow", **change: Any
) -> Record:
    """A dead trial with its curve; each has a score of its own."""
    number = len([*folder.iterdir()])
    home = folder / f"{number:04d}"
    home.mkdir()
    for step, loss in enumerate(losses, 1):
        telemetry.append(telemetry.file(home), Epoch(step, {"val/loss": loss}))
    verdict = Verdict(signature, len(losses), "park", "it stands", {"val/macro_f1": 0.3 + number / 50}, "raise it", change)
    return Record(number, "PRUNED", params, (0.4,), None, (verdict,), None, len(losses), str(home), 0.0, 1.0)


def said(records: Sequence[Record]) -> str:
    return str(causes.in_common(records, "val/macro_f1") or "").partition(": ")[2]


def test_where_all_rates_are_too_low_the_highest_is_named(tmp_path: Path) -> None:
    found = said([trial(tmp_path, {"lr": rate}, [1.0, 1 - 5 * rate]) for rate in RATES])
    assert found == (
        "too slow everywhere; the loss fell most (0.02 %) at the highest lr, 3.98e-05: widen lr upwards if its range ends there"
    )


def test_it_is_named_too_where_trials_died_of_different_signatures_or_after_different_epochs(tmp_path: Path) -> None:
    names = ["hopelessly_slow", "chance_plateau", "short_of_chance"]
    rows = [
        trial(tmp_path, {"lr": rate}, [1 - 5 * rate * step for step in range(4 + at % 3)], names[at % 3])
        for at, rate in enumerate(RATES)
    ]
    assert "at the highest lr, 3.98e-05: widen lr upwards" in said(rows)


def test_where_all_diverge_the_lowest_rate_is_named(tmp_path: Path) -> None:
    rows = [trial(tmp_path, {"lr": 1.0 + n}, [1.0] * (9 - n) + [float("nan")], "non_finite") for n in range(8)]
    assert said(rows) == "the training diverges in 8 of 8, latest at the lowest lr, 1: widen lr downwards if its range ends there"


def test_that_nothing_makes_a_difference_is_said_only_where_so_many_trials_show_it(tmp_path: Path) -> None:
    nothing = "nothing that is searched makes a difference"
    rows = [trial(tmp_path, {"lr": rate}, [1.0, 1 - 1e-4 * (at * 7 % 5)]) for at, rate in enumerate(RATES * 2)]
    assert said(rows).startswith(nothing)
    assert said(rows[:4]).endswith("whether anything that is searched makes a difference is not known")


def test_nothing_is_claimed_of_what_is_searched_where_no_loss_is_reported(tmp_path: Path) -> None:
    rows = [trial(tmp_path, {"lr": rate}, []) for rate in RATES]
    assert said(rows).endswith("whether anything that is searched makes a difference is not known")


def test_labels_of_one_class_are_told_before_any_order(tmp_path: Path) -> None:
    rows = [trial(tmp_path, {"lr": rate}, [1.0, 1 - 5 * rate]) for rate in RATES]
    constant = {"val/labels/0": 40.0, "val/labels/1": 0.0}
    rows = [replace(one, verdicts=tuple(replace(v, evidence=constant) for v in one.verdicts)) for one in rows]
    assert said(rows) == "all labels of the validation are 0: labels are constant"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"speed": {"times": 10.0}},
            "the remedies of 4 trials could not be tried: they are speed about 5, and the space ends at 1",
        ),
        ({"speed": 0.001}, "the remedies of 4 trials could not be tried: they are speed about 0.001, and the space ends at 0.05"),
        ({"lr": {"times": 10.0}}, "the remedies of 4 trials could not be tried: the space does not search lr"),
        ({"level": 0.3}, "the remedies of 4 trials could not be tried: the space fixes level at 0.5"),
        ({"speed": 0.9}, ""),
    ],
)
def test_a_remedy_beyond_the_space_is_told_with_where_the_space_ends(
    toy: Callable[..., Space], tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    space = replace(toy(params={"speed": {"float": [0.05, 1.0]}}), constants={"level": 0.5})
    rows = [trial(tmp_path, {"speed": 0.5 + n / 1e4}, [1.0], **change) for n in range(4)]
    assert "; ".join(remedies.barred(space, rows)) == told


def test_a_remedy_that_waits_for_its_turn_is_told_where_the_space_tries_them(toy: Callable[..., Space], tmp_path: Path) -> None:
    rows = [trial(tmp_path, {"speed": 0.5 + n / 1e4}, [1.0], speed=0.9) for n in range(4)]
    leaves = {"params": {"speed": {"float": [0.05, 1.0]}}}
    assert [one.partition(":")[0] for one in remedies.barred(toy(remedies="try", **leaves), rows)] == ["1 remedy is left to try"]
    assert remedies.barred(toy(remedies="suggest", **leaves), rows) == []


SLOW = """
question: Which rate?
trainer: imbalanced
objective: {metric: val/macro_f1}
epochs: 16
trials: 10
sampler: random
remedies: try
params:
  lr: {float: [1.0e-8, 1.0e-4], log: true}
  dropout: {float: [0.0, 0.5]}
"""


@pytest.mark.slow
def test_a_search_in_which_every_rate_is_too_low_says_to_go_higher(pitprop: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(SLOW)
    assert pitprop("search", tmp_path / "slow.yaml", "--inline").code == 0
    out = " ".join(pitprop("status", tmp_path / "slow.yaml").out.split())
    assert "10 of 10 trials died" in out
    assert "at the highest lr" in out
    assert "widen lr upwards" in out
    assert "nothing that is searched makes a difference" not in out
    assert "and the space ends at 0.0001" in out
