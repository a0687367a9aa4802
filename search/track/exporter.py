"""The driver's end of the exporter. It starts the process, and talks to it through a pipe that it never waits for.

Into the process goes a line of JSON for each record, what there is to conclude, and ``"bye"`` at the end; out of it comes one
line that says how it went.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pitprop.imports import module_command, search_path
from pitprop.messages import _, ngettext
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


class Exporter:
    """A context that exports a study to the MLflow store at ``uri``, from a process of low priority.

    ``log`` is the file that takes all that MLflow prints. Nothing here raises, whatever becomes of MLflow or the process.
    Leaving the context without `finish` ends the process as if the driver had died. ``complete`` is what `finish` found:
    whether MLflow has taken everything.

    ``trainer`` is the location of what trains (see `pitprop.trainer.find`), with its ``options`` and the folder from which paths
    in these go, ``home``. With it the runs that begin from now on bear the code's version; leave it out where nothing trains.

    ``export`` is the command line that exports this study, for a user whose export did not succeed.
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
        self._latest: dict[int, Record] = {}
        self._line = b""
        self._sent: set[int] = set()
        self.complete = False

    def __enter__(self) -> Exporter:
        setup = {
            "uri": self._uri,
            "artifacts": str(self._artifacts),
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
                    env={**os.environ, **ENVIRONMENT, "PYTHONPATH": search_path(), "MLFLOW_TRACKING_URI": self._uri},
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
        self._latest[record.number] = record
        self._flush()

    def attach(self, files: Iterable[Path]) -> None:
        """Files for `finish` to add to the artifacts of the study's run: its report."""
        self._conclusion["files"] = [str(Path(file).resolve()) for file in files]

    def conclude(self, best: Sequence[int] | None = None, answer: str = "") -> None:
        """For `finish` to say on the study's run: the numbers of the ``best`` trials, a Pareto front of two objectives included
        (None: as `pitprop.study.ranking` says), and the answer in Markdown, in which *trial 12* becomes a link."""
        self._conclusion |= {"best": None if best is None else list(best), "answer": answer}

    def finish(self, timeout: float = 60.0) -> str:
        """Waits until all is exported and the runs are closed, at most ``timeout`` seconds; a sentence on how it went."""
        deadline = time.monotonic() + timeout
        answer = self._part(deadline)
        store = re.sub(r"//[^/@]*@", "//", self._uri)
        left = len(self._sent) if answer is None else answer["left"]
        if left or answer is None:
            cause = _("the export to MLflow at {store} broke off") if answer is None else _("MLflow at {store} did not answer")
            text = ngettext("up to {n} trial is not exported", "up to {n} trials are not exported", left)
            if answer is not None:
                text = ngettext("{n} trial is not exported", "{n} trials are not exported", left)
            how = _("the next search or `{command}` catches up (log: {log})").format(command=self._export, log=self._log)
            return _("{cause}: {what}; {how}").format(cause=cause.format(store=store), what=text.format(n=left), how=how)
        if answer["refused"]:
            text = _("MLflow at {store} refused {n} of {count} trials; the reasons are in {log}")
            return text.format(store=store, n=answer["refused"], count=len(self._sent), log=self._log)
        self.complete = True
        text = ngettext("{n} trial is in MLflow at {store}", "{n} trials are in MLflow at {store}", len(self._sent))
        return text.format(n=len(self._sent), store=store)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end(process, 5.0)

    def _part(self, deadline: float) -> dict[str, int] | None:
        """Says goodbye and hears the process's last word; None if it has none or does not say it in time."""
        process, farewell = self._process, False
        while process and process.stdin and process.stdout and (left := deadline - time.monotonic()) > 0:
            self._flush()
            if not (self._line or farewell):
                self._line, farewell = json.dumps({"conclusion": self._conclusion}).encode() + b'\n"bye"\n', True
                self._flush()
            readable, _, _ = select.select([process.stdout], [process.stdin] if self._line else [], [], left)
            if readable:
                word = process.stdout.readline()
                self._process = None
                _end(process, max(deadline - time.monotonic(), 1.0))
                return dict(json.loads(word)) if word else None
        return None

    def _flush(self) -> None:
        """Writes as much as the pipe takes without waiting."""
        while self._process and self._process.stdin and (self._line or self._latest):
            if not self._line:
                self._line = row.dumps(self._latest.pop(next(iter(self._latest)))).encode() + b"\n"
            try:
                written = os.write(self._process.stdin.fileno(), self._line)
            except BlockingIOError:
                return
            except OSError:  # the process is gone; `finish` says so
                self._line = b""
                self._latest.clear()
                return
            self._line = self._line[written:]


def _end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Closes the pipe, at which the process ends by itself, or ends it after ``timeout`` seconds."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
