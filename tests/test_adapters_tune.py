"""A real Tuner of Ray Tune whose lost trials are stopped, in a process of its own."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_adapters_monitor import DEAD, LABELS, ROOT, alive, blocks

# Ray Tune takes seconds to import, so the tests do, and this module does not.

BEFORE = """
import ray
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
"""
AFTER = """
try:
    mistaken = pitprop.adapters.tune.CollapseStopper(budget=30, metric="val_kappa")
    tune.Tuner(lambda config: tune.report({"val_accuracy": 0.5}), run_config=tune.RunConfig(stop=mistaken)).fit()
except Exception as error:
    print(str(error).strip().splitlines()[-1])
ray.shutdown()
"""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for temporary files whose name is short enough for the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_the_docs_stop_the_dying_trial_and_a_wrong_objective_is_an_error(tmp_path: Path, scratch: Path) -> None:
    folders = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "RAY_TMPDIR": str(scratch)}
    settings = {**folders, "RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    program = BEFORE + blocks(0, 2) + AFTER
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **settings}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if re.search(r"^\d+ |^ValueError", line)]
    dying, healthy, mistaken = said
    assert int(dying.split()[0]) < 30
    assert healthy == "30 None"
    assert mistaken.startswith("ValueError: the objective 'val/kappa' is not among the numbers of epoch 1")


def test_trials_are_watched_apart_and_only_the_lost_one_has_a_verdict() -> None:
    from pitprop.adapters.tune import CollapseStopper
    from ray import tune

    stopper = CollapseStopper(budget=20, metric="val/accuracy", labels=LABELS)
    assert isinstance(stopper, tune.Stopper)
    stops = []
    for step in range(1, 21):
        result = {"training_iteration": step, "done": False, "config": {"lr": 0.1}, "trial_id": "x"}
        stops.append(stopper("a", {**result, **DEAD}))
        assert not stopper("b", {**result, "val": {name[4:]: value for name, value in alive(step).items()}})
        stopper = pickle.loads(pickle.dumps(stopper))
    assert list(stopper.verdicts) == ["a"]
    assert stopper.verdicts["a"].step == stops.index(True) + 1
    assert not stopper.stop_all()


def test_an_option_that_does_not_exist_is_an_error_at_once() -> None:
    from pitprop.adapters.tune import CollapseStopper

    with pytest.raises(ValueError, match="no option 'label': did you mean 'labels'"):
        CollapseStopper(budget=20, metric="val/accuracy", label=LABELS)
