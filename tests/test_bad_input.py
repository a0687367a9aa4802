"""Whatever is wrong with the input or with the world is told in one sentence, and costs nothing that was there."""

from __future__ import annotations

import json
import platform
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import pytest
from conftest import ROOT, TOLD, Said
from pitprop.service.running.supervision import PASSING

Write = Callable[..., Path]
Pitprop = Callable[..., Said]

SLOPE = {"slope": {"float": [0.01, 0.1]}}
QUIET = {"trainer": str(TOLD), "objective": {"metric": "score"}, "signatures": "off", "params": SLOPE}


def sentence(said: Said) -> str:
    """The one sentence of a command that could not do what it was asked to."""
    assert said.code == 1
    assert "Traceback" not in said.out + said.err
    last = said.err.splitlines()[-1]
    assert last.startswith("pitprop: ")
    assert sum(line.startswith("pitprop: ") for line in said.err.splitlines()) == 1
    return last.removeprefix("pitprop: ")


# The space


def test_an_unknown_space_is_told_the_nearest_name(pitprop: Pitprop) -> None:
    for command in ("search", "status", "show", "export", "ui"):
        assert "there is no space and no study 'focal_alhpa'; did you mean 'focal_alpha'?" in sentence(
            pitprop(command, "focal_alhpa")
        )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("question: [", "is not YAML: line 1, column 12"),
        ("", "is empty"),
        ("- one\n", "must be a mapping"),
        ("question: a\nquestion: b\n", "is given twice"),
    ],
)
def test_a_broken_space_is_told_where(pitprop: Pitprop, tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    said = pitprop("search", tmp_path / "broken.yaml", "--inline")
    assert said.code == 1
    assert "broken.yaml" in said.err
    assert wanted in said.err
    assert not (tmp_path / "runs").exists()


def test_every_problem_of_a_space_is_told_at_once(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(epochs="many", trails=3, sampler="tpee", **QUIET)
    said = pitprop("search", space, "--inline")
    assert said.code == 1
    for wanted in ("epochs", "did you mean 'trials'?", "did you mean 'tpe'?"):
        assert wanted in said.err


def test_what_cannot_be_revived_or_continued_is_told_before_anything_runs(write_space: Write, pitprop: Pitprop) -> None:
    patience = {"patience": {"int": [1, 4]}}
    space = write_space(revive=2, early_stopping=patience, baselines={"old": {"values": {}, "checkpoint": True}}, **QUIET)
    said = pitprop("search", space, "--inline")
    assert said.code == 1
    assert "revive: 2 is not allowed: searching early stopping" in said.err
    assert "baselines.old.checkpoint: needs values" in said.err
    assert not (space.parent / "runs").exists()


def test_an_unknown_trainer_is_told_the_nearest_name(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("search", write_space(trainer="imbalancd"), "--inline")
    assert said.code == 1
    assert "did you mean 'imbalanced'?" in said.err


@pytest.mark.parametrize(
    "flags", [("--trials", "0"), ("--trials", "-3"), ("--trials", "+x"), ("--timeout", "0"), ("--workers", "0"), ("--seed", "a")]
)
def test_impossible_flags_are_refused(pitprop: Pitprop, flags: tuple[str, str]) -> None:
    said = pitprop("search", "lr", *flags)
    assert said.code == 2
    assert flags[0] in said.err
    assert "Traceback" not in said.err


def test_a_space_that_changed_its_meaning_is_refused_with_the_difference(write_space: Write, pitprop: Pitprop) -> None:
    before = pitprop("search", write_space(**QUIET), "--inline", "--json").json
    space = write_space(**{**QUIET, "params": {"slope": {"float": [0.01, 0.2]}}, "epochs": 9})
    said = pitprop("search", space, "--inline")
    assert said.code == 1
    assert "the space 'toy' no longer means what its study was made with" in said.err
    assert "  epochs: 8 -> 9" in said.err.splitlines()
    assert "  params.slope.high: 0.1 -> 0.2" in said.err.splitlines()
    assert pitprop("status", write_space(**QUIET), "--json").json == before


def test_a_study_that_is_not_there_is_told_how_to_begin(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space()
    for command in ("status", "show", "export"):
        said = sentence(pitprop(command, space))
        assert f"there is no study of 'toy' in sqlite:///{database(space)} yet: pitprop search {space}" in said
    pitprop("search", space, "--inline")
    for number in (6, -1):
        assert f"toy has no trial {number}: it has 6, from 0" in sentence(pitprop("show", space, number))


# The trainer


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"harm": "nothing"}, "the trainer ended without a single epoch"),
        ({"harm": "nan"}, "score was NaN in all of 8 reports"),
    ],
)
def test_a_trainer_that_gives_nothing_ends_the_search(
    write_space: Write, pitprop: Pitprop, options: dict[str, str], wanted: str
) -> None:
    space = write_space(options=options, **QUIET)
    said = sentence(pitprop("search", space, "--inline"))
    assert said.startswith(f"the first 3 trials failed alike, and the search stops: {wanted}; correct the cause, and the same ")
    assert f"more on a trial: pitprop show {space} 2 --runs" in said
    assert wanted in pitprop("show", space, 2).out
    assert [record["error"] for record in pitprop("show", space, "--json").json] == [wanted] * 3


