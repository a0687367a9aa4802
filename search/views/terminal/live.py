"""Show a search as it runs: a live table on a terminal, a line for each trial that ends where there is none."""

from __future__ import annotations

import html
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any

from pitprop.driver.progress import Ended, Event, Reported, Rested, Retried, Started, Unanswered, Understood, Warned
from pitprop.messages import _, in_unit, localized, ngettext
from pitprop.results.summary import left_out
from pitprop.space import Space
from pitprop.study import ranking
from pitprop.study.record import Record, State
from pitprop.trainer import Lane
from pitprop.views import words
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

ROWS = 12
INTERVAL = 0.25
"""Seconds between two drawings: more often is work that nobody sees."""
FORETOLD, LONG = 2, 300
"""Epochs after which it is said how long a search may take, and the seconds below which nobody asks."""


class Screen:
    """A context that shows events. ``target`` is the number of trials, ``records`` are those that had begun before.

    ``confirms``: these are trials of a search and its baselines, trained again, and go by the names that they have there.
    ``then`` says what is trained after this, whose time no estimate holds.
    ``clock`` tells seconds.
    """

    def __init__(
        self,
        console: Console,
        space: Space,
        target: int,
        records: list[Record],
        *,
        confirms: bool = False,
        then: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._space, self._clock = console, space, clock
        self._names = {record.number: record.baseline for record in records if record.baseline} if confirms else {}
        self._confirms, self._then = confirms, then
        self._running: dict[int, Record] = {}
        self._waiting: dict[int, Record] = {}
        self._progress: dict[int, tuple[int, float]] = {}
        self._lanes: dict[Lane, int] = {}
        self._last: list[str] = []
        self._stopped: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()
        self._parked = 0
        self._ended: list[Record] = []
        self._best: tuple[Record, ...] = ()
        self._drawn = 0.0
        self._trained, self._first = 0.0, math.nan
        """Epochs that were trained since the first report, and when that came: what comes before is no measure of speed."""
        self._foretold = False
        self._bar = Progress(
            TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._each = space.seeds if confirms else 1
        """What of the bar's total one trial is: a confirmation is counted in trainings."""
        name = _("confirming, by trainings") if confirms else space.name
        self._task = self._bar.add_task(name, total=target * self._each)
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._cell = None if console.is_terminal or console.quiet else _notebook_cell()
        for record in records:
            if record.state != State.RUNNING:
                self._count(record)

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
        self._draw_cell()

    def show(self, event: Event) -> None:
        """Takes an event in, and draws if it is time to."""
        match event:
            case Started(record, step):
                self._running[record.number] = record
                if self._confirms and record.baseline:
                    self._names[record.number] = record.baseline
                if step:
                    self._say(self._resumed(record, step))
            case Rested(number):
                self._waiting[number] = self._running.pop(number)
            case Reported(lane, epoch):
                if lane.trial in self._waiting:
                    self._running[lane.trial] = self._waiting.pop(lane.trial)
                self._pace(lane, epoch.step)
                _step, known = self._progress.get(lane.trial, (0, math.nan))
                self._progress[lane.trial] = epoch.step, epoch.metrics.get(self._space.objective.metric, known)
                self._foretell()
            case Understood(text):
                self._say(words.styled("dim", escape(localized(text))))
            case Warned(number, _) if number in self._running and self._running[number].revives is not None:
                pass  # it shows what it was parked for, and what the parked one was warned of
            case Warned(number, verdict):
                self._warned[verdict.signature] += 1
                if self._warned[verdict.signature] == 1:  # further trials are counted, and told at the end
                    word, where = _("warning"), in_unit(_("{trial}, epoch {epoch}"), self._space.unit)
                    where = where.format(trial=self._called(number), epoch=verdict.step)
                    self._say(f"{words.styled('yellow', word)} {where}: {escape(words.gist(verdict))}")
            case Retried(number, error, anew):
                again = _("{trial} is tried again from the start") if anew else _("{trial} is tried again from its checkpoint")
                self._say(f"[yellow]{again.format(trial=self._called(number))}[/]: {escape(error)}")
            case Unanswered(None):
                self._say(_("the study database answers again"))
            case Unanswered(why):
                silent = _("the study database does not answer; trainings continue, and new trials wait for it")
                self._say(f"[yellow]{silent}[/]: {escape(str(why))}")
            case Ended(record):
                self._running.pop(record.number, self._waiting.pop(record.number, None))
                self._count(record)
                self._say(self._ending(record))
        self._draw()

    def _resumed(self, record: Record, step: int) -> str:
        """That a trial continues of which the epochs up to ``step`` are known, and from where."""
        said = {"trial": self._called(record.number), "epoch": step}
        if not self._space.resumes:
            text = _(
                "{trial} starts again, as the space has no options.resume: epochs 1 to {epoch} are trained again, and not "
                "recorded twice"
            )
            return in_unit(text, self._space.unit).format(**said)
        text = in_unit(_("{trial} resumes from epoch {epoch}"), self._space.unit).format(**said)
        return text if record.revives is None else text + _(", where {trial} stopped").format(trial=words.trial(record.revives))

    def _pace(self, lane: Lane, step: int) -> None:
        """Counts what a report says was trained since the one before it; the first of all only starts the clock."""
        before = self._lanes.get(lane, step - 1)
        self._lanes[lane] = step
        if math.isnan(self._first):
            self._first = self._clock()
        else:
            self._trained += max(0, step - before) / self._space.seeds

    def left(self) -> float:
        """The seconds that the search has left at its pace so far, NaN if that is not known.

        By epochs: what running and waiting trials lack, and for each that has not begun what those that ended took on average
        (all of its budget, if none has). A scheduler may leave some waiting, and verdicts may end more: then it takes less.
        """
        epochs, spent = self._space.epochs, self._clock() - self._first
        task, begun = self._bar.tasks[0], [*self._running, *self._waiting]
        took = [record.epochs for record in self._ended]
        each = sum(took) / len(took) if took else epochs
        unbegun = max(0.0, (task.total or 0) / self._each - len(took) - len(begun))
        lacking = sum(epochs - self._progress.get(number, (0, 0.0))[0] for number in begun) + unbegun * each
        if self._space.budget is not None and not self._confirms:
            so_far = sum(took) + sum(self._progress.get(number, (0, 0.0))[0] for number in begun)
            lacking = min(lacking, max(0.0, self._space.budget - so_far))
        return lacking * spent / self._trained if self._trained else math.nan

    def _foretell(self) -> None:
        """Says once, by the first epochs, how long all of a long search may take."""
        if self._foretold or self._trained < FORETOLD or self._confirms:
            return
        self._foretold = True
        if (left := self.left()) >= LONG:
            text = in_unit(
                _("at the pace of the first epochs, and if no trial is stopped, about {time} are left"), self._space.unit
            )
            self._say(words.styled("dim", words.listed(filter(None, (text.format(time=words.duration(left)), self._then)))))

    def _called(self, number: int) -> str:
        return self._names.get(number) or words.trial(number)

    def _count(self, record: Record) -> None:
        self._bar.advance(self._task, self._each)
        self._parked += record.parked
        if (verdict := record.ending) is not None and not record.waits:
            self._stopped[verdict.signature] += 1
        self._ended.append(record)
        # To rank all of thousands at every look would take longer than to train some; but a revived trial replaces another.
        known = self._ended if record.revives is not None else (*self._best, record)
        self._best = ranking.best(self._space, known)

    def _ending(self, record: Record) -> str:
        colour = {"complete": "green", "pruned": "yellow", "parked": "cyan", "waiting": "cyan"}.get(record.word, "red")
        score = f" {words.score(record.values[0])}" if record.values and record.state == State.COMPLETE else ""
        if self._confirms:
            text = ngettext("{name}: {score} on {n} fresh seed", "{name}: {score} on average over {n} fresh seeds", self._each)
            score = words.score(ranking.score(record))
            told = text.format(name=self._called(record.number), score=score, n=self._each)
            return escape((record.error and f"{self._called(record.number)}: {localized(record.error)}") or told)
        number = _("trial {n}").format(n=f"{record.number:>3}")
        head = _("{trial} {state} after {epochs}").format(
            trial=number,
            state=f"[{colour}]{words.standing(record)}[/]{score}",
            epochs=words.budget(record.epochs, self._space.unit),
        )
        return f"{head}  [dim]{escape(words.story(record, self._space))}[/]"

    def _say(self, line: str) -> None:
        """A line that stays where there is no live table, and is the newest of a few where there is one."""
        if self._live is None:
            self._console.print(line, soft_wrap=True, highlight=False)
        self._last = [*self._last, line][-5:]

    def _draw(self) -> None:
        if (self._live is None and self._cell is None) or time.monotonic() - self._drawn < INTERVAL:
            return
        self._drawn = time.monotonic()
        if self._live is None:
            self._draw_cell()
            return
        table = Table(box=None, pad_edge=False, expand=True)
        for name in (_("trial"), words.unit_of(self._space, 1), self._space.objective.metric):
            table.add_column(name, justify="right")
        table.add_column(_("what"), no_wrap=True, overflow="ellipsis", ratio=1)  # the numbers take what they need, this the rest
        for number, record in list(self._running.items())[:ROWS]:
            epoch, score = self._progress.get(number, (0, float("nan")))
            text = words.configuration(record, self._space) if self._confirms else words.story(record, self._space)
            table.add_row(
                self._names.get(number) or str(number),
                f"{epoch}/{self._space.epochs}",
                f"{score:.4f}" if not math.isnan(score) else "",
                escape(text),
            )
        more = len(self._running) - ROWS
        rest = words.styled("dim", _("… and {n} more running").format(n=more))
        lines = [*([rest] if more > 0 else []), *self._last]
        cut = [Text.from_markup(line, overflow="ellipsis") for line in (*self._standing(), *lines)]
        for line in cut:
            line.no_wrap = True  # a line that wraps, or that is one line now and two then, makes the table jump
        self._live.update(Group(self._bar, *cut[:2], table, *cut[2:]), refresh=True)

    def _draw_cell(self) -> None:
        """A bar, and how the search goes, in a notebook."""
        if self._cell is not None:
            task, lines = self._bar.tasks[0], (Text.from_markup(line).plain for line in self._standing())
            told = "<br>".join(map(html.escape, (f"{task.description}: {task.completed:.0f} / {task.total:.0f}", *lines)))
            self._cell.update(
                {"text/html": f"<progress max='{task.total}' value='{task.completed}'></progress> {told}"}, raw=True
            )

    def _outlook(self) -> str:
        """How long this still takes, if that is known and not over, and what is trained after it."""
        left = self.left()
        eta = _("about {n} left").format(n=words.duration(left)) if left >= 1 else ""
        return words.listed(filter(None, (eta, self._then)))

    def _standing(self) -> tuple[str, str]:
        """How the search goes, and what was stopped."""
        first = self._best[:1]
        best = _("no trial complete yet")
        if first:
            metric = self._space.objective.metric
            front = ngettext(
                "front of {n}, best {metric} {score} ({trial})", "front of {n}, best {metric} {score} ({trial})", len(self._best)
            )
            best = (front if len(self._space.objectives) > 1 else _("best {score} ({trial})")).format(
                n=len(self._best),
                metric=metric,
                score=words.score(ranking.score(first[0])),
                trial=words.trial(first[0].number)
                if first[0].state == State.COMPLETE
                else words.listed([words.trial(first[0].number), words.standing(first[0])]),
            )
        eta = self._outlook()
        saved = left_out(self._space, self._ended)
        spared = _("{epochs} saved").format(epochs=words.budget(saved.stopped + saved.shared, self._space.unit))
        stopped = words.listed(f"{name} {count}" for name, count in self._stopped.most_common()) or ""
        pruned = _("pruned {n}").format(n=self._stopped.total() - self._parked)
        parked = [_("parked {n}").format(n=self._parked)] if self._parked else []
        n = self._warned.total()
        waiting = _("waiting {n}").format(n=len(self._waiting)) if self._waiting else ""
        warned = ngettext("{n} warning", "{n} warnings", n).format(n=n) if n else ""
        if self._confirms:
            return eta, warned
        shown = (best, eta, spared), (words.listed([pruned, *parked]), waiting, warned, stopped)
        first_line, second_line = (" · ".join(part for part in parts if part) for parts in shown)
        return first_line, second_line


def _notebook_cell() -> Any:
    """What changes in a cell of the notebook that this runs in; None where there is none."""
    if "ipykernel" not in sys.modules:
        return None
    ipython: Any = import_module("IPython")
    shown = ipython.get_ipython() is not None
    return ipython.display.display({"text/html": ""}, raw=True, display_id=True) if shown else None
