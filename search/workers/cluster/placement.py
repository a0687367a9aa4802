"""How many workers fit the nodes of a cluster: on each node for itself, as a worker is on one of them. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pitprop.messages import Message, message, nmessage
from pitprop.workers.share import Size

NODE_LABEL = "ray.io/node-id"
"""By which Ray knows a node when it is told where to put an actor."""
SLACK = 1e-6
"""By how much sums of fractions are off: three times a third is a whole GPU."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one worker has to itself: CPUs, GPUs (fractions of one, or several whole ones), and of which kind they are."""

    cpus: float = 1.0
    gpus: float = 0.0
    accelerator_type: str | None = None

    def __str__(self) -> str:
        kind = f"{self.accelerator_type} " if self.accelerator_type else ""
        cpus = f"{self.cpus:g} CPU{'' if self.cpus <= 1 else 's'}"
        return f"{cpus} beside {self.gpus:g} {kind}GPU{'' if self.gpus <= 1 else 's'}" if self.gpus else cpus

    def options(self, left_out: Collection[str] = ()) -> dict[str, Any]:
        """What Ray is told of a worker, which is to be on none of the nodes ``left_out``."""
        found: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        if self.accelerator_type:
            found["accelerator_type"] = self.accelerator_type
        if left_out:
            found["label_selector"] = {NODE_LABEL: f"!in({','.join(left_out)})"}
        return found

    def on(self, resources: Mapping[str, float]) -> int:
        """How many workers fit a node with these resources, in Ray's names."""
        if self.accelerator_type and f"accelerator_type:{self.accelerator_type}" not in resources:
            return 0
        cpus = math.floor(resources.get("CPU", 0.0) / self.cpus + SLACK)
        gpus = resources.get("GPU", 0.0)
        if not self.gpus:
            return cpus
        if self.gpus >= 1:
            return min(cpus, math.floor(gpus / self.gpus + SLACK))
        share = math.floor(1 / self.gpus + SLACK)  # of one GPU, as a fraction is never spread over two
        whole = math.floor(gpus + SLACK)
        return min(cpus, whole * share + math.floor((gpus - whole) / self.gpus + SLACK))


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive, with what it has in all and what of it nobody holds."""

    id: str
    address: str
    total: Mapping[str, float]
    free: Mapping[str, float]


def fitting(need: Need, nodes: Iterable[Node]) -> int:
    """How many workers the nodes take when nobody else has any."""
    return sum(need.on(node.total) for node in nodes)


def refusal(need: Need, nodes: Iterable[Node]) -> Message:
    """Why not a single worker fits."""
    return message(
        "no node of Ray's has {need}; {have}: lower resources in the space, or add a node that has as much",
        need=str(need),
        have=_listed(nodes),
    )


def room(need: Need, size: Size, nodes: Sequence[Node], wanted: int) -> Message | None:
    """What to say of a search that begins on these nodes where ``wanted`` workers may start; None if nobody waits for room."""
    fits, free = fitting(need, nodes), sum(need.on(node.free) for node in nodes)
    if not wanted and fits:
        return message("the search waits: it may have 0 workers now (--share)")
    if min(fits, free) == 0:
        return waiting(need)
    asked = size.held if size.most is not None else fits
    return shortage(need, min(asked, size.count), min(fits, free)) if asked > min(fits, free) else None


def waiting(need: Need) -> Message:
    """That there is no room for any worker now."""
    return message("the search waits for a node that has {need} free", need=str(need))


def shortage(need: Need, size: int, fits: int) -> Message:
    """That fewer workers than were asked for have room, and how many there are now."""
    return nmessage(
        "no more node has {need} free: {n} of {size} workers fits, so {n} trains now",
        "no more node has {need} free: {n} of {size} workers fit, so {n} train now",
        fits,
        need=str(need),
        size=size,
    )


def _listed(nodes: Iterable[Node]) -> str:
    """What each node has, in a few words: ``10.0.0.5 has 2 CPUs and 4 GPUs``."""
    told = [f"{node.address} has {_amount(node.total, 'CPU')} and {_amount(node.total, 'GPU')}" for node in nodes]
    return ", ".join(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "") or "it has no nodes"


def _amount(resources: Mapping[str, float], kind: str) -> str:
    have = resources.get(kind, 0.0)
    return f"{have:g} {kind}{'' if have == 1 else 's'}"
