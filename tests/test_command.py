"""Any command as a training: what is read of it, how it ends, that nothing of it survives, and how it goes on."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, events, records
from pitprop.driver.progress import SearchError
from pitprop.reporting import report
from pitprop.space import Space
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.trainers import command
from pitprop.trainers.commands.arguments import CommandError
from pitprop.workers import checkpoint, reaper
from pitprop.workers.actors import OnRay
from pitprop.workers.cluster.connection import MARK
from pitprop.workers.cluster.placement import Need
from pitprop.workers.launch import Job
from pitprop.workers.share import Size
from pitprop.workers.worker import Cause, Failure, Worker

SCRIPTS = ROOT / "tests" / "scripts"
STEPS, SMALLEST, FORKS = ([sys.executable, str(SCRIPTS / f"{name}.py")] for name in ("steps", "smallest", "forks"))
SMALL = [*SMALLEST, "{params}", "--epochs", "{epochs}", "--seed", "{seed}", "--out", "{folder}"]
RESUME = {"resume": ["--resume", "{checkpoint}"], "checkpoint": "{folder}/last.json"}
PROCESSES = 5


def context(folder: Path, words: list[str], **more: Any) -> Context:
    """A context for a command; keys that are no options are the context's own."""
    own = {key: more.pop(key) for key in tuple(more) if key in Context.__slots__}
    base = {"epochs": 9, "metric": "val/loss", "home": str(folder), "folder": str(folder), **own}
    return Context(options={"grace": 0.3, **more, "command": words}, **base)


def trained(folder: Path, words: list[str], params: Mapping[str, Any] | None = None, **more: Any) -> list[Epoch]:
    return list(command.train(params or {}, context(folder, words, **more)))


def losses(epochs: list[Epoch]) -> list[float]:
    return [epoch.metrics["val/loss"] for epoch in epochs]


def said(folder: Path) -> str:
    return (folder / "command-0.log").read_text()


def until(condition: Callable[[], bool]) -> bool:
    """Whether it holds within a while."""
    deadline = time.monotonic() + 300
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return condition()


def numbers(folder: Path) -> list[int]:
    """The processes of forks.py."""
    return [int(path.read_text()) for path in (folder / "command-0").glob("*.pid")]


