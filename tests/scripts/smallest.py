"""A training that computes its curve: ``python smallest.py --lr 0.1 --epochs 3 --out FOLDER [--resume]``. No library at all.

With ``--die-at 2`` it kills itself after that epoch, once.
"""

import argparse
import json
import math
import os
import signal
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.3)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path())
parser.add_argument("--resume", type=Path)
parser.add_argument("--die-at", type=int)
flags = parser.parse_args()

begin = json.loads(flags.resume.read_text())["epoch"] if flags.resume else 0
for epoch in range(begin + 1, flags.epochs + 1):
    loss = math.exp(-flags.lr * epoch) + flags.seed / 1000
    (flags.out / "last.json").write_text(json.dumps({"epoch": epoch}))
    print(f"epoch {epoch}: train loss {loss:.6f}, val loss {1.1 * loss:.6f}, val accuracy {1 / (1 + loss):.6f}", flush=True)
    died = flags.out.with_suffix(".died")
    if epoch == flags.die_at and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
