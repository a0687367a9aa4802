"""What the study of a search says, as the API tells it: the answer, the trials, one trial, the report."""

from __future__ import annotations

import contextvars
import gc
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pitprop import messages, telemetry
from pitprop import space as spaces
from pitprop.errors import UserError
from pitprop.messages import _, localized
from pitprop.results.opening import results_of
from pitprop.results.results import Results
from pitprop.results.summary import Reason
from pitprop.service import models
from pitprop.service.database.ledger import LIVE, Entry
from pitprop.service.running.places import Places
from pitprop.study.record import Record, State
from pitprop.study.stored import read_study

if TYPE_CHECKING:
    from pitprop.views.content import Content

T = TypeVar("T")
KEPT = 64
"""How many studies are kept as they were last read."""
RARE, LONGEST = 20.0, 10.0
"""What was read of a search that runs is kept so many times as long as it took, and so many seconds at most."""
TAIL = 16_384
"""Bytes of a log that are shown."""
REST = 4.0
"""Between two readings beside the requests so many times as long passes as the first took: answers wait for none of them then."""
LATER = "renews"
"""The thread that reads anew what somebody has been told as it was."""
LOGS = ("stderr.log", "stdout.log")
logger = logging.getLogger("pitprop.service")


@dataclass(frozen=True, slots=True)
class Kept:
    """What was read of a search when it was as ``stamp`` says; of one that runs it will do ``until`` then."""

    stamp: Any
    value: Any
    until: float

    def fits(self, stamp: Any, live: bool) -> bool:
        """Whether it need not be read anew."""
        return self.stamp == stamp or (live and time.monotonic() < self.until)


class NoStudy(UserError):
    """The search has no study yet, or no such trial: one sentence."""


