"""Ray itself: started on this machine, or joined where it runs; its nodes, and whether it is alive."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitprop.messages import _, message
from pitprop.processes import search_path
from pitprop.trainer import public_environment
from pitprop.workers.cluster import agent
from pitprop.workers.cluster.placement import Node
from pitprop.workers.launch import LaunchError

MARK = "PITPROP_SCRATCH"
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray's servers listen on 127.0.0.1, on every system: else whoever reaches them runs code as this user. Read on import."""
START = 300.0
"""Seconds in which Ray and its workers have to start; a busy machine takes minutes."""
SLOW = 20.0
"""Seconds after which a start of Ray that failed has run into a time limit of its own, so that another attempt may succeed."""

CONNECT = 5.0
"""Seconds for a connection to a cluster's head."""
RETURN = 600.0
"""Seconds in which a cluster's head, or this machine as its node, may come back."""


class RayDied(Exception):
    """The Ray that was started here has died, or a cluster has given this driver up: what was asked is never answered."""


@dataclass(frozen=True, slots=True)
class Local:
    """A Ray to start here: with so many CPUs, and its files in ``folder``; ``meanwhile`` is done in a thread."""

    folder: Path
    cpus: int
    meanwhile: Callable[[], object] | None = None


def start(local: Local, *, logs: bool) -> Any:
    """Starts Ray on this machine, for this process alone. `LaunchError`."""
    os.environ.update(LOOPBACK)
    own = {
        "num_cpus": local.cpus,
        "include_dashboard": False,
        "object_store_memory": 2**27,
        "_temp_dir": str(local.folder),
    }
    # What Ray starts finds the package that this process has, and the reaper finds what Ray starts, under whatever title.
    with _environment({MARK: str(local.folder), "PYTHONPATH": search_path()}, logs=logs) as ray:
        if local.meanwhile is not None:  # most of what follows is waiting
            threading.Thread(target=local.meanwhile, daemon=True).start()
        deadline = time.monotonic() + START
        while True:
            began = time.monotonic()
            try:
                with _lean(ray, logs):
                    ray.init(address="local", log_to_driver=logs, logging_level=logging.ERROR, **own)
                return ray
            except Exception as error:  # Ray raises bare ones, too
                ray.shutdown()
                if time.monotonic() - began > SLOW and time.monotonic() < deadline:  # as it gives up on a busy machine
                    continue
                raise LaunchError(
                    _("Ray does not start here: {error}; the same command tries again").format(error=_first_line(error))
                ) from error


def join(address: str, *, logs: bool, code: Callable[[], Mapping[str, Any]]) -> Any:
    """Joins the Ray at ``address``, whose workers find the ``code`` that a runtime environment says. `LaunchError`."""
    _refuse_silent(address)
    mode = {}
    if "RAY_AUTH_MODE" not in os.environ and has_token():  # made by any Ray here; with it a cluster without one fails
        mode["RAY_AUTH_MODE"] = "token" if _asks_for_token(address) else "disabled"
    with _environment(mode, logs=logs) as ray, _overheard() as heard:
        try:
            environment = dict(code())  # which imports Ray, and that reads once what is set above
            ray.init(address=address, log_to_driver=logs, logging_level=logging.ERROR, runtime_env=environment)
        except Exception as error:
            ray.shutdown()
            raise LaunchError(_refused(address, error, heard())) from error
        return ray


def _refuse_silent(address: str) -> None:
    """`LaunchError` if no Ray listens at an address that names a port: Ray itself would try for as long as a head may be away."""
    host, _colon, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        asked = socket.create_connection((host.strip("[]"), int(port)), CONNECT)
    except (OSError, OverflowError) as error:
        text = _("{address} does not answer: {why}; start the head (`ray start --head`), or correct --ray or RAY_ADDRESS")
        raise LaunchError(text.format(address=address, why=str(error))) from error
    with asked, suppress(OSError):  # Ray's head closes upon it
        asked.sendall(b"GET / HTTP/1.0\r\n\r\n")
        if asked.recv(5) == b"HTTP/":
            text = _("{address} is a web server's; if it is Ray's dashboard, --ray http://{address} runs the search there")
            raise LaunchError(text.format(address=address))


