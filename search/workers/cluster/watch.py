"""Which nodes a cluster has now, asked beside the search: a head that does not answer holds up no epoch, and is told of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from pitprop.messages import Message, _, message
from pitprop.workers.cluster import connection
from pitprop.workers.cluster.connection import RETURN, RayDied
from pitprop.workers.cluster.placement import Need, Node, fitting, waiting
from pitprop.workers.launch import LaunchError

LOOK = 2.0
"""Seconds between two looks."""
SILENT = 10.0
"""Seconds without an answer after which a user is told."""


class Watch:
    """The nodes of Ray and how many workers with what they ``need`` fit those that are not ``left_out``.

    ``left_out`` has a reason for each. A cluster that was ``joined`` is looked at again and again. ``tell`` is called with what a
    user should know.
    """

    def __init__(
        self, ray: Any, need: Need, left_out: dict[str, str], tell: Callable[[Message], object], *, joined: bool
    ) -> None:
        self._ray, self._need, self._left_out, self._tell, self._joined = ray, need, left_out, tell, joined
        self._mine = connection.own(ray)
        self._known = connection.alive(ray, self._mine)
        self._room = 0
        self._found: SimpleQueue[list[Node] | RayDied] = SimpleQueue()
        self._looks: threading.Thread | None = None
        self._since = time.monotonic()
        """When the look began that is under way, or when the last one was."""
        self._told = self._ended = False

    def nodes(self) -> list[Node]:
        """The nodes as they were known last. `RayDied` if that of this driver is gone; `LaunchError` if the head stays away."""
        now = time.monotonic()
        if self._joined and self._looks is None and now - self._since >= LOOK:
            self._begin()
        while self._looks is not None:
            try:
                found = self._found.get_nowait()
            except Empty:
                self._wait(now - self._since)
                break
            self._looks, self._since, self._told = None, now, False
            if isinstance(found, RayDied):
                raise found
            self._known = found
        return [node for node in self._known if node.id not in self._left_out]

    def fits(self) -> int:
        """How many workers fit the nodes that there are; it is told when none does any more. As `nodes`."""
        before, self._room = self._room, fitting(self._need, self.nodes())
        if before and not self._room:
            self._tell(waiting(self._need))
        return self._room

    def leave_out(self, node: str, problem: str, *, working: bool) -> None:
        """Has workers train on the other nodes; `LaunchError` if there are none.

        Ray does not always say on which node the problem was: then it is that of all, unless some workers are ``working``.
        """
        if node in self._left_out:
            return
        known = self.nodes()
        where = next((one.address for one in known if one.id == node), None)
        if where is None:
            if not working:
                raise LaunchError(problem)
            return
        self._left_out[node] = problem
        if not self._joined or not fitting(self._need, [one for one in known if one.id != node]):
            raise LaunchError(problem)
        self._tell(message("node {node} is left out: {problem}", node=where, problem=problem))

    def lost(self, node: str, error: Any) -> str:
        """What has taken away an actor on ``node`` that ended in ``error``, if that is no fault of its own; else nothing.

        Waits until the head has said which nodes there are now. As `nodes`.
        """
        if not self._joined:
            return ""
        if self._looks is None:
            self._begin()
        while self._looks is not None:
            self.nodes()
            time.sleep(0.05)
        return connection.lost(self._ray, self._known, node, error)

    def close(self) -> None:
        """Ends the look that is under way, unless nobody answers it."""
        self._ended = True
        if self._looks is not None:
            self._looks.join(LOOK)

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._looks = threading.Thread(target=self._look, name="pitprop-watch", daemon=True)
        self._looks.start()

    def _look(self) -> None:
        while not self._ended:
            try:
                self._found.put(connection.alive(self._ray, self._mine))
            except RayDied as died:
                self._found.put(died)
            except Exception:  # Ray's, of a head that does not answer: it is asked until it does
                time.sleep(LOOK)
                continue
            return

    def _wait(self, seconds: float) -> None:
        """Tells of a head that has not answered for so long. `LaunchError` if it never does."""
        if seconds > RETURN:
            raise LaunchError(
                _(
                    "the head of Ray has not answered for {value:g} minutes: start it again; finished trials are "
                    "kept, and the same command resumes"
                ).format(value=RETURN / 60)
            )
        if seconds > SILENT and not self._told:
            self._told = True
            self._tell(
                message(
                    "the head of Ray does not answer: what trains goes on, and the search waits for it, for up to {n:g} minutes",
                    n=RETURN / 60,
                )
            )
