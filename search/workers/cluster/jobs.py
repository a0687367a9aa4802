"""A search that runs on a cluster as a job of Ray's, driver and all: handed over, followed, and stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pitprop.addresses import safe
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.workers.cluster.connection import has_token
from pitprop.workers.cluster.runtime_env import Code, packed

KEY = "pitprop"
"""Of a job's metadata: which study it searches, so that the same command finds it again."""
AGAIN = 2.0
"""Seconds before a connection that broke is tried again."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to run: ``words`` of a command line of ours, the ``code`` for it, and variables of its environment.

    ``key`` tells the study from others; ``space`` is the file of its space, which the words name as ``SPACE``.
    """

    key: str
    words: Sequence[str]
    space: str
    code: Code
    environment: Mapping[str, str]


SPACE = "{space}"


class Jobs:
    """The job server at ``address``. `UserError` if it does not answer."""

    def __init__(self, address: str) -> None:
        if "RAY_AUTH_MODE" not in os.environ and has_token():
            os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ["RAY_ADDRESS"] = address  # which Ray prefers to the one that it is given
        from ray.job_submission import JobSubmissionClient

        logging.disable(logging.WARNING)  # each of Ray's modules has a level of its own

        self.address = address
        try:
            self._client: Any = JobSubmissionClient(address)
        except Exception as error:  # of Ray's and of its HTTP client's
            raise UserError(_refused(address, error)) from error

    def running(self, key: str) -> str | None:
        """The job that searches this study now; None if none does."""
        jobs = [one for one in self._client.list_jobs() if (one.metadata or {}).get(KEY) == key]
        return next((one.submission_id for one in jobs if not one.status.is_terminal()), None)

    def submit(self, order: Order) -> str:
        """Hands the search over; the id of its job."""
        draft = Path(tempfile.mkdtemp(prefix="pitprop-"))
        try:
            environment, moved = packed(order.code, draft / "code")
            if moved.heavy:
                raise UserError(next(iter(moved.heavy.values())))
            environment["env_vars"] |= {"RAY_OVERRIDE_JOB_RUNTIME_ENV": "1", **order.environment}
            words = [moved.place(order.space) if word == SPACE else word for word in order.words]
            entry = shlex.join(["python", "-m", "pitprop.cli.main", *words])
            found: str = self._client.submit_job(entrypoint=entry, runtime_env=environment, metadata={KEY: order.key})
            return found
        except RuntimeError as error:
            raise UserError(_refused(self.address, error)) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def follow(self, job: str, show: Callable[[str], object]) -> int:
        """Shows what the job says until it ends: its exit code, 130 if it was stopped. A broken connection is tried again."""
        shown = 0

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
                if info.status.is_terminal():
                    return _code(info)
            except Exception as error:
                if "does not exist" in str(error):
                    text = _("the cluster knows no job {job} any more, as its head was started anew: the same command resumes")
                    raise UserError(text.format(job=job)) from error
            time.sleep(AGAIN)

    def stop(self, job: str) -> None:
        """Ends the job as a SIGTERM does, and waits for it, so that the same command begins anew: what was finished is kept."""
        self._client.stop_job(job)
        while not self._client.get_job_status(job).is_terminal():
            time.sleep(0.2)


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


def _refused(address: str, error: Exception) -> str:
    said = " ".join(str(error).split())
    if "401" in said or "403" in said or "oken" in said:
        return (
            f"the job server at {address} asks for Ray's token, and the one here is another, or there is none: copy "
            f"~/.ray/auth_token from the head to the same place here, or name the file in RAY_AUTH_TOKEN_PATH"
        )
    host = urlsplit(address).hostname or ""
    if (proxy := getproxies().get(urlsplit(address).scheme)) and not proxy_bypass(host):
        return (
            f"no job server of Ray's answers at {address} through the proxy {safe(proxy)}: if it is reached without one, set "
            f"no_proxy={host}; {said[:200]}"
        )
    return (
        f"no job server of Ray's answers at {address}: the head takes jobs where ray[default] is installed and its dashboard is "
        f"on (ray start --head --dashboard-host=0.0.0.0); {said[:200]}"
    )
