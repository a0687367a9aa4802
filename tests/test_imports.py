"""The modules import one way, and the heavy libraries have one home each."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    "errors",
    "report",
    "telemetry",
    "logs",
    "chance",
    "focal",
    "stopping",
    "compare",
    "facts",
    "levels",
    "predictions",
    "branches",
    "life",
    "signatures",
    "detect",
    "gates",
    "deduction",
    "diagnosis",
    "adapters",
    "trainer",
    "checkpoint",
    "bests",
    "worker",
    "samplers",
    "space",
    "record",
    "story",
    "ranking",
    "remedies",
    "events",
    "database",
    "rows",
    "archive",
    "lock",
    "claim",
    "twin",
    "parking",
    "study",
    "reaper",
    "launch",
    "preflight",
    "training",
    "peers",
    "watch",
    "groups",
    "recordings",
    "revival",
    "failures",
    "loop",
    "addresses",
    "track",
    "baselines",
    "reasons",
    "summary",
    "confirming",
    "confirmation",
    "chart",
    "writeup",
    "publish",
    "page",
    "sheet",
    "contenders",
    "sides",
    "screen",
    "findings",
    "attempts",
    "answer",
    "configuration",
    "standing",
    "run",
    "diagnose",
    "consult",
    "serve",
    "commands",
    "cli",
]
HOMES = {"ray": {"launch", "adapters"}, "mlflow": {"track"}, "torch": set()}
TRAINERS_MAY = {"telemetry", "trainer", "chance", "focal", "logs"}


def imports(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it, dotted."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def noun(path: Path) -> str:
    return path.relative_to(ROOT / "search").parts[0].removesuffix(".py")


def ours(names: set[str]) -> set[str]:
    known = {noun(path) for path in FILES}
    return {part for name in names if name.startswith("search.") and (part := name.split(".")[1]) in known}


FILES = sorted((ROOT / "search").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_before_it(path: Path) -> None:
    if noun(path) == "__init__":
        return
    here = ORDER.index(noun(path))
    late = {name for name in ours(imports(path)) if name != noun(path) and ORDER.index(name) > here}
    assert not late


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_ray_mlflow_and_torch_have_one_home_each(path: Path) -> None:
    strangers = {name.split(".")[0] for name in imports(path)} & set(HOMES)
    assert {library for library in strangers if noun(path) not in HOMES[library]} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "trainers").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_trainers_know_little_of_the_search(path: Path) -> None:
    assert ours(imports(path)) <= TRAINERS_MAY


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, search.cli\ntry: search.cli.main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "ray", "mlflow", "optuna", "numpy", "rich", "yaml"} & set(loaded)
