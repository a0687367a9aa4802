"""Whatever is found by its name keeps to its Protocol, and is offered where its name is misspelt."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pitprop import space, trainer
from pitprop.cli.main import COMMANDS, main
from pitprop.detection import signatures
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import Advice
from pitprop.detection.signatures import KINDS, OPTIONAL, SignatureModule
from pitprop.errors import UserError
from pitprop.logs import formats
from pitprop.logs.names import Names
from pitprop.messages import Message
from pitprop.space import sampling
from pitprop.telemetry import Telemetry

ROOT = Path(__file__).parents[1]
TRAINER = '"""A trainer."""\ndef train(params, context):\n    yield\n'
NEEDED = {name for name in vars(SignatureModule) if not name.startswith("_")}


def arguments(function: Any) -> list[tuple[str, Any]]:
    """The names and types of a function's arguments, without the thresholds."""
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    return [(one.name, hints[one.name]) for one in parameters if one.kind is not one.KEYWORD_ONLY]


@pytest.mark.parametrize("name", signatures.names())
def test_a_signature_has_what_the_protocol_says_and_no_other_public_name(name: str) -> None:
    module = signatures.load(name)
    own = {n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__}  # type: ignore[attr-defined]
    assert vars(module).keys() >= NEEDED
    assert {n for n in own if not n.startswith("_")} <= NEEDED | OPTIONAL
    assert module.KIND in KINDS
    assert isinstance(module.ELSEWHERE, str)
    assert all(isinstance(need, str) for need in module.READS)


@pytest.mark.parametrize("name", signatures.names())
def test_the_functions_of_a_signature_take_a_telemetry_and_facts(name: str) -> None:
    module = signatures.load(name)
    given = [("telemetry", Telemetry), ("facts", Facts)]
    functions = [getattr(module, one) for one in ("detect", "remedy")]
    assert [arguments(function) for function in functions] == [given] * len(functions)
    detected, advised = (get_type_hints(function)["return"] for function in functions)
    assert detected == Message | None
    assert advised in (Message, Sequence[Advice | None])


@pytest.mark.parametrize("name", signatures.names())
def test_the_thresholds_of_a_signature_are_numbers_with_defaults(name: str) -> None:
    thresholds = signatures.thresholds(name)
    assert "patience" in thresholds
    assert all(isinstance(value, int | float) and not isinstance(value, bool) for value in thresholds.values())


@pytest.mark.parametrize("name", signatures.names())
def test_only_a_soft_signature_has_a_grace_and_life_signs_to_ignore(name: str) -> None:
    module = signatures.load(name)
    assert module.KIND == "soft" or not {"GRACE", "DESPITE"} & vars(module).keys()
    assert 0 < getattr(module, "GRACE", signatures.GRACE) < 1


@pytest.mark.parametrize("name", formats.names())
def test_a_format_has_traits_recognises_by_head_and_path_and_makes_a_reader(name: str) -> None:
    module = formats.load(name)
    assert isinstance(module.TRAITS, formats.Traits)
    assert arguments(module.recognises) == [("head", bytes), ("path", Path)]
    assert list(inspect.signature(module.Reader).parameters) == ["names", "patterns", "merge"]
    reader = module.Reader(Names(), (), 1)
    assert list(inspect.signature(reader.feed).parameters) == ["data"]
    assert list(reader.feed(b"")) == []


def test_one_format_is_the_fallback_and_asked_last() -> None:
    assert [name for name in formats.names() if formats.load(name).TRAITS.fallback] == [formats.fallback()]


def test_no_two_formats_look_for_the_same_files() -> None:
    patterns = [pattern for name in formats.names() for pattern in formats.load(name).TRAITS.files]
    assert sorted(patterns) == sorted(set(formats.files()))


def test_the_names_of_formats_are_written_in_their_own_files_only() -> None:
    word = re.compile(rf'"({"|".join(set(formats.names()) - {"text", "telemetry", "json", "mlflow", "scores"})})"')
    files = [path for path in (ROOT / "search").rglob("*.py") if path.parent.name not in ("formats", "adapters")]
    files.remove(ROOT / "search" / "workers" / "cluster" / "runtime_env.py")  # which lists folders that do not travel
    assert [path.name for path in files if word.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.slow  # mypy reads the package anew; the tests above need none of it
def test_modules_found_by_name_have_the_types_of_their_protocols(tmp_path: Path) -> None:
    kinds = (
        ("formats.Format", formats.__name__, formats.names()),
        ("signatures.SignatureModule", signatures.__name__, signatures.names()),
    )
    lines = [f"import {formats.__name__} as formats", f"import {signatures.__name__} as signatures"]
    for protocol, package, names in kinds:
        for name in names:
            lines += [f"import {package}.{name} as {name}_", f"{name}_as: {protocol} = {name}_"]
    file = tmp_path / "conform.py"
    file.write_text("\n".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--ignore-missing-imports",
        "--cache-dir",
        str(tmp_path / "cache"),
        str(file),
    ]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", formats.names())
def test_a_format_is_in_the_docs(name: str) -> None:
    assert f"\n### {name}\n" in (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


def found_by_name() -> list[tuple[str, str, Sequence[str]]]:
    """A kind, one of its names, and all of them."""
    kinds: dict[str, Sequence[str]] = {
        "command": list(COMMANDS),
        "format": formats.names(),
        "signatures": signatures.names(),
        "space": space.names(),
        "trainer": trainer.names(),
        **{kind: list(sampling.words(kind)) for kind in ("sampler", "pruner", "scheduler")},
    }
    return [(kind, name, known) for kind, known in kinds.items() for name in known]


def refusal(kind: str, word: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said where a user writes ``word`` for something of this kind."""
    if kind == "command":
        with pytest.raises(SystemExit):
            main([word])
        return capsys.readouterr().err
    (folder / "toy.py").write_text(TRAINER, encoding="utf-8")
    written = {
        "question": "Which?",
        "trainer": str(folder / "toy.py"),
        "objective": {"metric": "val/accuracy", "goal": "maximize"},
        "epochs": 4,
        "params": {"lr": {"float": [0.1, 1.0]}},
    }
    told: dict[str, Any] = {"space": word, "signatures": written | {kind: {word: "off"}}}
    with pytest.raises(UserError) as error:
        formats.load(word) if kind == "format" else space.load(told.get(kind, written | {kind: word}), "misspelt")
    return str(error.value)


@pytest.mark.parametrize(("kind", "name", "known"), found_by_name(), ids=lambda one: one if isinstance(one, str) else "")
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(
    kind: str, name: str, known: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in (name + name[-1], name.upper(), name[1:] if len(name) > 4 else name[0] + name):
        if word not in known:
            assert f"did you mean {name!r}" in refusal(kind, word, tmp_path, capsys)
