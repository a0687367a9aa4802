"""What pip does on the nodes of a cluster before workers start there, as Ray itself says nothing until it has given up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitprop.messages import Message, message
from pitprop.workers.cluster import connection
from pitprop.workers.cluster.placement import Node

LOOK = 5.0
"""Seconds between two looks."""
SLOW = 30.0
"""Seconds of installing after which a user is told."""


@dataclass(frozen=True, slots=True)
class Said:
    """What Ray's log of a node has of pip: whether it is at it, and its ``error``; ``final`` if trying again is in vain."""

    busy: bool = False
    error: str = ""
    final: bool = False


class Installing:
    """Looks after the nodes that install the ``requirements`` of a space. ``tell`` is called with what a user should know."""

    def __init__(self, ray: Any, requirements: Sequence[str], tell: Callable[[Message], object]) -> None:
        self._ray, self._requirements, self._tell = ray, ", ".join(requirements), tell
        self._began, self._looked = time.monotonic(), 0.0
        self._asked: dict[Any, Node] = {}
        self._told: set[tuple[str, str]] = set()

    def failures(self, nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
        """The nodes that cannot have what is required, each with pip's own words; what else they do is told. Waits for nobody."""
        now = time.monotonic()
        if not self._asked and now - self._looked >= LOOK:
            self._looked = now
            self._asked = {self._ask(node): node for node in nodes}
        answered = self._ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0)[0] if self._asked else []
        for answer in answered:
            node = self._asked.pop(answer)
            try:
                found: Said = self._ray.get(answer)
            except self._ray.exceptions.RayError:  # the node is gone, or too full for a look
                continue
            if found.final:
                yield node.id, found.error
            elif found.error:
                self._say(
                    node, found.error, message("node {node}: {error}; Ray tries it again", node=node.address, error=found.error)
                )
            elif found.busy and now - self._began > SLOW:
                said = message(
                    "node {node} installs {what} (pip: in the space), and its workers start when it has",
                    node=node.address,
                    what=self._requirements,
                )
                self._say(node, "", said)

    def _ask(self, node: Node) -> Any:
        there = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)
        options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there, "enable_task_events": False}
        return self._ray.remote(_look).options(**options).remote()

    def _say(self, node: Node, what: str, said: Message) -> None:
        if (node.id, what) not in self._told:
            self._told.add((node.id, what))
            self._tell(said)


def _look() -> Said:
    """Runs on a node: reads its log of this job's environments."""
    import ray

    node: Any = ray._private.worker._global_node
    folder = Path(node.get_logs_dir_path())
    try:
        text = (folder / f"runtime_env_setup-{ray.get_runtime_context().get_job_id()}.log").read_text(errors="replace")
    except OSError:
        return Said()
    return read(text)


def read(text: str) -> Said:
    """What a log says of pip's last attempt."""
    attempts = text.split("Installing python requirements to ")
    if len(attempts) == 1:
        return Said(busy=bool(text.strip()))
    said = next((one for one in reversed(attempts[1:]) if "ERROR: " in one), "")
    if not said:
        return Said(busy="Output of cmd" not in attempts[-1])
    lines = [line.strip() for line in said.splitlines()]
    # A name or version that is not to be had is as good as gone, unless the index itself could not be asked.
    final = "ERROR: No matching distribution found" in said and not re.search(r"WARNING: Retrying|connection broken", said)
    return Said(True, connection.fault("\n".join(lines)), final)


def unmade(why: str) -> Message:
    """That a node cannot make the environment of a training."""
    return message("its environment cannot be made there: {why}", why=why)
