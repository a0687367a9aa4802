"""How well our signatures tell the lost trainings of a data set from the others: ``score(runs(folder, "name"), signatures)``."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pitprop.detection import detect, life
from pitprop.detection.facts import Facts, Peer
from pitprop.driver.judging import REACH
from pitprop.telemetry import Telemetry

from tests.bench.detect import curves
from tests.bench.detect.curves import Run
from tests.bench.detect.figures import Figures, Stop, Stops, figures

T = TypeVar("T")
R = TypeVar("R")
_shared: list[Callable[[int], Any]] = []


@lru_cache(maxsize=8)
def runs(folder: Path | str, name: str) -> tuple[Run, ...]:
    """The data set, parsed once a process."""
    return tuple(curves.load(Path(folder), name))


def score(dataset: Sequence[Run], signatures: Iterable[detect.Signature] | None = None, processes: int = 2) -> Figures:
    """The figures of our signatures, by default all that ship, on ``dataset``: ``score(runs(folder, "name"), signatures)``."""
    return figures(dataset, ours(dataset, signatures, processes))


def ours(dataset: Sequence[Run], signatures: Iterable[detect.Signature] | None = None, processes: int = 2) -> Stops:
    """Where the first ending verdict of ``signatures``, by default of all that ship, stops each run."""
    watched = ending(signatures)
    return parallel(lambda run: judged(run, watched), dataset, processes)


def together(dataset: Sequence[Run], signatures: Iterable[detect.Signature] | None = None, processes: int = 2) -> Stops:
    """Where each run is stopped by one who knows the runs of its study before it, as far as those were trained themselves."""
    watched = ending(signatures)
    studies: dict[str, list[Run]] = {}
    for run in sorted(dataset, key=lambda run: hashlib.sha256(f"{run.study} {run.number}".encode()).hexdigest()):
        studies.setdefault(run.study, []).append(run)
    found: dict[int, Stop | None] = {}
    for stops in parallel(lambda study: _searched(study, watched), list(studies.values()), processes, chunk=1):
        found |= stops
    return [found[run.number] for run in dataset]


def _searched(study: Sequence[Run], signatures: Sequence[detect.Signature]) -> dict[int, Stop | None]:
    """Where the runs of a study, one after another, are stopped; the last `REACH` are peers of the next."""
    found: dict[int, Stop | None] = {}
    peers: list[Peer] = []
    recovery = 0
    for run in study:
        facts = replace(run.facts, peers=tuple(peers[-REACH:]), recovery=recovery or None)
        stop = found[run.number] = judged(replace(run, facts=facts), signatures)
        curve = Telemetry(run.epochs[: stop.step if stop else None])
        peers.append(Peer(run.number, run.facts.params, curve))
        recovery = max(recovery, life.recovery(curve, replace(run.facts, seen=_seen(peers[:-1], run.facts))) or 0)
    return found


def _seen(peers: Sequence[Peer], facts: Facts) -> tuple[float, ...]:
    """The best of the objective in each of the other runs."""
    bests = (peer.telemetry.best(facts.metric, facts.maximize) for peer in peers)
    return tuple(best for best in bests if best is not None)


def ending(signatures: Iterable[detect.Signature] | None = None) -> list[detect.Signature]:
    """Those of ``signatures``, by default of all that ship, whose verdict ends a training."""
    everything = detect.defaults() if signatures is None else signatures
    return [signature for signature in everything if signature.action in detect.ENDING]


def judged(run: Run, signatures: Sequence[detect.Signature]) -> Stop | None:
    """Where live judging ends the run: the first ending verdict of ``detect.replay``, found without the epochs behind it."""
    seen = Telemetry()
    for epoch in run.epochs:
        seen.append(epoch)
        for verdict in detect.judge(seen, run.facts, signatures):
            if verdict.ends:
                return Stop(epoch.step, verdict.signature)
    return None


def parallel(function: Callable[[T], R], items: Sequence[T], processes: int, chunk: int = 16) -> list[R]:
    """``function`` of each item, in order. The processes are forked with both in their memory, so only the answers travel."""
    if processes < 2 or len(items) <= chunk:
        return [function(item) for item in items]
    _shared[:] = [lambda index: function(items[index])]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return pool.map(_nth, range(len(items)), chunksize=chunk)


def _nth(index: int) -> Any:
    return _shared[0](index)


def chosen(study: str, studies: Iterable[str]) -> bool:
    """Whether the study is of the half on which thresholds are chosen: every other one in the order of their names' hashes."""
    return sorted(set(studies), key=lambda name: hashlib.sha256(name.encode()).hexdigest()).index(study) % 2 == 0


def half(dataset: Sequence[Run], first: bool) -> list[Run]:
    """The runs of the studies on which thresholds are chosen, or those of the others."""
    studies = {run.study for run in dataset}
    return [run for run in dataset if chosen(run.study, studies) is first]


def family(run: Run) -> str:
    """What a study is one of: the part of its name before a colon."""
    return run.study.split(":")[0]


def sample(dataset: Sequence[Run], size: int | None) -> Sequence[Run]:
    """About ``size`` of the runs, as large a share of each study, by the hash of their numbers; all if None."""
    if size is None or size >= len(dataset):
        return dataset
    ranked = sorted(dataset, key=lambda run: hashlib.sha256(f"{run.study} {run.number}".encode()).hexdigest())
    studies: dict[str, list[Run]] = {}
    for run in ranked:
        studies.setdefault(run.study, []).append(run)
    kept = {run.number for study in studies.values() for run in study[: max(1, round(len(study) * size / len(dataset)))]}
    return [run for run in dataset if run.number in kept]
