"""The package from a wheel, without the checkout, in folders that hold modules of the same names as its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
TRAINER = """
    "A trainer that imports what lies beside it."
    from pathlib import Path
    import pitprop
    import utils
    from trainers.slope import slope
    import search
    def train(params, context):
        import late
        Path(context.folder, "pitprop").write_text(pitprop.__file__)
        for step in range(context.step + 1, context.epochs + 1):
            context.state = vars(utils.State(step))
            yield pitprop.Epoch(step, {"score": slope(params["x"]) * step + search.ZERO + late.ZERO, "val/loss": 1 / step})
"""
SPACE = """
    question: Which x?
    trainer: {trainer}
    objective: {{metric: {metric}}}
    epochs: 3
    trials: 2
    params: {{x: {{float: [0.1, 1.0]}}}}
"""
SCRIPT = """
    import sys
    import pitprop
    import search, utils
    from trainers import slope
    x = float(sys.argv[sys.argv.index("--x") + 1])
    for epoch in (1, 2, 3):
        pitprop.report(epoch, score=slope.slope(x) * epoch + search.ZERO, val_loss=1 / epoch)
"""
NOTEBOOK = """
    import sys
    sys.path.insert(0, {library!r})
    import pitprop
    import utils  # the notebook's own
    space = {{"name": "cell", "question": "Which x?", "trainer": {trainer!r}, "objective": {{"metric": "score"}}, "epochs": 3,
             "trials": 2, "params": {{"x": {{"float": [0.1, 1.0]}}}}}}
    result = pitprop.search(space, inline={inline}, workers=1, report=False, quiet=True)
    assert list(result.trials.state) == ["COMPLETE"] * 2, result.trials
    assert utils is sys.modules["utils"] and utils.WHOSE == "elsewhere"
    assert pitprop.open_study("cell").best == result.best
"""


class Installed(NamedTuple):
    """``python`` has the wheel installed; ``bare`` has only what the wheel depends on; ``library`` holds the wheel's content."""

    python: Path
    bare: Path
    library: Path
    names: list[str]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    library = folder / "library"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", library, wheel], check=True)
    pythons = []
    for name, paths in {"python": [library], "bare": []}.items():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / name], check=True)
        # A .pth file in a folder that another one names is not read: no way leads from here to the checkout.
        (site,) = (folder / name / "lib").glob("python*/site-packages")
        (site / "paths.pth").write_text("\n".join(map(str, [*paths, sysconfig.get_path("purelib")])))
        pythons.append(folder / name / "bin" / "python")
    return Installed(*pythons, library, zipfile.ZipFile(wheel).namelist())


