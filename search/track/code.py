"""What a trial was trained by: the commit of the folder in which the search was started, the trainer's file, the data's."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pitprop.trainer import digest, file_of

_LARGEST = 2**28  # bytes of a data file that is read for its digest


class Data(NamedTuple):
    """A data set: its name, where it is, and 12 hexadecimal digits that change with it."""

    name: str
    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class Code:
    """``tags`` for the runs that begin after ``since`` (unix seconds): older trials were trained by who knows what."""

    tags: Mapping[str, str]
    data: Data | None = None
    since: float = field(default_factory=time.time)


def code(folder: Path, trainer: str, options: Mapping[str, Any], home: Path) -> Code:
    """The state of ``folder`` and of the trainer at the location ``trainer`` right now.

    The data is what the trainer's option ``data`` names, a path from ``home``; a trainer that takes none is not asked.
    """
    tags = {**_commit(folder), "pitprop.trainer": trainer.removeprefix("pitprop.trainers.")}
    if (file := file_of(trainer)) is not None and (told := digest(file)):
        tags["pitprop.trainer_digest"] = told
    given = options.get("data")
    return Code(tags, _data(given, home) if isinstance(given, str) and given else None)


def _commit(folder: Path) -> dict[str, str]:
    """The commit, the branch, and whether tracked files differ from it; nothing if there is no git repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    said = {"mlflow.source.git.commit": commit, "pitprop.uncommitted": str(bool(_git(folder, "status", "-suno"))).lower()}
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    return said | ({"mlflow.source.git.branch": branch} if branch and branch != "HEAD" else {})


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "--no-optional-locks", *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _data(given: str, home: Path) -> Data:
    """Of a file the digest of what is in it; of anything else, that of its name."""
    path = home / given
    told = digest(path, _LARGEST) or hashlib.sha256(given.encode()).hexdigest()[:12]
    return Data(Path(given).stem or given, str(path.resolve()) if path.exists() else given, told)
