"""What the search costs beside the training, against bare processes and Ray Tune: ``make bench-overhead``.

64 trials of ten short epochs at two workers, one thread each, none stopped early. Every candidate is a process of its own and is
measured twice: *wall* is the life of the process, with imports, the start of Ray and the last export; *search* goes from the
first trial asked for to the last one told. Of Tune, *search* leaves out what comes before the first epoch and after the last.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import workload
from measure import HERE, CandidateError, Run, checked, execute, query, timed


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
        return timed([[str(HERE / "bare.py"), kind, str(a), str(b)] for a, b in pairwise(bounds)])

    return run


def tuned(kind: str) -> Candidate:
    """Ray Tune."""
    return lambda folder, _lanes: timed([[str(HERE / "tuned.py"), kind, str(folder)]])


def ours(folder: Path, lanes: int) -> Run:
    """The command as a user types it; *search* is what the study database says."""
    (folder / "overhead.yaml").write_text(workload.space(lanes), encoding="utf-8")
    began = time.time()
    execute([["-m", "pitprop.cli.main", "search", str(folder / "overhead.yaml"), "--runs", str(folder / "runs")]])
    wall = time.time() - began
    asked, told = query(folder / "runs" / "study.db", "select min(datetime_start), max(datetime_complete) from trials")
    span = "select (julianday(?) - julianday(?)) * 86400"
    (search,) = query(folder / "runs" / "study.db", span, told, asked)
    (exported,) = query(folder / "runs" / "mlflow.db", "select count(*) from runs where status = 'FINISHED'")
    curves = (folder / "runs" / "overhead" / "trials").glob("*/telemetry.jsonl")
    epochs = sum(len(curve.read_text(encoding="utf-8").splitlines()) for curve in curves)
    if exported != workload.TRIALS + 1:
        raise CandidateError(f"{exported} runs are in MLflow, not one a trial and the study's own")
    return checked(Run(wall, float(str(search))), epochs)


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
