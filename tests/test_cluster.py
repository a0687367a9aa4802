"""Searches on a cluster whose nodes have nothing of ours, and come and go: no trial fails of it, and each is told once."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodes
import pytest
import yaml
from conftest import events, records
from nodes import Cluster, Machine, interrupt, said, until
from pitprop import space as spaces
from pitprop.space import Space
from pitprop.study.record import State

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(nodes.why_not()), reason=f"no namespaces here: {nodes.why_not()}"),
]
PLACED = Path(__file__).parent / "toys" / "placed.py"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with nodes.cluster(cpus=0) as found:
        yield found


@dataclass(frozen=True)
class Project:
    """A user's folder, which no node sees, and one for signals, which all see."""

    folder: Path
    signals: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def space(self, **changes: object) -> Space:
        """A search by the trainer in the folder."""
        rows = {
            "question": "Where?",
            "trainer": "placed.py",
            "objective": {"metric": "val/macro_f1"},
            "epochs": 6,
            "trials": 4,
            "params": {"speed": {"float": [0.05, 1.0]}},
            "sampler": "random",
            "signatures": "off",
            "options": {"signals": str(self.signals)},
            **changes,
        }
        path = self.folder / "placed.yaml"
        path.write_text(yaml.safe_dump(rows))
        return spaces.load(str(path))

    def waiting(self, count: int) -> Callable[[], bool]:
        """Whether so many trainings have come to the gate."""
        return lambda: len(list(self.signals.glob("waits-*"))) >= count

    def trained(self) -> int:
        """How many epochs have been trained to their end, those that were trained again among them."""
        return len((self.signals / "trained").read_text().splitlines())

    def go(self) -> None:
        """Opens the gate."""
        (self.signals / "go").touch()

    def hosts(self) -> dict[int, set[int]]:
        """By trial, on which nodes it was trained."""
        found = {}
        for file in sorted(self.runs.glob("*/trials/*/telemetry.jsonl")):
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            found[int(file.parent.name)] = {int(line["where"]) for line in lines}
        return found

    def gpus(self) -> list[set[str]]:
        """The GPUs that each training has seen."""
        files = sorted(self.runs.glob("*/trials/*/telemetry.jsonl"))
        rows = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
        return [{name[4:] for row in one for name in row if name.startswith("gpu/")} for one in rows]

    def curves(self) -> list[list[int]]:
        """The steps of each trial, as they were recorded."""
        files = sorted(self.runs.glob("*/trials/*/telemetry.jsonl"))
        return [[json.loads(line)["step"] for line in file.read_text().splitlines()] for file in files]


@pytest.fixture
def alone(tmp_path: Path) -> Project:
    """A project for a cluster of the test's own."""
    for name in ("project", "signals"):
        (tmp_path / name).mkdir()
    shutil.copyfile(PLACED, tmp_path / "project" / "placed.py")
    return Project(tmp_path / "project", tmp_path / "signals")


@pytest.fixture
def project(cluster: Cluster, alone: Project) -> Iterator[Project]:
    cluster.hidden = [alone.folder]
    yield alone
    cluster.clear()


def undisturbed(space: Space, folder: Path) -> list[tuple[object, ...]]:
    """What the search finds in this process."""
    events(space, folder)
    return outcomes(records(space, folder))


def outcomes(found: Sequence[object]) -> list[tuple[object, ...]]:
    return [(one.number, one.state, dict(one.params), one.values, one.epochs) for one in found]  # type: ignore[attr-defined]


def search(cluster: Cluster, project: Project, space: Space, *words: str, on: Machine | None = None) -> subprocess.Popen[str]:
    return cluster.driver("search", space.path, "--runs", str(project.runs), "--no-report", *words, on=on)


