"""Runs candidates as processes of their own, and reads what they did."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import workload

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
LIMIT = 900.0
"""Seconds after which a candidate has failed."""


def timed(commands: Sequence[Sequence[str]]) -> Run:
    """Python processes side by side, each of which ends by printing when its search began and ended."""
    began, used = time.time(), processor()
    answers = [json.loads(output.splitlines()[-1]) for output in execute(commands)]
    wall = time.time() - began
    search = max(answer["ended"] for answer in answers) - min(answer["began"] for answer in answers)
    return checked(Run(wall, search, processor() - used), sum(answer["epochs"] for answer in answers))


def processor() -> float:
    """Processor seconds of all that this process has started, once all of it has ended."""
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what outlives its parent is ours, and counts
    with suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def checked(run: Run, epochs: int) -> Run:
    """The run, if it trained what all candidates have to."""
    if epochs != workload.TRIALS * workload.EPOCHS:
        raise CandidateError(f"{epochs} epochs were trained, not {workload.TRIALS * workload.EPOCHS}")
    return run


def execute(commands: Sequence[Sequence[str]]) -> list[str]:
    """What Python processes print that run side by side; `CandidateError` if one fails."""
    elsewhere = ("STUDY_DB", "MLFLOW_TRACKING_URI", "RAY_ADDRESS")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{HERE}", "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryFile("w+") as log:
        processes = [
            subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
            for command in commands
        ]
        try:
            outputs = [process.communicate(timeout=LIMIT)[0] for process in processes]
        except subprocess.TimeoutExpired as error:
            raise CandidateError(f"it had not ended after {LIMIT:g} s") from error
        finally:
            for process in processes:
                process.kill()
        if any(process.returncode for process in processes):
            log.seek(0)
            raise CandidateError("".join(outputs)[-1000:] + log.read()[-2000:])
    return outputs


def query(database: Path, statement: str, *values: object) -> tuple[object, ...]:
    """The first row of the answer."""
    with closing(sqlite3.connect(database)) as connection:
        row: tuple[object, ...] = connection.execute(statement, values).fetchone()
    return row


class CandidateError(Exception):
    """A candidate did not do what all have to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds: of the whole process, of the search in it, and of the processor, with all that the process has started."""

    wall: float
    search: float
    cpu: float
