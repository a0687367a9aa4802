"""The package as it is imported: its name, what loads with it, and the links of an editable install.

The order of the rooms, and the homes of the heavy libraries, are contracts in pyproject.toml; ``make lint`` holds them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, pitprop.cli.main as cli\ntry: cli.main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "ray", "mlflow", "optuna", "numpy", "rich", "yaml", "pydantic"} & set(loaded)


def test_an_editable_install_sees_all_that_a_wheel_holds() -> None:
    here = {path.name: path for path in (ROOT / "search").iterdir() if path.name != "__pycache__"}
    expected = {**here, "trainers": ROOT / "trainers", "spaces": ROOT / "spaces"}
    links = {link.name: link.resolve() for link in (ROOT / ".package" / "pitprop").iterdir() if link.name != "__pycache__"}
    assert links == expected, "in .package/pitprop: ln -s ../../search/NAME, or remove the link"


def test_a_room_has_at_most_a_dozen_files_unless_they_are_found_by_name() -> None:
    found_by_name = {"signatures", "formats"}
    folders = {path.parent for path in (ROOT / "search").rglob("*.py") if path.parent.name not in found_by_name} - {
        ROOT / "search"
    }
    crowded = {str(folder.relative_to(ROOT)): n for folder in folders if (n := len(list(folder.glob("[!_]*.py")))) > 12}
    assert not crowded


def test_no_two_modules_have_one_name_unless_it_is_of_what_they_read_or_adapt() -> None:
    files = [*(ROOT / "search").rglob("[!_]*.py"), *(ROOT / "trainers").rglob("*/[!_]*.py")]
    named = [p.stem for p in files if p.parent.name not in ("formats", "signatures")]
    assert not {name for name in named if named.count(name) > 1}


def test_a_module_that_is_spared_a_package_is_whole_for_who_imports_it_otherwise() -> None:
    code = """
import sys, optuna
from pitprop import imports
spared = imports.spared("optuna.importance", "sklearn")
print("sklearn" in sys.modules, imports.spared("optuna.importance", "sklearn") is spared)
import optuna.importance as whole
print("sklearn" in sys.modules, whole is optuna.importance, whole is spared)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "True", "False"]
