"""How a run of a command begins: in an empty folder, or on from the script's checkpoint."""

from __future__ import annotations

import glob
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pitprop.trainer import Context
from pitprop.trainers.commands.arguments import fill
from pitprop.trainers.commands.settings import STREAMS, Settings

TRIES = 2
"""Checkpoints, the newest first, with which a command may fail before it starts again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """``checkpoint`` is the script's, None for the start; ``began`` is when the first run did (unix seconds); ``says`` is why."""

    checkpoint: Path | None
    began: float
    says: str


def begin(settings: Settings, context: Context, folder: Path, spoiled: Sequence[str] = ()) -> Attempt:
    """Leaves ``folder`` as the command is to find it: as it was, to go on in it, or empty.

    A revived trial goes on in a copy of the parked one's folder. Lines that were written and not read are read then.
    With the checkpoints named ``spoiled`` the command failed; after `TRIES` of them it starts again.
    """
    if not context.step:
        return _anew(folder, "from the start")
    again = f"epochs 1 to {context.step} are trained again, and not recorded twice"
    if not settings.resume:
        return _anew(folder, f"from the start, as the space has no options.resume: {again}")
    if len(spoiled) >= TRIES:
        return _anew(folder, f"from the start, as it failed with {' and '.join(spoiled)}: {again}")
    before = context.state or {}
    old = folder.parents[1] / before.get("folder", folder)
    place = fill(settings.checkpoint, {"folder": str(old), "seed": context.seed}, {}, settings.style, "options.checkpoint")
    found = [one for one in sorted(glob.glob(str(old / place)), key=os.path.getmtime) if Path(one).name not in spoiled]
    if not found or not Path(found[-1]).is_relative_to(old):
        return _anew(folder, f"from the start, as there is no{' other' * bool(spoiled)} checkpoint {place}: {again}")
    if old != folder:
        shutil.copytree(old, folder, dirs_exist_ok=True)
    for stream in STREAMS:
        with (folder / f"{stream}.log").open("ab") as file:
            file.write(b"\n")  # the last line may be torn
    checkpoint = folder / Path(found[-1]).relative_to(old)
    return Attempt(checkpoint, before.get("began", 0.0), f"on from epoch {context.step} with {checkpoint}")


def log(folder: Path, line: str) -> None:
    """Adds a line to the log beside ``folder``, which stays when the folder is emptied."""
    with folder.with_suffix(".log").open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")


def _anew(folder: Path, says: str) -> Attempt:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Attempt(None, time.time() - 1.0, says)  # a file system may keep time by the second
