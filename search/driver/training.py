"""A trial under way: its curves, one for each seed, and how each of them ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pitprop import telemetry
from pitprop.detection.detect import Verdict, agreeing
from pitprop.detection.stopping import EarlyStopping, objective, objectives
from pitprop.driver import reports
from pitprop.messages import Message, message
from pitprop.seeds import of_training
from pitprop.space import Objective, Space
from pitprop.study.record import LIMIT, SCHEDULER, Completed, Failed, Outcome, Pruned
from pitprop.study.study import Trial
from pitprop.telemetry import Epoch, Telemetry
from pitprop.trainer import Lane, Start
from pitprop.workers import checkpoint

LOSSES = 5
"""How many nodes may be lost under a trial, without an epoch between, before it is taken for the reason."""


@dataclass(slots=True)
class Training:
    """``curves`` holds the epochs of each seed, and ``ended`` the seeds that are done, with the verdict that ended them.

    ``warnings`` are verdicts that end nothing, the first of each signature; ``attempts`` counts the groups that broke under
    this trial. ``parked`` is the folder of the trial that this one continues, and ``adopted`` are the epochs that each seed has
    of it.
    """

    trial: Trial
    folder: Path
    seeds: int
    parked: Path | None = None
    curves: dict[int, Telemetry] = field(default_factory=dict)
    ended: dict[int, Verdict | None] = field(default_factory=dict)
    warnings: dict[str, Verdict] = field(default_factory=dict)
    attempts: int = 0
    losses: int = 0
    """How often its node was lost since it last got further."""
    adopted: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    """How long it has trained in this run, from one report to the next, over its seeds on average."""
    reported: dict[int, float] = field(default_factory=dict)
    """When each seed reported last, in the seconds of `time.monotonic`."""

    @classmethod
    def of(cls, trial: Trial, folder: Path, seeds: int, parked: Path | None = None) -> Training:
        """The training of ``trial`` as far as its files tell; a curve that has not begun begins with that of the parked trial."""
        folder.mkdir(parents=True, exist_ok=True)
        training = cls(trial, folder, seeds, parked)
        for replica in range(seeds):
            path = training.file(replica)
            before = Telemetry() if parked is None else telemetry.read(parked / path.name)
            training.adopted[replica], training.curves[replica] = len(before), telemetry.read(path)
            if before and not training.curves[replica]:
                telemetry.rewrite(path, before)
                training.curves[replica] = before
        return training

    @property
    def lanes(self) -> list[Lane]:
        """The seeds that still have to train."""
        return [Lane(self.trial.number, replica) for replica in range(self.seeds) if replica not in self.ended]

    @property
    def epochs(self) -> int:
        """The epochs (or steps) trained, over all seeds."""
        return sum(map(telemetry.trained, self.curves.values()))

    def file(self, replica: int) -> Path:
        """Where the curve of one seed is kept."""
        return telemetry.file(self.folder, replica)

    def record(self, replica: int, epoch: Epoch) -> bool:
        """Appends an epoch, in memory and on disk; False if it is known already, as after a resume."""
        curve = self.curves[replica]
        if curve and epoch.step <= curve[-1].step:
            return False
        path = self.file(replica)
        if not path.exists():  # perhaps removed by the trainer, as its whole folder may be
            path.parent.mkdir(parents=True, exist_ok=True)
            if curve:
                telemetry.rewrite(path, curve)
        telemetry.append(path, epoch)
        curve.append(epoch)
        self.losses = 0
        return True

    def lose(self) -> bool:
        """Its node was lost, which is no fault of its own; unless `LOSSES` were, without an epoch between."""
        self.losses += 1
        return self.losses > LOSSES

    def clock(self, replica: int, now: float) -> float:
        """Counts the time since the last report of a seed; how long the trial has trained."""
        since = now - self.reported.get(replica, now)
        self.reported[replica] = now
        self.seconds += since / self.seeds
        return self.seconds

    def note(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Keeps verdicts that end nothing, whatever their action is elsewhere; those of signatures that had been silent."""
        news = []
        for verdict in verdicts:
            if verdict.signature not in self.warnings:
                self.warnings[verdict.signature] = replace(verdict, action="warn")
                news.append(self.warnings[verdict.signature])
        return news

    def start(self, lane: Lane, seed: int) -> Start:
        """How a worker trains the lane from scratch; ``seed`` is that of the first replica."""
        return Start(lane, self.trial.params, of_training(seed, lane.replica), str(self.folder))

    def resume(self, lanes: Sequence[Lane], seed: int, shared: Path) -> list[Start]:
        """Brings the curves of ``lanes`` to where their last checkpoints stand; how a worker continues from there.

        They are in the parked trial's folder, in the trial's own if the seed has ended, or in the one ``shared`` by all trials.
        """
        found = checkpoint.newest(*([self.parked] if self.parked is not None else []), self.folder, shared)
        starts = []
        for lane in lanes:
            origin = Lane(lane.trial if self.trial.revives is None else self.trial.revives, lane.replica)
            source = lane if lane in found else origin
            path, last = found.get(source, (None, None))
            self._rewind(lane.replica, last)
            start = self.start(lane, seed)
            if path is not None and last is not None:
                start = replace(start, step=last.step, checkpoint=str(path), source=source)
            starts.append(start)
        return starts

    def kept(self, shared: Path) -> bool:
        """Whether each seed that still has to train has its checkpoint, in the trial's folder or, after a kill, in ``shared``."""
        lacking = [lane for lane in self.lanes if not checkpoint.path(self.folder, lane.replica).exists()]
        return not lacking or checkpoint.newest(shared).keys() >= set(lacking)

    def left(self, seed: int) -> list[Start]:
        """How the worker that its lanes have just left continues them: from checkpoints that it writes before it reads them."""
        return [
            replace(self.start(lane, seed), step=self.curves[lane.replica][-1].step, checkpoint=str(path))
            for lane in self.lanes
            for path in [checkpoint.path(self.folder, lane.replica)]
        ]

    def _rewind(self, replica: int, last: Epoch | None) -> None:
        kept = Telemetry(epoch for epoch in self.curves[replica] if last is not None and epoch.step < last.step)
        kept += [last] if last is not None else []
        if kept != self.curves[replica]:
            telemetry.rewrite(self.file(replica), kept)
            self.curves[replica] = kept

    def values(self, space: Space, stopping: EarlyStopping | None = None) -> tuple[float, ...]:
        """The value of each objective, the mean over the seeds; ``stopping`` cuts the curves first."""
        rows = []
        for curve in self.curves.values():
            whole = curve[: stopping.cut(curve) if stopping else None]
            spent = (float(telemetry.trained(whole)),) if space.searches_stopping else ()
            rows.append((*objectives(whole, (space.objective, *space.further)), *spent))
        return tuple(math.fsum(column) / len(column) for column in zip(*rows, strict=True))

    def bests(self, goal: Objective) -> dict[str, float]:
        """What each metric reached in the epoch of the best objective, for gates that hang on a baseline."""
        best = goal.best(telemetry.series(self.curves[0], goal.metric))
        return {} if best is None else dict(self.curves[0][best].metrics)

    def copy(self, leader: Training, stopping: EarlyStopping | None) -> None:
        """Takes over the curves of ``leader`` up to where ``stopping`` ends them."""
        for replica, curve in leader.curves.items():
            stop = stopping.cut(curve) if stopping else None
            self.curves[replica] = Telemetry(curve[:stop])
            self.ended[replica] = leader.ended.get(replica) if stop is None else None
            telemetry.rewrite(self.file(replica), self.curves[replica])

    def outcome(self, space: Space, stopping: EarlyStopping | None) -> Outcome:
        """How the trial ended, now that all its seeds have.

        It is pruned if every seed was; a seed that collapsed beside others that did not counts with what it reached.
        """
        verdicts = [v for replica, v in self.ended.items() if v is not None and not self._cut(replica, stopping)]
        told = tuple(agreeing([*verdicts, *self.warnings.values()]))
        if not any(self.curves.values()):
            return Failed(0, message("the trainer ended without a single epoch"), alike=True)
        values = self.values(space, stopping)
        stopped, patience = self._left_out(space.epochs, stopping)
        if len(verdicts) == self.seeds:
            return Pruned(self.epochs, told, values, stopped)
        for place, goal in enumerate((space.objective, *space.further)):
            where = f"objectives[{place}].metric" if space.further else "objective.metric"
            if (unreported := reports.unreported(goal.metric, self.curves.values(), where)) is not None:
                return Failed(self.epochs, unreported, told, alike=True)
            if math.isnan(values[place]):
                return Failed(self.epochs, self._lacking(goal.metric), told)
        return Completed(self.epochs, values, told, stopped, patience)

    def _left_out(self, budget: int, stopping: EarlyStopping | None) -> tuple[int, int]:
        """The epochs that were not trained: because of a verdict, and because of early stopping. What a trainer that ended by
        itself left of its budget is neither, nor what a limit of time cut: that training may have been the best."""
        left = {replica: max(0, budget - telemetry.trained(curve)) for replica, curve in self.curves.items()}
        cut = {replica for replica in left if self._cut(replica, stopping)}
        ended = {replica: verdict for replica, verdict in self.ended.items() if verdict is not None}
        stopped = {replica for replica, one in ended.items() if not one.signature.startswith((SCHEDULER, LIMIT))} - cut
        return sum(left[replica] for replica in stopped), sum(left[replica] for replica in cut)

    def _lacking(self, metric: str) -> Message:
        """Why there is no score, in a sentence."""
        curves = [telemetry.series(curve, metric) for curve in self.curves.values()]
        lacking = [curve for curve in curves if math.isnan(objective(curve))]
        infinite = any(not math.isnan(value) for curve in lacking for value in curve)
        what = message("{metric} was NaN", metric=metric)
        if infinite:
            what = message("{metric} was NaN or infinite", metric=metric)
        if self.seeds == 1:
            reports = sum(metric in epoch.metrics for epoch in self.curves[0])
            return message("{what} in all of {n} reports", what=what, n=reports)
        return message("{what} in every epoch of {n} of {seeds} seeds", what=what, n=len(lacking), seeds=self.seeds)

    def _cut(self, replica: int, stopping: EarlyStopping | None) -> bool:
        """Whether early stopping had ended the seed before anything else did."""
        return stopping is not None and stopping.cut(self.curves[replica]) is not None
