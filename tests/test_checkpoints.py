"""What a checkpoint holds comes back as it was, and reading one runs no code."""

from __future__ import annotations

import pickle
import random
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers import checkpoint
from pitprop.workers.files import states
from pitprop.workers.worker import Cause, Failure, Worker

LANE = Lane(0, 0)


def restored(folder: Path, state: Any) -> Any:
    checkpoint.write(folder / "a.ckpt", {LANE: Epoch(1, {"score": 0.5})}, state, stacked=False)
    return checkpoint.load(folder / "a.ckpt", LANE)


@pytest.mark.parametrize(
    "state",
    [
        None,
        0.25,
        {"a": [1, (2.5, None, True), {"b"}, frozenset({3}), b"bytes", bytearray(b"more"), 2 + 1j]},
        OrderedDict(b=1, a=2),
        Counter(x=3),
        defaultdict(list, a=[1]),
        random.Random(3).getstate(),
    ],
    ids=repr,
)
def test_plain_data_comes_back_equal_and_of_the_same_types(state: Any, tmp_path: Path) -> None:
    found = restored(tmp_path, state)
    assert found == state
    assert type(found) is type(state)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3).t(),
        torch.tensor(True),
        torch.empty(0, 4),
        torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        torch.tensor([1 + 2j]),
        torch.nn.Parameter(torch.ones(2)),
        torch.get_rng_state(),
    ],
    ids=lambda tensor: f"{tensor.dtype}{tuple(tensor.shape)}",
)
def test_tensors_come_back_to_the_bit(tensor: torch.Tensor, tmp_path: Path) -> None:
    found = restored(tmp_path, [tensor, tensor.shape])
    assert found[1] == tuple(tensor.shape)
    assert (found[0].dtype, found[0].shape, found[0].requires_grad) == (tensor.dtype, tensor.shape, tensor.requires_grad)
    assert torch.equal(found[0].reshape(-1).view(torch.uint8), tensor.detach().reshape(-1).view(torch.uint8))
    found[0].detach().zero_()  # it is its own memory


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3).T, np.float64(0.5), np.array(["a", "bc"]), np.zeros((0, 2))], ids=repr
)
def test_arrays_come_back_equal(array: Any, tmp_path: Path) -> None:
    found = restored(tmp_path, {"array": array})["array"]
    assert type(found) is type(array)
    assert np.array_equal(found, array)
    assert found.dtype == array.dtype


def test_the_states_of_models_optimizers_and_schedules_come_back(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
    model(torch.ones(5, 3)).sum().backward()
    optimizer.step()
    schedule.step()
    parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    parts["numpy"] = np.random.default_rng(3).bit_generator.state
    found = restored(tmp_path, parts)
    fresh = torch.optim.AdamW(model.parameters())
    fresh.load_state_dict(found["optimizer"])
    model.load_state_dict(found["model"])
    schedule.load_state_dict(found["schedule"])
    np.random.default_rng().bit_generator.state = found["numpy"]
    assert str(fresh.state_dict()) == str(optimizer.state_dict())


class Evil:
    """Writes a file when it is loaded from a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["object", "tensor"])
def test_a_checkpoint_that_may_run_code_is_refused_in_a_sentence_and_runs_none(kind: str, tmp_path: Path) -> None:
    path, trace = tmp_path / "old.ckpt", tmp_path / "ran"
    state = {"weights": torch.ones(2) if kind == "tensor" else Evil(trace)}
    path.write_bytes(b'{"stacked": false, "lanes": [[0, 0, 1, {"score": 0.5}]]}\n' + pickle.dumps(state))
    with pytest.raises(states.Refused, match=r"old\.ckpt is refused: it names .* may run code.*; remove it"):
        checkpoint.load(path, LANE)
    assert not trace.exists()


STATEFUL = """
from pitprop import Epoch
class Mine:
    pass
def train(params, context):
    for step in range(context.step + 1, context.epochs + 1):
        context.state = {"mine": Mine()} if params.get("bad") else step
        yield Epoch(step, {"score": 1.0})
"""


def test_a_state_that_is_no_plain_data_fails_its_trial_with_its_type_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "stateful.py").write_text(STATEFUL)
    worker = Worker(str(tmp_path / "stateful.py"), Context(2), str(tmp_path / "a.ckpt"))
    answer = worker.advance(Change(started=[Start(LANE, {"bad": True}, 0, str(tmp_path))]))
    worker.close()
    assert isinstance(answer, Failure)
    assert answer.cause is Cause.TRAINER
    assert "context.state holds a value of type pitprop_trainer_stateful.Mine" in answer.error
    assert answer.error.endswith("such as its state_dict()")
    assert {path.name for path in tmp_path.iterdir()} <= {"stateful.py", "__pycache__"}


def test_a_checkpoint_that_is_refused_stops_the_search_and_fails_no_trial(tmp_path: Path) -> None:
    (tmp_path / "stateful.py").write_text(STATEFUL)
    old = tmp_path / "old.ckpt"
    old.write_bytes(b'{"stacked": false, "lanes": [[0, 0, 1, {"score": 0.5}]]}\n' + pickle.dumps(Evil(tmp_path / "ran")))
    worker = Worker(str(tmp_path / "stateful.py"), Context(2), str(tmp_path / "a.ckpt"))
    answer = worker.advance(Change(started=[Start(LANE, {}, 0, str(tmp_path), 1, None, str(old), LANE)]))
    worker.close()
    assert isinstance(answer, Failure)
    assert answer.cause is Cause.CHECKPOINT
    assert not (tmp_path / "ran").exists()