def crowd(folder: Path, whose: str, slope: int = 1) -> Path:
    """A folder as researchers have them, with modules named like ours; its trainer's file."""
    files = {
        "utils.py": f"WHOSE = {whose!r}\nclass State:\n    def __init__(self, step):\n        self.step = step\n",
        "search.py": "ZERO = 0\n",
        "late.py": "ZERO = 0\n",
        "trainers/slope.py": f"def slope(x):\n    return {slope} * x\n",
        "spaces/lr.yaml": "not: a space\n",
        "pitprop/notes.txt": "a checkout may have this name\n",
        "mine.py": dedent(TRAINER),
        "train.py": dedent(SCRIPT),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "mine.py"


@pytest.fixture
def run(tmp_path: Path, without_mlflow: None) -> Callable[..., str]:
    """Runs a command in a folder, with an MLflow that does not import; what it printed."""

    def of(*words: object, cwd: Path) -> str:
        environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
        done = subprocess.run([*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return of


def trained_with(runs: Path, study: str) -> set[str]:
    """The package that the trainers of a study imported."""
    return {path.read_text() for path in (runs / study / "trials").glob("*/pitprop")}


def test_a_wheel_holds_every_file_of_the_package(installed: Installed) -> None:
    homes = {"search": "pitprop", "spaces": "pitprop/spaces", "trainers": "pitprop/trainers"}
    files = {
        f"{home}/{path.relative_to(ROOT / folder)}"
        for folder, home in homes.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= set(installed.names)
    assert {"pitprop/py.typed", "pitprop/spaces/lr.yaml"} <= files


def test_an_installed_pitprop_searches_the_spaces_that_ship_whatever_the_folder_holds(
    installed: Installed, tmp_path: Path, run: Callable[..., str]
) -> None:
    crowd(tmp_path / "mine", "mine")
    listed = run(installed.python, installed.library / "bin" / "pitprop", "list", cwd=tmp_path / "mine")
    assert "focal_alpha" in listed
    assert "imbalanced" in listed
    assert "Which" in next(line for line in listed.splitlines() if line.split()[:1] == ["lr"])
    words = ("search", "focal_alpha", "--inline", "--trials", 2, "--no-report")
    run(installed.python, installed.library / "bin" / "pitprop", *words, cwd=tmp_path / "mine")
    assert "MLflow is broken" in (tmp_path / "mine" / "runs" / "focal_alpha" / "track.log").read_text()


@pytest.mark.parametrize("way", [["--inline"], pytest.param(["--workers", 1], marks=pytest.mark.slow)], ids=["inline", "ray"])
def test_a_trainer_imports_what_lies_beside_it(
    installed: Installed, tmp_path: Path, run: Callable[..., str], way: list[object]
) -> None:
    crowd(tmp_path / "elsewhere", "elsewhere", slope=-1)
    trainer = crowd(tmp_path / "mine", "mine")
    space = tmp_path / "mine" / "x.yaml"
    space.write_text(dedent(SPACE).format(trainer=trainer.name, metric="score"))
    command = (installed.python, installed.library / "bin" / "pitprop", "search", space, "--no-report", *way)
    run(*command, cwd=tmp_path / "elsewhere")
    assert trained_with(tmp_path / "elsewhere" / "runs", "x") == {str(installed.library / "pitprop" / "__init__.py")}
    assert "MLflow is broken" in (tmp_path / "elsewhere" / "runs" / "x" / "track.log").read_text()


def test_a_script_reports_from_a_folder_with_modules_named_like_ours(
    installed: Installed, tmp_path: Path, run: Callable[..., str]
) -> None:
    crowd(tmp_path / "mine", "mine")
    space = tmp_path / "mine" / "x.yaml"
    options = 'options: {command: ["{python}", train.py, "{params}"]}\n'
    space.write_text(dedent(SPACE).format(trainer="command", metric="val/score") + options)
    run(installed.python, "-m", "pitprop.cli.main", "search", "x.yaml", "--inline", "--no-report", cwd=tmp_path / "mine")
    curves = list((tmp_path / "mine" / "runs" / "x" / "trials").glob("*/telemetry.jsonl"))
    assert [len(curve.read_text().splitlines()) for curve in curves] == [3, 3]


@pytest.mark.parametrize("inline", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["inline", "ray"])
def test_a_notebook_searches_with_a_package_that_only_it_knows_the_way_to(
    installed: Installed, tmp_path: Path, run: Callable[..., str], inline: bool
) -> None:
    crowd(tmp_path / "elsewhere", "elsewhere", slope=-1)
    trainer = crowd(tmp_path / "mine", "mine")
    cell = dedent(NOTEBOOK).format(library=str(installed.library), trainer=str(trainer), inline=inline)
    run(installed.bare, "-c", f"exec(compile({cell!r}, '<cell>', 'exec'))", cwd=tmp_path / "elsewhere")
    assert trained_with(tmp_path / "elsewhere" / "runs", "cell") == {str(installed.library / "pitprop" / "__init__.py")}
    assert "MLflow is broken" in (tmp_path / "elsewhere" / "runs" / "cell" / "track.log").read_text()
