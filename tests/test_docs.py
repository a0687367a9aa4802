"""The documentation is held against the code: its examples run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pitprop
import pytest
from pitprop import space, trainer
from pitprop.cli import main
from pitprop.detection import signatures
from pitprop.detection.facts import Facts
from pitprop.telemetry import VOCABULARY, Epoch
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers.worker import Failure, Worker

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def examples(page: str, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")) if name == language]


def code(text: str) -> Iterator[str]:
    """What a page shows as commands: shell blocks, and code within a line."""
    yield from (block for name, block in BLOCK.findall(text) if name in ("sh", "text"))
    yield from re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))


def written(text: str, path: Path) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("text", examples("spaces.md", "yaml"))
def test_every_space_in_the_docs_loads(text: str, tmp_path: Path) -> None:
    space.load(written(text, tmp_path / "example.yaml"))


@pytest.mark.parametrize("text", examples("trainers.md", "python"))
def test_every_trainer_in_the_docs_trains_and_resumes_as_if_undisturbed(text: str, tmp_path: Path) -> None:
    location = written(text, tmp_path / "example.py")
    lane, context = Lane(0, 0), Context(epochs=4)
    start = Start(lane, {}, 0, str(tmp_path))

    def epochs(first: Start, file: str, count: int) -> list[Epoch]:
        worker = Worker(location, context, str(tmp_path / file))
        found, change = [], Change(started=[first])
        for _ in range(count):
            answer = worker.advance(change)
            assert not isinstance(answer, Failure), answer
            epoch = answer[lane]
            found.append(Epoch(epoch.step, {name: value for name, value in epoch.metrics.items() if name != "seconds"}))
            change = Change()
        worker.close()
        return found

    whole = epochs(start, "whole.ckpt", 4)
    half = epochs(start, "half.ckpt", 2)
    resumed = Start(lane, {}, 0, str(tmp_path), half[-1].step, None, str(tmp_path / "half.ckpt"))
    assert [epoch.step for epoch in whole] == [1, 2, 3, 4]
    assert half + epochs(resumed, "rest.ckpt", 2) == whole


@pytest.mark.parametrize("text", [text for text in examples("trainers.md", "python") if "REPORTS" in text])
def test_a_trainer_in_the_docs_reports_what_it_says_in_known_names(text: str, tmp_path: Path) -> None:
    location = written(text, tmp_path / "example.py")
    said = trainer.card(location).reports or ()
    worker = Worker(location, Context(epochs=3), str(tmp_path / "lanes.ckpt"))
    answer = worker.advance(Change(started=[Start(Lane(0, 0), {}, 0, str(tmp_path))]))
    assert not isinstance(answer, Failure)
    names = answer[Lane(0, 0)].metrics
    assert all(any(name == one or (one.endswith("/") and name.startswith(one)) for one in said) for name in names)
    assert all(any(name == one or (one.endswith("/") and name.startswith(one)) for one in VOCABULARY) for name in names)


def test_the_trainer_in_the_docs_is_judged_by_what_watches_a_classifier_from_outside(tmp_path: Path) -> None:
    written(examples("trainers.md", "python")[0], tmp_path / "example.py")
    rows = examples("spaces.md", "yaml")[0].replace("imbalanced", "example.py").replace("macro_f1", "accuracy")
    loaded = space.load(written(rows, tmp_path / "example.yaml"))
    outside = {"non_finite", "explosion", "chance_plateau", "hopelessly_slow", "constant_prediction", "minority_prediction"}
    assert outside & {name for name, _ in loaded.unwatched()} == set()


def test_the_examples_of_the_python_api_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_mlflow: None
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer_file, *rest = examples("python.md", "python")
    written(trainer_file, tmp_path / "parabola.py")
    known: dict[str, object] = {}
    for text in rest:
        exec(compile(text, "docs/python.md", "exec"), known)
    assert set(pitprop.__all__) - {"Best", "Result", "Space", "__version__"} <= set(
        re.findall(r"\w+", " ".join(code((ROOT / "docs" / "python.md").read_text(encoding="utf-8"))))
    )


def test_the_signature_in_the_docs_fires_on_what_it_describes_alone(tmp_path: Path) -> None:
    path = written(examples("signatures.md", "python")[0], tmp_path / "divergence.py")
    spec = importlib.util.spec_from_file_location("divergence", path)
    assert spec is not None
    assert spec.loader is not None
    divergence = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(divergence)
    facts = Facts(budget=10)
    parting = [Epoch(n, {"train/loss": 1 / n, "val/loss": 1 + n / 10}) for n in range(1, 6)]
    falling = [Epoch(n, {"train/loss": 1 / n, "val/loss": 1 / n}) for n in range(1, 6)]
    silent = [Epoch(n, {"train/loss": 1 / n}) for n in range(1, 6)]
    assert "to epoch 5" in divergence.detect(parting, facts)
    assert divergence.detect(parting[:3], facts) is None
    assert divergence.detect(falling, facts) is None
    assert divergence.detect(silent, facts) is None
    assert divergence.remedy(parting, facts)


def builder(name: str) -> ModuleType:
    """The module that writes a part of a page."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    return built


def test_the_list_of_formats_in_the_docs_is_that_of_the_format_files() -> None:
    built = builder("build_formats")
    text = built.PAGE.read_text(encoding="utf-8")
    assert built.page(text) == text, "run make docs"


def test_the_catalogue_in_the_docs_is_that_of_the_signature_files() -> None:
    built = builder("build_signatures")
    text = built.PAGE.read_text(encoding="utf-8")
    assert built.page(text) == text, "run make docs"
    assert [name for name in signatures.names() if f"#### {name}\n" not in text] == []


def test_the_vocabulary_in_the_docs_is_whole() -> None:
    text = (ROOT / "docs" / "trainers.md").read_text(encoding="utf-8")
    assert [name for name in VOCABULARY if f"| `{name}" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_docs_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    written = "".join(path.read_text(encoding="utf-8") for path in Path(main.__file__).parent.rglob("*.py"))
    flags = {*re.findall(r'"(--[a-z-]+)"', written), "--help"}
    shown = list(code(page.read_text(encoding="utf-8")))
    assert {word for text in shown for word in re.findall(r"\bmake ([a-z-]+)", text)} <= targets
    assert {word for text in shown for word in re.findall(r"\bpitprop ([a-z]+)", text)} <= main.COMMANDS.keys()
    assert {word for text in shown if text.startswith("--") for word in re.findall(r"^--[a-z-]+", text)} <= flags


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_images_are_our_own(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    images = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text)
    assert [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()] == []
    assert [image for image in images if "://" in image or (page.parent / image).stat().st_size > 300_000] == []
    assert "<img" not in text


def test_contributing_lists_the_rooms_in_the_order_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [layer.removeprefix("pitprop.") for layer in contracts[0]["layers"]]
    rows = re.findall(r"^\| (`.+?`) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == layers
