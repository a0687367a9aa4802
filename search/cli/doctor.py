"""What a search needs, looked at before a long one: each part in a process of its own, for a limited time, all at once."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop.addresses import Addresses, addresses, is_job_server
from pitprop.cli.output import print_json
from pitprop.errors import UserError
from pitprop.health import ORDER, Check, check
from pitprop.messages import N_, message
from pitprop.processes import module_command, search_path
from rich.console import Console

if TYPE_CHECKING:
    from pitprop.space import Space

LITTLE = 2 * 2**30
"""Bytes of free disk below which a search may not find room for its checkpoints."""


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """For which ``space``, if any, and where a search would run; as the flags of a search say it."""

    space: str | None = None
    runs: str | None = None
    ray: str | None = None
    storage: str | None = None
    json: bool = False


def doctor(options: DoctorOptions) -> int:
    """Prints what was found, a line each; 1 if something is bad."""
    from pitprop.views.terminal.health_table import print_checks

    where = addresses(options.runs, options.ray)
    if is_job_server(where.ray):
        from pitprop.cli.training.handover import look_there

        words = [*(["--storage", options.storage] if options.storage else []), *(["--json"] if options.json else [])]
        return look_there(options.space, options.runs, options.ray, words)
    space = _space(options.space, where)
    storage = options.storage or where.storage or (space.storage if space is not None else None) or ""
    found = look(where, storage, space)
    if options.json:
        print_json({"state": worst(found), "checks": [_plain(one) for one in found]})
    else:
        print_checks(Console(), found)
    return int(worst(found) == "bad")


def look(where: Addresses, storage: str, space: Space | None = None) -> list[Check]:
    """Everything that is found, in the order of a search's beginning."""
    asked = {
        "runs": str(where.runs), "study_db": where.study_db, "mlflow": where.mlflow, "ray": where.ray, "storage": storage,
        "need": None if space is None else [space.resources.cpus, space.resources.gpus, space.resources.accelerator_type],
    }  # fmt: skip
    names = [name for name in PARTS if storage or name != "storage"]
    with ThreadPoolExecutor(len(names)) as pool:
        parts = list(pool.map(lambda name: _asked(name, asked), names))
    none = message(
        "none is named (storage:, --storage, PITPROP_STORAGE), and none is needed where every node sees the folder of runs"
    )
    stored = [] if storage else [Check("storage", "ok", none)]
    return [*_machine(where), *(one for part in parts for one in part), *stored]


def worst(found: Sequence[Check]) -> str:
    """The worst state of all; ok if there is none."""
    return max((one.state for one in found), key=ORDER.index, default="ok")


def _plain(one: Check) -> dict[str, Any]:
    return {"area": one.area, "state": one.state, "said": str(one.said), "do": str(one.do) if one.do else None}


def _space(name: str | None, where: Addresses) -> Space | None:
    if name is None:
        return None
    from pitprop.study.source import find_space

    return find_space(name, where)[0]


def _machine(where: Addresses) -> list[Check]:
    """This machine, on which the driver runs."""
    names = ("ray", "torch", "optuna", "mlflow")
    told = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    area = N_("driver")
    first = Check(area, "ok", message("{host}: {cores} CPUs; {versions}", host=platform.node(), cores=cores, versions=told))
    folder = next(one for one in (where.runs, *where.runs.parents) if one.exists())
    if not os.access(folder, os.W_OK):
        said = message("{folder} cannot be written", folder=str(folder))
        return [first, Check(area, "bad", said, message("name another folder by --runs"))]
    free = shutil.disk_usage(folder).free
    said = message("the folder of runs {folder} can be written, {free:.0f} GB are free", folder=str(where.runs), free=free / 1e9)
    if free < LITTLE:
        return [first, Check(area, "warn", said, message("make room, or name another folder by --runs"))]
    return [first, Check(area, "ok", said)]


# The parts, each in a process of its own


@dataclass(frozen=True, slots=True)
class Part:
    """What a process looks at, and how many seconds it may take."""

    look: Callable[[Mapping[str, Any], Path], list[Check]]
    seconds: float


def _database(asked: Mapping[str, Any], _draft: Path) -> list[Check]:
    from pitprop.study.health import database_health

    return database_health.look(asked["study_db"])


def _tracker(asked: Mapping[str, Any], _draft: Path) -> list[Check]:
    from pitprop.track.health import answers

    return answers.look(asked["mlflow"])


def _cluster(asked: Mapping[str, Any], draft: Path) -> list[Check]:
    from pitprop.workers.cluster.placement import Need
    from pitprop.workers.health import cluster_health

    if asked["ray"] is None:
        return cluster_health.look_here(draft)
    need = Need(*asked["need"]) if asked["need"] else None
    wait = asked["seconds"] / 2
    return cluster_health.look(cluster_health.Asked(asked["ray"], Path(asked["runs"]), asked["storage"], need, wait), draft)


def _storage(asked: Mapping[str, Any], _draft: Path) -> list[Check]:
    from pitprop.workers.health import cluster_health

    return cluster_health.look_at_storage(asked["storage"])


PARTS = {
    "database": Part(_database, 30.0),
    "tracker": Part(_tracker, 40.0),
    "cluster": Part(_cluster, 90.0),
    "storage": Part(_storage, 40.0),
}


def _asked(name: str, asked: Mapping[str, Any]) -> list[Check]:
    """What one part finds; that it did not answer in its time, or broke, if it did."""
    limit = PARTS[name].seconds
    with tempfile.TemporaryDirectory(prefix="pitprop-") as draft:
        words = json.dumps({"part": name, "draft": draft, "seconds": limit, **asked})
        command, known = module_command("pitprop.cli.doctor"), {**os.environ, "PYTHONPATH": search_path()}
        try:
            done = subprocess.run(command, input=words, env=known, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            said = message("no answer in {seconds:.0f} seconds", seconds=limit)
            return [Check(name, "bad", said, message("check whether it runs, and whether a firewall blocks the way to it"))]
    try:
        return [check(one) for one in json.loads(done.stdout.splitlines()[-1])]
    except (IndexError, ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [
            Check(name, "bad", message("it could not be checked: {why}", why=last[:300]), message("report this: it is a bug"))
        ]


def main() -> None:
    """Looks at one part; what to look at comes as JSON, for it may hold a password."""
    asked = json.loads(sys.stdin.read())
    try:
        found = PARTS[asked["part"]].look(asked, Path(asked["draft"]))
    except UserError as error:
        found = [Check(asked["part"], "bad", message("{why}", why=str(error)))]
    print(json.dumps([one.to_json() for one in found]), flush=True)


if __name__ == "__main__":
    main()
