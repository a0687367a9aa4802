"""What asking the service costs: ``make bench-service``.

A service whose drivers train tiny trials in their own processes is asked for one search's state and for the list, in turn, at a
fixed rate, from a process of its own; another process follows the events of all searches. Printed are the median and the 99th
percentile of the time to an answer, counted from when it was due to be asked, the processor time of the service for each request,
and the machine's load. With `--idle` the searches are paused first, so that only the asking costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.chaos import ROOT
from tests.services import Serving, reached, steady

CATALOGUE = f"""
trainers: [{ROOT}/tests/toys/steady.py]
capacity: {{cpus: 4}}
inline: true
limits: {{running: 20, queued: 1000, requests: 1000000}}
"""
TRIALS = 50


def main() -> None:
    """Measures, and prints what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (200)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long (20)")
    parser.add_argument("--followers", type=int, default=100, help="followers of events (100)")
    parser.add_argument("--searches", type=int, default=20, help=f"searches of {TRIALS} trials (20)")
    parser.add_argument("--idle", action="store_true", help="pause the searches first")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--follow", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask or given.follow:
        os.nice(5)
        print(json.dumps(asyncio.run((asked if given.ask else followed)(given))))
    else:
        measured(given)


def measured(given: argparse.Namespace) -> None:
    """Runs a service, and the processes that ask it."""
    home = Path(tempfile.mkdtemp(prefix="bench-service-"))
    service = Serving(home, CATALOGUE)
    try:
        service.start()
        searches = [
            service.submit(yaml=steady(TRIALS, 0.02, confirm=False, epochs=4), name=f"bench{n}") for n in range(given.searches)
        ]
        reached(lambda: sum(service.state(one) == "running" for one in searches) >= min(4, given.searches))
        if given.idle:
            for one in searches:
                service.ask("POST", f"/searches/{one}/pause")
            reached(lambda: all(service.state(one) == "paused" for one in searches))
        report(given, service, searches)
    finally:
        service.close()
        shutil.rmtree(home)


def report(given: argparse.Namespace, service: Serving, searches: list[str]) -> None:
    """Asks, and prints what that took."""
    assert service.process is not None
    host = json.dumps([service.port, searches])
    same = [sys.executable, "-m", "tests.bench.service", "--rate", str(given.rate), "--seconds", str(given.seconds)]
    follows = subprocess.Popen([*same, "--followers", str(given.followers), "--follow", host], stdout=subprocess.PIPE)
    time.sleep(2.0)  # until they all follow
    before, queued, began = processor(service.process.pid), waited(service.process.pid), time.monotonic()
    asks = subprocess.run([*same, "--ask", host], stdout=subprocess.PIPE, check=True)
    took, busy = time.monotonic() - began, processor(service.process.pid) - before
    queued = waited(service.process.pid) - queued
    follows.wait()
    assert follows.stdout is not None
    heard = json.loads(follows.stdout.read())
    print(f"{given.searches} searches {'paused' if given.idle else 'searching'}, {given.followers} followers, {given.rate:g}/s")
    for kind, times in json.loads(asks.stdout).items():
        ordered = sorted(1000 * one for one in times["seconds"])
        middle, late = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
        print(
            f"{kind:>8}: {len(ordered)} answers, {times['wrong']} other than 200, "
            f"median {middle:.1f} ms, 99th percentile {late:.1f} ms"
        )
    count = sum(len(times["seconds"]) for times in json.loads(asks.stdout).values())
    print(f"processor of the service: {1000 * busy / count:.2f} ms a request, {100 * busy / took:.0f} % of a core")
    memory = resident(service.process.pid)
    print(f"its event loop waited for a processor {100 * queued / took:.1f} % of the time; memory {memory:.0f} MB")
    print(f"events: {heard['events']} heard by {heard['followers']} followers; load {os.getloadavg()[0]:.1f}")


def processor(pid: int) -> float:
    """The processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited(pid: int) -> float:
    """The seconds so far that the main thread of a process, its event loop, was ready and had no processor."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def resident(pid: int) -> float:
    """The megabytes of memory that a process holds now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def asked(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    """How long each answer took, by kind of request."""
    port, searches = json.loads(given.ask)
    found: dict[str, dict[str, object]] = {kind: {"seconds": [], "wrong": 0} for kind in ("one", "list")}
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _connection in range(64):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    began = time.monotonic()

    async def ask(number: int) -> None:
        kind = "one" if number % 2 else "list"
        path = f"/v1/searches/{searches[number // 2 % len(searches)]}" if number % 2 else "/v1/searches"
        due = began + number / given.rate
        await asyncio.sleep(due - time.monotonic())
        reader, writer = await free.get()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(length)
        free.put_nowait((reader, writer))
        found[kind]["seconds"].append(time.monotonic() - due)  # type: ignore[attr-defined]
        found[kind]["wrong"] += b" 200 " not in head[:20]  # type: ignore[operator]

    await asyncio.gather(*(ask(number) for number in range(int(given.rate * given.seconds))))
    return found


async def followed(given: argparse.Namespace) -> dict[str, int]:
    """How many events came to how many followers."""
    port, searches = json.loads(given.follow)
    events, alive = 0, 0

    async def follow(number: int) -> None:
        nonlocal events, alive
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = f"/v1/searches/{searches[number % len(searches)]}/events"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
        status = await reader.readline()
        alive += b" 200 " in status
        async for line in reader:
            events += line.startswith(b"id:")

    followers = [asyncio.create_task(follow(number)) for number in range(given.followers)]
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*followers), given.seconds + 4.0)
    return {"events": events, "followers": alive}


if __name__ == "__main__":
    main()
