"""Workers as actors of Ray, on this machine or on the nodes of a cluster, where they come and go with the nodes."""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pitprop.addresses import shared_ray
from pitprop.errors import said
from pitprop.messages import Message, _, message, nmessage
from pitprop.telemetry import Epoch
from pitprop.trainer import Change, Start, public_environment
from pitprop.workers import deaths, reaper
from pitprop.workers.cluster import connection
from pitprop.workers.cluster.connection import RETURN, START, Local, RayDied
from pitprop.workers.cluster.installing import Installing, unmade
from pitprop.workers.cluster.placement import Need, fitting, refusal, room
from pitprop.workers.cluster.runtime_env import Code, Moved, packed
from pitprop.workers.cluster.shared import Shared
from pitprop.workers.cluster.watch import LOOK, Watch
from pitprop.workers.files import home
from pitprop.workers.files.node_worker import Answer, Remote
from pitprop.workers.launch import Job, LaunchError, Step, died_again, dying, late, limit_threads, not_replaced, nothing
from pitprop.workers.place import Place
from pitprop.workers.share import Size
from pitprop.workers.worker import Cause, Failure

LEAVE = 10.0
"""Seconds in which workers on other nodes may bring home what is left when a search ends."""
DEATHS = 3
"""How many deaths of the Ray that was started here, or of workers as they start, are replaced: more have a cause that stays."""
CODE = Code()
RESTARTS = 5
"""How many workers of a cluster may die in a row as they start: each is given a while, as its head may just start again."""


