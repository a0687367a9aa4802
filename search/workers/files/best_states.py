"""The state of each lane after the best of its epochs, for that is what its trial is worth: the last may be long past it.

The checkpoint of a group is replaced after every epoch. One in which a lane was better than ever before is given a second
name, which copies nothing; when the lane ends, or too many are held, its part is cut out of it for the folder of its trial.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from pathlib import Path

from pitprop.telemetry import Epoch, finite
from pitprop.trainer import Epochs, Lane, Start
from pitprop.workers import checkpoint

HELD = 4
"""How many whole checkpoints a group holds for its lanes: with one for each, a hundred lanes would fill a disk."""


def path(folder: Path, replica: int) -> Path:
    """Where a trial keeps the state of one of its seeds after its best epoch; not a ``.ckpt``, from which trials resume."""
    return folder / f"replica-{replica}.best"


class Bests:
    """The best epochs of the lanes of one worker: the most of ``metric`` or, with ``goal`` "minimize", the least.

    Without a ``goal`` nothing is kept.
    """

    def __init__(self, metric: str, goal: str) -> None:
        self._metric, self._sign = metric, {"maximize": 1, "minimize": -1}.get(goal, 0)
        self._found: dict[Lane, tuple[float, Path]] = {}
        self._names = itertools.count()
        self._links: list[Path] = []

    def note(self, epochs: Epochs, file: Path, folders: Mapping[Lane, Path]) -> None:
        """Keeps the checkpoint ``file``, just written after these epochs, if any of the lanes was never better.

        ``folders`` are those of the lanes' trials. `checkpoint.NotWritten`.
        """
        never = (-math.inf, file)
        scores = {lane: self._score(epoch) for lane, epoch in epochs.items()}
        better = {lane: score for lane, score in scores.items() if score > self._found.get(lane, never)[0]}
        if better:
            link = file.with_suffix(f".{next(self._names)}.best")
            checkpoint.link(file, link)
            self._links.append(link)
            self._found |= {lane: (score, link) for lane, score in better.items()}
            self._sweep()
            oldest = self._links[:-HELD]
            self._settle({lane: folders[lane] for lane, (_, file) in self._found.items() if file in oldest})

    def leave(self, folders: Mapping[Lane, Path]) -> None:
        """Lanes have ended: leaves their best states in the folders of their trials. `checkpoint.NotWritten`."""
        self._settle(folders)
        for lane in folders:
            self._found.pop(lane, None)

    def restore(self, start: Start, shared: Path) -> None:
        """A lane resumes from a checkpoint: takes over its best state so far, from ``shared`` or from the folder of its trial."""
        own = path(Path(start.folder), start.lane.replica)
        seen = _seen(Path(start.folder), Path(start.checkpoint).parent, shared)
        best = self._best(seen, {start.lane, start.source or start.lane}, start.step)
        if best is not None:
            score, lane, file = best
            if file != own:
                checkpoint.cut(file, {lane: (start.lane, own)})
            self._found[start.lane] = score, own

    def salvage(self, folders: Mapping[Lane, Path], shared: Path) -> None:
        """Leaves what a search had not left in the folders of trials that ended, when it was stopped itself."""
        seen = _seen(shared)
        for lane, folder in folders.items():
            own = path(folder, lane.replica)
            best = self._best({own: checkpoint.epochs(own)} | seen, {lane})
            if best is not None and best[2] != own:
                checkpoint.cut(best[2], {lane: (lane, own)})

    def forget(self) -> None:
        """The lanes continue elsewhere, from what has been kept of them."""
        self._found.clear()
        self._links.clear()

    def _best(
        self, seen: Mapping[Path, Epochs], lanes: Collection[Lane], until: float = math.inf
    ) -> tuple[float, Lane, Path] | None:
        """The best of the epochs ``until`` that are in the files ``seen`` of a lane, by any of its names; of equals the first."""
        found = [
            (self._score(epoch), -epoch.step, lane, file)
            for file, epochs in seen.items()
            for lane, epoch in epochs.items()
            if lane in lanes and epoch.step <= until and self._score(epoch) > -math.inf
        ]
        if not found:
            return None
        score, _, lane, file = max(found, key=lambda one: one[:2])
        return score, lane, file

    def _score(self, epoch: Epoch) -> float:
        """How good an epoch is, the more the better; minus infinity if that cannot be said."""
        score = self._sign * epoch.metrics.get(self._metric, math.nan)
        return score if self._sign and finite(score) else -math.inf

    def _settle(self, folders: Mapping[Lane, Path]) -> None:
        """Cuts the best states of lanes out of the checkpoints that are held, into the folders of their trials."""
        for link in self._links:
            held = {lane: score for lane, (score, file) in self._found.items() if file == link and lane in folders}
            parts = {lane: (lane, path(folders[lane], lane.replica)) for lane in held}
            if parts:
                checkpoint.cut(link, parts)
                self._found |= {lane: (score, parts[lane][1]) for lane, score in held.items()}
        self._sweep()

    def _sweep(self) -> None:
        used = {file for _, file in self._found.values()}
        for link in self._links:
            if link not in used:
                link.unlink(missing_ok=True)
        self._links = [link for link in self._links if link in used]


def _seen(*folders: Path) -> dict[Path, Epochs]:
    """What is held as best, and the last checkpoints too: a search may be killed between writing one and holding it."""
    files = (file for kind in ("best", "ckpt") for folder in folders for file in sorted(folder.glob(f"*.{kind}")))
    return {file: checkpoint.epochs(file) for file in files}
