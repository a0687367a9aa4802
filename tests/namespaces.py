"""A Ray cluster of several machines on one: each node in a network namespace of its own, without the driver's files."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RAY = Path(sys.executable).with_name("ray")
PORT = 56379
OURS = ("search", "trainers", "spaces", "tests", ".package")
"""What of the checkout a node that has nothing of ours does not see."""
PLAIN = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_raylet_start_wait_time_s": "300",  # on a busy machine a node takes minutes to start
    "RAY_worker_register_timeout_seconds": "300",
    "OMP_NUM_THREADS": "1",
}
PATIENCE = 300.0
_NUMBERS = itertools.count()


def why_not() -> str:
    """Why there can be no namespaces here; empty if there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        return "network namespaces take root, and the programs ip and unshare"
    name = f"pp{os.getpid()}x"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode == 0:
        subprocess.run(["ip", "netns", "del", name], check=True)
        made = subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return made.stderr.strip()


def until(found: Callable[[], object], what: str) -> None:
    """Waits until there is something."""
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline, f"{what}: not in {PATIENCE:g} seconds"
        threading.Event().wait(0.1)


@dataclass(frozen=True)
class Machine:
    """A node: its namespace and address."""

    namespace: str
    address: str

    @property
    def host(self) -> int:
        """The last part of the address, by which a trainer says where it runs."""
        return int(self.address.rpartition(".")[2])

    def pids(self, name: str = "") -> list[int]:
        """The processes on it, those whose command line begins with ``name`` (a path counts by its last part)."""
        said = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True)
        return [pid for pid in map(int, said.stdout.split()) if _title(pid).startswith(name)]

    def kill(self, name: str = "") -> None:
        """Kills them with signal 9; without a name the whole node."""
        found = self.pids(name)
        assert found, f"no {name or 'process'} on {self.address}"
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _title(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return Path(words[0].decode(errors="replace").split(" ")[0]).name if words else ""


class Cluster:
    """A head, where the driver runs, and as many nodes as are started."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._name, self._nodes = folder, f"pp{os.getpid()}c{next(_NUMBERS)}n", 0
        self._environment = {**os.environ, **PLAIN}
        self.hidden: list[Path] = []
        """Folders that nodes started from now on do not see."""
        self.head = Machine(f"{self._name}0", "10.77.0.1")

    def start(self, *, cpus: int = 0, gpus: int = 0, dashboard: bool = False, **environment: str) -> None:
        """Starts the head."""
        self._environment |= environment
        _ip("netns", "add", self.head.namespace)
        self._in_head("link", "set", "lo", "up")
        self._in_head("link", "add", "br0", "type", "bridge")
        self._in_head("addr", "add", f"{self.head.address}/24", "dev", "br0")
        self._in_head("link", "set", "br0", "up")
        self._head = f"--include-dashboard={dashboard}", cpus, gpus
        self.start_again()

    def start_again(self) -> None:
        """Starts Ray on the head, which has none; as before it died, if it did."""
        dashboard, cpus, gpus = self._head
        # The processes of the other nodes are seen here, and Ray would take them for a head that still runs.
        (self._folder / f"r{self.head.host}" / "ray_current_cluster").unlink(missing_ok=True)
        self._ray(self.head, "--head", f"--port={PORT}", dashboard, cpus=cpus, gpus=gpus)

    def add(self, *, cpus: int = 1, gpus: int = 0) -> Machine:
        """Starts a node that has Python and Ray, and nothing of ours."""
        self._nodes += 1
        node = Machine(f"{self._name}{self._nodes}", f"10.77.0.{self._nodes + 10}")
        link = f"v{self._nodes}"
        _ip("netns", "add", node.namespace)
        _ip("-n", node.namespace, "link", "set", "lo", "up")
        self._in_head("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", node.namespace)
        self._in_head("link", "set", link, "master", "br0")
        self._in_head("link", "set", link, "up")
        _ip("-n", node.namespace, "addr", "add", f"{node.address}/24", "dev", "eth0")
        _ip("-n", node.namespace, "link", "set", "eth0", "up")
        self._ray(node, f"--address={self.head.address}:{PORT}", cpus=cpus, gpus=gpus)
        return node

    def driver(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Starts ``pitprop`` on the head."""
        given = {**self._environment, "RAY_ADDRESS": f"{self.head.address}:{PORT}", **environment}
        given |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
        command = ["ip", "netns", "exec", self.head.namespace, sys.executable, "-m", "pitprop.cli.main", *words]
        return subprocess.Popen(command, env=given, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def forget(self, *names: str) -> None:
        """Leaves variables out of the environment of drivers and nodes started from now on."""
        self._environment = {name: value for name, value in self._environment.items() if name not in names}

    def close(self) -> None:
        """Ends all nodes, and the namespaces with them."""
        for number in range(self._nodes, -1, -1):
            machine = Machine(f"{self._name}{number}", "")
            for _ in range(3):  # what is killed may just have started something
                for pid in machine.pids():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", machine.namespace], capture_output=True)

    def _ray(self, node: Machine, *words: str, cpus: int, gpus: int) -> None:
        scratch = self._folder / f"r{node.host}"
        own = [f"--node-ip-address={node.address}", f"--num-cpus={cpus}", f"--num-gpus={gpus}", f"--temp-dir={scratch}"]
        start = [RAY, "start", *words, *own, "--object-store-memory=134217728", "--disable-usage-stats"]
        hide = [] if node == self.head else [*(ROOT / name for name in OURS), *self.hidden]
        hiding = "mount --make-rprivate /\n" + "\n".join(f"mount -t tmpfs none '{folder}'" for folder in hide)
        script = f'{hiding if hide else ""}\ncd /\nexec "$@"'
        command = ["ip", "netns", "exec", node.namespace, "unshare", "-m", "sh", "-ec", script, "sh", *map(str, start)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr

    def _in_head(self, *words: str) -> None:
        _ip("-n", self.head.namespace, *words)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def cluster(**head: int | bool | str) -> Iterator[Cluster]:
    """A cluster with a head alone, in a folder whose name is short enough for the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    found = Cluster(folder)
    try:
        found.start(**head)  # type: ignore[arg-type]
        yield found
    finally:
        found.close()
        shutil.rmtree(folder, ignore_errors=True)


def said(driver: subprocess.Popen[str]) -> str:
    """All that a driver says until it ends, which has to be well."""
    out, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, out + err
    return out + err


Environment = Mapping[str, str]
