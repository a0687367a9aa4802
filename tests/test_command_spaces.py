"""The spaces for nanoGPT, mmengine, Lightning and Hugging Face, searched end to end over scripts that take the same flags."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, events, records
from pitprop import space as spaces
from pitprop import telemetry
from pitprop.space import Space
from pitprop.telemetry import Telemetry

SCRIPTS = ROOT / "tests" / "scripts"


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Space]:
    """A space that ships, beside the scripts that stand in for its own, with a smaller budget and given points."""

    def load(name: str, *points: dict[str, Any], **changes: Any) -> Space:
        rows = yaml.safe_load((ROOT / "spaces" / f"{name}.yaml").read_text())
        rows |= {"points": list(points), "trials": len(points), "resources": {}, **changes}
        rows["baselines"] = {name: row for name, row in rows["baselines"].items() if "values" in row}
        source = SCRIPTS / name
        shutil.copytree(source if source.is_dir() else SCRIPTS, tmp_path, dirs_exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(rows))
        return spaces.load(str(tmp_path / f"{name}.yaml"))

    return load


def curve(folder: Path, space: Space, trial: int) -> Telemetry:
    return telemetry.read(folder / space.name / "trials" / f"{trial:04d}" / "telemetry.jsonl")


def test_nanogpt(small: Callable[..., Space], tmp_path: Path) -> None:
    good, dead = {"learning_rate": 1e-3, "warmup_iters": 100}, {"learning_rate": 1.0, "warmup_iters": 0}
    params = {"learning_rate": {"float": [1e-4, 1.0], "log": True}, "warmup_iters": {"choice": [0, 100]}, "beta2": 0.99}
    space = small("nanogpt", good, dead, params=params)
    events(space, tmp_path)
    healthy, lost = records(space, tmp_path)
    assert (healthy.state, healthy.epochs) == ("COMPLETE", 20)
    assert healthy.values[0] == pytest.approx(1.73, abs=0.1)
    assert curve(tmp_path, space, 0)[0].metrics.keys() >= {"start/loss", "train/loss", "val/loss"}
    assert (lost.state, lost.verdicts[0].signature) == ("PRUNED", "non_finite")
    assert lost.epochs == 1


def test_mmengine(small: Callable[..., Space], tmp_path: Path) -> None:
    rate = {"optim_wrapper": {"optimizer": {"lr": {"float": [1e-4, 100.0], "log": True}}}}
    weights = {"rgb": 1.0, "pose": {"float": [0.5, 2.0]}, "fused": 0.5, "aux": 0.8}
    given = {"params": {**rate, "loss_weights": weights}, "epochs": 8, "early_stopping": None, "gates": None, "baselines": {}}
    good = {"optim_wrapper.optimizer.lr": 1e-3, "loss_weights.pose": 1.2}
    space = small("mmengine", good, {**good, "loss_weights.pose": 2.0}, {**good, "optim_wrapper.optimizer.lr": 100.0}, **given)
    events(space, tmp_path)
    healthy, heavy, lost = records(space, tmp_path)
    assert (healthy.state, healthy.values, healthy.epochs) == ("COMPLETE", (0.4522,), 8)
    assert heavy.values[0] == pytest.approx(0.4122)
    assert curve(tmp_path, space, 1)[7].metrics.items() >= {("val/rgb/top1", 0.4522), ("val/pose/top1", 0.3722)}
    assert (lost.state, lost.verdicts[0].signature) == ("PRUNED", "non_finite")


@pytest.fixture
def mmengine(tmp_path: Path, small: Callable[..., Space], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Space]:
    """The space for mmengine over a script that is mmengine's own Runner, and the Python of these tests in front."""
    if importlib.util.find_spec("mmengine") is None or importlib.util.find_spec("cv2") is None:
        pytest.skip("mmengine's Runner is not installed: pip install -e '.[mmengine]' brings it")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    given = {"epochs": 6, "early_stopping": None, "gates": None, "baselines": {}}

    def load(*points: dict[str, Any], **changes: Any) -> Space:
        space = small("mmengine", *points, **given, **changes)
        (tmp_path / "tools" / "runner.py").replace(tmp_path / "tools" / "train.py")
        return space

    return load


