"""Programs as other libraries publish them, with an adapter of ours in one line, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).with_name("examples")
pytestmark = pytest.mark.slow
QUIET = (
    "accelerator=cpu logger=false enable_checkpointing=false enable_progress_bar=false enable_model_summary=false max_epochs=12"
)


def printed(tmp_path: Path, program: str, *flags: str) -> list[str]:
    """The lines that a program prints, which has to end well."""
    quiet = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "RAY_AIR_NEW_OUTPUT": "0"}
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / program), *flags],
        cwd=tmp_path,
        env=os.environ | quiet | {"PYTHONPATH": str(EXAMPLES), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "nothing tells where" not in ran.stderr
    return ran.stdout.splitlines()


def test_the_example_of_optuna_runs_with_the_pruner(tmp_path: Path) -> None:
    states, *reasons = printed(tmp_path, "optuna_simple.py")[-4:]
    assert states.split()[1] == "COMPLETE"
    assert reasons[1] == "1 None"


def test_the_example_of_ray_tune_runs_with_the_stopper(tmp_path: Path) -> None:
    dead, healthy, reason = printed(tmp_path, "tune_simple.py")[-3:]
    assert dead.split()[0] == "1e-07"
    assert int(dead.split()[1]) < 10  # Tune may let a few results pass before it stops a trial
    assert healthy == "0.1 10"
    assert "chance" in reason


@pytest.mark.parametrize("package", ["lightning", "pytorch_lightning"])
def test_the_example_of_lightning_takes_the_callback_from_its_command_line(package: str, tmp_path: Path) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    callback = ["--trainer.callbacks+=pitprop.adapters.lightning.CollapseCallback", "--trainer.callbacks.metric=valid_loss"]
    flags = [package, "fit", *callback, "--trainer.callbacks.chance_loss=2.303", *(f"--trainer.{one}" for one in QUIET.split())]
    dead = printed(tmp_path, "lightning_cli.py", *flags, "--model.learning_rate=1e-9")[-1]
    assert int(dead.split()[0]) < 12
    assert "chance" in dead
    assert printed(tmp_path, "lightning_cli.py", *flags)[-1] == "12 None"


def test_the_example_of_hugging_face_runs_with_the_callback(tmp_path: Path) -> None:
    usual = (
        "--eval_strategy=epoch --logging_strategy=epoch --save_strategy=no --report_to=none --disable_tqdm=True --use_cpu=True"
    )
    flags = [f"--output_dir={tmp_path}", "--num_train_epochs=12", *usual.split()]
    dead = printed(tmp_path, "hf_trainer.py", *flags, "--learning_rate=1e-9")[-1]
    assert int(dead.split()[0]) < 12
    assert "chance" in dead
    assert printed(tmp_path, "hf_trainer.py", *flags, "--learning_rate=0.01")[-1] == "12 None"