def join_here(address: str, mode: str, *, logs: bool) -> Any:
    """Joins a Ray of this machine that another process of ours has started, by `start`, in Ray's ``mode``. `LaunchError`."""
    with _environment({"RAY_AUTH_MODE": mode}, logs=logs) as ray, _overheard() as heard:
        try:
            ray.init(address=address, log_to_driver=logs, logging_level=logging.ERROR)
        except Exception as error:
            ray.shutdown()
            raise LaunchError(_refused(address, error, heard())) from error
        return ray


def has_token() -> bool:
    """Whether there is a token of Ray's where Ray looks for one."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return "RAY_AUTH_TOKEN" in os.environ or Path(named or Path.home() / ".ray" / "auth_token").is_file()


PROBE = """
import sys
from ray._private.services import canonicalize_bootstrap_address
from ray._raylet import GcsClient
GcsClient(address=canonicalize_bootstrap_address(sys.argv[1]))
"""


def _asks_for_token(address: str) -> bool:
    """Whether a Ray refuses who has no token. Asked by another process, as this one can be told once only whether to have it."""
    environment = {**public_environment(), "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-c", PROBE, address]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as probe:
        assert probe.stderr is not None
        refused = any("InvalidAuthToken" in line for line in probe.stderr)  # at the first, as it tries again for long
        probe.kill()
    return refused


@contextmanager
def _overheard() -> Iterator[Callable[[], str]]:
    """Within the block, what is written to stderr by Ray's own C++ code is not shown; a function that reads it."""
    with tempfile.TemporaryFile() as file:
        shown = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: os.pread(file.fileno(), 2**20, 0).decode(errors="replace")
        finally:
            os.dup2(shown, 2)
            os.close(shown)


def nodes(ray: Any) -> list[Node]:
    """The nodes that are alive."""
    free = ray._private.state.available_resources_per_node()
    return [
        Node(one["NodeID"], one["NodeManagerAddress"], one["Resources"], free.get(one["NodeID"], {}))
        for one in ray.nodes()
        if one["Alive"]
    ]


def own(ray: Any) -> str:
    """The id of the node that this driver is on."""
    return str(ray.get_runtime_context().get_node_id())


def alive(ray: Any, mine: str) -> list[Node]:
    """The nodes of a cluster. `RayDied` if that of this driver is none of them any more.

    Ray then takes the driver for dead, ends its workers and starts none for it; nothing but joining anew helps.
    """
    found = nodes(ray)
    if all(node.id != mine for node in found):
        raise RayDied(message("the cluster has lost this machine, as when its Ray ends or the network is cut"))
    return found


def node_of(ray: Any, actor: Any) -> str:
    """The id of the node that an actor was given; empty if none has been."""
    found = ray._private.state.actors(actor._actor_id.hex()).get("Address", {}).get("NodeID", "")
    return str(found or "")


def lost(ray: Any, known: Iterable[Node], node: str, error: Any) -> str:
    """What has taken an actor of ``node`` away that ends in ``error``, if that is no fault of its own; else nothing.

    ``known`` are the nodes that are alive.
    """
    if getattr(error, "preempted", False) or (node and all(one.id != node for one in known)):
        return message("its node has left the cluster")
    return message("its node does not answer") if isinstance(error, ray.exceptions.ActorUnavailableError) else ""


def refuse_dead(ray: Any) -> None:
    """`RayDied` if the Ray that was started here has."""
    node = ray._private.worker._global_node
    for name, process in node.dead_processes() if node is not None else ():
        if name in ("raylet", "gcs_server"):
            code = process.poll()
            how = message("killed by signal {n}", n=-code) if code < 0 else message("exit code {n}", n=code)
            raise RayDied(message("{name} of the local Ray has died ({how})", name=name, how=how))


def cpus_for(cpus: float, size: int) -> int:
    """The CPUs of a Ray that is to hold so many workers."""
    return max(1, math.ceil(cpus * size))


