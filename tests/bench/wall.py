"""Where the time of one `pitprop search` goes, from Enter to its end: ``make bench-wall``.

The moments are those that the study database holds. Processor time is that of every process that the search started, read four
times a second, so that it says on a busy machine too what a calm one would take: a wall of at least half of it on two cores.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUBREAPER = 36
KINDS = {
    "driver": "pitprop.cli.main",
    "exporter to MLflow": "pitprop.track",
    "workers": "ray::",
    "raylet": "raylet/raylet",
    "gcs": "gcs_server",
    "reaper": "reaper",
}
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Prints two tables: the moments of the search in seconds after Enter, and the processor seconds of its processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("space", nargs="?", default="focal_alpha", help="name or path of a space (focal_alpha)")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="further flags of pitprop search")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(SUBREAPER, 1)  # what outlives its parent is ours, and counts
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        began, used = time.time(), dict[tuple[int, str], tuple[str, float]]()
        line = [sys.executable, "-m", "pitprop.cli.main", "search", given.space, "--runs", folder, *given.flags]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            for pid in descendants(os.getpid()):
                note(pid, used)
            time.sleep(0.25)
        ended = time.time()
        moments = {**stored(Path(folder) / "study.db"), "end": ended}
        moments |= {f"{path.name} written": path.stat().st_mtime for path in Path(folder).glob("*/report.html")}
    print(f"exit code {process.returncode}\n\nseconds after Enter")
    for name, at in sorted(moments.items(), key=lambda one: one[1]):
        print(f"  {at - began:7.2f}  {name}")
    print("\nseconds of the processor")
    kinds = dict.fromkeys((kind for kind, _ in used.values()), 0.0)
    for kind, seconds in used.values():
        kinds[kind] += seconds
    for kind, seconds in sorted(kinds.items(), key=lambda one: -one[1]):
        print(f"  {seconds:7.2f}  {kind}")
    print(f"  {sum(kinds.values()):7.2f}  in all")


def stored(database: Path) -> dict[str, float]:
    """When the first trial of each study began, and the last one ended; unix seconds."""
    found = {}
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT study_name, MIN(datetime_start), MAX(datetime_complete) FROM trials JOIN studies USING (study_id) GROUP BY 1"
        )
        for name, *times in rows:
            for what, text in zip(("first trial begins", "last trial ends"), times, strict=True):
                found[f"{name}: {what}"] = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    return found


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        threads = [Path(f"/proc/{pid}/task/{one}/children").read_text().split() for one in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []
    found = [int(child) for child in {*children, *(one for row in threads for one in row)}]
    return [*found, *(one for child in found for one in descendants(child))]


def note(pid: int, used: dict[tuple[int, str], tuple[str, float]]) -> None:
    """Notes what a process has used of the processor so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return
    kind = next((kind for kind, word in KINDS.items() if word in command), None)
    known = used.get((pid, fields[19]), ("other", 0.0))[0]
    kind = kind or (known if not command.strip() else f"other: {' '.join(command.split()[-2:])[:60]}")
    used[(pid, fields[19])] = kind, (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