def test_a_trainer_that_always_raises_ends_the_search(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params={"fault": "raise", "speed": {"float": [0.1, 1]}})
    assert "stops: RuntimeError: the learning rate is a lemon; correct" in sentence(pitprop("search", space, "--inline"))


def test_a_search_that_is_too_short_to_be_stopped_fails_all_the_same(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("search", write_space(trials=1, options={"bad": "0000"}, **QUIET), "--inline", "--json")
    assert said.code == 1
    assert "Traceback" not in said.err


def test_a_trainer_without_the_objective_is_told_the_nearest_metric_and_may_be_mended(
    write_space: Write, pitprop: Pitprop
) -> None:
    said = sentence(pitprop("search", write_space(**{**QUIET, "objective": {"metric": "scores"}}), "--inline"))
    assert said.startswith("the objective 'scores' is not among what the trainer reports; did you mean 'score'?")
    assert pitprop("search", write_space(**QUIET), "--inline", "--json").json["trials"]["COMPLETE"] == 6


def test_a_trainer_that_does_not_import_is_told_so(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    (tmp_path / "trainer.py").write_text("import nowhere_at_all\ndef train(params, context):\n    yield\n")
    said = sentence(pitprop("search", write_space(**{**QUIET, "trainer": "trainer.py"}), "--inline"))
    assert "trainer.py does not import: ModuleNotFoundError: No module named 'nowhere_at_all'" in said


def test_a_missing_data_file_is_named(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    lr = {"lr": {"float": [1e-4, 1e-2], "log": True}}
    space = write_space(trainer="imbalanced", params=lr, options={"data": "nowhere.npz"})
    assert "there is no file 'nowhere.npz'" in sentence(pitprop("search", space, "--inline"))


def test_a_gpu_that_is_not_there_is_missed_before_anything_runs(
    write_space: Write, pitprop: Pitprop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    space = write_space(resources={"gpus": 1}, **QUIET)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for flag in ("--worker-logs", "--inline"):
        said = pitprop("search", space, "--workers", 1, flag)
        assert "resources.gpus" in sentence(said)
        assert not [*tmp_path.rglob("telemetry*.jsonl"), *tmp_path.rglob("*.ckpt")]


# The database


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[int]:
    """Another process that holds the lock of the study ``toy``."""
    code = (
        "import sys; from pathlib import Path; from pitprop.study.ownership import file_lock\n"
        "with file_lock(Path(sys.argv[1]), ''): print(flush=True); sys.stdin.read()"
    )
    path = tmp_path / "runs" / "study.db.toy.lock"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def test_a_study_that_another_search_owns_names_it(write_space: Write, pitprop: Pitprop, owner: int) -> None:
    space = write_space()
    since = json.loads((space.parent / "runs" / "study.db.toy.lock").read_text())["since"]
    said = sentence(pitprop("search", space, "--inline"))
    assert said.startswith("another search owns the study 'toy' in sqlite:///")
    assert f"pid {owner} on {platform.node()}, since {since}; wait until it has ended, or end it on its machine" in said


def database(space: Path) -> Path:
    return space.parent / "runs" / "study.db"


def test_a_file_that_is_no_database_is_left_as_it_is(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space()
    database(space).parent.mkdir()
    database(space).write_bytes(b"a shopping list\n" * 100)
    for command in (("search", space, "--inline"), ("status", space), ("show", space)):
        said = sentence(pitprop(*command))
        assert f"the study database {database(space)} cannot be read (file is not a database)" in said
    assert database(space).read_bytes() == b"a shopping list\n" * 100


def test_a_torn_database_is_left_as_it_is(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(trials=2, **QUIET)
    pitprop("search", space, "--inline")
    whole = database(space).read_bytes()
    for torn in (whole[: len(whole) // 2], whole[:8192] + b"\xff" * (len(whole) - 8192)):
        database(space).write_bytes(torn)
        for command in (("search", space, "--inline", "--trials", "+1"), ("status", space)):
            said = sentence(pitprop(*command))
            assert "database" in said
            assert "malformed" in said
        database(space).with_name("study.db-wal").unlink(missing_ok=True)
    database(space).write_bytes(whole)
    assert pitprop("status", space, "--json").json["trials"]["COMPLETE"] == 2


def test_the_database_of_another_program_is_left_as_it_is(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space()
    database(space).parent.mkdir()
    with closing(sqlite3.connect(database(space))) as connection:
        connection.execute("create table songs (name text)")
    before = database(space).read_bytes()
    for command in (("search", space, "--inline"), ("status", space)):
        assert "is another program's database (it holds songs)" in sentence(pitprop(*command))
    assert database(space).read_bytes() == before


def test_a_study_of_somebody_elses_is_left_as_it_is(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space()
    database(space).parent.mkdir()
    storage = optuna.storages.RDBStorage(f"sqlite:///{database(space)}")
    theirs = optuna.create_study(storage=storage, study_name="toy", direction="maximize")
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    storage.engine.dispose()
    assert "was not made by pitprop: rename the space" in sentence(pitprop("search", space, "--inline"))


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("runs/study.db", "STUDY_DB 'runs/study.db' is not a database URL, such as sqlite:///runs/study.db"),
        ("oracel://host/x", "oracel"),
        ("sqlite://", "names no file"),
        ("postgresql://me:secret@127.0.0.1:9/x", "postgresql://me:***@127.0.0.1:9/x"),  # no server there, or no driver here
        ("sqlite:////dev/null/study.db", "/dev/null"),
    ],
)
def test_a_study_db_that_cannot_be_used_is_named(
    write_space: Write, pitprop: Pitprop, monkeypatch: pytest.MonkeyPatch, url: str, wanted: str
) -> None:
    monkeypatch.setenv("STUDY_DB", url)
    assert wanted in sentence(pitprop("search", write_space(), "--inline"))
    assert pitprop("status", write_space()).code == 1


def test_a_password_is_never_shown(write_space: Write, pitprop: Pitprop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDY_DB", "oracel://me:secret@host/x")
    said = pitprop("search", write_space(), "--inline")
    assert sentence(said)
    assert "secret" not in said.err


# The disk


def test_a_runs_folder_that_cannot_be_made_is_named(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    said = sentence(pitprop("search", write_space(), "--inline"))
    assert str(tmp_path / "runs") in said
    assert "--runs" in said
    assert (tmp_path / "runs").read_text() == "a file"


@contextmanager
def full(size: int) -> Iterator[None]:
    """Lets no file grow beyond ``size`` bytes: a full disk, as far as a process can have one for itself."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "changes", "wanted"),
    [
        (0, {}, "File too large"),
        (50_000, {}, "database"),
        (600_000, {"options": {"columns": 4_000}}, "File too large"),
        (600_000, {"options": {"ballast": 700_000}}, ".ckpt cannot be written"),
    ],
    ids=["lock", "database", "curve", "checkpoint"],
)
def test_a_full_disk_ends_the_search_and_loses_nothing_and_a_service_tries_it_again(
    write_space: Write, pitprop: Pitprop, tmp_path: Path, size: int, changes: dict[str, object], wanted: str
) -> None:
    space, events = write_space(**{**QUIET, "trials": 3, **changes}), tmp_path / "events.jsonl"
    with full(size):
        said = pitprop("search", space, "--inline", *(["--events", events] if size else []))
    assert wanted in sentence(said)
    if size:
        assert json.loads(events.read_text().splitlines()[-1])["body"]["class"] in PASSING
    again = pitprop("search", space, "--inline", "--json").json
    assert again["finished"]
    assert again["trials"]["COMPLETE"] == again["target"]


def test_a_disk_that_fills_up_under_the_database_loses_nothing(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    space = write_space(options={"notes": str(tmp_path / "notes")}, **QUIET)
    pitprop("search", space, "--inline", "--trials", 2)
    size = database(space).stat().st_size
    with full(size):
        ended = pitprop("search", space, "--inline", "--trials", 20)
    said = sentence(ended)
    assert "takes no more writes (" in said
    assert 2 < sum(pitprop("status", space, "--json").json["trials"].values()) < 20
    assert pitprop("search", space, "--inline", "--json").json["trials"]["COMPLETE"] == 20
    trained = [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]
    assert {name for name, *_ in trained} == {f"{number:04d}" for number in range(20)}
    assert sum(step == 0 for _, _, step, _ in trained) == 20
