"""The command that shows the runs: MLflow's own UI, on the loopback address only."""

from __future__ import annotations

import socket
import sys
from pathlib import Path


def ui_command(uri: str, artifacts: Path, port: int = 5000) -> list[str]:
    """The command that serves the UI of the store at ``uri`` on 127.0.0.1; run it with `ENVIRONMENT`.

    ``ValueError``, in a sentence, if the store is a server (which has its own UI) or if the port is taken.
    """
    if uri.startswith("http"):
        raise ValueError(f"MLflow is a server already: open {uri} in a browser")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            look = f"the UI may run already, look at http://127.0.0.1:{port}, or choose another port"
            raise ValueError(f"port {port} cannot be used ({error}): {look}") from error
    store = ["--backend-store-uri", uri, "--default-artifact-root", artifacts.resolve().as_uri()]
    return [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def page(address: str, experiment: str) -> str:
    """Where the server at ``address`` shows the trials of the experiment with this id, as `pitprop.track.view` lays them out."""
    return f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=pitprop"