def alive(pids: list[int]) -> list[int]:
    """Those that run; one that is dead and not buried yet does not."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        found += [pid] if state != "Z" else []
    return found


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts that report find the package, wherever they run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


# What is read of it


def test_epochs_come_while_the_command_still_runs(tmp_path: Path) -> None:
    marker = tmp_path / "go"
    training = command.train({}, context(tmp_path, [*STEPS, "0.5", "0.4", f"wait:{marker}", "0.3"]))
    assert next(training).metrics == {"val/loss": 0.5}
    marker.touch()
    assert losses(list(training)) == [0.4, 0.3]


def test_the_source_of_the_objective_sets_the_epochs_and_others_add_theirs(tmp_path: Path) -> None:
    (tmp_path / "three.py").write_text(
        "import sys\n"
        "for n in 1, 2, 3:\n"
        "    print(f'epoch {n}: val f1 0.{n}', flush=True)\n"
        "print('rate=7', file=sys.stderr, flush=True)\n"
        "with open(sys.argv[1], 'w') as file:\n"
        "    file.write('epoch,val_loss,train_loss\\n1,0.5,0.1\\n2,0.4,0.2\\n3,0.3,0.3\\n')\n"
    )
    sources = [
        {"from": "stdout", "names": {"val_f1": "val/macro_f1"}},
        {"from": "stderr", "pattern": r"rate=(?P<lr>\S+)"},
        "{folder}/m.csv",
    ]
    found = trained(tmp_path, ["{python}", "three.py", "{folder}/m.csv"], metrics=sources)
    assert losses(found) == [0.5, 0.4, 0.3]
    assert [epoch.metrics["train/loss"] for epoch in found] == [0.1, 0.2, 0.3]
    assert [epoch.metrics["val/macro_f1"] for epoch in found] == [0.1, 0.2, 0.3]
    assert found[0].metrics["lr"] == 7


def test_a_script_that_reports_is_read_exactly(tmp_path: Path) -> None:
    found = trained(tmp_path, [*STEPS, "report:0.5", "report:nan", "report:0.25"])
    assert [epoch.step for epoch in found] == [1, 2, 3]
    assert found[0].metrics == {"train/loss": 1.0, "val/loss": 0.5}
    assert math.isnan(losses(found)[1])


def test_a_report_outside_of_a_search_and_of_other_ranks_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report(1, loss=0.1)
    monkeypatch.setenv("PITPROP_REPORT", str(tmp_path / "report.jsonl"))
    monkeypatch.setenv("RANK", "1")
    report(1, loss=0.1)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("RANK", "0")
    report(1, loss=0.1)
    assert json.loads((tmp_path / "report.jsonl").read_text()) == {"epoch": 1, "loss": 0.1}


def test_nan_and_chance_are_epochs_like_others(tmp_path: Path) -> None:
    found = losses(trained(tmp_path, [*STEPS, "nan", "0.69", "exit:0"]))
    assert math.isnan(found[0])
    assert found[1] == 0.69


def test_a_script_that_goes_on_beyond_the_budget_is_ended(tmp_path: Path) -> None:
    assert losses(trained(tmp_path, [*STEPS, "3", "2", "1", "0", "hang"], epochs=2)) == [3, 2]


def test_a_command_has_time_to_end_after_the_last_epoch_and_its_failure_then_counts(tmp_path: Path) -> None:
    marker = tmp_path / "go"
    training = command.train({}, context(tmp_path, [*STEPS, "2", "1", f"wait:{marker}", "say:saved"], epochs=2))
    assert losses([next(training)]) == [2]
    marker.touch()
    assert losses([next(training)]) == [1]
    assert (tmp_path / "command-0" / "stdout.log").read_text().endswith("saved\n")
    training.close()
    with pytest.raises(CommandError, match="RuntimeError: no space left"):
        trained(tmp_path, [*STEPS, "2", "1", "raise:no space left"], epochs=2)
    assert losses(trained(tmp_path, [*STEPS, "2", "1", "hang"], epochs=2, stall=6.0)) == [2, 1]


def test_the_seeds_of_a_trial_have_a_folder_each(tmp_path: Path) -> None:
    for seed in (0, 1):
        trained(tmp_path, SMALL, {"lr": 0.1}, seed=seed)
    assert (tmp_path / "command-0" / "last.json").exists()
    assert (tmp_path / "command-1" / "last.json").exists()


# How it ends


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["0.5", "raise:no such tensor"], "ended with exit code 1: RuntimeError: no such tensor"),
        (["err:  {'a': 1}", "exit:7"], "ended with exit code 7: {'a': 1}"),
        (["exit:9"], "ended with exit code 9: it said nothing on stderr"),
        (["say:all is said", "exit:3"], "ended with exit code 3: all is said"),
        (["err:x.py: error: unrecognized arguments: --lrr 0.1", "exit:2"], r"the script rejects '--lrr' \(exit code 2\)"),
        (
            ["err:KeyError: 3", "err:torch.distributed.elastic.multiprocessing.errors.ChildFailedError:", "exit:1"],
            "1: KeyError: 3",
        ),
        (["say:epoch 1: val acc 0.5, train loss 1"], "without the objective 'val/loss': what came is .*val/accuracy.*; correct"),
        (["say:hello"], "without the objective 'val/loss': nothing that it wrote reads like metrics"),
    ],
)
def test_a_command_that_fails_says_why_in_one_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as failed:
        trained(tmp_path, [*STEPS, *words])
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("metric", "line"),
    [
        ("ep_rew_mean", "iter 1 | ep_rew_mean 0.25 | ep_len_mean 3"),
        ("val/mAP", "epoch 1: train loss 1, val mAP 0.25"),
        ("val/perplexity", "epoch 1: train loss 1, val loss 2, val ppl 0.25"),
    ],
)
def test_an_objective_is_found_by_another_name_that_means_the_same(tmp_path: Path, metric: str, line: str) -> None:
    assert [one.metrics[metric] for one in trained(tmp_path, [*STEPS, f"say:{line}"], metric=metric)] == [0.25]


def test_the_accuracy_of_training_is_not_taken_for_one_of_no_side(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="without the objective 'accuracy'"):
        trained(tmp_path, [*STEPS, "say:epoch 1: train acc 0.5, val loss 1"], metric="accuracy")


def test_a_command_that_deletes_what_it_printed_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"'val/loss': it deleted stdout.log, .* below command-0, such as {folder}/out"):
        trained(tmp_path, ["bash", "-c", "rm -r {folder}; echo 'epoch 1: val loss 1'"])


def test_a_signal_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="was ended by signal KILL, often because memory ran out"):
        trained(tmp_path, ["bash", "-c", "kill -9 $$"])


def test_silence_ends_it_and_tells_what_came(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no epoch came in 6 seconds .* what came is val/accuracy"):
        trained(tmp_path, [*STEPS, "say:epoch 1: val acc 0.5", "say:epoch 2: val acc 0.5", "hang"], stall=6.0)


@pytest.mark.parametrize(
    "words",
    [
        ["raise:the rate {lr} is in {folder}"],  # the hardest: no two of the sentences are the same
        pytest.param(["exit:3"], marks=pytest.mark.slow),
        pytest.param(["say:epoch 1: val acc 0.5"], marks=pytest.mark.slow),
    ],
)
def test_a_search_whose_trials_all_fail_alike_stops(toy: Callable[..., Space], tmp_path: Path, words: list[str]) -> None:
    options = {"command": [*STEPS, *words, "say:{params}"]}
    space = toy(trainer="command", objective={"metric": "val/loss", "goal": "minimize"}, options=options, params=RATE, trials=9)
    with pytest.raises(SearchError, match="the first 3 trials failed alike"):
        events(space, tmp_path)
    assert [record.state for record in records(space, tmp_path)[:3]] == ["FAIL"] * 3


RATE = {"lr": {"float": [0.01, 1.0]}}


# Nothing survives


def test_all_that_a_pruned_command_has_started_ends(tmp_path: Path) -> None:
    training = command.train({}, context(tmp_path, [*FORKS, "{folder}"]))
    next(training)
    pids = numbers(tmp_path)
    assert len(alive(pids)) == PROCESSES
    training.close()
    assert alive(pids) == []
    assert (tmp_path / "command-0" / "asked").read_text() == "TERM"


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    assert len(trained(tmp_path, [*FORKS, "{folder}", "leave"])) == 2
    assert len(numbers(tmp_path)) == PROCESSES
    assert alive(numbers(tmp_path)) == []


def test_a_search_of_twenty_trials_leaves_no_process_behind(toy: Callable[..., Space], tmp_path: Path) -> None:
    gate = {"metric": "val/loss", "epoch": 1, "at_most": 0.1, "action": "prune"}
    options = {"command": [*FORKS, "{folder}"], "env": {"RATE": "{lr}"}, "grace": 0.1}
    goal = {"metric": "val/loss", "goal": "minimize"}
    space = toy(trainer="command", objective=goal, options=options, params=RATE, gates=[gate], trials=20)
    events(space, tmp_path)
    assert [record.state for record in records(space, tmp_path)] == ["PRUNED"] * 20
    pids = [int(path.read_text()) for path in (tmp_path / space.name / "trials").glob("*/command-0/*.pid")]
    assert len(pids) == 20 * PROCESSES
    assert alive(pids) == []


@pytest.mark.parametrize("reaped", [False, True])
def test_a_command_ends_with_a_worker_that_is_killed(tmp_path: Path, reaped: bool) -> None:
    code = (
        "import sys; from pathlib import Path; from test_command import FORKS, command, context\n"
        "training = command.train({}, context(Path(sys.argv[1]), [*FORKS, '{folder}'])); next(training)\n"
        "print('trains', flush=True); sys.stdin.read()"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", MARK: str(scratch)}
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "trains\n"
        pids = numbers(tmp_path)
        assert len(alive(pids)) == PROCESSES
        if reaped:  # as when the driver dies
            reaper.start(scratch, os.environ).communicate()
        worker.kill()
    assert until(lambda: alive(pids) == [])


@pytest.mark.slow
def test_an_actor_that_is_killed_takes_its_command_along_and_the_next_goes_on(tmp_path: Path) -> None:
    folder, lane = tmp_path / "0000", Lane(0, 0)
    folder.mkdir()
    given = context(folder, [*FORKS, "{folder}"])
    launcher = OnRay(Job("pitprop.trainers.command", given, tmp_path), Need(), Size(1), stall=60, address=None, logs=False)
    with closing(launcher):
        launcher.advance(0, Change(started=[Start(lane, {}, 0, str(folder))]))
        steps = launcher.steps()
        assert next(steps).outcome == {lane: Epoch(1, {"val/loss": 0.5})}
        pids = numbers(folder)
        assert len(alive(pids)) == PROCESSES
        launcher.advance(0, Change())
        assert next(steps).outcome == {lane: Epoch(2, {"val/loss": 0.5})}
        launcher.advance(0, Change())
        os.kill(actor(pids), signal.SIGKILL)
        died = next(steps).outcome
        assert isinstance(died, Failure)
        assert died.cause is Cause.WORKER_DIED
        assert until(lambda: alive(pids) == [])


def actor(pids: list[int]) -> int:
    """The worker above the supervisors of these processes."""
    parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in pids}
    supervisor = next(parent for parent in parents.values() if b"supervisor.py" in Path(f"/proc/{parent}/cmdline").read_bytes())
    relay = int(Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()[1])
    return int(Path(f"/proc/{relay}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_second_attempt_waits_until_the_first_has_ended(tmp_path: Path) -> None:
    first = command.train({}, context(tmp_path, [*FORKS, "{folder}"]))
    next(first)
    pids, found = numbers(tmp_path), list[Epoch]()
    second = threading.Thread(target=lambda: found.extend(trained(tmp_path, [*STEPS, "0.1"])))
    second.start()
    assert len(alive(pids)) == PROCESSES
    first.close()
    second.join()
    assert losses(found) == [0.1]


# How it goes on


def test_a_trial_goes_on_from_the_scripts_checkpoint_and_says_so(tmp_path: Path) -> None:
    whole = trained(tmp_path, SMALL, {"lr": 0.1}, epochs=4, **RESUME)
    (tmp_path / "command-0" / "last.json").write_text('{"epoch": 2}')
    (tmp_path / "command-0" / "stdout.log").write_text("epoch 1: val loss 7\nepoch 2: val loss 7\nepoch 3: val lo")
    state = {"folder": str(tmp_path / "command-0"), "began": 0.0}
    assert losses(trained(tmp_path, SMALL, {"lr": 0.1}, epochs=4, step=2, state=state, **RESUME)) == losses(whole)[2:]
    assert "begins on from epoch 2 with " in said(tmp_path)


def test_epochs_that_were_written_and_not_read_are_read_when_it_goes_on(tmp_path: Path) -> None:
    whole = trained(tmp_path, SMALL, {"lr": 0.1}, epochs=4, **RESUME)
    state = {"folder": str(tmp_path / "command-0"), "began": 0.0}
    rest = trained(tmp_path, SMALL, {"lr": 0.1}, epochs=4, step=1, state=state, **RESUME)
    assert [epoch.step for epoch in rest] == [2, 3, 4]
    assert losses(rest) == losses(whole)[1:]


@pytest.mark.parametrize(("options", "why"), [({}, "the space has no options.resume"), (RESUME, "there is no checkpoint")])
def test_without_a_checkpoint_it_starts_again_in_an_empty_folder_and_says_so(
    tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    whole = trained(tmp_path, SMALL, {"lr": 0.1}, epochs=3, **options)
    (tmp_path / "command-0" / "last.json").unlink()
    (tmp_path / "command-0" / "left").touch()
    assert trained(tmp_path, SMALL, {"lr": 0.1}, epochs=3, step=1, state={}, **options) == whole
    assert not (tmp_path / "command-0" / "left").exists()
    assert f"begins from the start, as {why}" in said(tmp_path)
    assert "epochs 1 to 1 are trained again, and not recorded twice" in said(tmp_path)


def test_a_revived_trial_goes_on_in_a_copy_of_the_parked_ones_folder(tmp_path: Path) -> None:
    for name in ("0001", "0009"):
        (tmp_path / name).mkdir()
    worker = Worker("pitprop.trainers.command", context(tmp_path, SMALL, epochs=3, **RESUME), str(tmp_path / "a.ckpt"))
    lane = Lane(1, 0)
    first = worker.advance(Change(started=[Start(lane, {"lr": 0.1}, 0, str(tmp_path / "0001"))]))
    worker.advance(Change(stopped=[lane]))
    kept = tmp_path / "0001" / "replica-0.ckpt"
    assert checkpoint.epochs(kept) == first
    before = sorted((tmp_path / "0001" / "command-0").iterdir())
    start = Start(Lane(9, 0), {"lr": 0.1}, 0, str(tmp_path / "0009"), step=1, checkpoint=str(kept), source=lane)
    second = worker.advance(Change(started=[start]))
    worker.close()
    assert not isinstance(second, Failure), second
    assert second[Lane(9, 0)].step == 2
    assert f"on from epoch 1 with {tmp_path / '0009' / 'command-0' / 'last.json'}" in said(tmp_path / "0009")
    assert sorted((tmp_path / "0001" / "command-0").iterdir()) == before


def test_what_another_source_has_of_an_epoch_that_is_not_over_there_is_added(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(
        "import pathlib, sys, time\n"
        "with open(sys.argv[1], 'w') as file:\n"
        "    file.write('epoch,val_loss\\n')\n"
        "    for n in 1, 2, 3:\n"
        "        print(f'epoch {n}: val f1 0.{n}', flush=True)\n"
        "        file.write(f'{n},0.5\\n')\n"
        "        file.flush()\n"
        "        while n == 2 and not pathlib.Path(sys.argv[1] + '.go').exists():\n"
        "            time.sleep(0.01)\n"
    )
    training = command.train(
        {}, context(tmp_path, ["{python}", "two.py", "{folder}/m.csv"], metrics=["stdout", "{folder}/m.csv"])
    )
    seen = [next(training)]
    (tmp_path / "command-0" / "m.csv.go").touch()
    seen += training
    assert [epoch.metrics for epoch in seen] == [{"val/loss": 0.5, "val/f1": pytest.approx(n / 10)} for n in (1, 2, 3)]


def test_a_command_that_is_killed_after_an_epoch_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", SMALL, {"lr": 0.1}, epochs=4, **RESUME)
    dying = [*SMALL, "--die-at", "3"]
    found = trained(tmp_path, dying, {"lr": 0.1}, epochs=4, **RESUME)
    assert found == whole
    assert "once more, as the command was ended by signal KILL" in said(tmp_path)
    assert "begins on from epoch 3 with " in said(tmp_path)


def test_without_a_checkpoint_a_command_that_is_killed_starts_again(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", SMALL, {"lr": 0.1}, epochs=4)
    found = trained(tmp_path, [*SMALL, "--die-at", "3"], {"lr": 0.1}, epochs=4)
    assert found == [*whole[:3], *whole]
    assert "begins from the start, as the space has no options.resume: epochs 1 to 3 are trained again" in said(tmp_path)


def test_a_command_that_is_killed_without_having_come_further_fails(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text("print('epoch 1: val loss 1', flush=True)\nimport os\nos.kill(os.getpid(), 9)\n")
    with pytest.raises(CommandError, match="was ended by signal KILL"):
        trained(tmp_path, ["{python}", "twice.py"])
    assert said(tmp_path).count("begins") == 2


@pytest.mark.parametrize("older", [True, False])
def test_a_checkpoint_that_the_command_cannot_read_is_passed_over(tmp_path: Path, older: bool) -> None:
    resume = {**RESUME, "checkpoint": "{folder}/*.json"}
    whole = trained(tmp_path, SMALL, {"lr": 0.1}, epochs=4, **resume)
    own = tmp_path / "command-0"
    if older:
        (own / "before.json").write_text('{"epoch": 1}')
    (own / "stdout.log").write_text("epoch 1: val loss 7\nepoch 2: val loss 7\n")
    (own / "last.json").write_text('{"epo')
    for age, name in enumerate(("last.json", "before.json")):
        if (own / name).exists():
            os.utime(own / name, (1e9 - age, 1e9 - age))
    state = {"folder": str(own), "began": 0.0}
    found = trained(tmp_path, SMALL, {"lr": 0.1}, epochs=4, step=2, state=state, **resume)
    assert found[-2:] == whole[-2:]
    assert "once more, as the command ended with exit code 1: json.decoder.JSONDecodeError" in said(tmp_path)
    why = f"on from epoch 2 with {own / 'before.json'}" if older else "from the start, as there is no other checkpoint"
    assert f"begins {why}" in said(tmp_path)


def test_what_a_script_prints_of_its_training_is_a_reading_of_the_first_epoch(tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(
        "print('config: num_classes=10, warmup_epochs: 3')\nfor n in 1, 2:\n    print(f'epoch {n}: val_loss 2.{n}', flush=True)\n"
    )
    found = trained(tmp_path, ["{python}", "says.py", "--milestones=8", "11"], epochs=2)
    facts = {"facts/classes": 10.0, "facts/warmup": 3.0, "facts/drop/0": 8.0, "facts/drop/1": 11.0}
    assert found[0].metrics == {"val/loss": 2.1, **facts}
    assert found[1].metrics == {"val/loss": 2.2}
