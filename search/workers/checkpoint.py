"""Checkpoints: what a group of lanes needs to resume, in one file that is replaced as a whole.

The first line is JSON and holds the last epoch of each lane, so that a driver can tell where a training stands without
loading a tensor; the rest is the trainer's state as `pitprop.workers.files.states` writes it, which runs no code when it is read.

Of a checkpoint that is stored elsewhere (`pitprop.workers.files.filesystem`) the file has the first line alone, which says where.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pitprop.messages import Message, _, message
from pitprop.telemetry import Epoch
from pitprop.trainer import Epochs, Lane
from pitprop.workers.files import filesystem, states
from pitprop.workers.files.states import Refused

AT = "at"
"""In a first line: where the whole checkpoint is stored."""


class NotWritten(Exception):
    """The disk did not take a checkpoint, which is no fault of the training: one sentence."""


def _unwritten(path: Path, error: OSError) -> Message:
    return message("the checkpoint {path} cannot be written ({why})", path=str(path), why=error.strerror)


def path(folder: Path, replica: int) -> Path:
    """Where a trial keeps the state of one of its seeds after its last epoch."""
    return folder / f"replica-{replica}.ckpt"


@dataclass(frozen=True, slots=True)
class Unread:
    """A state as it stands in a checkpoint, for those who need not read it."""

    data: bytes

    @classmethod
    def of(cls, state: Any) -> Unread:
        """The bytes of a state."""
        file = io.BytesIO()
        states.dump(state, file)
        return cls(file.getvalue())


NO_STATE = Unread.of(None)


def write(path: Path, epochs: Epochs, state: Any, *, stacked: bool) -> None:
    """Replaces the checkpoint at ``path``, or leaves it as it was and raises `NotWritten`.

    ``stacked``: the state's arrays have a leading axis in the order of ``epochs``. `states.NotPlain` if a checkpoint cannot
    hold the state.
    """
    lanes = [[*lane, epoch.step, dict(epoch.metrics)] for lane, epoch in epochs.items()]
    draft = path.with_suffix(f".{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            file.write(json.dumps({"stacked": stacked, "lanes": lanes}).encode() + b"\n")
            if isinstance(state, Unread):
                file.write(state.data)
            else:
                states.dump(state, file)
        draft.replace(path)
    except OSError as error:
        raise NotWritten(_unwritten(path, error)) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def epochs(path: Path) -> dict[Lane, Epoch]:
    """The last epoch of each lane in the checkpoint; empty if the file is missing or not a checkpoint."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline())
        return {Lane(trial, replica): Epoch(step, metrics) for trial, replica, step, metrics in header["lanes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def stored_at(path: Path) -> str:
    """Where the whole of a checkpoint is stored; empty if the file at ``path`` is the whole, or none."""
    try:
        with path.open("rb") as file:
            return str(json.loads(file.readline()).get(AT, ""))
    except (OSError, ValueError, AttributeError):
        return ""


def has_state(path: Path) -> bool:
    """Whether a checkpoint holds anything to go on from: a trainer that keeps nothing in ``context.state`` begins again."""

    def read() -> bool:
        with whole(path) as file:
            file.readline()
            return file.read(len(NO_STATE.data) + 1) != NO_STATE.data

    return filesystem.again(read)


def stub(header: bytes, url: str) -> bytes:
    """What stands in the place of a checkpoint, of which ``header`` is the first line, that is stored at ``url``."""
    return json.dumps({**json.loads(header), AT: url}).encode() + b"\n"


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A checkpoint to be read from its beginning, wherever it is stored. `filesystem.StorageError`."""
    url = stored_at(path)
    with filesystem.opened(url) if url else path.open("rb") as file:
        yield file


def load(path: Path, lane: Lane) -> Any:
    """The state of one lane."""
    ((_, state),) = loads(path, [lane]).values()
    return state


def loads(path: Path, lanes: Container[Lane], *, unread: bool = False) -> dict[Lane, tuple[Epoch, Any]]:
    """The last epochs and the states of some lanes; ``unread`` states are `Unread` if they are not stacked.

    `states.Refused` if loading them might run code.
    """

    def read() -> tuple[dict[str, Any], Any]:
        with whole(path) as file:
            header = json.loads(file.readline())
            try:
                return header, Unread(file.read()) if unread and not header["stacked"] else states.load(file)
            except Refused as error:
                raise Refused(
                    _("the checkpoint {path} is refused: {error}; remove it, and its training begins again").format(
                        path=path, error=error
                    )
                ) from None

    header, state = filesystem.again(read)
    found = {}
    for index, (trial, replica, step, metrics) in enumerate(header["lanes"]):
        if (lane := Lane(trial, replica)) in lanes:
            found[lane] = Epoch(step, metrics), slice_lane(state, index) if header["stacked"] else state
    return found


def cut(path: Path, parts: Mapping[Lane, tuple[Lane, Path]]) -> None:
    """Writes the states of some lanes to files of their own, each under the lane that it is to have there. `NotWritten`."""
    for lane, (epoch, state) in loads(path, parts, unread=True).items():
        if state is not None and state != NO_STATE:
            name, own = parts[lane]
            own.parent.mkdir(parents=True, exist_ok=True)  # its trainer may have removed it
            write(own, {name: epoch}, state, stacked=False)


def link(file: Path, link: Path) -> None:
    """Gives a checkpoint a second name. `NotWritten`."""
    try:
        os.link(file, link)
    except OSError:  # a file system that has no hard links
        draft = link.with_suffix(".part")
        try:
            shutil.copyfile(file, draft)
            draft.replace(link)
        except OSError as error:
            raise NotWritten(_unwritten(link, error)) from error


def slice_lane(state: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The part of a stacked state that belongs to the lane at ``index``, holding none of its neighbours' memory."""
    parts = {name: value[index] for name, value in state.items()}
    return {name: part.clone() if hasattr(part, "clone") else part for name, part in parts.items()}


def newest(*folders: Path) -> dict[Lane, tuple[Path, Epoch]]:
    """For each lane found in the checkpoints of ``folders``, the one in which it came furthest."""
    found: dict[Lane, tuple[Path, Epoch]] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.ckpt"))):
        for lane, epoch in epochs(path).items():
            if lane not in found or found[lane][1].step < epoch.step:
                found[lane] = (path, epoch)
    return found


def sweep(folder: Path, kept: Mapping[Lane, Path], needed: Collection[Lane]) -> None:
    """Removes the workers' checkpoints in ``folder``, and the folder.

    Those of ``needed`` lanes become files of their own, under the paths in ``kept``; what cannot be taken apart here stays.
    """
    found = newest(folder)
    left = set()
    for lane in needed:
        path = found[lane][0]
        try:
            cut(path, {lane: (lane, kept[lane])})
        except Exception:  # a stacked state of the trainer's classes, or a full disk
            left.add(path)
    for path in folder.glob("*") if left else ():
        if path not in left:
            path.unlink(missing_ok=True)
    if not left:
        shutil.rmtree(folder, ignore_errors=True)  # into which a worker of a killed search may be just writing
