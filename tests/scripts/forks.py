"""A training whose processes try to survive it: ``python forks.py FOLDER [leave]``. Each leaves its number in the folder.

One ignores TERM, one leaves the session, and one is orphaned as daemons are, with a fresh environment and all files closed.
"""

import os
import signal
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])


def child(name: str, prepare) -> None:
    if os.fork() == 0:
        prepare()
        (folder / f"{name}.part").write_text(str(os.getpid()))
        (folder / f"{name}.part").rename(folder / f"{name}.pid")
        time.sleep(600)


def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def daemon() -> None:
    os.setsid()
    if os.fork():
        os._exit(0)
    if not os.environ.get("AGAIN"):
        os.closerange(0, 100)
        code = f"import os, time; open({str(folder / 'daemon.pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
        os.execve(sys.executable, [sys.executable, "-S", "-c", code], {})


child("worker", lambda: None)
child("stubborn", stubborn)
child("session", os.setsid)
child("fork", daemon)
(folder / "main.pid").write_text(str(os.getpid()))
while len([path for path in folder.glob("*.pid") if path.read_text()]) < 5:
    time.sleep(0.01)
print("epoch 1: val loss 0.5", flush=True)
print("epoch 2: val loss 0.5", flush=True)
if sys.argv[2:] == ["leave"]:
    os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: (folder / "asked").write_text("TERM"))
while True:
    time.sleep(600)
