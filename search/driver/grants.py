"""What each trial has been granted of its budget, and what it had reached at the end of each segment.

Every grant is a line of the study's ``grants.jsonl``, so a search that was killed goes on with what it had granted, and its
scheduler sees what it would have seen. Where the scheduler has one segment only, nothing is kept.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pitprop.detection import life
from pitprop.detection.detect import Verdict
from pitprop.detection.stopping import objective
from pitprop.driver import scheduler
from pitprop.driver.scheduler import NEW, Board
from pitprop.driver.training import Training
from pitprop.messages import message
from pitprop.space import Method, Space
from pitprop.study.record import SCHEDULER, Record
from pitprop.telemetry import series

FILE = "grants.jsonl"
Over = Literal["time", "budget", "target"]
"""Why nothing is granted any more."""


class Grants:
    """The grants of a study whose files are in ``folder``, up to a ``deadline`` (unix seconds)."""

    def __init__(self, space: Space, folder: Path, deadline: float | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._space, self._file, self._deadline = space, folder / FILE, deadline
        self.spent = 0
        """The epochs, or steps, that all trials have trained, as the search counts them."""
        self._ends, self._choose = scheduler.of(space.scheduler, space.epochs)
        self._scores = np.full((64, len(self._ends)), math.nan)
        self._done = np.zeros(64, int)
        self._promise = np.full(64, math.nan)
        self._over = np.zeros(64, bool)
        self._until: dict[int, int] = {}
        self._parked: dict[int, int] = {}
        """The trials that evidence has stopped and that nobody continues, each with how many grants there were before."""
        self._meant: set[int] = set()
        """The trials that the search itself has revived, or was about to when it was killed."""
        self._count = self._saved = 0
        self._saving = False
        """Whether what is granted next comes out of the reserve; ``_saved`` are the epochs that did."""
        if self.kept:
            self._recall()

    @property
    def kept(self) -> bool:
        """Whether trials wait at all, so that what they reached has to be kept."""
        return len(self._ends) > 1

    def over(self, satisfied: bool) -> Over | None:
        """Why nothing is granted any more; None if it still is. ``satisfied``: the study's target is reached."""
        if self._deadline is not None and time.time() >= self._deadline:
            return "time"
        if self._space.budget is not None and self.spent >= self._space.budget:
            return "budget"
        return "target" if satisfied else None

    def lacks(self, number: int) -> bool:
        """Whether it is not known what an ended trial reached, as after a kill."""
        self._grow(number + 1)
        return self.kept and not self._done[number]

    def granted(self, number: int) -> bool:
        """Whether a trial was granted anything, where anything is."""
        return not self.kept or number in self._until

    def until(self, number: int) -> int:
        """Up to where a trial may train: to the end where it was granted nothing else, as a baseline."""
        return self._until.get(number, self._space.epochs)

    def choose(self, waiting: Collection[int], count: int, planned: int, room: bool, fills: bool) -> int | None:
        """The trial of those ``waiting`` or `parked` that trains on, `NEW`, or None.

        There are ``count`` trials of those that are ``planned``. ``fills``: nothing else would train in that place.
        """
        if not self.kept and not waiting:
            return NEW if room else None
        self._grow(count)
        able, parked = np.zeros(count, bool), np.zeros(count, bool)
        able[list(waiting)] = True
        # One that was stopped just now is not looked at yet: its worker has still to write its checkpoint.
        parked[[number for number, before in self._parked.items() if before < self._count and number < count]] = True
        ends = np.array([0, *self._ends])
        trained = ends[self._done[:count]]
        spent = int(trained.sum())
        total = spent + int((self._space.epochs - trained)[~self._over[:count]].sum()) + (planned - count) * self._space.epochs
        if self._space.budget is not None:
            total = min(total, self._space.budget // self._space.seeds)
        share = min(1.0, spent / max(1, total))
        known = self._scores[:count], self._done[:count], able, parked, self._promise[:count]
        board = Board(self._ends, *known, planned, share, room, fills)
        aside = self._space.scheduler.options.get("reserve", 0.15) * min(1.0, 2 * share) * spent
        chosen = scheduler.reserved(board) if self.kept and self._saved < aside else None
        self._saving = chosen is not None
        return chosen if chosen is not None else self._choose(board)

    def parked(self, number: int) -> bool:
        """Whether evidence has stopped a trial, and nobody continues it."""
        return number in self._parked

    def revive(self, number: int) -> None:
        """Writes down that the search itself is about to continue a trial that has ended; it does if it is killed before."""
        if self.kept:
            self._write({"revive": number, "saving": self._saving})
        self._parked.pop(number, None)
        self._meant.add(number)

    def forget(self, number: int) -> None:
        """A trial that has ended cannot be continued."""
        self._parked.pop(number, None)

    def grant(self, training: Training) -> None:
        """Grants a trial its next segment; a baseline, and one that a user revives, the whole rest."""
        if not self.kept:
            return
        number, revives = training.trial.number, training.trial.revives
        self._grow(number + 1)
        if revives is not None and not self._done[number]:
            self._take_in(training)
        whole = training.trial.baseline is not None or (revives is not None and revives not in self._meant)
        before = int(self._done[number])
        until = self._space.epochs if whole else self._ends[min(before, len(self._ends) - 1)]
        self._until[number] = until
        self._count += 1
        if self._saving:  # a revived one counts whole, for it is trained to its end if there is no budget
            self._saved += (until if revives is None else self._space.epochs) - (0, *self._ends)[before]
        self._write({"trial": number, "until": until, **({"saved": self._saved} if self._saving else {})})
        self._saving = False

    def give_up(self, training: Training) -> Verdict:
        """From here on every trial trains its whole budget at once: a warning of the ``training`` that left no checkpoint."""
        self._write({"scheduler": "full"})
        self._whole()
        reason = message(
            "it would begin again each time that it waits, as the trainer leaves no checkpoint (context.state): from here on "
            "every trial trains its whole budget at once"
        )
        return Verdict(f"{SCHEDULER}{self._space.scheduler.name}", training.epochs, "warn", reason, {})

    def ending(self, training: Training, over: Over) -> Verdict:
        """How a trial ends that still waits when the search is over: it is parked for its rank, which is no fault of it."""
        step = max(curve[-1].step for curve in training.curves.values())
        at = {"unit": self._space.unit.removesuffix("s"), "step": step, "budget": self._space.epochs}
        reason = {
            "time": message("it waited for its turn at {unit} {step} of {budget} when the time of the search was over", **at),
            "budget": message("it waited for its turn at {unit} {step} of {budget} when the budget was spent", **at),
            "target": message("it waited for its turn at {unit} {step} of {budget} when the target was reached", **at),
        }[over]
        reached = {self._space.objective.metric: self.score(training.trial.number)}
        return Verdict(f"{SCHEDULER}{self._space.scheduler.name}", step, "park", reason, reached)

    def _whole(self) -> None:
        self._ends, self._choose = scheduler.of(Method("full", {}), self._space.epochs)
        self._until.clear()
        self._scores, self._done = np.full((len(self._done), 1), math.nan), np.zeros_like(self._done)

    def rests(self, training: Training, replica: int) -> bool:
        """Whether a seed of a trial has trained what was granted, and is not over."""
        curve = training.curves[replica]
        return replica not in training.ended and bool(curve) and curve[-1].step >= self.until(training.trial.number)

    def note(self, training: Training, ended: Record | None = None) -> None:
        """Takes in what a trial has reached, as it begins to wait or has ``ended``; what an ended one reached is written down."""
        if not self.kept:
            return
        number = training.trial.number
        self._take_in(training)
        stopped = ended is not None and ended.parked and ended.ending is not None and ":" not in ended.ending.signature
        if ended is None or (stopped and ended.baseline is None):
            known = self._space.known_of(training.trial.values, training.trial.flat)
            self._promise[number] = np.mean([life.promise(curve, known) for curve in training.curves.values()])
        if ended is not None:
            self._over[number] = True
            row = {"trial": number, "scores": self._scores[number, : self._done[number]].tolist()}
            if stopped and ended.baseline is None:
                self._parked[number] = self._count
                row["promise"] = float(self._promise[number])
            self._write(row)

    def _take_in(self, training: Training) -> None:
        """Takes in the scores at the ends of the segments that all seeds of a trial have finished since."""
        number, done = training.trial.number, int(self._done[training.trial.number])
        reached = [list(self._reached(training, replica, done)) for replica in training.curves]
        for score in (math.fsum(row) / len(row) for row in zip(*reached, strict=False)):
            self._scores[number, self._done[number]] = score
            self._done[number] += 1

    def score(self, number: int) -> float:
        """What a trial that waits has reached, in the direction of the objective; NaN if it has no number."""
        done = int(self._done[number])
        return self._space.objective.sign * float(self._scores[number, done - 1]) if done else math.nan

    def _reached(self, training: Training, replica: int, done: int) -> Iterator[float]:
        """The score of a seed at the end of each segment that it has finished, but for those that are ``done``."""
        curve, goal = training.curves[replica], self._space.objective
        for end in self._ends[done:]:
            if not curve or (curve[-1].step < end and replica not in training.ended):
                return
            values = series([one for one in curve if one.step <= end], goal.metric)
            yield goal.sign * objective(values, goal.at, goal.sign > 0)
            if curve[-1].step <= end:
                return

    def _grow(self, count: int) -> None:
        """Makes room for so many trials."""
        if (more := max(len(self._done), count - len(self._done))) and count > len(self._done):
            self._scores = np.pad(self._scores, ((0, more), (0, 0)), constant_values=math.nan)
            self._done = np.pad(self._done, (0, more))
            self._over = np.pad(self._over, (0, more))
            self._promise = np.pad(self._promise, (0, more), constant_values=math.nan)

    def _recall(self) -> None:
        """Reads what a search before this one has written; a last line that a kill has cut is a grant that trained nothing.

        A line that cannot be read, as one torn by a crash or a full disk, is a gap, which the curves fill.
        """
        text = self._file.read_bytes() if self._file.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            os.truncate(self._file, len(whole))
        ends: list[int] = []
        for line in whole.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if "scheduler" in row:
                self._whole()
                return
            if "ends" in row:
                ends = row["ends"]
                continue
            if "revive" in row:
                self._parked.pop(row["revive"], None)
                self._meant.add(row["revive"])
                self._saving = row["saving"]
                continue
            number = row["trial"]
            self._grow(number + 1)
            if "until" in row:
                self._until[number] = row["until"]
                self._count += 1
                self._saved, self._saving = row.get("saved", self._saved), False
            elif ends == list(self._ends):  # what was noted at other ends, under another scheduler, is read off the curves again
                self._over[number], self._done[number] = True, len(row["scores"])
                self._scores[number, : len(row["scores"])] = row["scores"]
                if "promise" in row:
                    self._promise[number], self._parked[number] = row["promise"], self._count
        if ends != list(self._ends):
            self._write({"ends": self._ends})

    def _write(self, row: dict[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
