"""What the search costs beside the training, against bare processes and Ray Tune: ``make bench-overhead``.

64 trials of ten short epochs at two workers, one thread each, none stopped early. Every candidate is a process of its own and is
measured thrice: *wall* is the life of the process, with imports, the start of Ray and the last export; *search* goes from the
first trial asked for to the last one told; *processor* is the time of all processes, which says on a busy machine what a calm one
would take. Of Tune, *search* leaves out what comes before the first epoch and after the last.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path

import workload
from measure import HERE, CandidateError, Run, checked, execute, processor, query, timed


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
    began, used = time.time(), processor()
    execute([["-m", "pitprop.cli.main", "search", str(folder / "overhead.yaml"), "--runs", str(folder / "runs")]])
    wall, used = time.time() - began, processor() - used
    asked, told = query(folder / "runs" / "study.db", "select min(datetime_start), max(datetime_complete) from trials")
    span = "select (julianday(?) - julianday(?)) * 86400"
    (search,) = query(folder / "runs" / "study.db", span, told, asked)
    (exported,) = query(folder / "runs" / "mlflow.db", "select count(*) from runs where status = 'FINISHED'")
    curves = (folder / "runs" / "overhead" / "trials").glob("*/telemetry.jsonl")
    epochs = sum(len(curve.read_text(encoding="utf-8").splitlines()) for curve in curves)
    if exported != workload.TRIALS + 1:
        raise CandidateError(f"{exported} runs are in MLflow, not one a trial and the study's own")
    return checked(Run(wall, float(str(search)), used), epochs)


def median(runs: Sequence[Run]) -> Run:
    """Of each time on its own."""
    return Run(*(statistics.median(times) for times in zip(*map(astuple, runs), strict=True)))


def print_table(runs: dict[str, Run]) -> None:
    """The times, and the ratios that are wanted with what became of them."""
    print(f"\n{'seconds':<24}{'wall':>18}{'search':>18}{'processor':>18}")
    for name, run in runs.items():
        print(f"{name:<24}{run.wall:>18.2f}{run.search:>18.2f}{run.cpu:>18.2f}")
    print(f"\n{'ratio':<24}{'wall':>18}{'search':>18}{'processor':>18}")
    for (numerator, denominator), bounds in WANTED.items():
        if numerator in runs and denominator in runs:
            ratios = [above / below for above, below in zip(astuple(runs[numerator]), astuple(runs[denominator]), strict=True)]
            cells = [cell(ratio, bound) for ratio, bound in zip(ratios, (*bounds, bounds[0]), strict=True)]
            print(f"{f'{numerator} / {denominator}':<24}" + "".join(cells))


def cell(ratio: float, bound: float) -> str:
    """A ratio with its bound, of at most so much, or at least where it is negative, and what became of it."""
    word = "ok" if (ratio <= bound if bound > 0 else ratio >= -bound) else "missed"
    return f"{ratio:.2f} {'<=' if bound > 0 else '>='} {abs(bound):g} {word}".rjust(18)


Candidate = Callable[[Path, int], Run]

CANDIDATES: dict[str, Candidate] = {
    "bare": bare("trainer"),
    "bare-torch": bare("torch"),
    "ours": lambda folder, _lanes: ours(folder, 1),
    "ours-lanes": ours,
    "tune": tuned("fresh"),
    "tune-reused": tuned("reused"),
}
WANTED = {
    ("ours", "bare"): (1.6, 1.2),
    ("ours-lanes", "bare"): (1.0, 0.4),
    ("tune", "ours"): (-10.0, -10.0),
    ("tune-reused", "ours"): (-1.0, -1.0),
}
"""The ratios that are wanted of wall and search; of the processor as of wall."""

if __name__ == "__main__":
    sys.exit(main())
