"""How our signatures and their peers do on recorded trainings with known ends: ``make bench-detect CURVES=folder``.

The folder holds data sets as ``curves`` describes them. Peers see what their rules read; Optuna's pruners see each study's runs
one after another, in a fixed order. Of ours, the shipped defaults are shown on all studies and on both halves of them;
``ARGS=--fit`` chooses thresholds on one half and shows what they do on the other, ``ARGS="--fit --leave-out imb"`` chooses them
on half of the studies of all other families and shows what they do on the whole of that one, which they have not seen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from statistics import median
from time import perf_counter

from pitprop.detection import detect
from pitprop.telemetry import Epoch, Telemetry

from tests.bench.detect import pools, words
from tests.bench.detect.curves import Run, answered, datasets, unstated
from tests.bench.detect.figures import Stops, figures
from tests.bench.detect.fit import changed, fit
from tests.bench.detect.peers import PEERS
from tests.bench.detect.pruners import pruned
from tests.bench.detect.score import family, half, ours, parallel, runs, sample, together
from tests.bench.detect.table import HEADER, WIDTH, memorised, misses, row, signatures

HISTORY = 500
TIMED = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables: 0, or 2 if there are no data sets."""
    options = _options(arguments)
    if options.made:
        from tests.bench.detect.made.__main__ import make  # torch only where it trains

        make(options.curves)
    try:
        found = {name: read(name, options) for name in datasets(options.curves, options.only)}
        _left_out(found, options.leave_out)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for name, dataset in found.items():
        table(name, dataset, options)
    if options.pools:
        _pools(options)
    _cost(found)
    if options.fit:
        _fit(found, options.leave_out, options.processes)
    return 0


def read(name: str, options: argparse.Namespace) -> Sequence[Run]:
    """The data set, as a search sees it that is told where chance is, or one that is not."""
    dataset = sample(runs(options.curves, name), options.sample)
    known = answered if options.answered else unstated if options.no_chance else None
    return [known(run) for run in dataset] if known else dataset


def table(name: str, dataset: Sequence[Run], options: argparse.Namespace) -> None:
    """Prints what each way of stopping does on one data set, and which of our signatures did it."""
    where = (together if options.study else ours)(dataset, None, options.processes)
    print(f"\n{name}: {len(dataset)} runs of {len({run.study for run in dataset})} studies\n{HEADER}")
    print(row("pitprop", figures(dataset, where)))
    for first, title in ((True, "  one half"), (False, "  the other")):
        part = {run.number for run in half(dataset, first)}
        inside = [run.number in part for run in dataset]
        print(row(title, figures(list(compress(dataset, inside)), list(compress(where, inside)))))
    for title, stops in () if options.ours else _peers(dataset, options.processes):
        print(row(title, figures(dataset, stops)) if stops else f"{title:<{WIDTH}}{'n/a':>18}", flush=True)
    print(*signatures(figures(dataset, where)), *memorised(dataset, where), sep="\n")
    if options.words:
        whole = sample(runs(options.curves, name), options.sample)
        print("  of these sentences so many are true:", *words.table(whole, dataset, options.processes), sep="\n")
    if options.misses:
        print(*misses(dataset, where), sep="\n")


def _pools(options: argparse.Namespace) -> None:
    """Prints what our signatures do on the pools of the built-in workloads, and to those that leave chance late and end well."""
    for name in pools.workloads(options.pools):
        dataset = (
            [unstated(run) for run in pools.runs(options.pools, name)] if options.no_chance else pools.runs(options.pools, name)
        )
        where = (together if options.study else ours)(dataset, None, options.processes)
        stopped = pools.late(dataset, where)
        print(f"\nthe pool of {name}: {len(dataset)} trainings\n{HEADER}\n{row('pitprop', figures(dataset, where))}")
        print(*signatures(figures(dataset, where)), sep="\n")
        print(
            f"  stopped of {stopped.whole} that left chance after {pools.LATE:.0%} of the budget and ended well: {stopped.part}"
        )


