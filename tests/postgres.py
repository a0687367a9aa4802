"""A PostgreSQL server of the tests' own, on a free port of the loopback address, that can be stopped and started."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FOLDERS = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ.get("PATH", "")]


def program(name: str) -> str | None:
    """Debian keeps the server's programs off the path."""
    return shutil.which(name, path=os.pathsep.join(FOLDERS))


class Server:
    """It runs as nobody where the tests run as root, which PostgreSQL refuses; ``environment`` is what it finds there besides."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**os.environ, **(environment or {})}
        if program("initdb") is None or program("pg_ctl") is None:
            pytest.skip("PostgreSQL's initdb and pg_ctl are not here (apt-get install postgresql)")
        pytest.importorskip("psycopg")
        self._folder = Path(tempfile.mkdtemp(prefix="pitprop-postgres-"))
        self._who: dict[str, Any] = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._data = str(self._folder / "data")
        self._run("initdb", "--no-locale", "--encoding=UTF8", "--no-sync", "--auth=trust", "--username=me", "-D", self._data)
        self._made = 0

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        self._made += 1
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=me dbname=postgres", autocommit=True) as connection:
            connection.execute(f"create database db{self._made}")  # type: ignore[call-overload]
        return f"postgresql+psycopg://me:secret@127.0.0.1:{self.port}/db{self._made}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "--wait", "--timeout=600", "-D", self._data, "-l", log, "-o", options)

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "stop", "--wait", "--timeout=600", f"--mode={mode}", "-D", self._data)

    def restart(self, mode: str = "fast") -> None:
        """In the mode ``immediate`` as after a crash."""
        self.stop(mode)
        self.start()

    @contextmanager
    def pooled(self, mode: str) -> Iterator[str]:
        """The URL of an empty database by way of a pgbouncer of our own."""
        found = shutil.which("pgbouncer", path=f"/usr/sbin:{os.environ.get('PATH', '')}")
        if found is None:
            pytest.skip("pgbouncer is not here (apt-get install pgbouncer)")
        url, settings = self.new_database(), self._folder / "pgbouncer.ini"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        settings.with_name("users").write_text('"me" "secret"\n')
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            f"auth_type = trust\nauth_file = {settings.with_name('users')}\npool_mode = {mode}\nunix_socket_dir =\n"
        )
        with subprocess.Popen([found, str(settings)], **self._options()) as pooler:
            try:
                while pooler.poll() is None:
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", port)) == 0:
                            break
                yield url.replace(f":{self.port}/", f":{port}/")
            finally:
                pooler.terminate()

    def remove(self) -> None:
        subprocess.run([str(program("pg_ctl")), "stop", "--mode=immediate", "-D", self._data], **self._options(), check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, name: str, *words: str) -> None:
        subprocess.run([str(program(name)), *words], **self._options(), check=True)

    def _options(self) -> dict[str, Any]:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return {"cwd": self._folder, "env": self._environment, **quiet, **self._who}


@contextmanager
def started() -> Iterator[Server]:
    """A server that runs until the block is left, and leaves nothing."""
    found = Server()
    try:
        found.start()
        yield found
    finally:
        found.remove()
