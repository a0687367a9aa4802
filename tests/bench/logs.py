"""What reading logs costs, beside the least that it could: ``make bench-logs``.

For each format a log of --megabytes is written, and read three ways in this process: its lines alone; its lines and the parser
that anybody would take (json.loads, csv.reader, one regular expression, the protocol buffer); and `pitprop diagnose`, up to the
verdicts. Then a log that grows by the same amount in a thousand steps is followed, and the CPU seconds of that are counted.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from pitprop.logs import Epochs, Follower
from pitprop.logs.diagnosis import diagnose

EVERY = 200
"""Rows of training between two validations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200, metavar="N", help="size of a log (200)")
    parser.add_argument("--only", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    options = parser.parse_args()
    print(f"{'format':<12}{'MB':>5}{'lines':>9}{'parser':>9}{'diagnose':>10}{'to parser':>11}{'following 100 MB, CPU s':>25}")
    for name in options.only:
        lines, parse = FORMATS[name]
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            path = Path(folder) / {"csv": "metrics.csv", "jsonl": "scalars.json"}.get(name, "train.log")
            write(path, lines(), options.megabytes)
            bare, parsed = timed(lambda path=path: read(path)), timed(lambda path=path, parse=parse: parse(path))
            ours = timed(lambda path=path: diagnose([path]))
            follow = followed(path)
            size = path.stat().st_size / 1e6
            ratio = f"{ours / parsed:.1f}x"
            print(f"{name:<12}{size:>5.0f}{bare:>8.1f}s{parsed:>8.1f}s{ours:>9.1f}s{ratio:>11}{follow:>25.1f}", flush=True)


def losses() -> Iterator[tuple[int, float]]:
    """Steps and a loss that falls."""
    step = 0
    while True:
        step += 10
        yield step, 0.5 + 3 * math.exp(-step / 5e6)


def jsonl() -> Iterator[str]:
    """As mmengine writes it."""
    for step, loss in losses():
        epoch = step // (10 * EVERY) + 1
        row = {
            "lr": 0.01,
            "data_time": 0.02,
            "loss": loss,
            "top1_acc": 0.5,
            "time": 0.3,
            "epoch": epoch,
            "iter": step,
            "step": step,
        }
        yield json.dumps(row) + "\n"
        if step % (10 * EVERY) == 10 * (EVERY - 1):
            yield json.dumps({"acc/top1": 1 - loss / 4, "data_time": 0.01, "time": 0.1, "step": epoch}) + "\n"


def table() -> Iterator[str]:
    """As Lightning writes it."""
    yield "epoch,step,train_loss,valid_loss\n"
    for step, loss in losses():
        yield f"{step // (10 * EVERY)},{step},{loss!r},\n"
        if step % (10 * EVERY) == 10 * (EVERY - 1):
            yield f"{step // (10 * EVERY)},{step},,{loss!r}\n"


def printed() -> Iterator[str]:
    """As nanoGPT prints it."""
    for step, loss in losses():
        if step % (10 * EVERY) == 10:
            yield f"step {step}: train loss {loss:.4f}, val loss {loss:.4f}\n"
        yield f"iter {step}: loss {loss:.4f}, time {step % 97}.79ms, mfu {step % 7}.01%\n"


def mmengine() -> Iterator[str]:
    """As mmengine prints it."""
    for step, loss in losses():
        epoch, part = divmod(step, 10 * EVERY)
        head = f"2026/11/21 02:23:{step % 60:02d} - mmengine - INFO - Epoch"
        yield (
            f"{head}(train) [{epoch + 1}][{part}/{10 * EVERY}]  lr: 2.6430e-02  eta: 0:00:28  time: 0.2227  data_time: 0.0200  "
            f"loss: {loss:.4f}  top1_acc: 0.3125  top5_acc: 0.8750  loss_cls: {loss:.4f}\n"
        )
        if part == 10 * (EVERY - 1):
            yield f"{head}(val) [{epoch + 1}][17/17]    acc/top1: {1 - loss / 4:.4f}  data_time: 0.0112  time: 0.0539\n"


def write(path: Path, lines: Iterator[str], megabytes: int) -> None:
    with path.open("w") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write("".join(islice(lines, 20_000)))


def read(path: Path) -> int:
    with path.open() as file:
        return sum(1 for _ in file)


def loads(path: Path) -> None:
    with path.open() as file:
        for line in file:
            json.loads(line)


def cells(path: Path) -> None:
    with path.open() as file:
        for row in csv.reader(file):
            [float(cell) for cell in row[2:] if cell and cell[0] not in "tv"]


def matches(path: Path) -> None:
    pattern = re.compile(r"(?:step|iter|Epoch\S+) \S+ .*?loss:? (\S+)")
    with path.open() as file:
        for line in file:
            if match := pattern.search(line):
                float(match[1].rstrip(","))


def followed(path: Path, megabytes: int = 100) -> float:
    """CPU seconds of following as much, in a thousand pieces."""
    data = path.read_bytes()[: megabytes * 1_000_000]
    grows = path.with_name(f"growing-{path.name}")
    grows.touch()
    follower, epochs, spent = Follower(grows), Epochs(), 0.0
    for start in range(0, len(data), len(data) // 1000):
        with grows.open("ab") as file:
            file.write(data[start : start + len(data) // 1000])
        before = time.process_time()
        epochs.add(follower.poll())
        spent += time.process_time() - before
    return spent * megabytes * 1e6 / len(data)


def timed(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


FORMATS: dict[str, tuple[Callable[[], Iterator[str]], Callable[[Path], object]]] = {
    "jsonl": (jsonl, loads),
    "csv": (table, cells),
    "text": (printed, matches),
    "mmengine log": (mmengine, matches),
}

if __name__ == "__main__":
    main()
