"""A search that runs on a cluster as a job of Ray's, driver and all: handed over, followed, and stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pitprop.addresses import safe
from pitprop.errors import UserError
from pitprop.messages import N_, _, localized, message
from pitprop.trainer import ADDRESSES
from pitprop.workers.cluster.connection import RETURN, has_token
from pitprop.workers.cluster.runtime_env import Code, packed

KEY = "pitprop"
"""Of a job's metadata: which study it searches, so that the same command finds it again."""
AGAIN = 2.0
"""Seconds before a connection that broke is tried again."""
AWAY = N_("{address} does not answer: the job is followed again when it does, for up to {n:g} minutes")
GONE = N_("{address} has not answered for {n:g} minutes: nobody here can say whether {job} goes on; the same command looks again")
SILENT = 60.0
"""Seconds after which a server that says nothing does not answer: its network may be cut."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to run: ``words`` of a command line of ours, the ``code`` for it, and variables of its environment.

    ``key`` tells the study from others; ``space`` is the file of its space, which the words name as ``SPACE``. ``name`` is
    that of the job, if Ray is not to choose one, and ``log`` a file there that takes what the job says in place of Ray's.
    """

    key: str
    words: Sequence[str]
    space: str
    code: Code
    environment: Mapping[str, str]
    name: str | None = None
    log: str = ""
    module: str = "pitprop.cli.main"


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the list: whether it ``runs``, or has ``ended`` by itself or by being stopped, or else what Ray says of it."""

    name: str
    key: str
    runs: bool
    ended: bool
    said: str


class Unanswered(UserError):
    """The job server does not answer, so that nobody can say now which jobs run: one sentence, as a message in ``said``."""

    def __init__(self, said: str) -> None:
        super().__init__(localized(said))
        self.said = said


class Forbidden(Unanswered):
    """It answers, and takes no jobs of who has not its token."""


SPACE = "{space}"
STORAGE = "PITPROP_STORAGE"


class Jobs:
    """The job server at ``address``, silent once it has said nothing for ``patience`` seconds. `Unanswered` if it is."""

    def __init__(self, address: str, patience: float = SILENT) -> None:
        if "RAY_AUTH_MODE" not in os.environ and has_token():
            os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ["RAY_ADDRESS"] = address  # which Ray prefers to the one that it is given
        self.address = address
        with self._asked():
            self._client = _client(address, patience)
        for name in [one for one in logging.root.manager.loggerDict if one.startswith("ray.")]:
            logging.getLogger(name).setLevel(logging.ERROR)  # each of Ray's modules has a level of its own

    def known(self) -> list[Job]:
        """Our jobs that Ray knows, the latest first. `Unanswered`."""
        with self._asked():
            found = [one for one in self._client.list_jobs() if KEY in (one.metadata or {}) and one.submission_id]
        return [_job(one) for one in sorted(found, key=lambda one: -(one.start_time or 0))]

    def running(self, key: str) -> str | None:
        """The job that searches this study now; None if none does."""
        return next((one.name for one in self.known() if one.key == key and one.runs), None)

    def submit(self, order: Order) -> str:
        """Hands the search over; the id of its job. `Unanswered`, too, where the server takes it and its answer is lost."""
        draft = Path(tempfile.mkdtemp(prefix="pitprop-"))
        try:
            environment, moved = packed(order.code, draft / "code")
            if moved.heavy:
                raise UserError(next(iter(moved.heavy.values())))
            environment["env_vars"] |= {"RAY_OVERRIDE_JOB_RUNTIME_ENV": "1", **order.environment}
            words = [moved.place(order.space) if word == SPACE else word for word in order.words]
            entry = shlex.join(["python", "-m", order.module, *words])
            if order.log:
                entry += f" >>{shlex.quote(order.log)} 2>&1"
            given = {"runtime_env": environment, "metadata": {KEY: order.key}, "submission_id": order.name}
            with self._asked():
                found: str = self._client.submit_job(entrypoint=entry, **given)
            return found
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def follow(self, job: str, show: Callable[[str], object]) -> int:
        """Shows what the job says until it ends: its exit code, 130 if it was stopped. A broken connection is tried again.

        `UserError` if the job did not run, if the server knows no such job, or if it has not answered for `RETURN` seconds.
        """
        shown, lost = 0, None

        async def tail() -> None:
            nonlocal shown
            seen = 0
            async for text in self._client.tail_job_logs(job):
                new = text[max(0, shown - seen) :]  # what was shown before a connection broke comes again
                seen += len(text)
                if new:
                    show(new)
                    shown = max(shown, seen)

        while True:
            with suppress(Exception):  # of Ray's and of its HTTP client's
                asyncio.run(tail())
            try:
                info = self._client.get_job_info(job)
            except Exception as error:
                if "does not exist" in str(error):
                    text = _("the cluster knows no job {job} any more, as its head was started anew: the same command resumes")
                    raise UserError(text.format(job=job)) from error
                if lost is None:
                    lost = time.monotonic()
                    show(_(AWAY).format(address=self.address, n=RETURN / 60) + "\n")
                elif time.monotonic() - lost > RETURN:
                    raise UserError(_(GONE).format(address=self.address, n=RETURN / 60, job=job)) from error
            else:
                lost = None
                if info.status.is_terminal():
                    return _code(info)
            time.sleep(AGAIN)

    def stop(self, job: str) -> None:
        """Ends the job as a SIGTERM does, and waits for it, so that the same command begins anew: what was finished is kept."""
        self.ask_to_stop(job)
        while not self._client.get_job_status(job).is_terminal():
            time.sleep(0.2)

    def ask_to_stop(self, job: str) -> None:
        """Sends the job a SIGTERM, and KILL after a while, as the environment that it was submitted with says. `Unanswered`."""
        with self._asked():
            self._client.stop_job(job)

    def forget(self, job: str) -> None:
        """Takes a job that has ended off Ray's list. `Unanswered`."""
        with self._asked():
            self._client.delete_job(job)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of Ray's and of its HTTP client's
            raise _refused(self.address, error) from error


