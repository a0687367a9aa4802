"""What each trial has been granted of its budget, and what it had reached at the end of each segment.

Every grant is a line of the study's ``grants.jsonl``, so a search that was killed goes on with what it had granted, and its
scheduler sees what it would have seen. Where the scheduler has one segment only, nothing is kept.
"""

from __future__ import annotations

import json
import math
import os
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
from pitprop.seeds import keyed
from pitprop.space import Method, Space
from pitprop.study.record import SCHEDULER
from pitprop.telemetry import series

FILE = "grants.jsonl"
Over = Literal["time", "budget", "target"]
"""Why nothing is granted any more."""


class Grants:
    """The grants of a study whose files are in ``folder``."""

    def __init__(self, space: Space, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._space, self._file = space, folder / FILE
        self._ends, self._choose = scheduler.of(space.scheduler, space.epochs)
        self._scores = np.full((64, len(self._ends)), math.nan)
        self._done = np.zeros(64, int)
        self._promise = np.full(64, math.nan)
        self._until: dict[int, int] = {}
        self._count = 0
        if self.kept:
            self._recall()

    @property
    def kept(self) -> bool:
        """Whether trials wait at all, so that what they reached has to be kept."""
        return len(self._ends) > 1

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

    def choose(self, waiting: Collection[int], count: int, room: bool) -> int | None:
        """The trial of those ``waiting`` that trains on, `NEW`, or None; there are ``count`` trials in all."""
        if not self.kept and not waiting:
            return NEW if room else None
        self._grow(count)
        able = np.zeros(count, bool)
        able[list(waiting)] = True
        board = Board(self._ends, self._scores[:count], self._done[:count], able, self._promise[:count], room)
        return self._choose(board, keyed(self._space.seed, "grant", self._count))

    def grant(self, number: int, *, whole: bool = False, after: int | None = None) -> None:
        """Grants a trial its next segment, or the ``whole`` rest; one that revives another goes on ``after`` that."""
        if self.kept:
            self._grow(number + 1)
            if after is not None:
                self._scores[number], self._done[number] = self._scores[after], self._done[after]
            until = self._space.epochs if whole else self._ends[min(self._done[number], len(self._ends) - 1)]
            self._until[number] = until
            self._count += 1
            self._write({"trial": number, "until": until})

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

    def note(self, training: Training) -> None:
        """Takes in what a trial has reached, as it begins to wait or has ended; what an ended one reached is written down."""
        if not self.kept:
            return
        number, done = training.trial.number, int(self._done[training.trial.number])
        reached = [list(self._reached(training, replica, done)) for replica in training.curves]
        for score in (math.fsum(row) / len(row) for row in zip(*reached, strict=False)):
            self._scores[number, self._done[number]] = score
            self._done[number] += 1
        if training.lanes:
            known = self._space.known_of(training.trial.values, training.trial.flat)
            self._promise[number] = np.mean([life.promise(curve, known) for curve in training.curves.values()])
        else:
            self._write({"trial": number, "scores": self._scores[number, : self._done[number]].tolist()})

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
            number = row["trial"]
            self._grow(number + 1)
            if "until" in row:
                self._until[number] = row["until"]
                self._count += 1
            elif ends == list(self._ends):  # what was noted at other ends, under another scheduler, is read off the curves again
                self._done[number] = len(row["scores"])
                self._scores[number, : len(row["scores"])] = row["scores"]
        if ends != list(self._ends):
            self._write({"ends": self._ends})

    def _write(self, row: dict[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