class OnRay:
    """Actors that are kept from group to group, each with what it ``needs`` to itself.

    An actor that dies, or that says nothing for ``stall`` seconds, is replaced, and the step says what happened to its
    group. ``address`` joins a cluster, to whose nodes the ``code`` travels; None starts a Ray here, which ends with the
    launcher, and ``shared:`` uses one of this machine with others. Either is started anew when it has died, up to `DEATHS`
    times. ``logs`` shows what the workers print. ``tell`` is called with what a user should know of the workers. With
    ``meanwhile``, which is done in a thread while Ray starts, the workers are waited for by `await_start`.
    """

    def __init__(
        self,
        job: Job,
        need: Need,
        size: Size,
        *,
        stall: float,
        address: str | None,
        logs: bool,
        code: Code = CODE,
        tell: Callable[[Message], object] = print,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        self._job, self._need, self._size, self._stall = job, need, size, stall
        self._address, self._logs, self._code, self._tell = address, logs, code, tell
        shares = shared_ray(address)
        self._shared = Shared(shares.folder, shares.cpus) if shares is not None else None
        self._here = address is None or shares is not None
        self._moved: Moved | None = None
        self._pip: Sequence[str] = ()
        self._generations = itertools.count()
        self._numbers = itertools.count()
        self._places: dict[int, Place] = {}
        self._leaving: set[int] = set()
        """Workers that train what they have, and then end."""
        self._left_out: dict[str, str] = {}
        """The nodes on which workers cannot train, each with the reason."""
        self._home: tuple[Any, ...] = ()
        self._told: set[str] = set()
        self._wanted = self._failed = self._deaths = 0
        with self._starting():
            self._start(meanwhile)
            if meanwhile is None:
                self._await_workers()

    @property
    def size(self) -> int:
        return max(1, self._wanted)

    def await_start(self) -> None:
        """Waits for as many workers as a search takes to begin. `LaunchError` if they do not come."""
        with self._starting():
            self._await_workers()

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Within the block, what dies of Ray is replaced, and nothing is left where it does not start."""
        try:
            yield
        except RayDied as died:
            self._start_anew(died)
        except BaseException as error:
            self.close()
            if type(error).__module__.startswith("ray."):
                raise LaunchError(_("the workers did not start: {error}").format(error=str(error).splitlines()[0])) from error
            raise

    def _start(self, meanwhile: Callable[[], object] | None = None) -> None:
        """Starts Ray, or joins it, and the workers."""
        self._scratch = Path(tempfile.mkdtemp(prefix="pitprop-"))
        self._reaper = reaper.start(self._scratch, public_environment())
        limit_threads(self._need.cpus)
        if self._shared is not None:
            self._ray = self._shared.join(logs=self._logs)
        elif self._address is None:
            local = Local(self._scratch, connection.cpus_for(self._need.cpus, self._size.held), meanwhile)
            self._ray = connection.start(local, logs=self._logs)
        else:
            self._ray = connection.join(self._address, logs=self._logs, code=self._pack)
        self._watch = Watch(self._ray, self._need, self._left_out, self._tell, joined=not self._here)
        self._installing = Installing(self._ray, self._pip, self._tell)
        self._home = self._at_home(self._job)
        self._remote = self._ray.remote(Remote)
        self._tell_room()

    def _pack(self) -> Mapping[str, Any]:
        """The runtime environment of the workers, who are told where to find what is in it."""
        environment, self._moved = packed(self._code, self._scratch / "code")
        self._pip = environment.pop("pip", [])  # of the workers alone: what looks after them starts without
        return environment

    def _at_home(self, job: Job) -> tuple[Any, ...]:
        """What a worker needs to reach the study's folder, which may be on another machine of a cluster."""
        if self._here:
            return ()
        found = home.made(job.folder.parent, job.storage)
        return found, home.serve(self._ray, found)

    def _start_anew(self, died: RayDied) -> None:
        """Replaces a Ray that has died, or joins the cluster again as another driver. `LaunchError` if that does not help."""
        self._places.clear()  # nobody of them answers any more
        self.close()
        self._deaths += 1
        if self._here and self._deaths > DEATHS:
            raise died_again(died, DEATHS)
        deadline = time.monotonic()
        if not self._here:
            deadline += RETURN
            self._tell(message("{what}: the search joins it again, for up to {n:g} minutes", what=str(died), n=RETURN / 60))
        while True:
            try:
                with self._starting():
                    self._start()
                    self._await_workers()
                return
            except LaunchError as error:
                if time.monotonic() >= deadline:
                    raise not_replaced(died, error) from error
                time.sleep(LOOK)

    # What is asked of the workers

    def preflight(self, start: Start) -> Epoch | Failure | None:
        try:
            while not (free := self.free()):
                self._heed_starts(LOOK)
                self._staff()
            place = self._places[free[0]]
            place.asked, place.deadline = place.actor.preflight.remote(start.params, start.seed), self._due()
            while not (answers := list(self._answers())):
                pass
            place.asked = None
            answer: Epoch | Failure | None = answers[0].outcome  # type: ignore[assignment]
            return self.preflight(start) if isinstance(answer, Failure) and answer.cause is Cause.LOST else answer
        except RayDied as died:
            self._start_anew(died)
            return self.preflight(start)

    def free(self) -> Sequence[int]:
        found = [number for number, place in self._places.items() if place.starting is None and place.asked is None]
        return [number for number in found if number not in self._leaving]

    def employs(self, worker: int) -> bool:
        if self._size.share is not None:
            with suppress(RayDied):  # which `steps` meets again
                self._review()
        place = self._places.get(worker)
        return place is not None and place.starting is None and worker not in self._leaving

    def advance(self, worker: int, change: Change) -> None:
        place = self._places[worker]
        place.asked, place.deadline = place.actor.answer.remote(change), self._due()

    def steps(self, left: Callable[[], bool] = nothing) -> Iterator[Step]:
        while self._asked() or (not self.free() and left()):
            try:
                self._staff()
                answers, started = list(self._answers()), self._heed_starts()
            except RayDied as died:
                lost = self._asked()
                self._start_anew(died)
                gone = Failure(message("{died}, and was replaced", died=said(died)), Cause.LOST)
                answers = [Step(worker, gone) for worker in lost]
                started = list(self.free())
            for step in answers:
                if step.worker in self._places:
                    self._places[step.worker].asked = None  # only now: who is asked for nothing may be ended
                yield step
            for worker in started:
                if worker in self.free():  # else it was given something since, of what another one answered, or is gone
                    yield Step(worker, {})

    def take(self, job: Job, count: int) -> bool:
        size = replace(self._size, count=count)
        if job.like(self._job) and (self._address is not None or size.held <= self._size.held):
            self._job, self._size, self._home = job, size, self._at_home(job)
            for place in self._places.values():
                place.actor.move.remote(job.arguments(next(self._generations))[-1], *self._home)
        return self._job is job

    def close(self) -> None:
        if hasattr(self, "_watch"):  # else Ray has not started
            self._watch.close()
        if self._home:
            with suppress(Exception):  # Ray's, where it is gone
                left = [place.actor.leave.remote() for place in self._places.values() if place.starting is None]
                self._ray.wait(left, num_returns=len(left), timeout=LEAVE)
        self._places.clear()
        self._leaving.clear()
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        self._reaper.communicate()

    # What comes back

    def _asked(self) -> list[int]:
        return [number for number, place in self._places.items() if place.asked is not None]

    def _answers(self) -> Iterator[Step]:
        """What has come in after a while of waiting at most."""
        asked = {self._places[number].asked: number for number in self._asked()}
        starting = [place.starting for place in self._places.values() if place.starting is not None]
        soonest = min((self._places[number].deadline for number in asked.values()), default=math.inf)
        ready = self._ready([*asked, *starting], min(LOOK, max(0.0, soonest - time.monotonic())))
        now = time.monotonic()
        for reference, number in asked.items():
            place = self._places[number]
            if reference in ready:
                yield Step(number, self._answer(number, place, reference))
            elif place.deadline <= now:
                self._refuse_dead()
                self._replace(number)
                late = message("no epoch came in {seconds:g} seconds (stall: in the space)", seconds=self._stall)
                yield Step(number, Failure(late))

    def _ready(self, references: list[Any], patience: float) -> set[Any]:
        """Which of them are answered, after so many seconds at most. `RayDied` if Ray itself has."""
        if not references:
            time.sleep(patience)
        else:
            self._ray.wait(references, timeout=patience)
        self._refuse_dead()
        return set(self._ray.wait(references, num_returns=len(references), timeout=0)[0]) if references else set()

    def _refuse_dead(self) -> None:
        """`RayDied` if the Ray of this machine has; that of a cluster is another's affair."""
        if self._shared is not None:
            self._shared.refuse_dead()
        else:
            connection.refuse_dead(self._ray)

    def _due(self) -> float:
        """When a worker that is asked now has been silent for too long."""
        return time.monotonic() + self._stall

    def _answer(self, number: int, place: Place, reference: Any) -> Any:
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._refuse_dead()
            lost = self._watch.lost(place.node, error)
            told = deaths.told(place.note, error)
            self._replace(number)
            return Failure(lost or told, Cause.LOST if lost else Cause.WORKER_DIED)
        outcome = answer.heard(self._told, self._tell) if isinstance(answer, Answer) else answer
        if not self._here and isinstance(outcome, Failure) and outcome.cause is Cause.UNFIT:
            self._watch.leave_out(place.node, outcome.error, working=True)
            self._replace(number)
            return replace(outcome, cause=Cause.LOST)
        return outcome

    # Who is there

    def _staff(self) -> None:
        """Brings the workers to the number that there are to be: new ones, or fewer, those first that train nothing."""
        self._review()
        for _place in range(self._wanted - len(self._places)):
            self._add(next(self._numbers))
        for number in [one for one in self._leaving if self._places[one].asked is None]:
            self._dismiss(number)

    def _review(self) -> None:
        """How many workers there are to be, and who is to leave."""
        before, self._wanted = self._wanted, self._size.now(self._watch.fits())
        if before and self._size.share is None and self._wanted > before:
            self._tell(nmessage("{n} worker fits the cluster now", "{n} workers fit the cluster now", self._wanted))
        by_use = sorted(self._places, key=lambda one: (one not in self._leaving, *self._places[one].use, one))
        self._leaving = set(by_use[: max(0, len(by_use) - self._wanted)])

    def _tell_room(self) -> None:
        """Says if fewer workers have room than were asked for; `LaunchError` if none ever has."""
        known = self._watch.nodes()
        if not fitting(self._need, known) and not self._size.elastic:
            raise LaunchError(refusal(self._need, known))
        self._staff()
        if (said := room(self._need, self._size, known, self._wanted)) is not None:
            self._tell(said)

    def _add(self, number: int) -> None:
        """Asks Ray for one more worker. It gets its place when a node has room for it."""
        generation = next(self._generations)
        options = {**self._need.options(self._left_out), "enable_task_events": False}
        if self._pip:
            options["runtime_env"] = {"pip": self._pip}
        actor = self._remote.options(**options).remote(*self._job.arguments(generation), *self._home)
        note = self._scratch / f"worker-{generation}.note"
        actor.watch.remote(str(note))
        if self._moved is not None:
            actor.settle.remote(self._moved)
        self._places[number] = Place(actor, note, actor.warm.remote())

    def _dismiss(self, number: int) -> None:
        self._leaving.discard(number)
        self._ray.kill(self._places.pop(number).actor)

    def _replace(self, number: int) -> None:
        self._dismiss(number)
        self._add(number)

    def _await_workers(self) -> None:
        """Waits for as many workers as a search takes to begin."""
        deadline = time.monotonic() + START
        while True:
            self._heed_starts(LOOK)
            started = sum(place.starting is None for place in self._places.values())
            if self._wanted and started >= min(self._size.least, self._wanted):
                return
            self._staff()
            if not self._wanted or self._size.elastic:
                deadline = time.monotonic() + START
            if time.monotonic() >= deadline:
                raise late(START)

    def _heed_starts(self, patience: float = 0.0) -> list[int]:
        """The workers that have just started; what cannot train on one node starts on others. `LaunchError` if there is none."""
        self._heed_installing()
        starting = {place.starting: number for number, place in self._places.items() if place.starting is not None}
        ready, started = self._ready(list(starting), patience), []
        for number, place in [(starting[one], self._places[starting[one]]) for one in ready]:
            if not self._here:
                place.node = connection.node_of(self._ray, place.actor)
            try:
                problem = self._ray.get(place.starting)
            except self._ray.exceptions.RuntimeEnvSetupError as error:
                problem = unmade(connection.fault(str(error)))
            except self._ray.exceptions.RayError as error:  # it died as it started
                self._refuse_dead()
                self._failed += 1
                if self._failed > (DEATHS * max(1, self._wanted) if self._here else RESTARTS):
                    raise dying(self._failed, error) from error
                if not self._here:
                    time.sleep(LOOK)
                self._replace(number)
                continue
            if problem is None:
                place.starting, self._failed = None, 0
                started.append(number)
            else:
                self._watch.leave_out(place.node, problem, working=self._working())
                self._replace(number)
        return started

    def _heed_installing(self) -> None:
        """Leaves out the nodes on which pip has failed for good, which Ray would try for minutes."""
        starting = [number for number, place in self._places.items() if place.starting is not None]
        if not starting or not self._pip:
            return
        for node, why in list(self._installing.failures(self._watch.nodes())):
            self._watch.leave_out(node, unmade(why), working=self._working())
            for number in starting:  # Ray does not say which of them are for that node
                self._replace(number)

    def _working(self) -> bool:
        """Whether any worker has started."""
        return any(place.starting is None for place in self._places.values())