def test_code_and_state_travel_to_nodes_with_nothing_of_ours(cluster: Cluster, project: Project, tmp_path: Path) -> None:
    there = [cluster.add(), cluster.add()]
    space = project.space()
    said(search(cluster, project, space))
    project.go()
    assert outcomes(records(space, project.runs)) == undisturbed(space, tmp_path / "undisturbed")
    assert set().union(*project.hosts().values()) <= {node.host for node in there}


@pytest.mark.parametrize("what", ["worker", "raylet", "node"])
def test_what_dies_of_a_node_costs_no_trial_and_no_epoch_that_had_ended(
    what: str, cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    there = [cluster.add(), cluster.add()]
    space = project.space(options={"signals": str(project.signals), "gate": 4})
    running = search(cluster, project, space)
    until(project.waiting(2), "two trainings at the gate")
    workers = set(there[0].pids("ray::"))
    there[0].kill({"worker": "ray::", "raylet": "raylet", "node": ""}[what])
    until(lambda: not workers & set(there[0].pids("ray::")), "the end of the worker")
    project.go()
    told = said(running)
    found = records(space, project.runs)
    assert [(one.number, one.state) for one in found] == [(number, State.COMPLETE) for number in range(4)], told
    assert project.curves() == [[*range(1, 7)]] * 4
    assert project.trained() == 24
    assert outcomes(found) == undisturbed(space, tmp_path / "undisturbed")
    assert "is tried again from its checkpoint" in told


def test_a_node_whose_disk_is_full_is_left_out_and_costs_no_trial(
    cluster: Cluster, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (disk := tmp_path / "disk").mkdir()
    with monkeypatch.context() as its:
        its.setitem(cluster.environment, "TMPDIR", str(disk))
        cluster.hidden = [project.folder, disk]  # the node has one of its own there
        small = cluster.add()
    cluster.hidden = [project.folder]
    cluster.add()
    space = project.space(options={"signals": str(project.signals), "gate": 4})
    running = search(cluster, project, space)
    until(project.waiting(2), "two trainings at the gate", running)
    subprocess.run(small.inside("mount", "-o", "remount,size=4m", disk), check=True)
    subprocess.run(small.inside("dd", "if=/dev/zero", f"of={disk / 'fill'}", "bs=4k"), capture_output=True)  # until it is full
    project.go()
    told = said(running)
    assert f"node {small.address} is left out: the checkpoint" in told
    assert "(No space left on device)" in told
    assert outcomes(records(space, project.runs)) == undisturbed(space, tmp_path / "undisturbed")


def test_a_node_without_the_program_of_a_command_is_left_out_and_costs_no_trial(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "train"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor epoch in 1 2 3; do echo "{\\"epoch\\": $epoch, \\"val/macro_f1\\": 0.$epoch}"; done\n')
    program.chmod(0o755)
    cluster.hidden = [project.folder, program.parent]
    bad = cluster.add()
    cluster.hidden = [project.folder]
    cluster.add()
    options = {"command": [str(program), "{params}"]}
    space = project.space(trainer="command", options=options, epochs=3, resources={"workers": 2})
    told = said(search(cluster, project, space))
    assert f"node {bad.address} is left out: NotHere: the command {str(program)!r} is not found" in told
    assert [(one.state, one.epochs) for one in records(space, project.runs)] == [(State.COMPLETE, 3)] * 4  # type: ignore[attr-defined]


def test_a_node_that_joins_is_used(cluster: Cluster, project: Project, tmp_path: Path) -> None:
    first = cluster.add()
    space = project.space(options={"signals": str(project.signals), "gate": 4}, epochs=6, trials=5)
    running = search(cluster, project, space)
    until(project.waiting(1), "a training at the gate")
    second = cluster.add()
    until(project.waiting(2), "a training on the node that has joined")
    project.go()
    told = said(running)
    assert set().union(*project.hosts().values()) == {first.host, second.host}
    assert outcomes(records(space, project.runs)) == undisturbed(space, tmp_path / "undisturbed")
    assert "2 workers fit the cluster now" in told


def test_a_node_on_which_the_trainer_does_not_import_is_left_out_with_the_reason(cluster: Cluster, project: Project) -> None:
    good, bad = cluster.add(), cluster.add()
    trainer = project.folder / "placed.py"
    broken = f"import ray.util\nif ray.util.get_node_ip_address() == {bad.address!r}:\n    import no_such_library\n"
    trainer.write_text(trainer.read_text().replace("import math\n", f"import math\n{broken}"))
    told = said(search(cluster, project, project.space(resources={"workers": 2})))
    assert f"node {bad.address} is left out: trainer" in told
    assert "ModuleNotFoundError: No module named 'no_such_library'" in told
    assert set().union(*project.hosts().values()) == {good.host}


@pytest.mark.skipif(importlib.util.find_spec("virtualenv") is None, reason="Ray's pip environments need ray[default]")
def test_a_requirement_that_cannot_be_had_ends_the_search_with_the_words_of_pip(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    cluster.add()  # it reaches no index, and a folder without wheels answers at once
    space = project.space(pip=[f"--no-index --find-links {tmp_path / 'wheels'}", "no-such-requirement==1"])
    refused = search(cluster, project, space)
    _out, err = refused.communicate(timeout=nodes.PATIENCE)
    assert refused.returncode == 1
    assert "its environment cannot be made there: ERROR: Could not find a version" in err


def test_more_workers_than_fit_and_none_that_would_are_told_at_once(cluster: Cluster, project: Project) -> None:
    node = cluster.add(cpus=2, gpus=4)
    told = said(search(cluster, project, project.space(resources={"cpus": 1, "gpus": 0.5, "workers": 3})))
    assert "no more node has 1 CPU beside 0.5 GPU free: 2 of 3 workers fit, so 2 train now" in told
    refused = search(cluster, project, project.space(resources={"cpus": 3, "gpus": 1}), "--trials", "+1")
    _out, err = refused.communicate(timeout=nodes.PATIENCE)
    assert refused.returncode == 1
    assert "no node of Ray's has 3 CPUs beside 1 GPU; " in err
    assert f"{node.address} has 2 CPUs and 4 GPUs" in err


def test_each_training_sees_the_gpus_that_are_its_own(cluster: Cluster, project: Project) -> None:
    cluster.add(cpus=4, gpus=4)
    space = project.space(resources={"gpus": 2}, options={"signals": str(project.signals), "gate": 2}, trials=2)
    running = search(cluster, project, space)
    until(project.waiting(2), "two trainings at the gate, side by side")
    project.go()
    told = said(running)
    seen = project.gpus()
    assert [len(one) for one in seen] == [2, 2]
    assert seen[0] | seen[1] == {"0", "1", "2", "3"}, (told, project.hosts(), sorted(project.signals.glob("*")))


def test_a_search_that_loses_its_share_gives_its_trial_up_after_the_epoch_and_holds_nothing(
    cluster: Cluster, project: Project
) -> None:
    node, share = cluster.add(), project.folder / "share"
    share.write_text("0")
    space = project.space(options={"signals": str(project.signals), "gate": 3}, trials=3)
    running = search(cluster, project, space, "--share", str(share))
    assert running.stderr is not None
    share.write_text("1")
    until(project.waiting(1), "a training, once there is a share")
    share.write_text("0")
    project.go()
    until(lambda: not node.pids("ray::Remote"), "the end of the worker")
    assert project.curves() == [[1, 2, 3]]
    share.write_text("1")
    said(running)
    assert project.curves() == [[*range(1, 7)]] * 3


@pytest.fixture
def patient(tmp_path: Path) -> dict[str, str]:
    """What a head and its nodes are started with so that the head may die: its store, and ten minutes."""
    store = {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(tmp_path / "store")}
    return {**store, "RAY_gcs_rpc_server_reconnect_timeout_s": "600"}


def gated(project: Project) -> Space:
    """One worker trains three trials, of which the first waits at epoch 4 until the gate is open."""
    return project.space(options={"signals": str(project.signals), "gate": 4}, trials=3, resources={"workers": 1})


def told_once(project: Project, space: Space, folder: Path) -> None:
    """Every trial was told once, with every epoch, and as in a search that nothing disturbs."""
    assert project.curves() == [[*range(1, 7)]] * 3
    assert outcomes(records(space, project.runs)) == undisturbed(space, folder)


def test_a_head_that_dies_and_starts_again_with_its_store_costs_nothing(
    alone: Project, patient: dict[str, str], tmp_path: Path
) -> None:
    with nodes.cluster(**patient) as cluster:
        mine, cluster.hidden = cluster.add(cpus=0, bare=False), [alone.folder]
        cluster.add()
        running = search(cluster, alone, space := gated(alone), on=mine)
        until(alone.waiting(1), "a training at the gate", running)
        cluster.head.kill()
        cluster.start_again()
        alone.go()
        told = said(running)
    assert "tried again" not in told
    told_once(alone, space, tmp_path / "undisturbed")


def test_a_driver_on_the_machine_of_a_head_that_starts_again_joins_it_again(
    alone: Project, patient: dict[str, str], tmp_path: Path
) -> None:
    with nodes.cluster(**patient) as cluster:
        cluster.hidden = [alone.folder]
        cluster.add()
        running = search(cluster, alone, space := gated(alone))
        until(alone.waiting(1), "a training at the gate", running)
        cluster.stop(cluster.head)
        alone.go()
        cluster.start_again()
        told = said(running)
    assert "the cluster has lost this machine" in told
    assert "the search joins it again, for up to 10 minutes" in told
    told_once(alone, space, tmp_path / "undisturbed")


def test_a_cut_network_that_heals_before_the_node_counts_as_dead_fails_no_trial(alone: Project, tmp_path: Path) -> None:
    with nodes.cluster(RAY_health_check_failure_threshold="1000") as cluster:
        mine, cluster.hidden = cluster.add(cpus=0, bare=False), [alone.folder]
        cluster.add()
        running = search(cluster, alone, space := gated(alone), on=mine)
        until(alone.waiting(1), "a training at the gate", running)
        cluster.cut(mine)
        alone.go()
        until(lambda: cluster.logged(cluster.head, "Health check failed for node"), "that the head misses the node", running)
        cluster.heal(mine)
        told = said(running)
    assert "the cluster has lost this machine" not in told
    told_once(alone, space, tmp_path / "undisturbed")


def test_a_driver_whose_network_is_cut_for_longer_joins_again(alone: Project, tmp_path: Path) -> None:
    with nodes.cluster() as cluster:
        mine, cluster.hidden = cluster.add(cpus=0, bare=False), [alone.folder]
        cluster.add()
        running = search(cluster, alone, space := gated(alone), on=mine)
        until(alone.waiting(1), "a training at the gate", running)
        cluster.cut(mine)
        until(lambda: mine.address not in cluster.alive(), "that the node counts as dead", running)
        alone.go()
        cluster.heal(mine)
        until(lambda: not mine.pids("raylet"), "the end of its Ray, which hears of it", running)
        cluster.ray(mine, cpus=0)  # as systemd or Kubernetes start it again
        told = said(running)
    assert "the search joins it again, for up to 10 minutes" in told
    told_once(alone, space, tmp_path / "undisturbed")


def test_a_cluster_that_asks_for_its_token_takes_who_has_it_and_tells_others_where_it_is(tmp_path: Path) -> None:
    token, home = "a" * 32, tmp_path / "home"
    shutil.copyfile(PLACED, tmp_path / "placed.py")
    space = Project(tmp_path, tmp_path).space()
    with nodes.cluster(cpus=1, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token) as guarded:
        guarded.forget("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
        words = ["search", space.path, "--runs", str(tmp_path / "runs"), "--no-report"]
        refused = guarded.driver(*words, HOME=str(home))
        _out, err = refused.communicate(timeout=nodes.PATIENCE)
        assert refused.returncode == 1
        assert "asks for its token, and the one here is another, or there is none: copy ~/.ray/auth_token from the head" in err
        (home / ".ray").mkdir(parents=True)
        (home / ".ray" / "auth_token").write_text(token)
        said(guarded.driver(*words, HOME=str(home)))
    assert [one.state for one in records(space, tmp_path / "runs")] == [State.COMPLETE] * 4


JOBS = pytest.mark.skipif(importlib.util.find_spec("aiohttp_cors") is None, reason="Ray's job server needs ray[default]")


@contextmanager
def with_jobs(folder: Path) -> Iterator[tuple[Cluster, Project, Space, list[str]]]:
    """A head that takes jobs, a project whose first trial waits at epoch 3, its space, and the command that hands it over."""
    shutil.copyfile(PLACED, folder / "placed.py")
    project = Project(folder, folder)
    space = project.space(options={"signals": str(folder), "gate": 3})
    words = ["search", space.path, "--runs", str(project.runs), "--no-report", "--ray", "http://127.0.0.1:8265"]
    with nodes.cluster(cpus=1, dashboard=True, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}") as head:
        yield head, project, space, words


@JOBS
def test_an_interrupt_of_a_followed_search_asks_and_stops_it_if_told_to(tmp_path: Path) -> None:
    with with_jobs(tmp_path) as (head, project, space, words):
        follower = head.terminal(*words)
        follower.until("runs on the cluster as job")
        until(project.waiting(1), "a training at the gate")
        follower.type("\x03")
        follower.until("stop the search (s), or only stop following it (Enter)?")
        follower.type("\n")
        follower.until("the search goes on")
        assert follower.ended() == 0
        follower = head.terminal(*words)
        follower.until("runs on the cluster already")
        follower.type("\x03")
        follower.until("stop the search (s), or only stop following it (Enter)?")
        follower.type("s\n")
        follower.until("the search is stopped")
        assert follower.ended() == 130
        project.go()
        assert "resumes from epoch 2" in said(head.driver(*words))
    assert [one.state for one in records(space, project.runs)] == [State.COMPLETE] * 4


@JOBS
def test_a_search_that_is_handed_over_goes_on_when_nobody_looks_and_the_same_command_follows_it(tmp_path: Path) -> None:
    with with_jobs(tmp_path) as (head, project, space, words):
        first = head.driver(*words)
        until(project.waiting(1), "a training at the gate")
        interrupt(first)
        assert "the search goes on: the same command follows it again" in said(first)
        again = head.driver(*words)
        assert again.stderr is not None
        assert "runs on the cluster already" in again.stderr.readline()
        project.go()
        assert "4 of 4 trials: 4 complete" in said(again)
        refused = head.driver(*words, STUDY_DB="postgresql://user:word@host/studies")
        assert "STUDY_DB holds a password, which Ray's dashboard would show" in refused.communicate()[1]
    assert [one.state for one in records(space, project.runs)] == [State.COMPLETE] * 4


@JOBS
def test_who_follows_a_search_is_told_that_its_head_is_gone_and_that_a_new_one_does_not_know_it(tmp_path: Path) -> None:
    with with_jobs(tmp_path) as (head, project, _space, words):
        follower = head.driver(*words)
        until(project.waiting(1), "a training at the gate", follower)
        head.stop(head.head)
        assert follower.stdout is not None
        while "does not answer: the job is followed again when it does" not in (line := follower.stdout.readline()):
            assert line, follower.communicate()
        head.start_again()
        _out, err = follower.communicate(timeout=nodes.PATIENCE)
        assert follower.returncode == 1
        assert "any more, as its head was started anew: the same command resumes" in err