class Reader:
    """Reads the studies of searches. What was read is kept until the search reports something new."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._renewed: set[tuple[str, str]] = set()
        self._later = ThreadPoolExecutor(1, LATER)
        self._lock = threading.Lock()
        self._turn = threading.RLock()  # several that read at once would take turns with each answer, too
        self._closed = threading.Event()

    def prepare(self) -> None:
        """Imports what answers are made with before somebody waits for one, and leaves that out of garbage collections."""
        self._later.submit(_prepared)

    def close(self) -> None:
        """Reads nothing anew any more."""
        self._closed.set()
        self._later.shutdown(cancel_futures=True)

    def results(self, entry: Entry) -> Results:
        """What its study says now; `NoStudy` before its driver has made one."""
        return self._once(entry, "results", self._results)

    def answer(self, entry: Entry) -> models.Answer | None:
        """The answer so far; None before there is a study."""
        try:
            return self._once(entry, f"answer {messages.language()}", lambda found: _answer(self.results(found)))
        except NoStudy:
            return None

    def trials(self, entry: Entry) -> Sequence[Record]:
        """All trials by number, with remedies in view of the whole study."""
        return self.results(entry).advised

    def trial(self, entry: Entry, number: int) -> models.TrialDetail:
        """One trial, with its curves and the end of its logs."""
        results = self.results(entry)
        if not 0 <= number < len(results.advised):
            text = _("{search} has no trial {number}: it has {count}, from 0")
            raise NoStudy(text.format(search=entry.name, number=number, count=len(results.advised)))
        record = results.advised[number]
        folder = Path(record.folder)
        curves = [telemetry.read(telemetry.file(folder, replica)) for replica in range(results.space.seeds)]
        log = "".join(_tail(folder / name) for name in LOGS)
        return models.TrialDetail(
            **trial(record).model_dump(),
            curves=[[models.CurvePoint(step=one.step, metrics=dict(one.metrics)) for one in curve] for curve in curves if curve],
            log=log,
            traceback=_tail(folder / "traceback.txt"),
        )

    def text(self, entry: Entry, width: int, *, colour: bool = False, full: bool = False) -> str:
        """The answer as a terminal of that width shows it."""
        return _text(self.results(entry), width, colour=colour, full=full)

    def content(self, entry: Entry) -> Content:
        """What there is to say of its study."""
        return self._once(entry, f"content {messages.language()}", lambda found: _content(self.results(found)))

    def report(self, entry: Entry, lang: str) -> str:
        """The report as an HTML page that asks nobody for anything."""
        return self._once(entry, f"report {lang}", lambda found: _report(self.results(found), lang))

    def forget(self, search: str) -> None:
        """Drops what is kept of a search."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == search]:
                del self._kept[key]

    def _once(self, entry: Entry, what: str, read: Callable[[Entry], T]) -> T:
        """What ``read`` gives, once for each state of the search; of one that runs, as old as it may be for what it costs.

        Whoever asks while it is read anew is given what was read before, if that is not too old.
        """
        key, stamp = (entry.id, what), (entry.events, entry.state, entry.trials)
        kept = self._recalled(key, stamp, live=entry.state in LIVE)
        if kept is not None and not kept.fits(stamp, entry.state in LIVE):
            self._renew(key, lambda: self._read(entry, key, stamp, read))
        if kept is not None:
            return cast(T, kept.value)
        with self._turn:
            kept = self._recalled(key, stamp, live=entry.state in LIVE)  # somebody may have read it meanwhile
            return self._read(entry, key, stamp, read) if kept is None else cast(T, kept.value)

    def _recalled(self, key: tuple[str, str], stamp: Any, *, live: bool) -> Kept | None:
        """What was read before, if it will do, or will do until it is read anew."""
        renews = threading.current_thread().name.startswith(LATER)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
        late = live and not renews and time.monotonic() < kept.until + LONGEST
        return kept if kept.fits(stamp, live) or late else None

    def _read(self, entry: Entry, key: tuple[str, str], stamp: Any, read: Callable[[Entry], T]) -> T:
        with self._turn:
            began = time.monotonic()
            found = read(entry)
            took = time.monotonic() - began
        with self._lock:
            self._kept[key] = Kept(stamp, found, began + took + min(LONGEST, took * RARE))
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _renew(self, key: tuple[str, str], read: Callable[[], object]) -> None:
        """Reads it anew beside the requests, one after the other with rests between, however many searches are looked at."""
        with self._lock:
            if key in self._renewed or self._closed.is_set():
                return
            self._renewed.add(key)
        language = contextvars.copy_context()

        def done() -> None:
            began = time.monotonic()
            try:
                language.run(read)
            except Exception as error:  # whoever asks next, and waits for it, is told
                logger.info("search %s could not be read anew: %s", key[0], type(error).__name__)
            finally:
                self._renewed.discard(key)
            self._closed.wait(min(1.0, REST * (time.monotonic() - began)))

        with suppress(RuntimeError):  # it was closed just now
            self._later.submit(done)

    def _results(self, entry: Entry) -> Results:
        where, file = self._places.of(entry), self._places.space_file(entry)
        stored = read_study(where, entry.study) if file.exists() else None
        if stored is None:
            raise NoStudy(_("{search} has no trials yet: it has not begun").format(search=entry.name))
        return results_of(spaces.load(str(file)), where, stored)


def _prepared() -> None:
    from pitprop.study import database  # noqa: F401
    from pitprop.views.content import Content  # noqa: F401
    from pitprop.views.report import markdown  # noqa: F401

    gc.collect()
    gc.freeze()  # else each full collection looks through all that was imported, and 100 requests wait for a tenth of a second


def trial(record: Record) -> models.Trial:
    """A trial as the API tells it."""
    return models.Trial(
        number=record.number,
        state=record.word,
        params=dict(record.params),
        values=None if record.values is None else list(record.values),
        baseline=record.baseline,
        verdicts=[
            models.VerdictRow(
                signature=one.signature,
                step=one.step,
                action=one.action,
                reason=localized(one.reason),
                remedy=localized(one.remedy),
            )
            for one in record.verdicts
        ],
        error=localized(record.error),
        epochs=record.epochs,
        saved=record.saved,
        started=record.started,
        ended=record.ended,
        revives=record.revives,
        remedy_of=record.remedy_of,
        excluded=record.excluded,
    )


