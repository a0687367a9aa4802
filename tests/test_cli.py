"""The command line as a person meets it, and as a script does."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pitprop
import pytest
from conftest import ROOT, TOLD, Said
from mlflow import MlflowClient
from nodes import HEEDS, free_port
from optuna.storages import RDBStorage
from pitprop import space as spaces
from pitprop import trainer
from pitprop.cli.main import COMMANDS, _parser, main
from pitprop.cli.options import STATES
from pitprop.cli.parser import EXAMPLES
from pitprop.detection import signatures
from pitprop.study.database import connect
from pitprop.study.record import WORDS, Record

Write = Callable[..., Path]
Pitprop = Callable[..., Said]

CALM = {"dead": None, "speed": {"float": [0.05, 1.0]}}
SLOPE = {"slope": {"float": [0.01, 0.1]}}
QUIET = {"trainer": str(TOLD), "objective": {"metric": "score"}, "signatures": "off"}


def noted(path: Path) -> list[list[Any]]:
    """What `toys/told.py` was asked to train: the trial's folder, the seed, the epochs done before, and the parameters."""
    return [json.loads(line) for line in path.read_text().splitlines()]


# The commands


def test_help_names_every_command(pitprop: Pitprop) -> None:
    said = pitprop("--help", runs=None)
    assert said.code == 0
    for name, command in COMMANDS.items():
        assert f"    {name}" in said.out
        assert command.summary in " ".join(said.out.split())
        told = pitprop(name, "--help", runs=None)
        assert (told.code, told.err) == (0, "")
        assert "--lang" in told.out


LOADED = """
import contextlib, io, sys
from pitprop.cli.main import COMMANDS, main
for words in {lines!r}:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        assert main(words) == 0
print(*sorted({heavy!r} & set(sys.modules)))
"""


def loaded(heavy: set[str], *lines: list[str]) -> list[str]:
    """Which of the ``heavy`` packages a process has imported that has run these commands."""
    code = LOADED.format(lines=lines, heavy=heavy)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_help_and_a_wrong_flag_import_nothing_heavy() -> None:
    heavy = {"optuna", "torch", "ray", "yaml", "rich", "pydantic"}
    assert not loaded(heavy, ["--help"], *([name, "--no-such-flag"] for name in COMMANDS))


