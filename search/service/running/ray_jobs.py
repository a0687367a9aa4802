"""Drivers as jobs of a Ray cluster, for a service that is no node of it: whatever becomes of the service, they go on there.

A job is found by its search, which stands in Ray's list beside it, so a service that comes back follows the jobs that run. Work
and words go by the folder of runs, which the cluster sees at the same place: the number of workers, the journal, the curves.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pitprop import space as spaces
from pitprop.addresses import PRIVATE, safe, sqlite_file
from pitprop.errors import UserError
from pitprop.messages import Message, _, message
from pitprop.service.catalogue import Catalogue
from pitprop.service.database.ledger import Entry
from pitprop.service.running.drivers import GRACE, lay_out, words
from pitprop.service.running.places import Places
from pitprop.space import scripts
from pitprop.workers.cluster.jobs import Forbidden, Job, Jobs, Order, Unanswered, public_addresses
from pitprop.workers.cluster.runtime_env import Code

T = TypeVar("T")
ASKED_AGAIN = 10.0
"""Seconds after which a job that still runs is asked to end once more: a head that has just started forgets that it was."""
BOUND = 5.0
"""Seconds for which a look waits for the job server, and asks it for more: a service that waits longer loses its searches."""
TRIED_AGAIN = 60.0
"""Seconds after which a cluster that cannot drive searches is looked at anew."""


class Unfit(Unanswered):
    """The cluster answers, and cannot drive searches of this service as things are."""


class JobDrivers:
    """Drivers on the cluster of one job server, which need not answer yet.

    `UserError` if it is certain that searches cannot run there: by what this service was told, or by what the cluster says.
    """

    def __init__(self, places: Places, allowed: Catalogue) -> None:
        self.host = places.home.ray or ""
        self._places = places
        self._environment = _environment(places, allowed)
        self._allowed = allowed
        self._server: Jobs | None = None
        self._tries = False
        self._unfit: tuple[float, Unfit] | None = None
        self._jobs: dict[str, Job] = {}
        """By name, ours on the cluster, as of the last look."""
        self._asking: Future[dict[str, Job]] | None = None
        self._handing: dict[str, Future[str]] = {}
        """By name, the jobs of which nobody knows yet whether they run: no list was asked for since they were handed over."""
        self._handed: list[str] = []
        """Those of them that were handed over, or not, before the list was asked for that comes next."""
        self._answers = False
        """Not once it has let one request go without an answer, until the next look: the others would wait for theirs, too."""
        self._left = 0.0
        """Seconds that requests may still take before the next look: what is left to ask then is for that one."""
        self._refused: dict[str, str] = {}
        self._asked: dict[str, float] = {}
        try:
            self._connected()
        except (Forbidden, Unfit):
            raise
        except Unanswered:  # the next look says so
            pass

    def look(self) -> None:
        """Asks the job server for its list. What it says too late was so then, and is asked for again."""
        until = time.monotonic() + BOUND
        if self._asking is None or self._ended(self._asking, until):
            self._handed = [name for name, one in self._handing.items() if one.done()]
            self._asking = _begun(self._known)
        if not self._ended(self._asking, until):
            raise Unanswered(self._waits())
        asked, self._asking = self._asking, None
        self._jobs = asked.result()
        self._answers, self._left = True, BOUND
        for name in self._handed:
            handed = self._handing.pop(name, None)
            if handed is not None and (error := handed.exception()) is not None:
                self._refused[name] = error.said if isinstance(error, Unanswered) else str(error)

    @staticmethod
    def _ended(asking: Future[dict[str, Job]], until: float) -> bool:
        return bool(wait([asking], max(0.0, until - time.monotonic())).done)

    def _waits(self) -> Message:
        if self._tries:
            return message("a job on the cluster of {address} still looks at what drivers need there", address=self.host)
        return message("the job server at {address} says nothing within {seconds:g} seconds", address=self.host, seconds=BOUND)

    def _known(self) -> dict[str, Job]:
        return {one.name: one for one in self._connected().known()}

    def _connected(self) -> Jobs:
        """The job server, once its cluster was found to be fit."""
        if self._server is None:
            if self._unfit is not None and time.monotonic() - self._unfit[0] < TRIED_AGAIN:
                raise self._unfit[1]
            server = Jobs(self.host, BOUND)
            self._tries = True
            try:
                _try_out(server, self._places, self._allowed, self._environment)
            except Unfit as error:
                self._unfit = time.monotonic(), error
                raise
            finally:
                self._tries = False
            self._server = server
        return self._server

    def start(self, entry: Entry) -> None:
        """Has a thread hand the driver to the cluster: a server that takes it and says nothing holds up no look, and no lease.

        Where the answer is lost nobody knows whether it runs, so that this is for the list to say that is asked for next. The job
        is called after the number of the start, so that Ray refuses a second one; one of an earlier start ends by itself, also
        if it begins late, and is asked to.
        """
        if not self._answers:
            raise BlockingIOError(_("the job server does not answer"))
        before = [one for one in self._jobs.values() if one.key == _key(entry.id)]
        running = [one.name for one in before if one.runs]
        for name in running:
            self._ask_to_stop(name)
        if running:
            raise BlockingIOError(_("an earlier driver of it is still running on the cluster"))
        for one in before:
            self._forget(one)
        file = lay_out(entry, self._places, link=not _ships(entry))
        space, log = spaces.load(str(file)), self._places.folder(entry.id) / "driver.log"
        log.touch(0o666 & ~PRIVATE)
        line = [*words(entry, self._places, ray="auto")]
        code = Code(modules=scripts.modules(space), pip=space.pip)
        order = Order(_key(entry.id), line, "", code, self._environment, _name(entry), str(log))
        server = self._connected()
        self._handing[_name(entry)] = _begun(lambda: server.submit(order))

    def lives(self, entry: Entry) -> bool:
        """Whether the job of this start runs, or may, as it is being handed over.

        What one that ended has to say is in its journal, so it goes off Ray's list.
        """
        job = self._jobs.get(name := _name(entry))
        if job is not None and job.ended:
            self._forget(job)
        return name in self._handing or (job is not None and job.runs)

    def end(self, entry: Entry, now: float) -> bool:
        """Has Ray send TERM, and KILL after a while. A hand-over is given up: a job of it that comes late ends by its number."""
        job = self._jobs.get(name := _name(entry))
        self._handing.pop(name, None)
        if job is not None and job.runs and not 0 <= now - self._asked.get(name, -ASKED_AGAIN) < ASKED_AGAIN:
            self._asked[name] = now
            self._ask_to_stop(name)
        return True

    def why(self, entry: Entry) -> str:
        """Why its job did not come to run, or what Ray says of its end."""
        job = self._jobs.get(_name(entry))
        return self._refused.pop(_name(entry), "") or (job.said if job is not None and not job.ended else "")

    def close(self) -> None:
        """Nothing: the cluster is not ours."""

    def _ask_to_stop(self, name: str) -> None:
        self._told(name, self._connected().ask_to_stop)

    def _forget(self, job: Job) -> None:
        if self._told(job.name, self._connected().forget):
            self._asked.pop(job.name, None)

    def _told(self, name: str, what: Callable[[str], None]) -> bool:
        """Whether the server has done it; if not, there is a next look."""
        began, asks = time.monotonic(), self._answers and self._left > 0
        try:
            if asks:
                what(name)
        except Unanswered:
            asks = self._answers = False
        self._left -= time.monotonic() - began
        return asks


def _begun(work: Callable[[], T]) -> Future[T]:
    """Has a thread do it that holds nobody up, this process at its end neither."""
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except Exception as error:
            found.set_exception(error)

    threading.Thread(target=run, name="job-server", daemon=True).start()
    return found


def _name(entry: Entry) -> str:
    return f"pitprop-{entry.id}-{entry.start}"


def _key(search: str) -> str:
    return f"serve {search}"


def _ships(entry: Entry) -> bool:
    """Whether its space is one that ships, which lies at another place there; all that it names goes by name."""
    return any(Path(entry.source) == spaces.find(name).resolve() for name in spaces.names()) if entry.source else False


def _environment(places: Places, allowed: Catalogue) -> dict[str, str]:
    """What a job finds in its environment; `UserError` if studies lie where the cluster does not reach them."""
    where = places.home
    if sqlite_file(where.study_db) is not None:
        text = _(
            "RAY_ADDRESS {address} is a job server, on whose cluster the drivers run, and the studies lie in the file {file}: "
            "name a database that the cluster reaches, STUDY_DB=postgresql+psycopg://USER@HOST/DATABASE"
        )
        raise UserError(text.format(address=safe(places.home.ray or ""), file=sqlite_file(where.study_db)))
    if allowed.counted:
        text = _(
            "RAY_ADDRESS {address} is a job server, and the catalogue does not say how much of its cluster there is to share: "
            "add capacity: {{cpus: 64, gpus: 8}} to the file of --catalogue"
        )
        raise UserError(text.format(address=safe(where.ray or "")))
    given = {"STUDY_DB": where.study_db, "MLFLOW_TRACKING_URI": where.mlflow}
    return {**public_addresses(**given), "RAY_JOB_STOP_WAIT_TIME_S": f"{GRACE:.0f}"}


def _try_out(server: Jobs, places: Places, allowed: Catalogue, environment: Mapping[str, str]) -> None:
    """Runs a job that looks from there at what drivers need; `Unfit` with all that is missing, `Unanswered`."""
    places.home.runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.home.runs, prefix=".cluster-") as name:
        mark, said = secrets.token_hex(8), list[str]()
        Path(name, "mark").write_text(mark, encoding="ascii")
        line = [name, mark, *map(str, allowed.files)]
        module = "pitprop.service.running.outlook"
        job = server.submit(Order("serve", line, "", Code(), environment, module=module))
        try:
            code = server.follow(job, said.append)
        except UserError as error:  # it did not run, or its head has forgotten it
            raise Unfit(str(error)) from error
        answered = os.access(Path(name, "answer"), os.R_OK)
    rows = [row for row in "".join(said).splitlines() if row.startswith("{")]
    if code or not rows:
        text = message(
            "a job on the cluster of {address} cannot run this program there: {said}",
            address=server.address,
            said="".join(said).strip()[-300:],
        )
        raise Unfit(text)
    with suppress(Unanswered):
        server.forget(job)
    if lacks := _lacking(json.loads(rows[-1]), places, shared=answered):
        text = message(
            "the cluster of {address} cannot drive searches of this service: {lacks}",
            address=server.address,
            lacks=Message.join(lacks, "; "),
        )
        raise Unfit(text)


def _lacking(found: Mapping[str, Any], places: Places, *, shared: bool) -> list[str]:
    """What is missing there, a sentence each."""
    lacks: list[str] = []
    if not found["shared"] or not shared:
        text = message(
            "the folder of runs {runs} is not the same folder there, or takes no files: share it, and name it by --runs",
            runs=str(places.home.runs),
        )
        lacks.append(text)
    if found["database"]:
        lacks.append(str(found["database"]))
    if found["missing"]:
        text = message(
            "{paths} of the catalogue is not there, where it has to be at the same place", paths=", ".join(found["missing"])
        )
        lacks.append(text)
    return lacks
