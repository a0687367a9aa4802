"""The code that trains is part of what a study means: a change is said, and refused until a person allows it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pitprop as package
import pytest
from conftest import Said
from pitprop import space as spaces
from pitprop.errors import UserError
from pitprop.space import scripts

TRAINER = '''"""Trains nothing."""
import helper
from pitprop.telemetry import Epoch


def train(params, context):
    yield Epoch(1, {"val/loss": params["x"] * helper.BY})
'''
SPACE = "question: What?\ntrainer: t.py\nobjective: {metric: val/loss}\nepochs: 1\ntrials: 2\nparams: {x: {float: [0, 1]}}\n"
COMMAND = "question: What?\ntrainer: command\nobjective: {metric: val/loss}\nepochs: 1\nparams: {x: {float: [0, 1]}}\n"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "t.py").write_text(TRAINER)
    (tmp_path / "helper.py").write_text("from parts import deep\nBY = deep.BY\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "deep.py").write_text("from . import beside\nBY = 1\n")
    (tmp_path / "parts" / "beside.py").write_text("import json, os.path, numpy\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "s.yaml").write_text(SPACE)
    return tmp_path / "s.yaml"


def test_the_code_of_a_trainer_is_its_file_and_what_it_imports_beside_it(made: Path) -> None:
    found = scripts.code(spaces.load(str(made)))
    assert [*found] == ["helper.py", "parts/__init__.py", "parts/beside.py", "parts/deep.py", "t.py"]
    shutil.copytree(made.parent, moved := made.parent / "moved")
    assert scripts.code(spaces.load(str(moved / "s.yaml"))) == found
    (made.parent / "parts" / "beside.py").write_text("import json\n")
    (made.parent / "other.py").write_text("changed = True\n")
    assert scripts.changed(found, scripts.code(spaces.load(str(made)))) == ["parts/beside.py"]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("{command: ['{python}', run.py, '{params}']}", ["net.py", "run.py"]),
        ("{command: ['{python}', -m, tools.go, '{params}']}", ["tools/__init__.py", "tools/go.py"]),
        ("{command: [bash, -c, 'source env.sh && python run.py {params} > log.txt']}", ["env.sh", "net.py", "run.py"]),
        ("{command: [python, run.py, '{config}'], template: base.yaml}", ["base.yaml", "net.py", "run.py"]),
        ("{command: [./go, --data, data.csv, '{params}'], cwd: tools}", ["go"]),
        ("{command: [/bin/sh, -c, 'true {params}']}", []),
    ],
)
def test_the_code_of_a_command_is_its_scripts_and_templates(tmp_path: Path, options: str, wanted: list[str]) -> None:
    (tmp_path / "tools").mkdir()
    for name in ("net.py", "env.sh", "base.yaml", "tools/__init__.py", "tools/go.py", "tools/go"):
        (tmp_path / name).write_text("")
    (tmp_path / "run.py").write_text("import net\n")
    (tmp_path / "s.yaml").write_text(COMMAND + f"options: {options}\n")
    assert [*scripts.code(spaces.load(str(tmp_path / "s.yaml")))] == wanted


def test_a_trainer_that_ships_counts_by_its_own_file() -> None:
    assert "imbalanced.py" in scripts.code(spaces.load("lr"))


def test_a_search_by_other_code_is_refused_until_it_is_allowed_and_trials_say_which_trained_them(
    pitprop: Callable[..., Said], made: Path
) -> None:
    assert pitprop("search", made, "--inline").code == 0
    (made.parent / "helper.py").write_text("from parts import deep\nBY = 2 * deep.BY\n")
    said = pitprop("search", made, "--inline", "--trials", "+1")
    assert said.code == 1
    assert "The code has changed since trials were trained by it: helper.py; put it back, or train on" in said.err
    assert "--code-changed" in said.err
    for words in (("status", made), ("show", made), ("best", made)):
        read = pitprop(*words)
        assert (read.code, "has changed since trials were trained by it: helper.py" in read.out) == (0, True)
    assert pitprop("confirm", made, "--inline", "--top", 1, "--seeds", 2).code == 1
    assert pitprop("search", made, "--inline", "--code-changed").code == 0
    one, two, three = pitprop("show", made, "--json").json
    assert one["code"] == two["code"] != three["code"]
    assert pitprop("search", made, "--inline", "--trials", "+1").code == 0  # it is the code of the study from then on
    assert "Trained by different code: " in pitprop("status", made).out
    assert three["code"][0] in pitprop("show", made, 2).out


def test_a_finished_study_is_shown_whatever_the_code_is_now(pitprop: Callable[..., Said], made: Path) -> None:
    assert pitprop("search", made, "--inline").code == 0
    (made.parent / "t.py").write_text(TRAINER + "\n\nLATER = 1\n")
    said = pitprop("search", made, "--inline")
    assert (said.code, "The code has changed since trials were trained by it: t.py" in said.out) == (0, True)


def test_from_python_a_change_is_refused_and_allowed_alike(made: Path, without_mlflow: None) -> None:
    runs = made.parent / "runs"

    def search(**more: object) -> package.Result:
        return package.search(made, runs=runs, inline=True, quiet=True, report=False, **more)  # type: ignore[arg-type]

    assert len(search().trials) == 2
    (made.parent / "t.py").write_text(TRAINER + "\n\nLATER = 1\n")
    with pytest.raises(UserError, match=r"The code has changed since trials were trained by it: t\.py"):
        search(trials=3)
    assert len(search(trials=3, code_changed=True).trials) == 3


def test_a_script_that_failed_may_be_put_right_without_a_word(pitprop: Callable[..., Said], made: Path) -> None:
    (made.parent / "helper.py").write_text("BY = None\n")
    assert pitprop("search", made, "--inline").code == 1
    (made.parent / "helper.py").write_text("BY = 1\n")
    said = pitprop("search", made, "--inline", "--trials", "+1")
    assert (said.code, "has changed" in said.out + said.err) == (0, False)
