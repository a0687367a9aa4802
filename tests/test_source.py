"""Which space a study belongs to: found by its name, and refused where it means something else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import TOLD, Said
from pitprop.results.confirmation_study import FRESH, Block
from pitprop.study.stored import nameable

Write = Callable[..., Path]
Pitprop = Callable[..., Said]

OWN = {"trainer": str(TOLD), "objective": {"metric": "score"}, "signatures": "off", "params": {"slope": {"float": [0.01, 0.1]}}}
CHANGED: dict[str, Any] = {**OWN, "params": {"slope": {"float": [0.01, 0.2]}}}
READS = (
    ["status"],
    ["show"],
    ["show", "0"],
    ["best"],
    ["report"],
    ["compare"],
    ["export"],
    ["confirm", "--inline"],
    ["revive", "0", "--inline"],
    ["ui", "--no-browser"],
)
"""Every command that reads a study, without its space."""


def asked(command: list[str], space: object) -> list[object]:
    """The command about ``space``."""
    return [command[0], space, *command[1:]]


@pytest.fixture
def searched(write_space: Write, pitprop: Pitprop) -> Path:
    """A study of two trials, of a space of the user's that has the name of one that ships."""
    space = write_space("lr", trials=2, **OWN)
    assert pitprop("search", space, "--inline").code == 0
    return space


def test_a_name_means_the_study_of_that_name_and_not_the_space_that_ships(searched: Path, pitprop: Pitprop) -> None:
    by_name = pitprop("status", "lr", "--json")
    assert by_name.json == pitprop("status", searched, "--json").json
    assert by_name.json["metric"] == "score"
    assert f"Space: {searched}\n" in pitprop("status", "lr", "--full").out
    assert pitprop("search", "lr", "--inline", "--trials", "+1", "--json").json["trials"]["COMPLETE"] == 3


def test_in_another_folder_of_runs_the_name_means_what_ships(searched: Path, pitprop: Pitprop, tmp_path: Path) -> None:
    said = pitprop("status", "lr", runs=tmp_path / "others")
    assert said.code == 1
    assert f"yet: pitprop search lr --runs {tmp_path}/others" in said.err


def test_a_study_in_each_of_two_folders_of_runs_is_found_with_its_own_space(
    searched: Path, write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    other = write_space("lr", trials=2, **CHANGED).rename(tmp_path / "b" / "lr.yaml")
    write_space("lr", trials=2, **OWN)
    assert pitprop("search", other, "--inline", runs=tmp_path / "b" / "runs").code == 0
    assert f"Space: {other}\n" in pitprop("status", "lr", "--full", runs=tmp_path / "b" / "runs").out
    assert f"Space: {searched}\n" in pitprop("status", "lr", "--full").out


def test_a_space_that_was_moved_is_asked_for_and_taken_at_its_new_path(searched: Path, pitprop: Pitprop, tmp_path: Path) -> None:
    before = pitprop("status", "lr", "--json").json
    (tmp_path / "moved").mkdir()
    moved = searched.rename(tmp_path / "moved" / "lr.yaml")
    for command in READS:
        said = pitprop(*asked(command, "lr"))
        assert (said.code, said.err.count("\n")) == (1, 1)
        assert f"was made with {searched}, which is gone: put the file back, or give its path" in said.err
    assert pitprop("status", moved, "--json").json == before
    assert pitprop("search", moved, "--inline").code == 0
    assert pitprop("status", "lr", "--json").json == before


def test_every_command_refuses_a_study_of_a_space_that_was_changed_and_says_how(
    searched: Path, write_space: Write, pitprop: Pitprop
) -> None:
    write_space("lr", **CHANGED)
    for word in ("lr", searched):
        for command in READS:
            said = pitprop(*asked(command, word))
            assert (said.code, said.out) == (1, ""), command
            assert f"no longer means what its study was made with; undo the change in {searched}, " in said.err
            assert said.err.splitlines()[1:] == ["  params.slope.high: 0.1 -> 0.2"]


def test_a_study_is_not_read_with_another_file_of_its_name(
    searched: Path, write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    other = write_space("lr", **CHANGED).rename(tmp_path / "b" / "lr.yaml")
    write_space("lr", **OWN)
    said = pitprop("status", other)
    assert said.code == 1
    assert f"the study 'lr' was made with {searched}, which means something else than {other}: give {searched}, " in said.err


def test_a_study_that_does_not_know_its_file_is_read_by_path_and_never_with_what_ships(
    searched: Path, write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    own = write_space("mine", trials=1, **OWN)
    assert pitprop("search", own, "--inline", runs=tmp_path / "runs").code == 0
    with sqlite3.connect(tmp_path / "runs" / "study.db") as connection:
        connection.execute("delete from study_user_attributes where key = 'space file'")
    connection.close()
    assert pitprop("status", searched).code == 0
    shipped = pitprop("status", "lr")
    assert shipped.code == 1
    assert '  objective.metric: "score" -> ' in shipped.err
    unknown = pitprop("status", "mine")
    assert (unknown.code, unknown.err.count("\n")) == (1, 1)
    assert "does not say where its space lies: give the path of the space, such as mine.yaml" in unknown.err


def test_a_study_is_read_with_the_seed_that_it_was_searched_with(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(trials=2, **OWN)
    found = pitprop("search", space, "--inline", "--seed", 7, "--json").json
    assert pitprop("status", "toy", "--json").json == found
    confirmed = pitprop("confirm", space, "--inline", "--seeds", 2, "--top", 1, "--json")
    assert confirmed.json["confirmation"]["seeds"] == [1007, 1008]
    refused = pitprop("confirm", space, "--inline", "--seed", 8)
    assert (refused.code, refused.err.splitlines()[1:]) == (1, ["  seed: 7 -> 8"])


def test_an_unknown_name_is_told_the_nearest_of_studies_and_of_what_ships(
    write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    assert pitprop("search", write_space("my_rates", trials=1, **OWN), "--inline").code == 0
    assert "did you mean 'my_rates'?" in pitprop("status", "my_rate").err
    assert "did you mean 'focal_alpha'?" in pitprop("status", "focal_alhpa").err


def test_a_study_that_confirms_another_is_no_name_that_a_user_means() -> None:
    inner = [Block(*seeds).study("rates", kind) for seeds in ((0, 5), (5, 8)) for kind in FRESH]
    theirs = ["rates", "rates.confirm", "rates.confirmed5", "other.confirm5"]
    assert nameable([*theirs, *inner]) == theirs