def best(record: Record) -> models.Best:
    """A best trial as the API tells it."""
    return models.Best(trial=record.number, values=list(record.values or ()), params=dict(record.params))


def progress(results: Results) -> models.Progress:
    """How far a study is."""
    summary, space = results.summary, results.space
    states = summary.states
    return models.Progress(
        target=summary.target,
        begun=sum(states.values()),
        complete=states[State.COMPLETE],
        pruned=states[State.PRUNED],
        parked=len(summary.parked),
        waiting=len(summary.waiting),
        failed=states[State.FAIL],
        running=states[State.RUNNING],
        epochs=summary.spent,
        saved=summary.saved,
        unit=space.unit,
        metric=space.objective.metric,
        goal=space.objective.goal,
        best=best(summary.best[0]) if summary.best else None,
        stopped={reason.signature: len(reason.trials) for reason in summary.pruned},
    )


def _answer(results: Results) -> models.Answer:
    from pitprop.views.content import Content
    from pitprop.views.report import markdown

    summary, content, sure = results.summary, Content.of(results), results.confirmation
    told = {"confirmation": sure, "by_parameter": results.ablation}
    first = results.best_trial
    leads = {name: summary.delta(first, name) if first is not None else None for name in summary.baselines}
    return models.Answer(
        text=markdown.section(content, "answer"),
        best=best(first) if first is not None else None,
        stopped=[_reason(one) for one in summary.pruned],
        warned=[_reason(one) for one in summary.warned],
        baselines=[models.Baseline(name=name, value=value, lead=leads[name]) for name, value in summary.baselines.items()],
        gates=[
            models.GateRow(
                metric=gate.metric,
                epoch=gate.epoch,
                bounds=[_bound(*bound) for bound in gate.bounds],
                action=gate.action,
                remedy=gate.remedy,
                **dict(zip(("met", "missed", "before"), gate.counts or (None, None, None), strict=True)),
            )
            for gate in content.gates
        ],
        spent=summary.spent,
        saved=summary.saved,
        unit=results.space.unit,
        summary=_plain(summary.to_json() | {name: one.to_json() if one is not None else None for name, one in told.items()}),
    )


def _bound(word: str, value: float | None, baseline: str, plus: float) -> str:
    number = "" if value is None else f" {value:.6g}"
    return f"at {word}{number}" + (f" ({baseline} {plus:+g})" if baseline else "")


def _reason(one: Reason) -> models.Reason:
    return models.Reason(
        signature=one.signature,
        trials=list(one.trials),
        parked=list(one.parked),
        reason=localized(one.example),
        remedy=localized(one.remedy),
    )


def _report(results: Results, lang: str) -> str:
    from pitprop.views import report
    from pitprop.views.content import Content

    return report.made(Content.of(results), lang=lang)[0]


def _content(results: Results) -> Content:
    from pitprop.views.content import Content

    return Content.of(results)


def _text(results: Results, width: int, *, colour: bool, full: bool) -> str:
    from io import StringIO

    from pitprop.views.content import Content
    from pitprop.views.terminal.status import print_status
    from rich.console import Console

    file = StringIO()
    console = Console(file=file, width=width, force_terminal=colour, color_system="standard" if colour else None)
    print_status(console, Content.of(results), full=full)
    return file.getvalue()


def _plain(value: Any) -> Any:
    """The same as JSON has it, with what messages say; numbers that are none become None, as in the command's own output."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return localized(value)


def _tail(path: Path) -> str:
    """The end of a log; nothing if there is none."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - TAIL))
        return file.read(TAIL).decode(errors="replace")
    return ""
