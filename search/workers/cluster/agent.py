"""Stands in for an agent of Ray's until somebody asks it: ``python agent.py NAME COUNT WORDS... --node-id=ID ...``.

A raylet starts no node without its two agents, and `ray.init` waits until both have imported all that they could be asked for.
In the place of the one for the dashboard this says that it listens nowhere, as Ray's own does where no dashboard is installed.
In the place of the one for runtime environments it becomes Ray's own, by the ``COUNT`` words that start it, as soon as one is
asked for. It ends with its raylet.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

DASHBOARD, ENVIRONMENTS = "dashboard_agent", "runtime_env_agent"
NOWHERE = ("metrics_agent", "metrics_export", "dashboard_agent_listen")
"""The ports that the dashboard's agent has to tell."""
LOOK = 1.0
"""Seconds between two looks whether the raylet still lives; at the end of a search Ray ends this process itself."""


def command(name: str, words: Sequence[str], path: str = __file__) -> list[str]:
    """What starts this program in the place of the agent ``name``, which the ``words`` start, before Ray's own arguments."""
    return [sys.executable, "-S", "-E", path, name, str(len(words)), *words]


def main() -> None:
    raylet, name, count = os.getppid(), sys.argv[1], int(sys.argv[2])
    words, further = sys.argv[3 : 3 + count], sys.argv[3 + count :]
    given = dict(word[2:].split("=", 1) for word in further if word.startswith("--") and "=" in word)
    if name == ENVIRONMENTS:
        listener = socket.create_server((given["node-ip-address"], 0))
        port = listener.getsockname()[1]
        _tell(given, ENVIRONMENTS, port)
        while os.getppid() == raylet:
            if select.select([listener], [], [], LOOK)[0]:
                listener.close()  # the raylet asks again until an agent answers
                os.execv(words[0], [*words, *further, f"--runtime-env-agent-port={port}"])  # nosec B606
        return
    for one in NOWHERE:
        _tell(given, one, -1)
    while os.getppid() == raylet:
        time.sleep(LOOK)


def _tell(given: dict[str, str], name: str, port: int) -> None:
    """Writes the port where the raylet waits for it."""
    file = Path(given["session-dir"], f"{name}_port_{given['node-id']}")
    draft = file.with_suffix(".part")
    draft.write_text(str(port), encoding="ascii")
    draft.replace(file)  # in one piece, as the raylet reads it as soon as it is there


if __name__ == "__main__":
    main()
