"""Has two services search all the time on one database while they are disturbed, and checks what is left: ``make soak``.

One service trains inline and logs to an MLflow server, the other trains on Ray. Small searches are submitted all the time; some
are paused, extended or cancelled. Meanwhile services, drivers, workers and Ray's own processes are killed, PostgreSQL is
restarted, MLflow goes away and comes back, the disk of the runs fills, and PostgreSQL's clock is moved. What has to hold at the
end, whatever happened: every request to search became one search, and each came to its end; every trial is told once, and the
study holds the same ones; events are numbered without a gap, for who asks and for who follows; MLflow has no trial twice; what
was answered with a 5xx said that it can be tried again; and no process and no temporary file is left.

SOAK_SECONDS (300) bounds the disturbances; what is open then is waited for. SOAK_SEED is printed: the same seed deals the same
blows, though a machine is not as quick every time. What cannot be done here is said to be left out: without PostgreSQL both
services share a SQLite file, the disk is filled where a small one can be mounted, and the clock is moved where libfaketime is.
A run that fails keeps its folder; one that is interrupted, by Ctrl-C or TERM, prints its counts, and nothing of it stays.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pitprop.errors import UserError
from pitprop.processes import weigh
from pitprop.service.clients.client import Client
from pitprop.service.database import tables
from pitprop.service.database.ledger import Store
from pitprop.service.models import SearchState
from pitprop.service.running.places import Places
from pitprop.service.running.supervision import LEASE

from tests.chaos import ROOT, TITLES, processes
from tests.postgres import Server
from tests.services import Serving, steady
from tests.soaked import Soak, Tracker, check, left

CATALOGUE = f"""
trainers: [{ROOT}/tests/toys/steady.py]
capacity: {{cpus: 4}}
limits: {{running: 20, queued: 1000, requests: 100000}}
"""
PATIENCE, LONGEST = 900.0, 3600.0
"""Seconds without news of any search, and in all, in which everything comes to its end once nothing is disturbed any more."""
DISK = 96
"""MiB of the disk that is filled."""
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
OVER = (SearchState.DONE, SearchState.FAILED, SearchState.CANCELLED)


# Who uses it


def keep(soak: Soak) -> None:
    """Starts a service again that ended by itself, as when PostgreSQL is down; drivers, which may starve, weigh as others."""
    while not soak.ended.wait(2.0):
        for one in soak.services:
            if one not in soak.down and one.process is not None and one.process.poll() is not None:
                soak.count("service ended by itself and started again")
                one.launch()
        for pid in processes(soak.scratch):
            with suppress(OSError):  # it has ended, or this is for root alone
                if os.getpriority(os.PRIO_PROCESS, pid) > 0:
                    os.setpriority(os.PRIO_PROCESS, pid, 0)
                    weigh(0, pid)


def submit(soak: Soak, number: int) -> None:
    """Submits a search once, however often that has to be sent."""
    draw = random.Random(f"search {number}")
    text = steady(draw.randint(3, 6), draw.choice((0.01, 0.05)), seed=number, confirm=False, retries=20, epochs=6)
    status, found = soak.surely("POST", "/v1/searches", {"yaml": text, "name": f"soak{number}"}, f"key-{number}")
    if status not in (200, 201):
        soak.wrong.append(f"a search was refused with {status}: {found}")
        return
    soak.submitted[f"key-{number}"] = found["id"]
    soak.count("searches submitted")
    if number % 4 == 0:
        threading.Thread(target=follow, args=(soak, found["id"]), daemon=True).start()


def follow(soak: Soak, search: str) -> None:
    """Follows a search from service to service; what came is held against the database at the end."""
    seen = soak.followed.setdefault(search, [])
    while not soak.ended.is_set():
        with suppress(UserError, OSError), Client(soak.draw.choice(soak.services).address, "") as client:
            for one in client.events(search, seen[-1] if seen else 0):
                if one.kind not in ("progress", "silence"):
                    seen.append(one.id)
                if soak.ended.is_set():
                    return
        time.sleep(0.5)


def meddle(soak: Soak) -> None:
    """What an owner does with one of the searches."""
    search, verb = (
        soak.draw.choice([*soak.submitted.values()]),
        soak.draw.choice(("pause", "resume", "resume", "extend", "cancel")),
    )
    status, _found = soak.ask("POST", f"/v1/searches/{search}/{verb}", {"trials": 1} if verb == "extend" else None)
    soak.count(f"{verb}: {'done' if status == 200 else 'refused' if status == 409 else 'not answered'}")


def look(soak: Soak) -> None:
    """Looks at everything, again and again."""
    draw = random.Random(0)
    while not soak.ended.wait(0.05):
        search = draw.choice([*soak.submitted.values()] or ["none"])
        paths = ("", "/events", "/trials", "/trials/0", "/answer", "/report")
        others = ("/v1/searches", "/v1/health", "/", f"/searches/{search}", "/metrics", "/v1/audit")
        path = draw.choice([*(f"/v1/searches/{search}{one}" for one in paths), *others, *["/v1/searches"] * 4])
        soak.ask("GET", path)


# What disturbs it


def blows(soak: Soak) -> list[tuple[str, Callable[[Soak], str]]]:
    """Those that can be dealt here, by name."""
    found: list[tuple[str, Callable[[Soak], str]]] = [
        ("service killed", lambda soak: service(soak, signal.SIGKILL)),
        ("service stopped", lambda soak: service(soak, signal.SIGTERM)),
        ("driver killed", driver),
        ("driver killed", driver),
        *((f"{name} killed", lambda soak, name=name: named(soak, name)) for name in ("worker", "raylet", "gcs")),
    ]
    if soak.server is not None:
        found += [(f"PostgreSQL {how}", lambda soak, how=how: restart(soak, how)) for how in ("restarted", "crashed")]
    if soak.tracker is not None:
        found += [("MLflow down and back", tracker)]
    if soak.disk:
        found += [("disk filled", fill)]
    if soak.clock is not None:
        found += [("clock moved", clock), ("service killed and clock set back", set_back)]
    return found


def service(soak: Soak, how: signal.Signals) -> str:
    chosen = soak.draw.choice(soak.services)
    assert chosen.process is not None
    soak.down.append(chosen)
    chosen.process.send_signal(how)
    try:
        chosen.process.wait(180)
    except subprocess.TimeoutExpired:
        soak.wrong.append("a service that was told to stop has not done so in 180 s")
        chosen.process.kill()
        chosen.process.wait()
    time.sleep(soak.draw.choice((0.0, 5.0, 25.0)))  # the last is longer than its lease
    chosen.launch()
    soak.down.remove(chosen)
    return ""


def driver(soak: Soak) -> str:
    found = [path for path in soak.runs.glob("searches/*/driver.lock") if _locked(path)]
    if not found:
        return "missed"
    with suppress(OSError, ValueError):
        os.kill(int(json.loads(soak.draw.choice(found).read_text())["pid"]), signal.SIGKILL)
    return ""


def _locked(path: Path) -> bool:
    """Whether the driver runs."""
    with suppress(OSError, ValueError):
        pid = int(json.loads(path.read_text())["pid"])
        return b"--events" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def named(soak: Soak, name: str) -> str:
    pids = [pid for pid, line in processes(soak.scratch).items() if TITLES[name] in line]
    if not pids:
        return "missed"
    with suppress(OSError):
        os.kill(soak.draw.choice(pids), signal.SIGKILL)
    return ""


def restart(soak: Soak, how: str) -> str:
    assert soak.server is not None
    soak.server.stop("immediate" if how == "crashed" else "fast")
    time.sleep(soak.draw.choice((0.0, 3.0)))
    soak.server.start()
    return ""


def tracker(soak: Soak) -> str:
    assert soak.tracker is not None
    soak.tracker.end()
    time.sleep(soak.draw.choice((1.0, 8.0)))
    soak.tracker.start()
    return ""


def fill(soak: Soak) -> str:
    ballast = soak.runs / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    time.sleep(3.0)
    ballast.unlink()
    return ""


def clock(soak: Soak) -> str:
    assert soak.clock is not None
    soak.clock.write_text(soak.draw.choice(("+3600s", "-3600s", "+86400s", "+0s")))
    return ""


def set_back(soak: Soak) -> str:
    """Leaves leases a day ahead, of a service that is gone."""
    assert soak.clock is not None
    soak.clock.write_text("+86400s")
    time.sleep(LEASE / 2)  # it renews them by the clock that is ahead
    chosen = soak.draw.choice(soak.services)
    soak.down.append(chosen)
    chosen.kill()
    soak.clock.write_text("+0s")
    chosen.launch()
    soak.down.remove(chosen)
    return ""


# All of it


def run(soak: Soak, seconds: float, most: int, say: Callable[[str], None]) -> None:
    """Uses and disturbs the services for so long, and waits for what is open then."""
    began, number, next_blow = time.monotonic(), 0, time.monotonic() + 15.0
    menu = blows(soak)
    deck: list[tuple[str, Callable[[Soak], str]]] = []
    while time.monotonic() - began < seconds:
        _status, found = soak.ask("GET", "/v1/searches?limit=200&state=queued&state=running&state=pausing&state=cancelling")
        if found is not None and "items" in found and len(found["items"]) < most:
            submit(soak, number)
            number += 1
        if number and soak.draw.random() < 0.1:
            meddle(soak)
        if time.monotonic() >= next_blow and number:
            deck = deck or soak.draw.sample(menu, len(menu))  # each kind once before any comes again
            name, deal = deck.pop()
            said = deal(soak) or "dealt"
            soak.count(f"{name}: {said}")
            say(f"{time.monotonic() - began:6.0f} s  {name}: {said}, {number} searches so far")
            next_blow = time.monotonic() + soak.draw.uniform(1.0, 8.0)
        time.sleep(0.2)
    if soak.clock is not None:
        soak.clock.write_text("+0s")
    settle(soak, say)


def settle(soak: Soak, say: Callable[[str], None]) -> None:
    """Resumes what is paused, and waits until every search is over."""
    say("nothing is disturbed any more; what is open comes to its end")
    began = news = time.monotonic()
    were: dict[str, float] = {}
    while time.monotonic() < min(news + PATIENCE, began + LONGEST):
        _status, found = soak.surely("GET", "/v1/searches?limit=1000")
        open_ = [one for one in found["items"] if one["state"] not in OVER]
        now = {one["id"]: one["changed"] for one in open_}
        if len(now) != len(were):
            say(f"{time.monotonic() - began:6.0f} s  {len(open_)} are open")
        if now != were:
            were, news = now, time.monotonic()
        for one in open_:
            if one["state"] == "paused":
                soak.ask("POST", f"/v1/searches/{one['id']}/resume")
        if not open_:
            break
        time.sleep(1.0)
    else:
        took, dull = time.monotonic() - began, time.monotonic() - news
        soak.wrong.append(f"{len(open_)} searches have not ended in {took:.0f} s, the last {dull:.0f} s without news")
    time.sleep(2.0)  # for the followers to hear of it


@contextmanager
def parts(home: Path, given: argparse.Namespace, say: Callable[[str], None]) -> Iterator[Soak]:
    """The services and what they stand on, as far as it is here; nothing of it stays, however this ends."""
    with ExitStack() as ends:
        scratch, runs = Path(tempfile.mkdtemp(prefix="s-")), home / "runs"
        ends.callback(shutil.rmtree, scratch, ignore_errors=True)
        runs.mkdir()
        disk = not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", str(runs)], capture_output=True
        ).returncode
        if disk:
            ends.callback(subprocess.run, ["umount", "-l", str(runs)], check=False)
        server, clock = _server(given, ends)
        if server is not None:
            os.environ["STUDY_DB"] = server.new_database()
        environment = {"TMPDIR": str(scratch)}
        tracker = None if given.no_mlflow else Tracker(home / "mlflow")
        for there, what in (
            (server, "PostgreSQL"),
            (tracker, "MLflow"),
            (disk, "a disk that fills"),
            (clock, "a clock that moves"),
        ):
            say(f"with {what}" if there else f"without {what}, which is left out or cannot be had here")
        tracked = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{tracker.port}"} if tracker is not None else {}
        inline = Serving(
            home / "inline", CATALOGUE + "inline: true\n", runs, mlflow=tracker is not None, **environment, **tracked
        )
        soak = Soak(home, scratch, [inline, Serving(home / "ray", CATALOGUE, runs, **environment)], server, tracker,
                    random.Random(given.seed), clock, disk)  # fmt: skip
        ends.callback(_ended, soak)
        for one in (*soak.services, *filter(None, [tracker])):
            one.start()
        keeper = threading.Thread(target=keep, args=(soak,), daemon=True)
        ends.callback(keeper.join)
        ends.callback(soak.ended.set)
        keeper.start()
        threading.Thread(target=look, args=(soak,), daemon=True).start()
        yield soak


def _ended(soak: Soak) -> None:
    """Stops the services, and says what they leave; a disk that goes is copied if anything is wrong."""
    soak.wrong += left(soak)
    if soak.disk and soak.wrong:
        shutil.copytree(soak.runs, soak.home / "kept", symlinks=True, dirs_exist_ok=True)


def _server(given: argparse.Namespace, ends: ExitStack) -> tuple[Server | None, Path | None]:
    """PostgreSQL, if it is here and wanted, with the file that moves its clock, if that can be done."""
    if given.sqlite or (shutil.which("initdb") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
        return None, None
    clock, environment = None, {}
    if FAKETIME is not None:
        clock = Path(tempfile.mkdtemp(prefix="clock-")) / "offset"
        ends.callback(shutil.rmtree, clock.parent)
        clock.write_text("+0s")
        clock.parent.chmod(0o755)
        environment = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
        environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    server = Server(environment)
    ends.callback(server.remove)
    server.start()
    return server, clock


def _interrupted(number: int, _frame: object) -> None:
    """Ends what was started, once: another TERM does not disturb that."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> int:
    """Soaks until the time is over; 1 if a property did not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("SOAK_SECONDS") or 300))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SOAK_SEED") or time.time_ns() % 10**6))
    parser.add_argument("--open", type=int, default=8, metavar="N", help="searches that wait or run at once (8)")
    parser.add_argument("--sqlite", action="store_true", help="without PostgreSQL, also where it is")
    parser.add_argument("--no-mlflow", action="store_true", help="without a server of MLflow")
    given = parser.parse_args()
    say(f"seed {given.seed}, {given.seconds:.0f} seconds")
    os.environ.pop("STUDY_DB", None)
    signal.signal(signal.SIGTERM, _interrupted)
    home, began, whole = Path(tempfile.mkdtemp(prefix="soak-")), time.monotonic(), False
    try:
        with parts(home, given, say) as soak, suppress(KeyboardInterrupt):
            run(soak, given.seconds, given.open, say)
            store = Store(tables.opened(Places.under(str(soak.runs)).home.study_db))
            soak.wrong += check(soak, store)
            store.close()
            whole = True
    except KeyboardInterrupt:  # before there was anything to count
        shutil.rmtree(home)
        return 130
    for what, count in sorted(soak.counts.items()):
        say(f"{count:>7}  {what}")
    for said in soak.wrong:
        say(f"FAILED: {said}")
    fine = "all holds" if whole else "interrupted, so that nothing is known of what has to hold at the end"
    said = f"the files are in {home}" if soak.wrong else fine
    say(f"{time.monotonic() - began:.0f} s, load {os.getloadavg()[2]:.0f}; {said}")
    if not soak.wrong:
        shutil.rmtree(home)
    return int(bool(soak.wrong)) if whole else 130


if __name__ == "__main__":
    sys.exit(main())
