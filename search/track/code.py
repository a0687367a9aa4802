"""What a trial was trained by: the commit of the folder in which the search was started, the trainer's file, the data's."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

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
    if digest := _digest(_file(trainer)):
        tags["pitprop.trainer_digest"] = digest
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


def _file(trainer: str) -> Path | None:
    """The trainer's file, without importing it."""
    if trainer.endswith(".py"):
        return Path(trainer)
    try:
        spec = importlib.util.find_spec(trainer)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _data(given: str, home: Path) -> Data:
    """Of a file the digest of what is in it; of anything else, that of its name."""
    path = home / given
    digest = _digest(path) or hashlib.sha256(given.encode()).hexdigest()[:12]
    return Data(Path(given).stem or given, str(path.resolve()) if path.exists() else given, digest)


def _digest(path: Path | None) -> str:
    try:
        if path is None or not path.is_file() or path.stat().st_size > _LARGEST:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError:
        return ""