def test_a_command_that_reads_imports_nothing_that_only_a_search_needs(
    write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    assert pitprop("search", write_space(), "--inline").code == 0
    heavy = {"optuna", "sqlalchemy", "alembic", "torch", "ray", "mlflow", "scipy", "matplotlib", "numpy"}
    study = [str(tmp_path / "toy.yaml"), "--runs", str(tmp_path / "runs")]
    assert not loaded(heavy, *([name, *study] for name in ("status", "show", "best")), ["list"], ["schema"])


def test_a_search_prints_json_alone_on_its_output(write_space: Write, pitprop: Pitprop) -> None:
    said = pitprop("search", write_space(), "--inline", "--json")
    assert said.code == 0
    assert said.json["space"] == "toy"
    assert said.json["finished"] is True
    assert sum(said.json["trials"].values()) == said.json["target"] == 6
    assert "trial   0" in said.err


def test_status_says_what_the_search_said(write_space: Write, pitprop: Pitprop) -> None:
    searched = pitprop("search", write_space(), "--inline", "--json").json
    status = pitprop("status", write_space(), "--json")
    assert status.json == searched
    assert set(status.json["trials"]) == {"COMPLETE", "PRUNED", "FAIL", "RUNNING"}
    best = status.json["best"][0]
    shown = " ".join(pitprop("status", write_space()).out.split())
    assert f"(trial {best['trial']}): val/macro_f1 {best['values'][0]:.4f}" in shown
    assert "constant_prediction" in shown


def test_a_search_reaches_its_trials_exactly_baselines_included(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(
        params=SLOPE, baselines={"slow": {"params": {"slope": 0.02}}, "told": {"values": {"score": 0.3}}}, **QUIET
    )
    said = pitprop("search", space, "--inline", "--json", "--trials", 4)
    assert said.json["trials"]["COMPLETE"] == said.json["target"] == 4
    shown = pitprop("show", space, "--json").json
    assert [(record["number"], record["baseline"]) for record in shown] == [(0, "slow"), (1, None), (2, None), (3, None)]
    assert said.json["baselines"] == {"slow": pytest.approx(0.12), "told": 0.3}
    best = said.json["best"][0]
    assert best["delta"]["told"] == pytest.approx(best["values"][0] - 0.3)


def test_more_trials_are_added_to_those_that_were_planned(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params=SLOPE, **QUIET)
    pitprop("search", space, "--inline", "--trials", 2)
    assert pitprop("search", space, "--inline", "--json", "--trials", "+3").json["trials"]["COMPLETE"] == 5
    assert pitprop("search", space, "--inline", "--json").json["target"] == 5


def test_trials_that_were_asked_for_where_no_worker_could_be_had_count_once(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params=SLOPE, **QUIET)
    pitprop("search", space, "--inline", "--trials", 2)
    refused = pitprop("search", space, "--ray", f"127.0.0.1:{free_port()}", "--trials", "+1")
    assert refused.code == 1
    assert "does not answer" in refused.err
    assert pitprop("search", space, "--inline", "--json", "--trials", "+1").json["trials"]["COMPLETE"] == 3


def test_a_finished_search_says_so_and_how_to_extend_it(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params=SLOPE, trials=2, options={"notes": str(write_space().parent / "notes")}, **QUIET)
    pitprop("search", space, "--inline")
    again = pitprop("search", space, "--inline")
    assert again.code == 0
    assert f"toy is finished. To add trials: pitprop search {space} --runs {space.parent}/runs --trials +20 --inline" in again.out
    assert len(noted(space.parent / "notes")) == 2


def test_a_time_limit_ends_a_search_that_goes_on_later(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params=SLOPE, **QUIET)
    early = pitprop("search", space, "--inline", "--timeout", "1e-9")
    assert early.code == 0
    assert "0 of 6 trials" in early.out
    assert pitprop("search", space, "--inline", "--json").json["trials"]["COMPLETE"] == 6


def test_a_seed_repeats_a_search(write_space: Write, pitprop: Pitprop) -> None:
    def found(seed: int, runs: str) -> Any:
        space = write_space(params=SLOPE, **QUIET)
        return pitprop("search", space, "--inline", "--json", "--seed", seed, runs=space.parent / runs).json["best"]

    assert found(3, "a") == found(3, "b")
    assert found(3, "a") != found(4, "c")


def test_show_tells_every_trial_and_the_story_of_one(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space()
    trials = pitprop("search", space, "--inline", "--json").json["trials"]
    told = pitprop("show", space, "--json").json
    assert Counter(record["state"] for record in told) == {state: count for state, count in trials.items() if count}
    lines = pitprop("show", space).out.splitlines()
    assert len(lines) == 1 + len(told)
    parked = next(record for record in told if record["state"] == "PRUNED")
    story = pitprop("show", space, parked["number"]).out
    assert f"trial {parked['number']} of toy: parked after {parked['epochs']} epochs" in story
    assert "remedy: " in story
    assert pitprop("show", space, parked["number"], "--json").json == parked


def test_a_parked_trial_is_told_with_the_command_that_continues_it_and_then_as_continued(
    write_space: Write, pitprop: Pitprop, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = write_space(trials=2, params={"dead": True, "speed": {"float": [0.05, 1.0]}})
    said = pitprop("search", space, "--inline").out
    assert "2 parked" in said
    assert f"If you doubt that trial 0 was hopeless: pitprop revive {space} 0 --runs {space.parent}/runs --inline" in said
    assert pitprop("revive", space, 0, "--inline").code == 0
    monkeypatch.setenv("MAKELEVEL", "1")
    stands = pitprop("status", space).out
    assert "1 complete, 2 parked (1 revived)" in stands
    assert "parked: 0 (continued as 2), 1" in pitprop("status", space, "--full").out
    assert f"If you doubt that trial 1 was hopeless: pitprop revive {space} 1 --runs {space.parent}/runs\n" in stands
    parked = pitprop("show", space, 0, "--json").json
    assert f"complete after 8 epochs, continues trial 0 from epoch {parked['epochs']}" in pitprop("show", space, 2).out
    told = pitprop("status", space, "--json").json
    assert (told["parked"], told["revived"]) == ([0, 1], [{"trial": 2, "revives": 0}])


def test_signatures_that_cannot_watch_are_told_in_one_line(write_space: Write, pitprop: Pitprop) -> None:
    lines = pitprop("search", write_space(trials=1), "--inline").out.splitlines()
    assert sum("checks are off" in line for line in lines) == 1


def test_show_lists_some_trials_in_the_order_asked_for_and_says_how_to_see_the_rest(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(signatures="off")
    pitprop("search", space, "--inline")
    every = pitprop("show", space, "--json").json
    assert len(every) == 6
    best = [one["number"] for one in sorted(every, key=lambda one: (-one["values"][0], one["number"]))]
    assert [one["number"] for one in pitprop("show", space, "--sort", "score", "--json").json] == best
    lines = pitprop("show", space, "--sort", "score", "--limit", "2").out.splitlines()
    assert [int(line.split()[0]) for line in lines[1:3]] == best[:2]
    assert lines[3].startswith("… and 4 more trials: pitprop show")
    assert lines[3].endswith("--sort score --limit 6")
    assert len(pitprop("show", space, "--limit", "6").out.splitlines()) == 7
    assert [one["number"] for one in pitprop("show", space, "--sort", "ended", "--limit", "1", "--json").json] == [5]


def test_show_lists_the_trials_of_one_state(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space()
    pitprop("search", space, "--inline")
    every = pitprop("show", space, "--json").json
    parked = [record.number for record in map(Record.from_json, every) if record.parked]
    assert 0 < len(parked) < len(every)
    assert [one["number"] for one in pitprop("show", space, "--state", "parked", "--json").json] == parked
    lines = pitprop("show", space, "--state", "parked", "--limit", "1").out.splitlines()
    assert int(lines[1].split()[0]) == parked[0]
    assert lines[-1].endswith(f"--state parked --limit {len(parked)}")
    assert STATES == WORDS


def test_a_path_that_a_terminal_might_misread_is_shown_as_it_is(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    space = write_space(params=SLOPE, trials=1, **QUIET)
    said = pitprop("search", space, "--inline", runs=tmp_path / "my [bold] runs")
    full = pitprop("status", space, "--full", runs=tmp_path / "my [bold] runs").out
    assert f"Curves and checkpoints: {tmp_path}/my [bold] runs/toy\n" in full
    assert f"Open the runs: pitprop ui {space} --runs '{tmp_path}/my [bold] runs'\n" in said.out


def test_numbers_that_json_does_not_know_become_null(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params=SLOPE, trials=1, **QUIET | {"options": {"harm": "loss"}, "signatures": None})
    assert pitprop("search", space, "--inline", "--json").json["trials"]["PRUNED"] == 1
    verdict = pitprop("show", space, 0, "--json").json["verdicts"][0]
    assert verdict["signature"] == "non_finite"
    assert None in verdict["evidence"].values()


def test_list_shows_the_first_line_of_everything(pitprop: Pitprop) -> None:
    told = pitprop("list", "--json", runs=None).json
    assert told["spaces"] == {name: spaces.summary(name) for name in spaces.names()}
    assert list(told["trainers"]) == trainer.names()
    assert list(told["signatures"]) == list(signatures.names())
    shown = pitprop("list", runs=None).out
    assert "needs val/loss" in shown
    for names in told.values():
        for name, line in names.items():
            assert line
            assert f"  {name}" in shown


def test_the_reader_of_a_list_may_leave(shell: Pitprop) -> None:
    said = shell("list", before="import os\nreader, writer = os.pipe()\nos.dup2(writer, 1)\nos.close(reader)")
    assert (said.code, said.err) == (1, "")


def test_a_finished_search_brings_to_mlflow_what_an_earlier_one_could_not(
    write_space: Write, pitprop: Pitprop, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = write_space(params=SLOPE, trials=3, **QUIET)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert "3 trials are not exported" in pitprop("search", space, "--inline").out
    monkeypatch.delenv("PYTHONPATH")
    assert "3 trials are in MLflow" in pitprop("search", space, "--inline").out
    assert "MLflow" not in pitprop("search", space, "--inline").out


def test_export_brings_mlflow_up_to_date(write_space: Write, pitprop: Pitprop, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    space = write_space(params=SLOPE, trials=2, **QUIET)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert "2 trials are not exported" in pitprop("search", space, "--inline").out
    failed = pitprop("export", space)
    assert failed.code == 1
    assert "2 trials are not exported" in failed.err
    monkeypatch.delenv("PYTHONPATH")
    done = pitprop("export", space)
    assert (done.code, done.out) == (0, f"2 trials are in MLflow at {uri}\n")


def test_ui_says_that_its_port_is_taken(pitprop: Pitprop, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = pitprop("ui", "--no-browser", "--port", port)
    assert said.code == 1
    assert f"port {port} cannot be used" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.slow
def test_ui_says_where_the_trials_of_the_newest_search_are_and_not_those_that_were_trained_again(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(store)
    made = {name: client.create_experiment(name, tags={"pitprop.question": "?"}) for name in ("a", "a.confirm5", "a.each8")}
    words = ["-m", "pitprop.cli.main", "ui", "--no-browser", "--port", str(free_port())]
    given = {**os.environ, "MLFLOW_TRACKING_URI": store}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*HEEDS, sys.executable, *words], cwd=tmp_path, env=given, **pipes) as server:
        assert server.stdout is not None
        first, place = next(server.stdout), next(server.stdout)
        server.send_signal(signal.SIGINT)
        rest = server.communicate()
    assert first.startswith("MLflow UI on")
    assert rest == ("", "")  # it says nothing beside: nothing is wrong
    assert f"/#/experiments/{made['a']}/runs?" in place


@pytest.mark.slow
def test_ui_shows_what_mlflow_says_of_a_store_that_it_cannot_open(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 1000)
    words = ["-m", "pitprop.cli.main", "ui", "--no-browser", "--port", str(free_port())]
    given = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=given, capture_output=True, text=True)
    assert done.returncode != 0
    assert "file is not a database" in done.stderr


def test_ui_says_that_there_is_nothing_to_show(pitprop: Pitprop) -> None:
    said = pitprop("ui", "--no-browser")
    assert said.code == 1
    assert "there are no runs in" in said.err


def test_every_command_that_a_summary_prints_runs_as_it_is_printed(
    write_space: Write, pitprop: Pitprop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space = write_space("lr")
    for runs in ("runs", "my runs"):
        printed = pitprop("search", space, "--inline", runs=Path(runs)).out + pitprop("search", "lr", runs=Path(runs)).out
        lines = [shlex.split(line) for line in re.findall(r"^.*: (pitprop .*)$", printed, re.MULTILINE)]
        lines += [shlex.split(line) for line in re.findall(r"^Is .*\? (pitprop .*)$", printed, re.MULTILINE)]
        found = {line[1]: line for line in lines}
        assert found.keys() == {"revive", "confirm", "status", "ui", "search"}
        for line in found.values() if " " in runs else [found["status"], found["ui"]]:
            quick = {"confirm": ["--top", "1", "--seeds", "2"], "ui": ["--help"]}.get(line[1], [])
            inline = [] if line[1] in ("ui", "status") or "--inline" in line else ["--inline"]
            assert pitprop(*line[1:], *quick, *inline, runs=None).code == 0, line


def test_a_search_opens_the_study_database_once_and_what_only_reads_never(
    write_space: Write, pitprop: Pitprop, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def counting(url: str) -> RDBStorage:
        opened.append(url)
        return connect(url)

    monkeypatch.setattr("pitprop.study.database.connect", counting)
    space = write_space(trials=12)
    assert pitprop("search", space, "--inline", report=True).code == 0
    assert pitprop("status", space).code == 0
    assert len(opened) == 1


# Ending early


def test_an_interrupted_search_says_how_to_go_on_and_does(
    write_space: Write, shell: Pitprop, pitprop: Pitprop, tmp_path: Path
) -> None:
    options = {"interrupt": ["0002", 5], "notes": str(tmp_path / "notes")}
    space = write_space(params=SLOPE, trials=4, options=options, **QUIET)
    said = shell("search", space, "--inline")
    assert said.code == 130
    assert "Interrupted. To resume: pitprop search toy.yaml --inline" in said.out
    assert "2 complete, 1 running" in said.out
    assert said.err == ""
    again = pitprop("search", space, "--inline", "--json")
    assert (again.code, again.json["trials"]["COMPLETE"]) == (0, 4)
    assert [(name, step) for name, _, step, _ in noted(tmp_path / "notes")] == [
        ("0000", 0),
        ("0001", 0),
        ("0002", 0),
        ("0002", 4),
        ("0003", 0),
    ]


# What a search does with its trials


def test_every_seed_of_a_trial_is_trained_and_their_mean_is_its_value(
    write_space: Write, pitprop: Pitprop, tmp_path: Path
) -> None:
    space = write_space(params=SLOPE, trials=2, seeds=2, seed=5, options={"notes": str(tmp_path / "notes")}, **QUIET)
    assert pitprop("search", space, "--inline").code == 0
    assert Counter((name, seed) for name, seed, *_ in noted(tmp_path / "notes")) == {
        (name, seed): 1 for name in ("0000", "0001") for seed in (5, 6)
    }
    for record in pitprop("show", space, "--json").json:
        assert record["values"] == [pytest.approx(6 * record["params"]["slope"] + 0.055)]
        assert record["epochs"] == 16


def test_patience_is_answered_from_recorded_curves(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    stopping = {"patience": {"int": [1, 4]}, "min_delta": {"choice": [0.0, 0.15]}}
    params = {"slope": 0.1, "top": {"choice": [3, 5]}}
    space = write_space(
        params=params, early_stopping=stopping, epochs=12, trials=16, options={"notes": str(tmp_path / "notes")}, **QUIET
    )
    found = pitprop("search", space, "--inline", "--json").json
    assert found["trials"]["COMPLETE"] == 16
    assert Counter(params["top"] for *_, params in noted(tmp_path / "notes")) == {3: 1, 5: 1}
    for record in pitprop("show", space, "--json").json:
        given = {name.removeprefix("early_stopping."): value for name, value in record["params"].items()}
        assert record["values"][1] == epochs_until_stopped(**given)
    front = [tuple(one["values"]) for one in found["best"]]
    assert front == sorted(front, reverse=True)
    assert len({score for score, _ in front}) == len({spent for _, spent in front}) == len(front)
    assert "Pareto front" in pitprop("status", space).out


def epochs_until_stopped(slope: float, top: int, patience: int, min_delta: float) -> int:
    """For the curve that rises by ``slope`` an epoch until the odd epoch ``top``: two steps gain more than ``min_delta``."""
    return 2 if patience == 1 and min_delta > slope else top + patience


def test_early_stopping_ends_a_trial_with_its_value(write_space: Write, pitprop: Pitprop) -> None:
    space = write_space(params=SLOPE, trials=2, early_stopping={"patience": 2}, epochs=20, **QUIET)
    said = pitprop("search", space, "--inline", "--json").json
    assert said["trials"]["COMPLETE"] == 2
    assert said["epochs"] == {"spent": 16, "budget": 40, "saved": 0, "patience": 24}


def test_a_gate_prunes_what_falls_short_of_a_baseline_but_never_the_baseline(write_space: Write, pitprop: Pitprop) -> None:
    bound = {"baseline": "known", "plus": -0.1}
    space = write_space(
        params={"slope": {"choice": [0.01, 0.1]}},
        baselines={"known": {"params": {"slope": 0.05}}},
        points=[{"slope": 0.01}, {"slope": 0.1}],
        gates=[{"metric": "score", "epoch": 4, "at_least": bound, "remedy": "take a steeper slope"}],
        trials=3,
        **QUIET,
    )
    said = pitprop("search", space, "--inline", "--json").json
    assert [record["state"] for record in pitprop("show", space, "--json").json] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert said["pruned"] == [
        {
            "signature": "gate:score@4",
            "trials": [1],
            "reason": "score was 0.04 at epoch 4, the gate asks for at least 0.2",
            "remedy": "take a steeper slope",
            "parked": [],
        }
    ]


def test_a_trial_whose_trainer_raises_fails_alone(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    space = write_space(params=SLOPE, trials=3, options={"bad": "0001", "notes": str(tmp_path / "notes")}, **QUIET)
    said = pitprop("search", space, "--inline")
    assert said.code == 0
    assert "failed trial 1: ValueError: the data [of this trial] are bad" in said.out
    assert "Traceback" not in said.out + said.err
    assert "told.py" in (tmp_path / "runs" / "toy" / "trials" / "0001" / "traceback.txt").read_text()
    assert [name for name, *_ in noted(tmp_path / "notes")] == ["0000", "0001", "0002"]
    assert [record["state"] for record in pitprop("show", space, "--json").json] == ["COMPLETE", "FAIL", "COMPLETE"]


def test_a_terminated_search_goes_on(write_space: Write, shell: Pitprop, pitprop: Pitprop, tmp_path: Path) -> None:
    space = write_space(params=SLOPE, trials=3, options={"interrupt": ["0001", 5]}, **QUIET)
    said = shell("search", space, "--inline", before="import signal\nsignal.SIGINT = signal.SIGTERM")
    assert said.code == 128 + signal.SIGTERM
    assert "Traceback" not in said.err
    assert pitprop("search", space, "--inline", "--json").json["trials"]["COMPLETE"] == 3


def test_the_makefile_has_a_target_for_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in COMMANDS:
        assert re.search(rf"^{command}: \$\(READY\)  ## ", makefile, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serach", "toy"], "there is no command serach; did you mean 'search'?"),
        (["--json", "show", "toy"], "--json stands before the command: write it after, as in pitprop COMMAND --json"),
        (["--runs=x", "status", "toy"], "--runs stands before the command"),
        (["--bogus", "status"], "pitprop knows no --bogus;"),
        (["show"], "SPACE is missing; pitprop show --help shows how"),
        (["compare"], "SPACE is missing;"),
        (["search", "toy", "--trails", "3"], "pitprop search knows no --trails; did you mean --trials?"),
        (["show", "toy", "--sort", "scor"], "--sort 'scor': did you mean 'score'?"),
        (["show", "toy", "--state", "park"], "--state 'park': did you mean 'parked'?"),
        (["show", "toy", "x"], "TRIAL 'x' is not a whole number"),
        (["search", "toy", "--trials", "no"], "--trials: 'no' is not a whole number of at least 1"),
        (["best", "toy", "--yaml", "--command"], "--command and --yaml exclude each other"),
        (["search", "toy", "--workers"], "--workers needs a value"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence_with_what_was_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    error = capsys.readouterr().err
    assert (end.value.code, error.count("\n")) == (2, 1)
    assert error.startswith(f"pitprop: {said}")


def test_every_command_has_an_example_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for name, example in EXAMPLES.items():
        assert _parser().parse_args(shlex.split(example.partition(" >")[0])[1:]).command == name
        with pytest.raises(SystemExit):
            main([name, "--help"])
        assert f"example: {example}" in capsys.readouterr().out


def test_a_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"pitprop {pitprop.__version__}\n")


SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--weight-decay", type=float, default=1e-4)
parser.add_argument("--optimizer", choices=["sgd", "adam"], default="adam")
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--data-dir", default="data")
flags = parser.parse_args()
for epoch in range(1, flags.epochs + 1):
    print(f"epoch {epoch}: val loss {flags.lr:.4f}")
"""


def test_a_space_is_begun_from_the_flags_of_a_script_and_passes_its_preflight(tmp_path: Path, pitprop: Pitprop) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    assert pitprop("init", str(script), runs=None).code == 0
    space = spaces.load(tmp_path / "train.yaml")
    assert [leaf.name for leaf in space.leaves] == ["lr", "weight-decay", "optimizer"]
    assert (space.objective.metric, space.objective.goal, space.epochs) == ("val/loss", "minimize", 8)
    assert space.options["command"] == ["{python}", "train.py", "{params}", "--epochs", "{epochs}"]
    again = pitprop("init", str(script), runs=None)
    assert (again.code, "is there already: name another file with --output" in again.err) == (1, True)
    checked = pitprop("preflight", str(tmp_path / "train.yaml"))
    assert (checked.code, "it can be started" in checked.out, "unchecked" in checked.out) == (0, True, False)


def test_a_flag_without_a_default_is_searched_in_a_range_that_is_called_a_guess(tmp_path: Path, pitprop: Pitprop) -> None:
    script = tmp_path / "train.py"
    script.write_text('parser.add_argument("--learning-rate", type=float)\nparser.add_argument("--epochs", type=int)\n')
    assert pitprop("init", str(script), runs=None).code == 0
    assert [leaf.name for leaf in spaces.load(tmp_path / "train.yaml").leaves] == ["learning-rate"]
    assert (tmp_path / "train.yaml").read_text().count("learning-rate: ") == 2  # in params, and as the start of a baseline


@pytest.mark.parametrize("flag", ["--n-epochs", "--iterations", "--num-epochs", "--max-epochs", "--max_iter", "--n_epochs"])
def test_a_budget_by_any_name_is_no_parameter_and_a_rate_has_a_log_range(tmp_path: Path, pitprop: Pitprop, flag: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace("--epochs", flag).replace("default=0.01", "default=0.1").replace("1e-4", "0.5"))
    assert pitprop("init", str(script), runs=None).code == 0
    space = spaces.load(tmp_path / "train.yaml")
    assert (space.epochs, space.options["command"][-2:]) == (8, [flag, "{epochs}"])
    assert {leaf.name: getattr(leaf.distribution, "log", None) for leaf in space.leaves} == {
        "lr": True,
        "weight-decay": True,
        "optimizer": None,
    }


@pytest.mark.parametrize(
    ("prints", "metric", "sure"),
    [
        ("val_loss=%.4f f1=%.4f", "val/f1", False),
        ("val loss 1, val dice 2", "val/dice", True),
        ("train auc 1, val r2 2", "val/r2", True),
        ("psnr 1", "val/psnr", False),
        ("ep_rew_mean 1", "ep_rew_mean", False),
        ("hello", "val/loss", False),
    ],
)
def test_the_objective_of_a_begun_space_is_what_the_script_prints(
    tmp_path: Path, pitprop: Pitprop, prints: str, metric: str, sure: bool
) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT[: SCRIPT.index("for epoch")] + f"print({prints!r})\n")
    assert pitprop("init", str(script), runs=None).code == 0
    assert spaces.load(tmp_path / "train.yaml").objective.metric == metric
    assert ("a guess: name what" in (tmp_path / "train.yaml").read_text()) != sure


def test_a_script_that_prints_nothing_is_read_from_where_it_writes(tmp_path: Path, pitprop: Pitprop) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT[: SCRIPT.index("for epoch")].replace("--data-dir", "--out"))
    assert pitprop("init", str(script), runs=None).code == 0
    options = spaces.load(tmp_path / "train.yaml").options
    assert (options["command"][-2:], options["metrics"]) == (["--out", "{folder}/out"], ["{folder}/out"])


def test_a_flag_that_the_script_needs_is_in_the_command_that_is_begun(tmp_path: Path, pitprop: Pitprop) -> None:
    script, needs = tmp_path / "train.py", SCRIPT.replace('"--data-dir", default="data"', '"--data-dir", required=True')
    script.write_text(needs)
    assert pitprop("init", str(script), runs=None).code == 0
    command = spaces.load(tmp_path / "train.yaml").options["command"]
    assert command == ["{python}", "train.py", "{params}", "--epochs", "{epochs}", "--data-dir", "TODO"]
    assert "the script needs --data-dir" in (tmp_path / "train.yaml").read_text()


def test_a_search_of_a_service_is_found_from_its_folder_of_runs(write_space: Write, pitprop: Pitprop, tmp_path: Path) -> None:
    space = write_space(trials=1)
    folder = tmp_path / "runs" / "searches" / "abc"
    folder.mkdir(parents=True)
    (folder / Path(space).name).touch()
    assert f"but the service has searched it: say --runs {folder}" in pitprop("status", space).err


def test_a_space_is_begun_from_the_parameters_of_a_trainer(tmp_path: Path, pitprop: Pitprop) -> None:
    trains = tmp_path / "mine.py"
    trains.write_text(
        'PARAMS = {"lr": 0.1}\nREPORTS = ("val/macro_f1",)\ndef train(params, context):\n    """Trains."""\n    yield\n'
    )
    assert pitprop("init", str(trains), "--output", str(tmp_path / "first.yaml"), runs=None).code == 0
    space = spaces.load(tmp_path / "first.yaml")
    assert ([leaf.name for leaf in space.leaves], space.objective.metric) == (["lr"], "val/macro_f1")


def test_a_misspelt_file_is_answered_with_the_file_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rate.yaml").touch()
    assert main(["search", "rate.yml"]) == 1
    assert "there is no file 'rate.yml'; did you mean 'rate.yaml'?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["token", "list", "--lang", "zh"], ["token", "--lang", "zh", "list"]])
def test_the_language_may_stand_before_and_after_what_is_done_with_tokens(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--runs", str(tmp_path)]) in (0, None)
    assert "owner" not in capsys.readouterr().out


def test_the_first_token_alone_is_said_to_turn_tokens_on_and_a_script_reads_nothing_but_the_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for owner in ("anna", "bo"):
        assert main(["token", "make", owner, "--runs", str(tmp_path)]) == 0
        told = capsys.readouterr()
        assert told.out.startswith("pitprop_")
        assert told.out.count("\n") == 1
        said.append(told.err)
    assert "from now on every request to the service needs one" in said[0]
    assert said[1] == ""
