"""The driver's end of the exporter. It starts the process, and talks to it through a pipe that it never waits for.

Into the process goes a line of JSON for each record, what there is to conclude, and ``"bye"`` at the end; out of it comes one
line that says how it went. One process exports the study of a search and those that confirm it (`Exporter.beside`): to import
MLflow takes seconds of a processor.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from pitprop.addresses import safe, sqlite_file
from pitprop.messages import _, ngettext
from pitprop.processes import module_command, search_path
from pitprop.study import record as row
from pitprop.study.record import Record, StudyCard

ENVIRONMENT: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "OMP_NUM_THREADS": "1",
}
"""What MLflow is told: not to phone home, not to look for git, and not to retry for minutes, which we do ourselves."""

CALM = {"MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated:UserWarning"}
"""What a server is told beside: to say what is wrong, and not how it begins, nor what MLflow has yet to change in itself."""
GREETING = "[MLflow] Security middleware enabled"
"""How the line begins that a server writes to its stderr for all that, when nothing is wrong."""

NAME = "pitprop.localhost"
"""A name by which browsers find this machine's loopback. MLflow's page takes it for a server elsewhere, so its assistant does not
cover a third of the window at the first visit."""

PATIENCE = 600.0
"""Seconds for which a store on this machine may give no sign: on a busy one its tables alone take minutes to make."""
PATIENCE_AWAY = 60.0
"""Seconds that a server has to take what is left at the end of a search."""
KILLING = 1.0
"""Seconds after which a process that was told to end is ended."""


def environment(uri: str) -> dict[str, str]:
    """The environment of a process of ours that talks to the MLflow at ``uri``.

    The user and the password of a server stand in variables of their own: what a process prints or logs of the address then
    holds neither.
    """
    parts, given = urlsplit(uri), {}
    if parts.scheme in ("http", "https") and "@" in parts.netloc:
        known, _at, host = parts.netloc.rpartition("@")
        user, _colon, password = known.partition(":")
        given = {"MLFLOW_TRACKING_USERNAME": unquote(user), "MLFLOW_TRACKING_PASSWORD": unquote(password)}
        uri = urlunsplit(parts._replace(netloc=host))
    return {**os.environ, **ENVIRONMENT, **given, "PYTHONPATH": search_path(), "MLFLOW_TRACKING_URI": uri}


def served(uri: str) -> dict[str, str]:
    """What is added to the environment of a server of the store at ``uri``."""
    hosts = ",".join(f"{name}:*" for name in ("127.0.0.1", "localhost", NAME))
    named = {"MLFLOW_SERVER_ALLOWED_HOSTS": hosts, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://{NAME}:*"}
    return {**ENVIRONMENT, **named, **CALM, "MLFLOW_BACKEND_STORE_URI": uri}


class Sink(Protocol):
    """What takes the records of a study for MLflow: an `Exporter`, or a study `Beside` that of one."""

    def begin(self) -> None: ...

    def send(self, record: Record) -> None: ...

    def conclude(self, best: Sequence[int] | None = None, answer: str = "", studies: Iterable[str] = ()) -> None: ...


class Beside:
    """A study that the process of another's `Exporter` exports too. ``complete`` is what that one's `Exporter.finish` found."""

    def __init__(self, study: str, exporter: Exporter) -> None:
        self.study, self._exporter = study, exporter
        self.sent: set[int] = set()
        self.conclusion: dict[str, Any] = {}
        self.complete = False

    def begin(self) -> None:
        """As `Exporter.begin`."""
        self._exporter.begin()

    def send(self, record: Record) -> None:
        """As `Exporter.send`."""
        self.sent.add(record.number)
        self._exporter.take(self.study, record)

    def conclude(self, best: Sequence[int] | None = None, answer: str = "", studies: Iterable[str] = ()) -> None:
        """As `Exporter.conclude`."""
        self.conclusion = _conclusion(best, answer, studies)


def _conclusion(best: Sequence[int] | None, answer: str, studies: Iterable[str]) -> dict[str, Any]:
    return {"best": None if best is None else list(best), "answer": answer, "studies": list(studies)}


class Exporter:
    """A context that exports a study to the MLflow store at ``uri``, from a process that gives way while something trains.

    ``log`` is the file that takes all that MLflow prints. Nothing here raises, whatever becomes of MLflow or the process.
    Leaving the context without `finish` ends the process as if the driver had died. ``complete`` is what `finish` found:
    whether MLflow has taken everything.

    ``trainer`` is the location of what trains (see `pitprop.trainer.find`), with its ``options`` and the folder from which paths
    in these go, ``home``. With it the runs that begin from now on bear the code's version; leave it out where nothing trains.

    ``studies`` are those that the same process exports beside this one, by name.

    ``export`` is the command line that exports this study, for a user whose export did not succeed or takes too long.
    """

    def __init__(
        self,
        uri: str,
        artifacts: Path,
        card: StudyCard,
        log: Path,
        *,
        trainer: str | None = None,
        options: Mapping[str, Any] | None = None,
        home: Path = Path(),
        export: str | None = None,
    ) -> None:
        self._uri, self._artifacts, self._card, self._log = uri, artifacts, card, log
        self._code = trainer and {"trainer": trainer, "options": dict(options or {}), "home": str(home.resolve())}
        self._export = export or f"pitprop export {card.name}"
        self._conclusion: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.studies: dict[str, Beside] = {}
        self._openings: deque[bytes] = deque()
        self._latest: dict[tuple[str, int], Record] = {}
        self._line = b""
        self._sent: set[int] = set()
        self._done = 0
        self._left = False
        self.complete = False

    def beside(self, card: StudyCard, log: Path) -> Beside:
        """An exporter of another study by the same process, whose `finish` waits for that study too; the same for the same."""
        if (known := self.studies.get(card.name)) is not None:
            return known
        self._openings.append(
            json.dumps({"of": card.name, "card": json.loads(row.dumps(card)), "log": str(log)}).encode() + b"\n"
        )
        found = Beside(card.name, self)
        self.studies[card.name] = found
        self._flush()
        return found

    def take(self, study: str, record: Record) -> None:
        """Gives a record of a study beside this one on, as `send` does with its own."""
        self._latest[study, record.number] = record
        self._flush()

    def begin(self) -> None:
        """Has the process open MLflow, which takes seconds of a processor, if no trial has come to do it for: what trains has
        started by now."""
        self._openings.append(b'"begin"\n')
        self._flush()

    def hasten(self) -> None:
        """Has the process give way no more: nothing trains any longer."""
        self._openings.append(b'"hasten"\n')
        self._flush()

    def __enter__(self) -> Exporter:
        setup = {
            "artifacts": str(self._artifacts),
            "folder": str(self._log.parent),
            "card": json.loads(row.dumps(self._card)),
            "driver": os.getpid(),
            "code": self._code,
        }
        with contextlib.suppress(OSError):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a") as log:
                self._process = subprocess.Popen(
                    module_command("pitprop.track"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    bufsize=0,  # `select` does not see what a buffer holds
                    env=environment(self._uri),
                    start_new_session=True,  # a Ctrl-C or a closed terminal is the driver's to hear
                )
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)
        self._line = json.dumps(setup, default=str).encode() + b"\n"
        self._flush()
        return self

    def send(self, record: Record) -> None:
        """Gives the record on, if the pipe takes it now, or keeps the latest of each trial for the next call."""
        self._sent.add(record.number)
        self._latest["", record.number] = record
        self._flush()

    def attach(self, files: Iterable[Path]) -> None:
        """Files for `finish` to add to the artifacts of the study's run: its report."""
        self._conclusion["files"] = [str(Path(file).resolve()) for file in files]

    def conclude(self, best: Sequence[int] | None = None, answer: str = "", studies: Iterable[str] = ()) -> None:
        """For `finish` to say on the study's run: the numbers of the ``best`` trials, a Pareto front of two objectives included
        (None: as `pitprop.study.ranking` says), and the answer in Markdown, in which *trial 12* becomes a link, and so does the
        name of each of the other ``studies`` where it is set as code."""
        self._conclusion |= _conclusion(best, answer, studies)

    def finish(
        self,
        timeout: float = PATIENCE_AWAY,
        told: Callable[[str], None] = lambda _: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> str:
        """Waits until all is exported and the runs are closed; a sentence on how it went.

        ``told`` is given a line whenever there is news of how far it is; ``meanwhile`` is done before the waiting, when the
        process knows all. Ctrl-C ends the waiting, and so do ``timeout`` seconds where MLflow is a server; a store of our own is
        waited for as long as it gives signs of itself.
        """
        try:
            self._tell(told, 0)
            self._take_leave()
            meanwhile()
            answer = self._part(timeout, told)
        except KeyboardInterrupt:
            text = _("the export to MLflow was interrupted after {done} of {count} trials: `{command}` exports the rest")
            return text.format(done=self._done, count=self._count, command=self._export)
        lacking = {} if answer is None else answer.get("lacking", {})
        for one in self.studies.values():
            one.complete = answer is not None and one.study not in lacking
        return self._outcome(answer)

    @property
    def _count(self) -> int:
        """How many trials were sent, of all studies."""
        return len(self._sent) + sum(len(one.sent) for one in self.studies.values())

    def _outcome(self, answer: dict[str, Any] | None) -> str:
        """What the process answered, None if nothing, as a sentence."""
        store = safe(self._uri)
        if answer is not None and "broken" in answer:
            text = _(
                "the MLflow store {store} is broken ({reason}), and no trial is exported: move that file away, then "
                "`{command}` makes a new one with all trials of this study (log: {log})"
            )
            return text.format(store=sqlite_file(self._uri), reason=answer["broken"], command=self._export, log=self._log)
        left = self._count - self._done if answer is None else answer["left"]
        if left or answer is None or "reason" in answer:
            reason = "" if answer is None else answer.get("reason", "")
            cause = _("the export to MLflow at {store} broke off") if answer is None else _("MLflow at {store} did not answer")
            if reason and not self._uri.startswith("http"):
                cause = _("MLflow at {store} failed ({reason})")
            text = ngettext("up to {n} trial is not exported", "up to {n} trials are not exported", left)
            if answer is not None:
                text = ngettext("{n} trial is not exported", "{n} trials are not exported", left)
            how = _("the next search or `{command}` exports what is missing (log: {log})")
            return _("{cause}: {what}; {how}").format(
                cause=cause.format(store=store, reason=reason),
                what=text.format(n=left),
                how=how.format(command=self._export, log=self._log),
            )
        if answer["refused"]:
            text = _("MLflow at {store} refused {n} of {count} trials; the reasons are in {log}")
            return text.format(store=store, n=answer["refused"], count=self._count, log=self._log)
        self.complete = True
        n, again = len(self._sent), self._count - len(self._sent)
        text = ngettext("{n} trial is in MLflow at {store}", "{n} trials are in MLflow at {store}", n)
        if again:
            text = ngettext(
                "{n} trial and {again} that were trained again are in MLflow at {store}",
                "{n} trials and {again} that were trained again are in MLflow at {store}",
                n,
            )
        return text.format(n=n, again=again, store=store)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end(process, KILLING)

    def _part(self, timeout: float, told: Callable[[str], None]) -> dict[str, Any] | None:
        """Says goodbye and hears the process's last word; None if it has none or gives no sign of itself for too long."""
        process = self._process
        away = self._uri.startswith("http")
        patience = timeout if away else PATIENCE
        deadline = time.monotonic() + patience
        while process and process.stdin and process.stdout and (left := deadline - time.monotonic()) > 0:
            self._take_leave()
            readable, _, _ = select.select([process.stdout], [process.stdin] if self._line else [], [], left)
            if not readable:
                continue
            word = process.stdout.readline()
            said: dict[str, Any] = json.loads(word) if word else {}
            if "done" in said:
                self._tell(told, said["done"])
                deadline = deadline if away else time.monotonic() + patience
                continue
            self._process = None
            _end(process, 10.0 if said else KILLING)
            return said or None
        return None

    def _take_leave(self) -> None:
        """Gives on what is left, and says goodbye after it, as far as the pipe takes it now."""
        self._flush()
        if not (self._line or self._left):
            beside = [{"of": one.study, "conclusion": one.conclusion} for one in self.studies.values()]
            lines = [json.dumps({"conclusion": self._conclusion}), *map(json.dumps, beside), '"bye"', ""]
            self._line, self._left = "\n".join(lines).encode(), True
            self._flush()

    def _tell(self, told: Callable[[str], None], done: int) -> None:
        self._done = done
        text, again = _("MLflow: {done} of {count} trials; Ctrl-C leaves the rest to `{command}`"), self._count - len(self._sent)
        if again:
            text = _("MLflow: {done} of {count} ({n} trials, {again} trained again); Ctrl-C leaves the rest to `{command}`")
        told(text.format(done=done, count=self._count, n=len(self._sent), again=again, command=self._export))

    def _flush(self) -> None:
        """Writes as much as the pipe takes without waiting."""
        while self._process and self._process.stdin and (self._line or self._openings or self._latest):
            if not self._line:
                self._line = self._openings.popleft() if self._openings else self._next()
            try:
                written = os.write(self._process.stdin.fileno(), self._line)
            except BlockingIOError:
                return
            except OSError:  # the process is gone; `finish` says so
                self._line = b""
                self._openings.clear()
                self._latest.clear()
                return
            self._line = self._line[written:]

    def _next(self) -> bytes:
        """The line of the record that has waited longest."""
        study, number = next(iter(self._latest))
        record = self._latest.pop((study, number))
        said = row.dumps(record) if not study else json.dumps({"of": study, "record": json.loads(row.dumps(record))})
        return said.encode() + b"\n"


def _end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Closes the pipe, at which the process ends by itself, or ends it after ``timeout`` seconds.

    One that makes the tables of a database server heeds that later, and nobody waits for it.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    process.stdout.close()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.terminate()
        threading.Thread(target=process.wait, daemon=True).start()
