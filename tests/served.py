"""A service on a port of this machine, as `pitprop serve` runs it, for tests that ask it over HTTP; its drivers train toys."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from conftest import TOY
from fastapi import FastAPI
from pitprop.service.clients.client import Client
from pitprop.service.serving import ServiceOptions, served

SPACE = """\
question: Which speed <b>lifts</b> the score?
trainer: curve
objective: {metric: val/macro_f1}
epochs: 8
trials: 6
params:
  speed: {float: [0.05, 1.0]}
  dead: {choice: [false, true]}
"""
MORE = "inline: true\ncapacity: {cpus: 2}\n"


@dataclass(frozen=True)
class Served:
    """Where the service is, and what it is made of."""

    address: str
    app: FastAPI
    folder: Path

    def client(self, token: str | None = "") -> Client:
        return Client(self.address, token)


def written(folder: Path, text: str = SPACE, name: str = "speeds") -> Path:
    """A space as a file."""
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


@contextmanager
def service(folder: Path, more: str = MORE, *, tokens: bool = False) -> Iterator[Served]:
    """The service over a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    spaces = folder / "spaces"
    spaces.mkdir(exist_ok=True)
    listed = written(spaces, SPACE.replace("trainer: curve", f"trainer: {TOY}"))
    catalogue = folder / "catalogue.yaml"
    catalogue.write_text(f"spaces: [{listed}]\ntrainers: [{TOY}]\n{more}")
    options = ServiceOptions(str(folder / "runs"), catalogue=str(catalogue), tokens=tokens, lease=3600.0)
    broken = folder / "broken"  # an MLflow that does not import, which saves the seconds that the real one takes
    broken.mkdir(exist_ok=True)
    (broken / "mlflow.py").write_text("raise ImportError('MLflow is broken')\n")
    with pytest.MonkeyPatch.context() as patch, served(options) as app:
        patch.setenv("PYTHONPATH", str(broken))
        config = uvicorn.Config(app, port=0, log_level="warning", access_log=False, ws="none", lifespan="on")
        server, began = uvicorn.Server(config), threading.Event()
        begin = server.startup

        async def startup(sockets: object = None) -> None:
            await begin(sockets)  # type: ignore[arg-type]
            began.set()

        server.startup = startup  # type: ignore[method-assign, assignment]
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert began.wait(60)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Served(f"http://127.0.0.1:{port}", app, folder)
        finally:
            server.should_exit = True
            thread.join()
