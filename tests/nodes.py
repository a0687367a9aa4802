"""A small Ray cluster of the tests' own on the loopback address: a head, and nodes that can die and do not see some folders."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

RAY = str(Path(sys.executable).with_name("ray"))
BLIND = 'for folder in $HIDDEN; do mount -t tmpfs none "$folder"; done; exec "$@"'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Nodes:
    """Every node is a process namespace of its own: when its first process is killed, all of it is gone at once."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._port = free_port()
        self.environment = {
            **os.environ,
            "TMPDIR": str(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_raylet_start_wait_time_s": "300",
            "RAY_worker_register_timeout_seconds": "300",
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def head(self, *, cpus: int = 0) -> subprocess.Popen[bytes]:
        """The head, on which no worker trains unless it has CPUs."""
        words = ("--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder / 'ray'}")
        return self._start(words, cpus, ())

    def join(self, *hidden: Path, cpus: int = 1) -> subprocess.Popen[bytes]:
        """One more node, which finds the ``hidden`` folders empty."""
        return self._start((f"--address={self.address}",), cpus, hidden)

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """Ends a node as a loss of power does."""
        node.send_signal(signal.SIGKILL)
        node.wait()
        self._running.remove(node)

    def close(self) -> None:
        for node in reversed(self._running[:]):
            self.kill(node)

    def _start(self, words: Sequence[str], cpus: int, hidden: Sequence[Path]) -> subprocess.Popen[bytes]:
        own = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "sh", "-c", BLIND, "sh"]
        rest = [f"--num-cpus={cpus}", "--num-gpus=0", "--object-store-memory=100000000", "--node-ip-address=127.0.0.1", "--block"]
        environment = {**self.environment, "HIDDEN": " ".join(map(str, hidden))}
        with (self._folder / f"node-{len(list(self._folder.glob('node-*')))}.log").open("wb") as log:
            node = subprocess.Popen([*own, RAY, "start", *words, *rest], env=environment, stdout=log, stderr=log)
        self._running.append(node)
        self._await(words[0] == "--head")
        return node

    def _await(self, head: bool) -> None:
        """Waits until as many nodes are there as were started."""
        code = (
            "import sys, time, ray\n"
            "while True:\n"
            "    try:\n"
            "        ray.init(sys.argv[1], logging_level='CRITICAL', log_to_driver=False)\n"
            "    except Exception:\n"
            "        time.sleep(0.2)\n"
            "        continue\n"
            "    break\n"
            "while sum(node['Alive'] for node in ray.nodes()) < int(sys.argv[2]):\n"
            "    time.sleep(0.1)\n"
        )
        command = [sys.executable, "-c", code, self.address, str(len(self._running))]
        subprocess.run(
            command, env=self.environment, check=True, timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


@contextmanager
def nodes(**environment: str) -> Iterator[Nodes]:
    """A cluster that has no nodes yet; what the test does not end ends with it."""
    probe = ["unshare", "--mount", "--pid", "--fork", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("namespaces are not permitted here (unshare --mount --pid)")
    folder = Path(tempfile.mkdtemp(prefix="t-"))  # a name short enough for the sockets in it
    found = Nodes(folder, environment)
    try:
        yield found
    finally:
        found.close()
        shutil.rmtree(folder, ignore_errors=True)
