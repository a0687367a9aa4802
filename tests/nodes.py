"""A Ray cluster of several machines on one: each node in namespaces of its own for processes, mounts and, if wired, network.

A node sees its own processes alone, as Ray looks among them for the node that a driver is on. What is not wired is on the
loopback address, where a test's own process and its servers reach it.
"""

from __future__ import annotations

import os
import pty
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RAY = Path(sys.executable).with_name("ray")
PORT = 56379
OURS = ("search", "trainers", "spaces", "tests", ".package")
"""What of the checkout a node that has nothing of ours does not see."""
NOWHERE = "http://127.0.0.1:9"
PLAIN = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_raylet_start_wait_time_s": "300",  # on a busy machine a node takes minutes to start
    "RAY_worker_register_timeout_seconds": "300",
    "OMP_NUM_THREADS": "1",
}
PATIENCE = 600.0
MORTAL = ("setpriv", "--pdeathsig=KILL")
"""What a killed test leaves nothing of."""
APART = (*MORTAL, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
HEEDS = ("env", "--default-signal=INT")
"""Has a program heed Ctrl-C, which it inherits as ignored where a shell has put the tests into the background."""
WIRED = {True: ("--net",), False: ()}
LIVES = 'ip link set lo up; for folder; do mount -t tmpfs none "$folder"; done; exec env --ignore-signal=CHLD sleep infinity'
"""What the first process of a node does: whoever loses its parent there is reaped by the system."""


def why_not() -> str:
    """Why there can be no namespaces here; empty if there can."""
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in ("ip", "unshare", "nsenter")):
        return "network namespaces take root, and the programs ip, unshare and nsenter"
    tried = [*APART, "--net", "ip", "link", "add", "br0", "type", "bridge"]
    return subprocess.run(tried, capture_output=True, text=True).stderr.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(found: Callable[[], object], what: str, driver: subprocess.Popen[str] | None = None) -> None:
    """Waits until there is something, or the driver has ended."""
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert driver is None or driver.poll() is None, (what, driver.communicate() if driver is not None else "")
        assert time.monotonic() < deadline, f"{what}: not in {PATIENCE:g} seconds"
        threading.Event().wait(0.1)


@dataclass(frozen=True)
class Machine:
    """A node: its address, the first of its processes, its port at the switch, and where its Ray keeps files."""

    address: str
    process: subprocess.Popen[bytes]
    port: str
    folder: Path

    @property
    def host(self) -> int:
        """The last part of the address, by which a trainer says where it runs."""
        return int(self.address.rpartition(".")[2])

    @property
    def first(self) -> int:
        """The process that the others live with."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        until(lambda: children.read_text().split(), "the first process of a node")
        return int(children.read_text().split()[0])

    def inside(self, *words: str | Path) -> list[str]:
        """The command line that runs a program on it."""
        return ["nsenter", f"--target={self.first}", "--pid", "--mount", *WIRED[bool(self.port)], "--", *map(str, words)]

    def pids(self, name: str = "") -> list[int]:
        """The processes on it, those whose command line begins with ``name`` (a path counts by its last part)."""
        if self.process.poll() is not None:
            return []
        ours = _space(self.first)
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _space(pid) == ours and _titled(pid, name)]

    def kill(self, name: str = "", by: signal.Signals = signal.SIGKILL) -> None:
        """Kills them, with signal 9 unless said; without a name the whole node, as a loss of power does."""
        if not name:
            self.process.kill()
            self.process.wait()
            return
        found = self.pids(name)
        assert found, f"no {name} on {self.address}"
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, by)


def _space(pid: int) -> str:
    """The process namespace of a process; empty if it is gone."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""


