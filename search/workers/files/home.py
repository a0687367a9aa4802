"""The folder of a study, where the driver has it: how a worker knows whether it sees that, and how it reaches it if not."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pitprop.addresses import PRIVATE
from pitprop.trainer import Lane
from pitprop.workers import checkpoint
from pitprop.workers.files import filesystem

FILE = "home.json"
"""In a study's folder: what the driver has written there for this run, so that a worker knows it from a copy."""
SHARED, TRIALS = "checkpoints", "trials"
"""The folders in it that workers write to."""
AT, DRAFT = ".at", ".part"
"""The ending of a file that says where another is stored; and of one that is being written."""
PIECE = 2**26
"""Bytes of a file that are read at a time."""
PATIENCE = 120.0
"""Seconds in which the driver's node has to answer."""


@dataclass(frozen=True, slots=True)
class Home:
    """The study's ``folder`` in one run of its driver, which has left ``token`` there; ``name`` is the study's in ``storage``."""

    folder: str
    token: str
    name: str
    storage: str = ""

    def here(self) -> bool:
        """Whether this process sees the driver's own folder."""
        try:
            return bool(_said(Path(self.folder))["run"] == self.token)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def made(folder: Path, storage: str) -> Home:
    """The home of a study for this run: leaves its token in the folder."""
    known = {}
    with suppress(OSError, ValueError):
        known = _said(folder)
    said = {"id": str(known.get("id") or uuid.uuid4().hex[:12]), "run": uuid.uuid4().hex}
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{FILE}{DRAFT}"
    draft.write_text(json.dumps(said), encoding="utf-8")
    draft.replace(folder / FILE)
    return Home(str(folder), said["run"], f"{folder.name}-{said['id']}", storage)


def sweep(folder: Path, url: str) -> None:
    """Removes from the storage what no file of the study names any more. `filesystem.StorageError`."""
    try:
        place = filesystem.under(url, f"{folder.name}-{_said(folder)['id']}")
    except (OSError, ValueError, KeyError):
        return  # no worker has ever stored anything
    stored = filesystem.names(place)
    used = {checkpoint.stored_at(path) for kind in ("ckpt", "best") for path in folder.glob(f"*/**/*.{kind}")}
    used |= {path.read_text(encoding="utf-8") for path in folder.glob(f"{TRIALS}/**/*{AT}")}
    for name in stored:
        if (whole := filesystem.under(place, name)) not in used:
            filesystem.remove(whole)


def is_own(name: str) -> bool:
    """Whether a file is a checkpoint of ours, of which the first line says what it holds."""
    return name.endswith((".ckpt", ".best"))


def _said(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a worker has done to its files, by name, in this order: ``links`` are further names of what is written."""

    written: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.written or self.links or self.removed)


Stamp = tuple[int, int]
"""What tells two versions of a file at home apart: its size, and when it was changed."""


class Folder:
    """The study's folder for workers that do not see it: an actor on the driver's node, which is not in the driver's way."""

    def __init__(self, root: str) -> None:
        os.umask(PRIVATE)
        self._root = Path(root)

    def deliver(self, delivery: Delivery) -> dict[str, Stamp]:
        """Does to the folder what was done elsewhere; how what it has written stands here now."""
        for name, content in delivery.written.items():
            path = self._path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(path.name + DRAFT)
            draft.write_bytes(content)
            draft.replace(path)
        for name, source in delivery.links.items():
            path = self._path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(path.name + DRAFT)
            draft.unlink(missing_ok=True)
            checkpoint.link(self._path(source), draft)
            draft.replace(path)
        for name in delivery.removed:
            self._path(name).unlink(missing_ok=True)
        return {name: _stamp(self._path(name)) for name in (*delivery.written, *delivery.links)}

    def wanted(self, folders: Sequence[str], lanes: Iterable[Lane]) -> dict[str, Stamp]:
        """What a worker needs that continues the lanes: their folders, and the shared checkpoints that hold one of them."""
        asked = set(lanes)
        found = [path for name in folders for path in self._path(name).rglob("*") if path.is_file() and _travels(path)]
        for kind in ("ckpt", "best"):
            shared = sorted((self._root / SHARED).glob(f"*.{kind}"))
            found += [path for path in shared if asked & checkpoint.epochs(path).keys()]
        stamps = {}
        for path in found:
            with suppress(FileNotFoundError):
                stamps[str(path.relative_to(self._root))] = _stamp(path)
        return stamps

    def read(self, name: str, offset: int) -> bytes:
        """A piece of a file; empty at its end, or if it is gone."""
        try:
            with self._path(name).open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)
        except FileNotFoundError:
            return b""

    def _path(self, name: str) -> Path:
        """`ValueError` for what is none of a worker's business."""
        parts = Path(name).parts
        if not parts or parts[0] not in (SHARED, TRIALS) or ".." in parts or not _travels(Path(name)):
            raise ValueError(f"{name} is no file of a training")
        return self._root / name


def _travels(path: Path) -> bool:
    """Whether a file is a worker's: curves are written by the driver alone."""
    return not path.name.startswith("telemetry") and not path.name.endswith(DRAFT)


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


class ByRay:
    """A `Folder` as a worker on another node reaches it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def deliver(self, delivery: Delivery) -> Mapping[str, Stamp]:
        return self._ask("deliver", delivery)  # type: ignore[no-any-return]

    def wanted(self, folders: Sequence[str], lanes: Sequence[Lane]) -> Mapping[str, Stamp]:
        return self._ask("wanted", folders, lanes)  # type: ignore[no-any-return]

    def read(self, name: str, offset: int) -> bytes:
        return self._ask("read", name, offset)  # type: ignore[no-any-return]

    def _ask(self, method: str, *arguments: Any) -> Any:
        import ray

        return ray.get(getattr(self._actor, method).remote(*arguments), timeout=PATIENCE)


def serve(ray: Any, home: Home) -> Any:
    """Starts a `Folder` on this node, which is the driver's."""
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        "scheduling_strategy": here,
        "enable_task_events": False,
    }
    return ray.remote(Folder).options(**options).remote(home.folder)