def _peers(dataset: Sequence[Run], processes: int) -> Iterator[tuple[str, Stops]]:
    """Each peer with where it stops the runs; nothing where the data set holds nothing that it reads."""
    for title, peer in PEERS.items():
        yield title, parallel(peer.rule, dataset, processes) if any(peer.applies(run) for run in dataset) else []
    for title, stops in pruned(dataset, processes).items():
        yield f"Optuna {title}", stops


def _cost(found: Mapping[str, Sequence[Run]]) -> None:
    """Prints what judging costs, on the data set with the richest telemetry."""
    dataset = max(found.values(), key=lambda dataset: max(len(run.epochs[0].metrics) for run in dataset))
    print(f"\nJudging one epoch with all {len(detect.defaults())} signatures after up to {HISTORY} epochs:")
    for label in ("healthy", "dead"):
        run = next((run for run in dataset if run.label == label), None)
        if run:
            spent = timed(run)
            print(f"  a {label} run: median {median(spent):.2f} ms, worst of the last {TIMED} epochs {max(spent):.2f} ms")


def timed(run: Run) -> list[float]:
    """The milliseconds that judging takes at each of the last `TIMED` epochs of the run, drawn out to `HISTORY` epochs."""
    epochs = [Epoch(t + 1, run.epochs[t * len(run.epochs) // HISTORY].metrics) for t in range(HISTORY)]
    facts, everything, seen, spent = replace(run.facts, budget=HISTORY), detect.defaults(), Telemetry(), []
    for epoch in epochs:
        seen.append(epoch)
        begun = perf_counter()
        detect.judge(seen, facts, everything)
        spent.append(1e3 * (perf_counter() - begun))
    return spent[-TIMED:]


def _left_out(found: Mapping[str, Sequence[Run]], families: Sequence[str]) -> None:
    """``ValueError`` for a family that is not there."""
    known = {family(run) for dataset in found.values() for run in dataset}
    if unknown := sorted({*families} - known):
        raise ValueError(f"there is no family {unknown[0]!r} to leave out: there are {', '.join(sorted(known))}")


def _fit(found: Mapping[str, Sequence[Run]], families: Sequence[str], processes: int) -> None:
    """Prints the thresholds that the first half of the studies would choose, and what they do on what they have not seen."""
    seen = [run for dataset in found.values() for run in half(dataset, True) if family(run) not in families]
    choice = fit(seen, processes)
    print(f"\nChosen on {len(seen)} runs, half of the studies of {', '.join(sorted({*map(family, seen)}))}:")
    for signature, threshold, shipped, value in changed(choice):
        print(f"  {signature}: {threshold} {value:g} (ships as {shipped:g})")
    print(f"On what they have not seen:\n{HEADER}")
    for name, dataset in found.items():
        left = [run for run in dataset if family(run) in families]
        for title, held in (
            (name, half([run for run in dataset if family(run) not in families], False)),
            (f"{name}, left out", left),
        ):
            if held:
                print(row(f"{title}, shipped", figures(held, ours(held, None, processes))))
                print(row(f"{title}, chosen", figures(held, ours(held, choice, processes))), flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-detect", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("curves", type=Path, help="folder with x_runs.parquet and x_points.parquet")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="data sets to use, by name")
    parser.add_argument(
        "--made", action="store_true", help="make our own curves of many kinds first, those that the folder lacks"
    )
    parser.add_argument("--no-chance", action="store_true", help="tell nothing of classes, chance and warm-up")
    parser.add_argument("--answered", action="store_true", help="tell what is asked for before a search, and nothing else")
    parser.add_argument("--words", action="store_true", help="how many of the sentences of each signature are true")
    parser.add_argument("--study", action="store_true", help="judge each run in the light of those of its study before it")
    parser.add_argument("--pools", type=Path, metavar="FOLDER", help="pools that make bench-search trained, to judge as well")
    parser.add_argument("--ours", action="store_true", help="only our signatures, without their peers")
    parser.add_argument("--misses", action="store_true", help="list the dead runs not found and the runs killed for nothing")
    parser.add_argument("--fit", action="store_true", help="choose thresholds on one half of the studies, show the other")
    parser.add_argument("--leave-out", nargs="+", default=(), metavar="FAMILY", help="with --fit: choose without these families")
    parser.add_argument("--sample", type=int, metavar="N", help="about so many runs of each data set, a share of each study")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="processes to judge with (2)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