def _titled(pid: int, name: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(words[0].decode(errors="replace").split(" ")[0]).name.startswith(name)


class Terminal:
    """A program in a terminal, at which one types."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self._process, self._end, self._said = process, end, ""

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def until(self, words: str) -> None:
        """Reads until it has said so."""
        while words not in self._said:
            ready, _, _ = select.select([self._end], [], [], PATIENCE)
            try:
                self._said += os.read(self._end, 2**16).decode(errors="replace") if ready else ""
            except OSError:  # it has ended
                ready = []
            assert ready, f"not said: {words!r}, but {self._said}"
        self._said = self._said.partition(words)[2]

    def ended(self) -> int:
        """The exit code."""
        return self._process.wait(PATIENCE)


class Cluster:
    """A head, and as many nodes as are started: ``wired`` to one switch, or on the loopback address."""

    def __init__(self, folder: Path, wired: bool) -> None:
        self._folder, self._wired = folder, wired
        self._port = PORT if wired else free_port()
        self._own = () if wired else (f"--dashboard-port={free_port()}", f"--dashboard-agent-listen-port={free_port()}")
        self.environment = {**os.environ, **PLAIN, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "MLFLOW_TRACKING_URI": NOWHERE}
        self.hidden: list[Path] = []
        """Folders that nodes started from now on do not see."""
        self._machines: list[Machine] = []
        if not wired:
            self.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "TMPDIR": str(folder)}
            return
        self._switch = subprocess.Popen([*MORTAL, "unshare", "--net", "sleep", "infinity"])
        until(lambda: _net(self._switch.pid) != _net(os.getpid()), "a network of the cluster's own")
        self._at_switch("link", "add", "br0", "type", "bridge")
        self._at_switch("link", "set", "br0", "up")

    @property
    def address(self) -> str:
        """Where the head's Ray listens."""
        return f"{self.head.address}:{self._port}"

    @property
    def jobs(self) -> str:
        """The address of its job server, if it has a dashboard."""
        return f"http://{self.head.address}:{self._own[0].rpartition('=')[2] if self._own else 8265}"

    def start(self, *, cpus: int = 0, gpus: int = 0, dashboard: bool = False, **environment: str) -> None:
        """Starts the head, which sees what we see."""
        self.environment |= environment
        self._head = f"--include-dashboard={dashboard}", cpus, gpus
        self.start_again()

    def start_again(self) -> None:
        """Starts the head once more, on a new machine if the old one was killed, with what its folder has kept."""
        dashboard, cpus, gpus = self._head
        if not self._machines or self.head.process.poll() is not None:
            self.head = self.machine(1)
        self.ray(self.head, "--head", f"--port={self._port}", dashboard, *self._own, cpus=cpus, gpus=gpus)

    def add(self, *, cpus: int = 1, gpus: int = 0, bare: bool = True) -> Machine:
        """Starts a node that has Python and Ray, and if ``bare`` nothing of ours."""
        hidden = [*(ROOT / name for name in OURS if bare), *self.hidden]
        node = self.machine(len(self._machines) + 10, *hidden)
        self.ray(node, cpus=cpus, gpus=gpus)
        return node

    def machine(self, host: int, *hidden: Path) -> Machine:
        """Starts a machine without Ray, which finds the ``hidden`` folders empty."""
        process = subprocess.Popen([*APART, *WIRED[self._wired], "sh", "-ec", LIVES, "sh", *map(str, hidden)])
        address, port = (f"10.77.0.{host}", f"v{len(self._machines)}") if self._wired else ("127.0.0.1", "")
        made = Machine(address, process, port, self._folder / f"r{host}")
        self._machines.append(made)
        until(lambda: _titled(made.first, "sleep"), "a machine")
        if not self._wired:
            return made
        self._at_switch("link", "add", made.port, "type", "veth", "peer", "name", "eth0", "netns", str(made.first))
        self._at_switch("link", "set", made.port, "master", "br0")
        self.heal(made)
        for words in (["addr", "add", f"{made.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            subprocess.run(made.inside("ip", *words), check=True)
        return made

    def cut(self, machine: Machine) -> None:
        """Pulls its cable."""
        self._at_switch("link", "set", machine.port, "down")

    def heal(self, machine: Machine) -> None:
        """Puts its cable in."""
        self._at_switch("link", "set", machine.port, "up")

    def ray(self, node: Machine, *words: str, cpus: int, gpus: int = 0) -> None:
        """Starts Ray on a machine, which joins the head unless the words make it one."""
        own = [f"--node-ip-address={node.address}", f"--num-cpus={cpus}", f"--num-gpus={gpus}"]
        own += [f"--temp-dir={node.folder}", "--object-store-memory=134217728", "--disable-usage-stats"]
        start = node.inside(RAY, "start", *(words or [f"--address={self.address}"]), *own)
        plain = {name: value for name, value in self.environment.items() if name != "PYTHONPATH"}
        done = subprocess.run(start, env=plain, cwd="/", capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self, node: Machine) -> None:
        """Kills Ray on a machine that lives on."""
        for name in ("gcs_server", "raylet"):
            if node.pids(name):
                node.kill(name)
        subprocess.run(node.inside(RAY, "stop", "--force"), env=self.environment, cwd="/", check=True, capture_output=True)

    def driver(self, *words: str, on: Machine | None = None, **environment: str) -> subprocess.Popen[str]:
        """Starts ``pitprop`` on the head, or ``on`` another machine."""
        given = {**self.environment, "RAY_ADDRESS": self.address, **environment}
        command = (on or self.head).inside(*HEEDS, sys.executable, "-m", "pitprop.cli.main", *words)
        return subprocess.Popen(command, env=given, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def alive(self) -> list[str]:
        """The addresses of the nodes that the head takes for alive."""
        code = (
            "import sys, ray\n"
            "ray.init(sys.argv[1], logging_level='CRITICAL', log_to_driver=False)\n"
            "print(*[one['NodeManagerAddress'] for one in ray.nodes() if one['Alive']])\n"
        )
        asked = self.head.inside(sys.executable, "-c", code, self.address)
        done = subprocess.run(asked, env=self.environment, cwd="/", capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout.split()

    def clear(self) -> None:
        """Kills all nodes but the head, and waits until the head knows it."""
        left = [machine for machine in self._machines if machine is not self.head and machine.process.poll() is None]
        for machine in left:
            if machine.pids("raylet"):
                machine.kill("raylet", signal.SIGTERM)  # it takes its leave, where the head would wait for a lost machine
        until(lambda: set(self.alive()) == {self.head.address}, "that the head alone is left")
        for machine in left:
            machine.kill()

    def logged(self, machine: Machine, words: str) -> bool:
        """Whether one of Ray's programs there has said so."""
        return any(words in log.read_text(errors="replace") for log in machine.folder.glob("session_latest/logs/*.out"))

    def terminal(self, *words: str) -> Terminal:
        """Starts ``pitprop`` on the head, in a terminal of its own."""
        ours, theirs = pty.openpty()
        given = {**self.environment, "RAY_ADDRESS": self.address, "TERM": "dumb"}
        command = self.head.inside("setsid", "--ctty", "--wait", *HEEDS, sys.executable, "-m", "pitprop.cli.main", *words)
        with os.fdopen(theirs, "rb") as end:
            process = subprocess.Popen(command, env=given, cwd=self._folder, stdin=end, stdout=end, stderr=end)
        return Terminal(process, ours)

    def forget(self, *names: str) -> None:
        """Leaves variables out of the environment of drivers and nodes started from now on."""
        self.environment = {name: value for name, value in self.environment.items() if name not in names}

    def close(self) -> None:
        """Ends all machines, and the network."""
        for process in [*(machine.process for machine in reversed(self._machines)), *([self._switch] if self._wired else [])]:
            process.kill()
            process.wait()

    def _at_switch(self, *words: str) -> None:
        subprocess.run(["nsenter", f"--target={self._switch.pid}", "--net", "ip", *words], check=True, capture_output=True)


def _net(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")


@contextmanager
def network(*, wired: bool = True) -> Iterator[Cluster]:
    """A cluster without a head yet, in a folder whose name is short enough for the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    found = Cluster(folder, wired)
    try:
        yield found
    finally:
        found.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cluster(*, wired: bool = True, **head: int | bool | str) -> Iterator[Cluster]:
    """A cluster with a head alone."""
    with network(wired=wired) as found:
        found.start(**head)  # type: ignore[arg-type]
        yield found


def interrupt(driver: subprocess.Popen[str]) -> None:
    """Ctrl-C for a driver, which is a child of the program that entered its node."""
    for pid in Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split():
        os.kill(int(pid), signal.SIGINT)


def said(driver: subprocess.Popen[str]) -> str:
    """All that a driver says until it ends, which has to be well."""
    out, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, out + err
    return out + err
