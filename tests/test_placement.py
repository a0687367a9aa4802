"""How many workers fit, how many there may be, and what is said where they are fewer than were asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pitprop.driver.training import LOSSES, Training
from pitprop.errors import UserError
from pitprop.space import Space
from pitprop.study.study import opened
from pitprop.telemetry import Epoch
from pitprop.workers.cluster.placement import Need, Node, fitting, refusal, shortage
from pitprop.workers.share import Share, Size


def node(cpus: float, gpus: float = 0, **more: float) -> Node:
    resources = {"CPU": cpus, "GPU": gpus, **more}
    return Node("n", "10.0.0.1", resources, resources)


@pytest.mark.parametrize(
    ("need", "have", "fits"),
    [
        (Need(1), node(2), 2),
        (Need(1, 0.5), node(2, 4), 2),
        (Need(1, 0.5), node(16, 4), 8),
        (Need(1, 0.4), node(16, 4), 8),  # 0.4 fits a GPU twice, and what is left of two GPUs is no place for a third
        (Need(1, 1 / 3), node(16, 1), 3),
        (Need(1, 2), node(16, 4), 2),
        (Need(1, 2), node(16, 1), 0),
        (Need(0.1), node(1), 10),
        (Need(1, 1, "H100"), node(4, 4), 0),
        (Need(1, 1, "H100"), node(4, 4, **{"accelerator_type:H100": 1.0}), 4),
    ],
)
def test_workers_fit_a_node_by_all_that_they_need_of_it(need: Need, have: Node, fits: int) -> None:
    assert need.on(have.total) == fits


def test_what_is_free_on_two_nodes_together_is_no_place_for_a_worker() -> None:
    assert fitting(Need(2), [node(1), node(1)]) == 0
    assert fitting(Need(1, 1), [node(8), node(0, 8)]) == 0


def test_a_shortage_is_told_with_what_a_worker_needs_and_how_many_fit() -> None:
    assert shortage(Need(1, 0.5), 3, 2) == ("no more node has 1 CPU beside 0.5 GPU free: 2 of 3 workers fit, so 2 train now")
    assert "has 4 CPUs beside 2 GPUs; 10.0.0.1 has 2 CPUs and 4 GPUs: lower" in refusal(Need(4, 2), [node(2, 4)])


def test_as_many_workers_as_fit_unless_fewer_are_asked_for_or_there_is_less_to_train() -> None:
    assert Size(100).now(6) == 6
    assert Size(4).now(6) == 4
    assert Size(100, most=3).now(6) == 3
    assert Size(100, most=3).now(2) == 2
    assert Size(100, most=16, elastic=True).now(2) == 16  # the nodes are yet to come, and are asked for


def test_a_share_is_what_its_file_says_now_and_what_it_said_before_where_it_is_just_replaced(tmp_path: Path) -> None:
    file = tmp_path / "share"
    file.write_text("2\n")
    size = Size(100, share=Share(file))
    assert size.now(6) == 2
    file.write_text("0")
    assert size.now(6) == 0
    file.write_text("")
    assert size.now(6) == 0
    file.unlink()
    assert size.now(6) == 0
    file.write_text("9")
    assert size.now(6) == 6


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5"])
def test_a_share_that_holds_no_number_at_the_start_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "share"
    file.write_text(text)
    with pytest.raises(UserError, match="holds no whole number of at least 0"):
        Share(file)


def test_a_node_that_is_lost_is_no_fault_of_a_trial_unless_it_happens_over_and_over_without_an_epoch_between(
    toy: Callable[..., Space], tmp_path: Path
) -> None:
    with opened(toy(), f"sqlite:///{tmp_path}/study.db", tmp_path / "toy") as study:
        trial = study.ask()
        assert trial is not None
        training = Training.of(trial, tmp_path / "trial", seeds=1)
    assert [training.lose() for _ in range(LOSSES)] == [False] * LOSSES
    training.record(0, Epoch(1, {"val/macro_f1": 0.5}))
    assert [training.lose() for _ in range(LOSSES + 1)] == [False] * LOSSES + [True]
