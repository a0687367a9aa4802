"""Whether a cluster is well for a search: its nodes, each as Ray and as PyTorch see it, what they reach, and who reaches them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitprop.addresses import safe
from pitprop.health import Check
from pitprop.messages import N_, message, nmessage
from pitprop.workers.cluster import connection
from pitprop.workers.cluster.connection import Local
from pitprop.workers.cluster.placement import Need, Node, fitting, refusal
from pitprop.workers.cluster.runtime_env import Code, packed
from pitprop.workers.files import home
from pitprop.workers.health.node_report import Report, report, tried
from pitprop.workers.launch import LaunchError

AREA, STORAGE = N_("cluster"), N_("storage")
LITTLE = 2 * 2**30
"""Bytes of free disk below which checkpoints may not find room."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search would use: the cluster's ``address``, the folder of ``runs``, the ``storage``, and what a worker needs."""

    address: str
    runs: Path
    storage: str
    need: Need | None = None
    wait: float = 45.0
    """Seconds for a node to answer: the first time it makes the environment in which we run there."""


def look(asked: Asked, draft: Path) -> list[Check]:
    """What is found of the cluster and each of its nodes; ``draft`` is a new folder."""
    try:
        ray = connection.join(asked.address, logs=False, code=lambda: packed(Code(), draft / "code")[0])
    except LaunchError as error:
        return [Check(AREA, "bad", message("{why}", why=str(error)), message("see docs/cluster.md for how a cluster is joined"))]
    try:
        nodes = connection.nodes(ray)
        return [*_whole(ray, nodes, asked), *_each(ray, nodes, asked)]
    finally:
        ray.shutdown()


def look_at_storage(url: str) -> list[Check]:
    """Whether the storage takes what is written from this process."""
    return [_stored("storage", *tried(url), url)]