def _client(address: str, patience: float) -> Any:
    """Ray's client, which by itself waits for ever, also for the version of the server, which it asks for as it is made."""
    from ray.job_submission import JobSubmissionClient

    class Bounded(JobSubmissionClient):  # type: ignore[misc, unused-ignore]
        def _do_request(self, *words: Any, **named: Any) -> Any:
            hands_over = "data" in named or "json_data" in named  # which may take a busy server a while
            return super()._do_request(*words, timeout=SILENT if hands_over else patience, **named)

    return Bounded(address)


def public_addresses(**given: str) -> dict[str, str]:
    """Where studies, runs and checkpoints are kept, for a job: its environment can be read by whoever sees Ray's dashboard.

    ``given`` is in place of the environment here. `UserError` if there is a password in it.
    """
    found = {name: os.environ[name] for name in (*ADDRESSES, STORAGE) if os.environ.get(name)} | given
    return {name: public(name, url) for name, url in found.items()}


def public(name: str, url: str) -> str:
    """The URL, if it may be seen. `UserError`."""
    if safe(url) != url:
        text = _(
            "{name} holds a password, which Ray's dashboard would show: leave it out of the URL, and keep it on the "
            "cluster's head (for PostgreSQL in ~/.pgpass)"
        )
        raise UserError(text.format(name=name))
    return url


def _job(info: Any) -> Job:
    ended = info.status in ("SUCCEEDED", "STOPPED") or info.driver_exit_code is not None
    runs, said = not info.status.is_terminal(), " ".join(str(info.message or "").split())[:300]
    return Job(info.submission_id, info.metadata[KEY], runs, ended and not runs, said)


def _code(info: Any) -> int:
    if info.status == "STOPPED":
        return 130
    if info.driver_exit_code is not None:
        return int(info.driver_exit_code)
    if info.status == "SUCCEEDED":
        return 0
    raise UserError(
        _("the job {submission_id} did not run: {message}").format(
            submission_id=info.submission_id, message=" ".join(str(info.message).split())[:300]
        )
    )


def _refused(address: str, error: Exception) -> Unanswered:
    from ray.exceptions import AuthenticationError

    said = " ".join(str(error).split())
    if isinstance(error, AuthenticationError):
        text = message(
            "the job server at {address} asks for Ray's token, and the one here is another, or there is none: copy "
            "~/.ray/auth_token from the head to the same place here, or name the file in RAY_AUTH_TOKEN_PATH",
            address=address,
        )
        return Forbidden(text)
    host = urlsplit(address).hostname or ""
    if (proxy := getproxies().get(urlsplit(address).scheme)) and not proxy_bypass(host):
        text = message(
            "no job server of Ray's answers at {address} through the proxy {proxy}: if it is reached without one, set "
            "no_proxy={host}; {said}",
            address=address,
            proxy=safe(proxy),
            host=host,
            said=said[:200],
        )
        return Unanswered(text)
    text = message(
        "no job server of Ray's answers at {address}: the head takes jobs where ray[default] is installed and its dashboard is "
        "on (ray start --head --dashboard-host=0.0.0.0); {said}",
        address=address,
        said=said[:200],
    )
    return Unanswered(text)
