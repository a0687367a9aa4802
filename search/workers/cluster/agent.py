"""Stands in for an agent of Ray's that nobody asks anything: ``python agent.py --ports=NAMES --node-id=ID --session-dir=FOLDER``.

A raylet starts no node without its two agents, and `ray.init` waits until both have imported all that they could be asked for.
This one says that it listens nowhere, as Ray's own does where the dashboard is not installed, and ends with its raylet.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

PORTS = {"dashboard_agent": "metrics_agent,metrics_export,dashboard_agent_listen", "runtime_env_agent": "runtime_env_agent"}
"""The ports that each agent has to tell, by Ray's name for the agent."""
LOOK = 1.0
"""Seconds between two looks whether the raylet still lives; at the end of a search Ray ends this process itself."""


def command(name: str, path: str = __file__) -> list[str]:
    """What starts this program in the place of the agent ``name``, before Ray's own arguments."""
    return [sys.executable, "-S", "-E", path, f"--ports={PORTS[name]}"]


def main() -> None:
    raylet = os.getppid()
    given = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--") and "=" in word)
    for name in given["ports"].split(","):
        file = Path(given["session-dir"], f"{name}_port_{given['node-id']}")
        draft = file.with_suffix(".part")
        draft.write_text("-1", encoding="ascii")
        draft.replace(file)  # in one piece, as the raylet reads it as soon as it is there
    while os.getppid() == raylet:
        time.sleep(LOOK)


if __name__ == "__main__":
    main()
