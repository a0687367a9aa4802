"""Whether MLflow takes what is sent to it: a server that answers, or a store that can be opened; nothing is made there."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

from pitprop.addresses import safe, sqlite_file
from pitprop.health import Check
from pitprop.messages import N_, message
from pitprop.track.exporter import environment

AREA = N_("tracker")
WAIT = 10.0
"""Seconds for a server to answer."""


def look(uri: str) -> list[Check]:
    """What is found of the MLflow at ``uri``."""
    if uri.startswith(("http://", "https://")):
        return _server(uri)
    if (path := sqlite_file(uri)) is not None:
        return _store(path)
    said = message("{uri} is not checked here; an export that fails says why, and costs the search nothing", uri=safe(uri))
    return [Check(AREA, "ok", said)]


def _server(uri: str) -> list[Check]:
    known = environment(uri)
    address, began = known["MLFLOW_TRACKING_URI"], time.perf_counter()
    later = message(
        "start it, or correct MLFLOW_TRACKING_URI; the search does not wait for it: `pitprop export` exports what is missing"
    )
    try:
        theirs = _read(f"{address.rstrip('/')}/version", {})
        _read(f"{address.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1", _authority(known))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            said = message("{uri} refuses us ({code})", uri=safe(uri), code=error.code)
            return [Check(AREA, "bad", said, message("give MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or a token"))]
        return [Check(AREA, "warn", message("{uri} answers with an error ({code})", uri=safe(uri), code=error.code), later)]
    except (OSError, ValueError) as error:
        why = str(getattr(error, "reason", error))[:200]
        return [Check(AREA, "warn", message("{uri} does not answer: {why}", uri=safe(uri), why=why), later)]
    said = message(
        "{uri} answers in {ms:.0f} ms, MLflow {version}", uri=safe(uri), ms=(time.perf_counter() - began) * 1000, version=theirs
    )
    ours = version("mlflow")
    if theirs.split(".")[0] != ours.split(".")[0]:
        return [Check(AREA, "warn", said, message("ours is {version}: use a server of the same major version", version=ours))]
    return [Check(AREA, "ok", said)]


def _store(path: Path) -> list[Check]:
    if not path.exists():
        return [Check(AREA, "ok", message("{path} is not there yet; the first search makes it", path=str(path)))]
    from pitprop.track import sqlite

    trouble, _holds = sqlite.look(path)
    if trouble:
        said = message("{path} cannot be opened by MLflow: {why}", path=str(path), why=trouble)
        return [Check(AREA, "bad", said, message("restore it, or name another store by MLFLOW_TRACKING_URI"))]
    if not os.access(path, os.W_OK):
        return [Check(AREA, "bad", message("{path} cannot be written", path=str(path)), message("change its owner or mode"))]
    return [Check(AREA, "ok", message("{path} can be opened", path=str(path)))]


def _read(url: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, headers=headers)
    # of http and https alone
    with urllib.request.urlopen(request, timeout=WAIT) as answer:  # nosec B310
        return str(answer.read(200).decode(errors="replace").strip())


def _authority(known: dict[str, str]) -> dict[str, str]:
    """The header by which a server knows us, if we have a token or a password."""
    import base64

    if token := known.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user := known.get("MLFLOW_TRACKING_USERNAME"):
        both = f"{user}:{known.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}
    return {}
