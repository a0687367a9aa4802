"""What travels to the nodes of a cluster, and where a trainer finds it there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pitprop.space import Space, scripts
from pitprop.trainer import Context
from pitprop.workers.cluster import connection, runtime_env
from pitprop.workers.cluster.runtime_env import Code, packed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folders: of a trainer, and of spaces beside it."""
    for name in ("code/train.py", "code/lib/parts.py", "spaces/rate.yaml", "code/.venv/big", "code/runs/study.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_folders_keep_their_places_beside_each_other_and_what_is_skipped_stays(project: Path, tmp_path: Path) -> None:
    code = Code([project / "code", project / "spaces", project / "code" / "lib"], skipped=[project / "code" / "runs"])
    environment, moved = packed(code, tmp_path / "draft")
    assert moved.folders == {str(project / "code"): "code", str(project / "spaces"): "spaces"}
    assert (tmp_path / "draft" / "spaces" / "rate.yaml").read_text() == "spaces/rate.yaml"
    assert {"/code/runs", ".venv", ".git"} <= set(environment["excludes"])
    assert environment["py_modules"][0].endswith("pitprop")


def test_paths_of_a_trainer_are_those_of_its_copy_unless_the_node_has_the_same_files(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, moved = packed(Code([project / "code", project / "spaces"]), tmp_path / "draft")
    node = tmp_path / "node"
    shutil.copytree(project / "code", node / "code", ignore=shutil.ignore_patterns(".venv", "runs"))
    shutil.copytree(project / "spaces", node / "spaces")
    monkeypatch.chdir(node)
    options = {"cwd": str(project / "code"), "command": ["python", f"{project}/code/train.py", "{params}"], "lr": 0.1}
    context = Context(1, options, home=str(project / "spaces"))
    assert moved.found(str(project / "code" / "train.py"), context) == (str(project / "code" / "train.py"), context)

    (project / "code" / "train.py").write_text("of another version, on this node")
    location, there = moved.found(str(project / "code" / "train.py"), context)
    assert location == str(node / "code" / "train.py")
    assert there.options == {"cwd": f"{node}/code", "command": ["python", f"{node}/code/train.py", "{params}"], "lr": 0.1}
    assert there.home == context.home


def test_a_folder_that_is_too_large_is_named_with_what_is_large_in_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_env, "LARGEST", 2**20)
    (project / "code" / "data.bin").write_bytes(bytes(3 * 2**20))
    environment, moved = packed(Code([project / "code"]), tmp_path / "draft")
    assert "working_dir" not in environment
    assert moved.lacking() is None  # this machine has it
    shutil.rmtree(project / "code")
    assert "it has 3 MB: data.bin 3 MB" in (moved.lacking() or "")


def test_what_a_folder_ignores_counts_for_nothing(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_env, "LARGEST", 2**20)
    (project / "code" / "data.bin").write_bytes(bytes(3 * 2**20))
    (project / "code" / ".rayignore").write_text("*.bin\n")
    assert "working_dir" in packed(Code([project / "code"]), tmp_path / "draft")[0]


def test_a_trainer_of_a_file_needs_its_folder_and_the_spaces_and_one_that_ships_needs_none(
    toy: Callable[..., Space], tmp_path: Path
) -> None:
    space = toy()
    assert scripts.folders(space) == [Path(space.trainer).parent, tmp_path]
    ships = toy(trainer="imbalanced", params={"lr": {"float": [1e-4, 1e-1]}})
    assert (scripts.folders(ships), scripts.modules(ships)) == ([], [])
    command = {"trainer": "command", "options": {"command": ["true", "{params}"], "cwd": "../code"}}
    assert scripts.folders(toy(**command)) == [tmp_path.parent / "code"]


def test_a_trainer_that_is_imported_by_name_takes_its_package_along(
    toy: Callable[..., Space], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "sub" / "__init__.py").write_text("")
    text = "'''Mine.'''\nPARAMS = None\ndef train(params, context):\n    yield\n"
    (tmp_path / "mine" / "sub" / "trains.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert scripts.modules(toy(trainer="mine.sub.trains")) == [tmp_path / "mine"]


@pytest.mark.parametrize(
    ("ray_says", "told"),
    [
        (
            "Failed:\nTraceback (most recent call last):\n  import x\nModuleNotFoundError: No module named 'x'\n",
            "ModuleNotFoundError: No ",
        ),
        ("Failed:\nERROR: No version of x\nray.exceptions.Error: Run cmd[3] failed", "ERROR: No version of x"),
        ("The node\nis gone", "The node is gone"),
    ],
)
def test_what_is_wrong_with_an_environment_is_told_without_a_traceback(ray_says: str, told: str) -> None:
    assert connection.fault(ray_says).startswith(told)
    assert "Traceback" not in connection.fault(ray_says)
