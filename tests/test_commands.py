"""The command lines that a user is told to run next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, TRAIN, Said
from hypothesis import given
from hypothesis import strategies as st
from pitprop import space as spaces
from pitprop.addresses import Addresses, addresses
from pitprop.study.source import Repeat, command_line, next_command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own(path: Path) -> spaces.Space:
    """A space of the user's at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(spaces.find("lr").read_text())
    return spaces.load(str(path))


def test_a_space_that_ships_goes_by_its_name_and_any_other_by_its_path(here: Path) -> None:
    where = addresses(None)
    assert next_command("status", spaces.load("lr"), where) == "pitprop status lr"
    assert next_command("status", own(here / "lr.yaml"), where) == "pitprop status lr.yaml"
    assert next_command("status", own(here / "my spaces" / "a.yaml"), where) == "pitprop status 'my spaces/a.yaml'"
    assert next_command("status", own(here / "-a.yaml"), where) == "pitprop status ./-a.yaml"


def test_a_space_outside_the_current_folder_goes_by_its_absolute_path(
    tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, where = own(here / "a.yaml"), addresses(None)
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    assert next_command("ui", space, where) == f"pitprop ui {tmp_path}/a.yaml --runs {tmp_path}/runs"


def test_runs_are_named_if_they_are_not_those_of_the_current_folder(here: Path) -> None:
    space = spaces.load("lr")
    assert next_command("show", space, addresses("runs"), "3") == "pitprop show lr 3"
    assert next_command("show", space, addresses("other"), "3") == "pitprop show lr 3 --runs other"
    assert next_command("best", space, addresses("/x y"), "--command") == "pitprop best lr --runs '/x y' --command"


def test_a_repetition_carries_its_flags(here: Path) -> None:
    flags = Repeat(workers=2, inline=True, seed=0, top=1, seeds=7)
    said = next_command("confirm", spaces.load("lr"), addresses(None), *flags.words("confirm"))
    assert said == "pitprop confirm lr --inline --workers 2 --top 1 --seeds 7 --seed 0"
    assert flags.words("revive") == ("--inline", "--workers", "2", "--seed", "0")
    assert Repeat().words("confirm") == ()


def test_under_make_a_space_that_ships_is_repeated_by_make(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    where, more = addresses("other"), ("--trials", "+20", *Repeat(workers=2, inline=True, seed=3).words("search"))
    line = "make search SPACE=lr RUNS=other TRIALS=+20 WORKERS=2 ARGS='--inline --seed 3'"
    assert next_command("search", spaces.load("lr"), where, *more) == line
    assert next_command("revive", spaces.load("lr"), addresses(None), "3", "5") == "make revive SPACE=lr TRIAL='3 5'"


def test_under_make_a_space_of_the_users_is_repeated_without_make(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    assert next_command("revive", own(here / "a.yaml"), addresses(None), "3") == "pitprop revive a.yaml 3"


def test_every_command_about_a_space_has_a_target_in_the_makefile() -> None:
    lines = (ROOT / "Makefile").read_text()
    for verb in ("search", "preflight", "revive", "status", "show", "confirm", "best", "compare", "report", "export", "ui"):
        assert f"\n{verb}: $(READY)  ## " in lines


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda word: not word.startswith("-"))


@given(space=WORDS, runs=WORDS, name=WORDS)
def test_a_shell_reads_every_word_as_it_was_meant(space: str, runs: str, name: str) -> None:
    where = Addresses(Path("/runs") / runs.strip("/."), "", "", None)
    line = command_line("best", space, where, "--register", name)
    shown = str(where.runs.resolve())
    assert shlex.split(line) == ["pitprop", "best", space, "--runs", shown, "--register", name]


def test_every_command_that_a_report_and_a_summary_print_can_be_run(
    here: Path, write_space: Callable[..., Path], pitprop: Callable[..., Said]
) -> None:
    (here / "my spaces").mkdir()
    rows = {"params": {"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [True, False]}}, "trials": 5}
    space = write_space("my spaces/toy", **rows, baselines={"told": {"values": {"val/macro_f1": 0.3}}})
    assert pitprop("search", "my spaces/toy.yaml", "--inline", runs=here / "my runs", report=True).code == 0
    marked = (here / "my runs" / space.stem / "report.md").read_text(encoding="utf-8")
    printed = pitprop("status", "my spaces/toy.yaml", runs=here / "my runs").out
    found = re.findall(r"`(pitprop [^`]+)`", marked) + re.findall(
        r"^(?:[^|]*: )?(pitprop .+)$", f"{marked}\n{printed}", re.MULTILINE
    )
    commands = [shlex.split(line)[1:] for line in dict.fromkeys(found)]
    assert {words[0] for words in commands} >= {"best", "confirm", "revive", "ui"}
    for words in commands:
        assert "my spaces/toy.yaml" in words, words
        assert Path("my runs") in map(Path, words), words
        if words[0] != "ui":  # which serves until it is stopped
            assert pitprop(*words, *(["--inline"] if words[0] in TRAIN else []), runs=None).code == 0, words
