"""A driver without trainings, for tests of what looks after drivers: as long-lived, deaf or mortal as its space's question says.

It takes the command line of a driver and writes a journal. The words of the question: ``trials=3`` end one after the other,
``hangs`` does not begin the first time, ``hold`` waits at the end until it is ended, ``die=2`` kills itself so often, ``deaf``
does not hear TERM, ``error=CLASS`` ends with a sentence once, ``error`` always, ``owned`` with that somebody else has the study,
``lets-go`` lets go of its lock a while before it has ended.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any


def write(path: Path, kind: str, body: dict[str, Any]) -> None:
    """As a driver does, which imports more."""
    with path.open("a") as file:
        file.write(json.dumps({"kind": kind, "at": time.time(), "body": body}) + "\n")


def main() -> int:
    path, space = Path(sys.argv[sys.argv.index("--events") + 1]), Path(sys.argv[2])
    question = re.search(r"^question: (.*)$", space.read_text(), re.MULTILINE)
    words = dict(word.partition("=")[::2] for word in (question[1] if question else "").split())
    write(path, "joined", {"pid": os.getpid()})
    with Path("runs.txt").open("a") as file:
        file.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\n")
    runs = len(Path("runs.txt").read_text().splitlines())

    def leave(_number: int, _frame: Any) -> None:
        if "deaf" not in words:
            write(path, "left", {"how": "interrupted"})
            os._exit(143)

    signal.signal(signal.SIGTERM, leave)
    while "hangs" in words and runs == 1:
        signal.pause()
    count = int(words.get("trials", 1))
    write(path, "begun", {"target": count, "trials": 0, "study": space.stem})
    for number in range(count):
        write(path, "trial", {"trial": number, "state": "complete", "verdicts": []})
        write(path, "progress", {"study": space.stem, "target": count, "begun": number + 1, "complete": number + 1})
    if runs <= int(words.get("die", 0)):
        os.kill(os.getpid(), signal.SIGKILL)
    if ("error" in words and (runs == 1 or not words["error"])) or "owned" in words:
        kind = "Owned" if "owned" in words else words["error"] or "SpaceError"
        said = {"how": "error", "class": kind, "said": "it cannot be searched"}
        write(path, "left", said)
        return 1
    while "hold" in words:
        signal.pause()
    write(path, "left", {"how": "ended", "code": 0})
    if "lets-go" in words:
        os.closerange(3, 64)
    return 0


if __name__ == "__main__":
    sys.exit(main())
