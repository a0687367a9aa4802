"""Stands in for the agent of Ray's dashboard: ``python agent.py --node-id=ID --session-dir=FOLDER``, started by a raylet.

A raylet starts no node without such an agent, and `ray.init` waits until it has imported all that a dashboard could ask it for.
This one says that it serves nothing, as Ray's own does where the dashboard is not installed, and ends with its raylet.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

PORTS = ("metrics_agent", "metrics_export", "dashboard_agent_listen")
LOOK = 1.0
"""Seconds between two looks whether the raylet still lives; at the end of a search Ray ends this process itself."""


def command(path: str = __file__) -> list[str]:
    """What starts this program, before Ray's own arguments."""
    return [sys.executable, "-S", "-E", path]


def main() -> None:
    raylet = os.getppid()
    given = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--") and "=" in word)
    for name in PORTS:
        file = Path(given["session-dir"], f"{name}_port_{given['node-id']}")
        draft = file.with_suffix(".part")
        draft.write_text("-1", encoding="ascii")
        draft.replace(file)  # in one piece, as the raylet reads it as soon as it is there
    while os.getppid() == raylet:
        time.sleep(LOOK)


if __name__ == "__main__":
    main()