def _whole(ray: Any, nodes: list[Node], asked: Asked) -> Iterator[Check]:
    """What there is in all, and how many workers fit."""
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    cpus, gpus = (sum(node.total.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    said = nmessage(
        "{n} node with {cpus:g} CPUs and {gpus:g} GPUs, Ray {version}",
        "{n} nodes with {cpus:g} CPUs and {gpus:g} GPUs, Ray {version}",
        len(nodes),
        cpus=cpus,
        gpus=gpus,
        version=ray.__version__,
    )
    yield Check(AREA, "ok", said)
    if not is_token_auth_enabled():
        said = message("Ray accepts requests without a token: anyone who reaches its ports can run code on the nodes")
        yield Check(AREA, "warn", said, message("start the nodes with RAY_AUTH_MODE=token, or close their ports to others"))
    if asked.need is not None:
        fits = fitting(asked.need, nodes)
        text = nmessage("{n} worker with {need} fits", "{n} workers with {need} fit", fits, need=str(asked.need))
        yield Check(AREA, "ok", text) if fits else Check(AREA, "bad", refusal(asked.need, nodes))


def _each(ray: Any, nodes: list[Node], asked: Asked) -> Iterator[Check]:
    """Every node, as it answers."""
    new = not asked.runs.exists()
    known = home.made(asked.runs, asked.storage)
    place = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    remote, answers = ray.remote(report), {}
    for node in nodes:
        strategy = place(node.id, soft=False)
        options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": strategy}
        answers[remote.options(**options).remote(known, asked.storage, bool(node.total.get("GPU")))] = node
    here = report(None, "", False)
    deadline = time.monotonic() + asked.wait
    ray.wait(list(answers), num_returns=len(answers), timeout=asked.wait)
    for answer, node in answers.items():
        area = f"node {node.address}"
        try:
            found: Report = ray.get(answer, timeout=max(0.1, deadline - time.monotonic()))
        except ray.exceptions.GetTimeoutError:
            said = message("it did not answer in {seconds:.0f} seconds", seconds=asked.wait)
            yield Check(
                area, "bad", said, message("look at its Ray (`ray status`, and its logs); a search would wait for it too")
            )
        except ray.exceptions.RayError as error:
            said = message("pitprop cannot run there: {why}", why=connection.fault(str(error)))
            yield Check(area, "bad", said, message("a search leaves it out; give it the Python and Ray of this machine"))
        else:
            yield from _node(area, node, found, here, asked)
    (asked.runs / home.FILE).unlink(missing_ok=True)
    if new:
        asked.runs.rmdir()


def _node(area: str, node: Node, found: Report, here: Report, asked: Asked) -> Iterator[Check]:
    told = ", ".join([f"Python {found.python}", *(f"{name} {one}" for name, one in found.versions.items())])
    has = f"{node.total.get('CPU', 0.0):g} CPUs, {node.total.get('GPU', 0.0):g} GPUs"
    said = message(
        "{host}: {has}; {versions}; {disk:.0f} GB free", host=found.host, has=has, versions=told, disk=found.disk / 1e9
    )
    other = {name: one for name, one in found.versions.items() if here.versions.get(name, one) != one}
    if "torch" not in found.versions:
        yield Check(
            area,
            "warn",
            said,
            message("it has no PyTorch: trainings that import it are left out there; install it, or pip: in the space"),
        )
    elif other:
        yield Check(
            area,
            "warn",
            said,
            message(
                "{names} are of another version here: what one node finds may differ from another in the last digits",
                names=", ".join(other),
            ),
        )
    elif found.disk < LITTLE:
        yield Check(area, "warn", said, message("make room on its disk for temporary files: checkpoints are written there first"))
    else:
        yield Check(area, "ok", said)
    if (gpus := found.gpus) is not None:
        yield _gpus(area, int(node.total.get("GPU", 0)), gpus)
    yield _reached(area, found, asked)
    if found.listening:
        ports = "; ".join(
            f"{name} {', '.join(map(str, some[:4]))}{' …' if len(some) > 4 else ''}" for name, some in found.listening.items()
        )
        yield Check(area, "ok", message("others reach its ports: {ports}", ports=ports))


def _gpus(area: str, counted: int, seen: list[str]) -> Check:
    """What Ray counts beside what PyTorch sees."""
    names = ", ".join(dict.fromkeys(seen)) or "none"
    said = message("GPUs: Ray has {ray}, PyTorch sees {torch} ({names})", ray=counted, torch=len(seen), names=names)
    if len(seen) == counted:
        return Check(area, "ok", said)
    if len(seen) > counted:
        return Check(area, "warn", said, message("start its Ray with --num-gpus={n} to use them all", n=len(seen)))
    return Check(
        area,
        "bad",
        said,
        message(
            "install PyTorch for its CUDA and look at the driver (nvidia-smi), or start its Ray with --num-gpus={n}", n=len(seen)
        ),
    )


def _reached(area: str, found: Report, asked: Asked) -> Check:
    """How checkpoints come from the node to the driver."""
    if found.here:
        return Check(area, "ok", message("it sees the folder of runs, and writes there"))
    if asked.storage:
        return _stored(area, found.stored, found.refused, asked.storage)
    said = message("it does not see the folder of runs: files of up to 64 MiB come back with each epoch")
    return Check(area, "ok", said, message("for larger checkpoints give storage: in the space, or --storage"))


def _stored(area: str, seconds: float | None, refused: str, url: str) -> Check:
    if seconds is None:
        said = message("{why}", why=refused)
        return Check(
            area,
            "bad",
            said,
            message("give each node what the storage asks for (keys in the environment, a role), or correct --storage"),
        )
    return Check(area, "ok", message("{url} takes a file and gives it back in {ms:.0f} ms", url=safe(url), ms=seconds * 1000))


def look_here(draft: Path) -> list[Check]:
    """Without a cluster: whether this machine can start a Ray of a search's own."""
    began = time.monotonic()
    try:
        ray = connection.start(Local(draft, 1), logs=False)
    except LaunchError as error:
        return [Check(AREA, "bad", message("{why}", why=str(error)), message("train with --inline meanwhile"))]
    ray.shutdown()
    said = message(
        "none is named (--ray, RAY_ADDRESS): a search starts Ray {version} here, in {s:.1f} s, on the loopback address",
        version=ray.__version__,
        s=time.monotonic() - began,
    )
    return [Check(AREA, "ok", said)]