def _refused(address: str, error: Exception, heard: str) -> str:
    """Why a Ray could not be joined, in a sentence; ``heard`` is what Ray itself has said meanwhile."""
    said = " ".join((str(error) or repr(error)).split())
    again = "the same command tries again"
    if type(error).__name__ == "AuthenticationError" or "InvalidAuthToken" in heard:
        return (
            f"the Ray at {address} asks for its token, and the one here is another, or there is none: copy ~/.ray/auth_token "
            f"from the head to the same place here, or name the file in RAY_AUTH_TOKEN_PATH, and set RAY_AUTH_MODE=token"
        )
    if (found := re.search(r"Version mismatch: (.*)", said)) is not None:
        return f"the Ray at {address} is of another version, and takes drivers of its own only: {found[1][:300]}"
    if address == "auto" and isinstance(error, ConnectionError):
        return f"no Ray runs on this machine: start one, or join one (`ray start`), or give --ray HOST:PORT ({said[:120]})"
    if ("node" in said and "address" in said) or "/session_" in said:
        return (
            f"this machine is no node of the Ray at {address}: make it one (`ray start --address={address}`), run the command on "
            f"one, or hand it to the head (--ray http://HOST:8265); {said[:160]}"
        )
    return f"Ray does not start at {address}: {said[:300]}; {again}"


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]


@contextmanager
def _environment(changed: Mapping[str, str], *, logs: bool) -> Iterator[Any]:
    """Ray, imported, and the environment in which it starts its processes: without our passwords, and as ``changed``."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", f"{2 * RETURN:.0f}")  # as Ray itself ends this process then
    for limit in ("raylet_start_wait_time_s", "worker_register_timeout_seconds"):
        os.environ.setdefault(f"RAY_{limit}", f"{START:.0f}")
    if not logs:  # Ray prints deaths of workers between our lines otherwise; the step that comes of one says so
        os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."
    ends = signal.getsignal(signal.SIGTERM)
    before = dict(os.environ)
    for name in before.keys() - public_environment().keys():
        del os.environ[name]
    os.environ.update(changed)
    try:
        again = "ray" in sys.modules
        import ray

        if again:  # it has read an environment of its own, and would talk without a token to a Ray that asks for one
            ray._raylet.Config.initialize("")  # type: ignore[attr-defined]
        yield ray
    finally:
        for name in changed.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
        if callable(ends) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ends)  # with Ray's a process that takes more than 3 s to end is killed


@contextmanager
def _lean(ray: Any, logs: bool) -> Iterator[None]:
    """Has a Ray that is started here start no process for its dashboard, nor what serves an autoscaler, nor one that reads the
    workers' ``logs`` for nobody, and one that makes runtime environments only when the first is asked for.

    `ray.init` has no flag for it: without a dashboard it still starts that one's server and its agent, and waits until they have
    imported all.
    """
    services, utils, node = ray._private.services, ray._private.utils, ray._private.node.Node
    built = services._build_python_executable_command_memory_profileable

    def command(component: str, *args: Any, **options: Any) -> list[str]:
        words = list(built(component, *args, **options))
        return agent.command(component, words) if component in (agent.DASHBOARD, agent.ENVIRONMENTS) else words

    changed = {
        (services, "start_api_server"): lambda *_args, **_options: ("", None),
        (services, built.__name__): command,
        (utils, "get_dashboard_dependency_error"): ImportError,  # which imports what a dashboard needs, to see if it is there
        (node, "start_monitor"): lambda _node: None,
        **({} if logs else {(node, "start_log_monitor"): lambda _node: None}),
    }
    before = {(owner, name): getattr(owner, name) for owner, name in changed}
    try:
        for (owner, name), value in changed.items():
            setattr(owner, name, value)
        yield
    finally:
        for (owner, name), value in before.items():
            setattr(owner, name, value)


def fault(said: str) -> str:
    """Of all that Ray says of an environment that cannot be made, pip's own words, else how the traceback in it ends."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    of_pip = [line for line in lines if line.startswith("ERROR: ")]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b: ", line)]
    return (of_pip or raised[-1:] or [" ".join(lines)])[0][:300]
