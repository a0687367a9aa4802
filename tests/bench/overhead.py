"""What the search costs beside the training, against bare processes and Ray Tune: ``make bench-overhead``.

64 trials of ten short epochs at two workers, one thread each, none stopped early. Every candidate is a process of its own and is
measured twice: *wall* is the life of the process, with imports, the start of Ray and the last export; *search* goes from the
first trial asked for to the last one told. Of Tune, *search* leaves out what comes before the first epoch and after the last.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import workload

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
LIMIT = 900.0
"""Seconds after which a candidate has failed."""


def main() -> int:
    """Runs the candidates in turn and prints the table: 0, or 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of each candidate, in turn; the median counts")
    parser.add_argument("--lanes", type=int, default=16, metavar="K", help="lanes of the search with lanes (16)")
    parser.add_argument("--only", nargs="+", choices=list(CANDIDATES), default=list(CANDIDATES), help="candidates to run")
    options = parser.parse_args()
    runs: dict[str, list[Run]] = {name: [] for name in options.only}
    failed = False
    for _ in range(options.repeat):
        for name, measured in runs.items():
            with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
                try:
                    measured.append(CANDIDATES[name](Path(folder), options.lanes))
                    print(f"  {name:<14} wall {measured[-1].wall:6.1f} s   search {measured[-1].search:6.1f} s", flush=True)
                except CandidateError as error:
                    failed = True
                    print(f"  {name} failed: {error}", file=sys.stderr)
    print_table({name: median(measured) for name, measured in runs.items() if measured})
    return int(failed)


def bare(kind: str) -> Candidate:
    """Two processes, each with half of the configurations."""

    def run(_folder: Path, _lanes: int) -> Run:
        bounds = [workload.TRIALS * worker // workload.WORKERS for worker in range(workload.WORKERS + 1)]
        return timed([[str(HERE / "bare.py"), kind, str(a), str(b)] for a, b in zip(bounds, bounds[1:], strict=False)])

    return run


def tuned(kind: str) -> Candidate:
    """Ray Tune."""
    return lambda folder, _lanes: timed([[str(HERE / "tuned.py"), kind, str(folder)]])


def ours(folder: Path, lanes: int) -> Run:
    """The command as a user types it; *search* is what the study database says."""
    (folder / "overhead.yaml").write_text(workload.space(lanes), encoding="utf-8")
    began = time.time()
    execute([["-m", "search.cli", "search", str(folder / "overhead.yaml"), "--runs", str(folder / "runs")]])
    wall = time.time() - began
    asked, told = query(folder / "runs" / "study.db", "select min(datetime_start), max(datetime_complete) from trials")
    span = "select (julianday(?) - julianday(?)) * 86400"
    (search,) = query(folder / "runs" / "study.db", span, told, asked)
    (exported,) = query(folder / "runs" / "mlflow.db", "select count(*) from runs where status = 'FINISHED'")
    curves = (folder / "runs" / "overhead" / "trials").glob("*/telemetry.jsonl")
    epochs = sum(len(curve.read_text(encoding="utf-8").splitlines()) for curve in curves)
    if exported != workload.TRIALS + 1:
        raise CandidateError(f"{exported} runs are in MLflow, not one a trial and the study's own")
    return checked(Run(wall, float(search)), epochs)


def timed(commands: Sequence[Sequence[str]]) -> Run:
    """Python processes side by side, each of which ends by printing when its search began and ended."""
    began = time.time()
    answers = [json.loads(output.splitlines()[-1]) for output in execute(commands)]
    wall = time.time() - began
    search = max(answer["ended"] for answer in answers) - min(answer["began"] for answer in answers)
    return checked(Run(wall, search), sum(answer["epochs"] for answer in answers))


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


def median(runs: Sequence[Run]) -> Run:
    """Of each time on its own."""
    return Run(statistics.median(run.wall for run in runs), statistics.median(run.search for run in runs))


def print_table(runs: dict[str, Run]) -> None:
    """The times, and the ratios that are wanted with what became of them."""
    print(f"\n{'seconds':<30}{'wall':>16}{'search':>16}")
    for name, run in runs.items():
        print(f"{name:<30}{run.wall:>16.2f}{run.search:>16.2f}")
    print(f"\n{'ratio':<30}{'wall':>16}{'search':>16}")
    for numerator, denominator, sign, bound in WANTED:
        if numerator in runs and denominator in runs:
            above, below = runs[numerator], runs[denominator]
            ratios = (above.wall / below.wall, above.search / below.search)
            words = ["ok" if (ratio <= bound if sign == "<=" else ratio >= bound) else "missed" for ratio in ratios]
            cells = [f"{ratio:.2f} {word:<6}" for ratio, word in zip(ratios, words, strict=True)]
            print(f"{f'{numerator} / {denominator} {sign} {bound:g}':<30}{cells[0]:>16}{cells[1]:>16}")


class CandidateError(Exception):
    """A candidate did not do what all have to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds: of the whole process, and of the search in it."""

    wall: float
    search: float


Candidate = Callable[[Path, int], Run]

CANDIDATES: dict[str, Candidate] = {
    "bare": bare("trainer"),
    "bare-torch": bare("torch"),
    "ours": lambda folder, _lanes: ours(folder, 1),
    "ours-lanes": ours,
    "tune": tuned("fresh"),
    "tune-reused": tuned("reused"),
}
WANTED = (
    ("ours", "bare", "<=", 1.3),
    ("ours-lanes", "bare", "<=", 0.4),
    ("tune", "ours", ">=", 10.0),
    ("tune-reused", "ours", ">=", 1.0),
)

if __name__ == "__main__":
    sys.exit(main())