@pytest.mark.slow
def test_mmengines_own_runner(mmengine: Callable[..., Space], tmp_path: Path) -> None:
    rate = {"optim_wrapper": {"optimizer": {"lr": {"float": [1e-4, 1e30], "log": True}}}}
    weights = {"rgb": 1.0, "pose": {"float": [0.0, 2.0]}, "fused": 0.0, "aux": 0.0}
    good, name = {"optim_wrapper.optimizer.lr": 0.3, "loss_weights.pose": 1.0}, "optim_wrapper.optimizer.lr"
    space = mmengine(good, {**good, "loss_weights.pose": 0.0}, {**good, name: 1e30}, params={**rate, "loss_weights": weights})
    events(space, tmp_path)
    healthy, idle, lost = records(space, tmp_path)
    assert (healthy.state, healthy.epochs) == ("COMPLETE", 6), healthy.error
    assert healthy.values[0] > 0.9
    streams = curve(tmp_path, space, 0)[5].metrics, curve(tmp_path, space, 1)[5].metrics
    assert streams[0]["val/rgb/top1"] == streams[1]["val/rgb/top1"], "the seed is the space's"
    assert streams[0]["val/pose/top1"] != streams[1]["val/pose/top1"], "the weight arrived"
    assert (idle.state, lost.state, lost.verdicts[0].signature) == ("COMPLETE", "PRUNED", "non_finite")


@pytest.mark.slow
def test_mmengines_own_runner_goes_on_from_its_checkpoint(mmengine: Callable[..., Space], tmp_path: Path) -> None:
    space = mmengine({"optim_wrapper.optimizer.lr": 0.01})
    events(space, tmp_path, stop=4)  # it began, what was understood of it, and two epochs
    assert [epoch.step for epoch in curve(tmp_path, space, 0)] == [1, 2]
    events(space, tmp_path)
    assert [epoch.step for epoch in curve(tmp_path, space, 0)] == list(range(1, 7))
    folder = tmp_path / space.name / "trials" / "0000"
    assert "begins on from epoch 2 with " in (folder / "command-0.log").read_text()
    assert "resumed epoch: " in (folder / "command-0" / "stdout.log").read_text()


def test_mmengine_goes_on_from_its_checkpoint(small: Callable[..., Space], tmp_path: Path) -> None:
    given = {"epochs": 8, "early_stopping": None, "gates": None, "baselines": {}}
    space = small("mmengine", {"optim_wrapper.optimizer.lr": 1e-3}, **given)
    events(space, tmp_path, stop=4)  # it began, what was understood of it, and two epochs
    assert [epoch.step for epoch in curve(tmp_path, space, 0)] == [1, 2]
    events(space, tmp_path)
    assert [epoch.step for epoch in curve(tmp_path, space, 0)] == list(range(1, 9))
    assert "begins on from epoch 2 with " in (tmp_path / space.name / "trials" / "0000" / "command-0.log").read_text()


@pytest.mark.slow
def test_lightning_cli(small: Callable[..., Space], tmp_path: Path) -> None:
    point = {"model.lr": 0.5, "model.weight_decay": 1e-5, "model.hidden": 8, "model.layer_norm": True}
    space = small("lightning_cli", point, epochs=3)
    events(space, tmp_path)
    (found,) = records(space, tmp_path)
    assert (found.state, found.epochs) == ("COMPLETE", 3), found.error
    assert found.values[0] > 0.8
    assert curve(tmp_path, space, 0)[2].metrics.keys() >= {"train/loss", "val/loss", "val/accuracy"}


@pytest.mark.slow
def test_hf_trainer(small: Callable[..., Space], tmp_path: Path) -> None:
    space = small("hf_trainer", {"learning_rate": 0.1, "warmup_steps": 0.1, "weight_decay": 0.02}, epochs=3)
    events(space, tmp_path)
    (found,) = records(space, tmp_path)
    assert (found.state, found.epochs) == ("COMPLETE", 3), found.error
    assert found.values[0] > 0.8
    assert curve(tmp_path, space, 0)[2].metrics.keys() >= {"train/loss", "val/loss", "val/accuracy", "lr", "grad_norm"}
