"""Lanes that do not fit into memory together go on in smaller groups: no trial fails for it, and no epoch is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import TOY, events, records
from killed import sampled
from pitprop import telemetry
from pitprop.driver.progress import Ended, Reported, Retried
from pitprop.space import Space
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers.worker import Cause, Failure, Worker

ROOMY = TOY.with_name("roomy.py")
SPEEDS = {"speed": {"float": [0.1, 1.0]}}
Toy = Callable[..., Space]


@pytest.fixture
def roomy(toy: Toy, tmp_path: Path) -> Toy:
    """A space over the toy whose memory is full; trials are drawn the same whatever the width."""

    def space(**options: object) -> Space:
        rows = {"trainer": str(ROOMY), "params": SPEEDS, "sampler": "random", "signatures": "off", "trials": 8}
        return toy(**rows, options={"tally": str(tmp_path / "tally"), **options})

    return space


def tally(folder: Path) -> list[int]:
    """How many lanes each epoch trained, since this was last asked."""
    path = folder / "tally"
    sizes = [int(line) for line in path.read_text().split()]
    path.unlink()
    return sizes


@pytest.mark.parametrize(("room", "width", "after"), [(3, 2, 0), (2, 2, 3), (1, 1, 0), (5, 4, 3)])
def test_lanes_that_are_too_many_end_as_those_of_a_smaller_group(
    room: int, width: int, after: int, roomy: Toy, outcome: Callable[..., object], tmp_path: Path
) -> None:
    space = roomy(room=room, **{"from": after})
    events(space, tmp_path / "crowded", width=8)
    sizes = tally(tmp_path)
    events(space, tmp_path / "smaller", width=width)
    assert outcome(space, tmp_path / "crowded") == outcome(space, tmp_path / "smaller")
    assert [record.state for record in records(space, tmp_path / "crowded")] == ["COMPLETE"] * 8
    assert max(sizes[after:]) == width


def test_no_epoch_is_trained_again(roomy: Toy, tmp_path: Path) -> None:
    space = roomy(room=2, **{"from": 3})
    found = events(space, tmp_path, width=8)
    assert sum(isinstance(event, Reported) for event in found) == 8 * space.epochs
    assert sum(tally(tmp_path)) == 8 * space.epochs
    for record in records(space, tmp_path):
        steps = [epoch.step for epoch in telemetry.read(Path(record.folder) / "telemetry.jsonl")]
        assert steps == list(range(1, space.epochs + 1))


@pytest.mark.parametrize("stop", sampled(9, 12, 25, 40))
def test_a_crowded_search_that_was_stopped_goes_on(stop: int, roomy: Toy, outcome: Callable[..., object], tmp_path: Path) -> None:
    space = roomy(room=3, **{"from": 2})
    events(space, tmp_path / "undisturbed", width=8)
    events(space, tmp_path / "stopped", width=8, stop=stop)
    events(space, tmp_path / "stopped", width=8)
    assert outcome(space, tmp_path / "stopped") == outcome(space, tmp_path / "undisturbed")


def test_each_halving_is_told_once_and_counts_as_no_attempt(roomy: Toy, tmp_path: Path) -> None:
    """With ``retries: 1`` a trial that broke three groups would fail."""
    told = [event for event in events(roomy(room=1), tmp_path, width=8) if isinstance(event, Retried)]
    assert [event.error.split(" (")[0] for event in told] == [
        "8 at once do not fit into memory, so 4 at once continue",
        "4 at once do not fit into memory, so 2 at once continue",
        "2 at once do not fit into memory, so 1 at once continue",
    ]
    assert "MemoryError: 8 do not fit into 1" in told[0].error


def test_a_trial_that_does_not_fit_alone_fails_by_itself(toy: Toy, tmp_path: Path) -> None:
    points = [{"size": size} for size in (1, 9, 1, 1)]
    rows = {"trainer": str(ROOMY), "params": {"size": {"choice": [1, 9]}}, "signatures": "off", "points": points}
    ended = [event for event in events(toy(**rows, trials=4), tmp_path, width=4) if isinstance(event, Ended)]
    by_number = {event.record.number: event for event in ended}
    assert [by_number[number].record.state for number in range(4)] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert by_number[1].record.error == "one trial alone does not fit into memory: MemoryError: 9 do not fit into 3"
    assert "MemoryError" in by_number[1].traceback


@pytest.mark.parametrize("kind", ["MemoryError", "torch.OutOfMemoryError", "RuntimeError"])
@pytest.mark.parametrize("lanes", [1, 2])
def test_every_way_to_run_out_of_memory_is_recognised(kind: str, lanes: int, tmp_path: Path) -> None:
    """A real allocation fails on the CPU; that of a GPU is an exception of its own class."""
    words = "CUDA out of memory. Tried to allocate 20.00 GiB"
    broken = {
        "MemoryError": "bytearray(1 << 60)",
        "torch.OutOfMemoryError": f"raise torch.OutOfMemoryError({words!r})",
        "RuntimeError": "torch.empty(1 << 58)",
    }
    source = f"import torch\n\nWIDTH = 2\n\ndef train_lanes(lanes, context):\n    yield {broken[kind]}\n"
    if kind == "torch.OutOfMemoryError":
        source = source.replace("yield raise", "raise") + "    yield\n"
    (tmp_path / "full.py").write_text(source)
    worker = Worker(str(tmp_path / "full.py"), Context(4, device="cuda:0"), str(tmp_path / "group.ckpt"))
    answer = worker.advance(Change(started=[Start(Lane(number, 0), {}, 0, str(tmp_path)) for number in range(lanes)]))
    assert isinstance(answer, Failure)
    assert (answer.cause is Cause.TOO_MANY_LANES) == (lanes > 1)
    assert answer.error.startswith("one trial alone does not fit into the GPU's memory: ") == (lanes == 1)
    assert torch.OutOfMemoryError.__name__ == "OutOfMemoryError"


def test_what_is_no_lack_of_memory_is_the_fault_of_a_trial(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def train_lanes(lanes, context):\n    yield 1 / 0\n")
    worker = Worker(str(tmp_path / "bad.py"), Context(4), str(tmp_path / "group.ckpt"))
    answer = worker.advance(Change(started=[Start(Lane(number, 0), {}, 0, str(tmp_path)) for number in range(2)]))
    assert isinstance(answer, Failure)
    assert answer.cause is Cause.TRAINER
