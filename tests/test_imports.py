"""The package as it is imported: its name, what loads with it, and the links of an editable install.

The order of the rooms, and the homes of the heavy libraries, are contracts in pyproject.toml; ``make lint`` holds them.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported(file: Path) -> Iterator[str]:
    """The packages of others that a file imports, wherever in it, by the name in the import."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def plain(requirement: str) -> str:
    """The name of a requirement as all spellings of it are compared: `scikit-learn` for ``Scikit_Learn>=1``."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, pitprop.cli.main as cli\ntry: cli.main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "ray", "mlflow", "optuna", "numpy", "rich", "yaml", "pydantic"} & set(loaded)


def test_what_is_imported_at_run_time_is_among_the_declared_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {plain(one) for one in project["dependencies"]}
    optional = {plain(one) for group in project["optional-dependencies"].values() for one in group}
    built = set((ROOT / "trainers" / "data").glob("build_*.py"))  # the data that ships is built by hand
    files = {*(ROOT / "search").rglob("*.py"), *(ROOT / "trainers").rglob("*.py")} - built
    names = {name for file in files for name in imported(file)} - sys.stdlib_module_names - {"pitprop"}
    sold = packages_distributions()
    undeclared = {name for name in names if not {plain(one) for one in sold.get(name, [name])} & (declared | optional)}
    assert not undeclared
    locked = {plain(line) for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines() if line[:1] != "#"}
    assert declared <= locked


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


def test_a_line_that_bandit_passes_over_names_the_rule_and_nothing_else() -> None:
    for file in (*(ROOT / "search").rglob("*.py"), *(ROOT / "trainers").rglob("*.py")):
        for said in re.findall(r"# nosec.*", file.read_text(encoding="utf-8")):
            assert re.fullmatch(r"# nosec B\d{3}", said), f"{file}: bandit takes what follows for the name of a rule: {said}"


@pytest.mark.parametrize("begun", ["runpy.run_module('pitprop', run_name='__main__')", "sys.exit(EntryPoint('pitprop'))"])
def test_an_interrupt_while_the_command_is_imported_is_one_line(begun: str) -> None:
    code = f"""
import importlib.abc, importlib.metadata, os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupts(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "pitprop.cli.commands":
            os.kill(os.getpid(), signal.SIGINT)
def EntryPoint(name):
    wanted = tomllib.load(open("pyproject.toml", "rb"))["project"]["scripts"][name]
    return importlib.metadata.EntryPoint(name, wanted, "console_scripts").load()()
import tomllib
sys.meta_path.insert(0, Interrupts())
sys.argv = ["pitprop", "list"]
{begun}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "pitprop: interrupted\n")


def test_what_meets_the_first_interrupt_imports_nothing() -> None:
    code = "import sys; before = {*sys.modules}; import pitprop.__main__; print(*sorted({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("pitprop")] == ["pitprop", "pitprop.__main__"]
    assert not {"argparse", "json", "rich", "yaml", "pathlib"} & {*loaded}
