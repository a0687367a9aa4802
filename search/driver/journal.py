"""What happens in a search as JSON lines, for a program that follows it: what began, how far it is, how each trial ended."""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pitprop.driver.progress import Ended, Event, Reported, Rested, Retried, Started, Unanswered, Understood, Warned
from pitprop.messages import Message, message, packed
from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.record import Record, State
from pitprop.trainer import Lane

SHORTEST, LONGEST = 1.0, 10.0
"""Seconds between two lines on how far it is: at first, and of a search that takes hours."""
PART = 600.0
"""Of the time that a search has taken, what goes by between two such lines at least."""


def write(path: Path, kind: str, body: Mapping[str, Any]) -> None:
    """Appends a line in one piece; what a full disk has left of one before it stays a line of its own."""
    line = json.dumps({"kind": kind, "at": time.time(), "body": _plain(packed(body))}) + "\n"
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(file).st_size
        torn = size and os.pread(file, 1, size - 1) != b"\n"
        os.write(file, ("\n" * bool(torn) + line).encode())
    finally:
        os.close(file)


class Journal:
    """Writes what happens in a run of a search to ``path``, if there is one. ``confirms``: it confirms another search."""

    def __init__(
        self, path: Path | None, space: Space, target: int, records: Sequence[Record], *, confirms: bool = False
    ) -> None:
        self._path, self._space, self._target, self._confirms = path, space, target, confirms
        self._began = time.monotonic()
        self._next = 0.0
        self._words: dict[int, str] = {}
        self._epochs: dict[int, int] = {}
        self._trained: set[Lane] = set()
        """Trainings that have reached their last epoch, of trials whose other seeds may still run."""
        self._saved: dict[int, int] = {}
        self._before: dict[int, int] = {}
        """By trial that revives another, the epochs which were that one's."""
        self._stopped: dict[int, str] = {}
        self._best: tuple[Record, ...] = ()
        self._reached: set[str] = set()
        """Targets that were reached."""
        for record in records:
            self._take(record)
        self._new_targets()
        if path is not None and not confirms:
            told = _told(path)
            write(path, "begun", {"target": target, "trials": len(records), "study": space.name})
            for record in records:
                if record.state != State.RUNNING and record.number not in told:  # it ended just before an earlier run was killed
                    self._write("trial", _trial(record))
            self.tell()

    def show(self, event: Event) -> None:
        """Takes in what has happened, and writes what of it is to be told."""
        if self._path is None:
            return
        if isinstance(event, Started):
            self._take(event.record)
        elif isinstance(event, Reported):
            self._epochs[event.lane.trial] = max(self._epochs.get(event.lane.trial, 0), event.epoch.step)
            if self._confirms and event.epoch.step >= self._space.epochs:
                self._trained.add(event.lane)
        elif isinstance(event, Rested):
            self._words[event.number] = "waiting"
        elif isinstance(event, Ended):
            self._take(event.record)
            self._write("trial", _trial(event.record))
            for name, value in self._new_targets():
                best = self._best[0]
                said = {"name": name, "value": value, "trial": best.number, "score": ranking.score(best)}
                self._write("target", said)
        elif isinstance(event, Warned):
            verdict = event.verdict
            said = {"signature": verdict.signature, "step": verdict.step, "reason": verdict.reason}
            self._write("warned", {"trial": event.number, **said})
        else:
            dead = {"dead": True} if isinstance(event, Understood) and event.dead else {}
            self._write("told", {"text": _text(event), **dead})
        if time.monotonic() >= self._next:
            self.tell()

    def tell(self) -> None:
        """Writes how far the search is."""
        if self._path is None:
            return
        now = time.monotonic()
        self._next = now + min(LONGEST, max(SHORTEST, (now - self._began) / PART))
        if self._confirms:
            write(self._path, "confirming", {"study": self._space.name, **self._trainings()})
        else:
            write(self._path, "progress", self._progress())

    def _write(self, kind: str, body: Mapping[str, Any]) -> None:
        if self._path is not None and not self._confirms:
            write(self._path, kind, body)

    def _take(self, record: Record) -> None:
        number = record.number
        self._words[number] = record.word
        if record.state != State.RUNNING:
            self._epochs[number], self._saved[number] = record.epochs, record.saved
            self._best = ranking.best(self._space, [*self._best, record])
        if record.ending is not None and not record.waits:
            self._stopped[number] = record.ending.signature
        if record.revives is not None and record.state != State.FAIL:
            self._saved[record.revives] = 0
            self._before[number] = self._epochs.get(record.revives, 0)

    def _new_targets(self) -> list[tuple[str, float]]:
        """Targets that the best trial has reached, and none before it."""
        best = next(iter(self._best), None)
        score = ranking.score(best) if best is not None and best.state == State.COMPLETE else math.nan
        sign = self._space.objective.sign
        found = [
            (name, value)
            for name, value in self._space.targets.items()
            if name not in self._reached and sign * score >= sign * value
        ]
        self._reached |= {name for name, _value in found}
        return found

    def _trainings(self) -> dict[str, int]:
        """How many trainings a confirmation has, one for each seed of a trial, and how many of them are over."""
        seeds = self._space.seeds
        ended = {number for number, word in self._words.items() if word not in ("running", "waiting")}
        trained = sum(lane.trial not in ended for lane in self._trained)
        return {"over": len(ended) * seeds + trained, "trainings": max(self._target, len(self._words)) * seeds}

    def _progress(self) -> dict[str, Any]:
        words, space = Counter(self._words.values()), self._space
        best = next(iter(self._best), None)
        return {
            "study": space.name,
            "target": max(self._target, len(self._words)),
            "begun": len(self._words),
            "complete": words["complete"],
            "pruned": words["pruned"] + words["parked"],
            "parked": words["parked"],
            "waiting": words["waiting"],
            "failed": words["fail"],
            "running": words["running"],
            "epochs": sum(self._epochs.values()) - sum(self._before.values()),
            "saved": sum(self._saved.values()),
            "unit": space.unit,
            "metric": space.objective.metric,
            "goal": space.objective.goal,
            "best": None
            if best is None
            else {"trial": best.number, "values": list(best.values or ()), "params": dict(best.params)},
            "stopped": dict(Counter(self._stopped.values())),
        }


def _told(path: Path) -> set[int]:
    """The trials whose end an earlier run has written down."""
    found = set()
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                with suppress(ValueError, KeyError, TypeError):
                    row = json.loads(line)
                    if row["kind"] == "trial":
                        found.add(int(row["body"]["trial"]))
    return found


def _text(event: Understood | Retried | Unanswered) -> Message:
    if isinstance(event, Understood):
        return event.text
    if isinstance(event, Retried):
        said = {"n": event.number, "error": event.error}
        if event.anew:
            return message("trial {n} is tried again from the start: {error}", **said)
        return message("trial {n} is tried again from its checkpoint: {error}", **said)
    if event.why is None:
        return message("the study database answers again")
    return message("the study database does not answer: {why}", why=event.why)


def _trial(record: Record) -> dict[str, Any]:
    return {
        "trial": record.number,
        "state": record.word,
        "params": dict(record.params),
        "values": None if record.values is None else list(record.values),
        "epochs": record.epochs,
        "saved": record.saved,
        "verdicts": [
            {
                "signature": one.signature,
                "step": one.step,
                "action": one.action,
                "reason": one.reason,
                "remedy": one.remedy,
            }
            for one in record.verdicts
        ],
        "error": record.error,
        "baseline": record.baseline,
    }


def _plain(value: Any) -> Any:
    """The same as JSON has it; numbers that are none become text, as in the API."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
