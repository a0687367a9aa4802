"""Hand a whole search to a cluster's job server, and follow it from the terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from pitprop import space as spaces
from pitprop.addresses import addresses
from pitprop.cli.options import RunOptions, StudyOptions
from pitprop.messages import _
from pitprop.space import Space, scripts
from pitprop.study.source import space_word
from pitprop.workers.cluster.jobs import SPACE, Jobs, Order, public, public_addresses
from pitprop.workers.cluster.runtime_env import Code

RUNS = "~/pitprop/runs"
"""The folder of runs on the cluster where none is named: that of a job goes with it."""


def hand_over(verb: str, options: StudyOptions, run: RunOptions, *words: str) -> int:
    """Runs ``pitprop VERB`` with ``words`` on the cluster, and follows it: its exit code, 130 if stopped, 0 if looked away."""
    space, runs = spaces.load(options.space), options.runs or RUNS
    jobs, key = _jobs(options.runs, options.ray), f"{verb} {space.name} {runs}"
    job = jobs.running(key)
    text = _("the search runs on the cluster already, as job {job}")
    if job is None:
        job = jobs.submit(_order(space, key, [verb, SPACE, *_flags(options, run), *words, *_there(runs)]))
        text = _("the search runs on the cluster as job {job}, and keeps its runs there in {runs}")
    try:
        _say(text.format(job=job, runs=runs))
        return jobs.follow(job, lambda text: print(text, end="", flush=True))
    except KeyboardInterrupt:
        return _look_away(jobs, job)


def look_there(name: str | None, runs: str | None, ray: str | None, words: Sequence[str]) -> int:
    """Runs ``pitprop doctor`` with ``words`` on the cluster, where a search that is handed over runs: its exit code."""
    jobs, there = _jobs(runs, ray), _there(runs or RUNS)
    if name is None:
        job = jobs.submit(Order("doctor", ["doctor", *words, *there], "", Code(), public_addresses()))
    else:
        job = jobs.submit(_order(spaces.load(name), "doctor", ["doctor", SPACE, *words, *there]))
    try:
        return jobs.follow(job, lambda text: print(*_ours(text), sep="", end="", flush=True))
    except KeyboardInterrupt:
        jobs.stop(job)
        raise


def _ours(text: str) -> list[str]:
    """The lines that Ray's job server has not put before ours."""
    return [line for line in text.splitlines(keepends=True) if not re.search(r"job_manager\.py|^Running entrypoint ", line)]


def _jobs(runs: str | None, ray: str | None) -> Jobs:
    address = addresses(runs, ray).ray
    assert address is not None, "only what names a job server is handed over"
    return Jobs(address)


def _there(runs: str) -> list[str]:
    """The flags that say where: the driver is on a node of the cluster then."""
    return ["--runs", runs, "--ray", "auto"]


def _look_away(jobs: Jobs, job: str) -> int:
    """Asks whether to stop the job; where nobody can answer, it goes on."""
    if sys.stdin.isatty() and _answer().startswith("s"):
        jobs.stop(job)
        _say(_("the search is stopped; what was finished is kept, and the same command resumes from there"))
        return 130
    text = _("the search goes on: the same command follows it again, and this stops it: {command}")
    _say(text.format(command=f"ray job stop --address {jobs.address} {job}"))
    return 0


def _answer() -> str:
    try:
        return input("\n" + _("stop the search (s), or only stop following it (Enter)?") + " ").strip().lower()
    except (KeyboardInterrupt, EOFError):
        return ""


def _order(space: Space, key: str, words: Sequence[str]) -> Order:
    ships = bool(space.path) and space_word(space.path) in spaces.names()
    named = [space_word(space.path) if word == SPACE and ships else word for word in words]
    files = [] if ships else [space.home / space.path.rpartition(os.sep)[2]]
    code = Code(scripts.folders(space), scripts.modules(space), space.pip, [addresses(None).runs], files)
    return Order(key, named, str(files[0]) if files else "", code, public_addresses())


def _flags(options: StudyOptions, run: RunOptions) -> list[str]:
    """The flags of every training, as they were given."""
    given = {"--workers": run.workers, "--seed": run.seed, "--timeout": run.timeout}
    named = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    if storage := run.storage or addresses(None).storage:
        named += ["--storage", public("--storage", storage)]
    switches = {"--json": options.json, "--quiet": run.quiet, "--no-report": not run.report, "--worker-logs": run.worker_logs}
    return [*named, *(name for name, on in {**switches, "--code-changed": run.code_changed}.items() if on)]


def _say(text: str) -> None:
    print(f"pitprop: {text}", file=sys.stderr, flush=True)
