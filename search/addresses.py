"""Where things are kept: flags first, then the environment, then files under one folder of runs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pitprop.errors import UserError
from pitprop.messages import _

_QUOTED = {"%": "%25", "?": "%3F", "#": "%23"}

PRIVATE = 0o077
"""The mask of the files that we make: they are for their owner. Files and folders that are there already keep their modes."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """``study_db`` is a database URL, ``mlflow`` a tracking URI; ``ray`` is a cluster's address, None for one of our own.

    ``storage`` is where checkpoints go that every node is to reach; empty if nothing is said here.
    """

    runs: Path
    study_db: str
    mlflow: str
    ray: str | None
    storage: str = ""

    @property
    def artifacts(self) -> Path:
        """Where a local MLflow store keeps its artifacts."""
        return self.runs / "mlartifacts"

    def folder(self, study: str) -> Path:
        """Where the trials of a study keep their telemetry and checkpoints."""
        return self.runs / study


def addresses(runs: str | None, ray: str | None = None) -> Addresses:
    """The addresses in force: ``STUDY_DB``, ``MLFLOW_TRACKING_URI``, ``RAY_ADDRESS`` and ``PITPROP_STORAGE``.

    The first two are files under ``runs`` by default. ``ray`` is in place of ``RAY_ADDRESS``.
    """
    folder = Path(runs or "runs").expanduser().resolve()
    return Addresses(
        folder,
        os.environ.get("STUDY_DB") or sqlite_url(folder / "study.db"),
        os.environ.get("MLFLOW_TRACKING_URI") or sqlite_url(folder / "mlflow.db"),
        _ray(ray or os.environ.get("RAY_ADDRESS") or "local"),
        os.environ.get("PITPROP_STORAGE") or "",
    )


def _ray(address: str) -> str | None:
    """The address of a Ray to join, None for one that is started here; `UserError` for one that would not do."""
    if address.startswith("ray://"):
        host = address.removeprefix("ray://").partition(":")[0]
        raise UserError(
            _(
                "RAY_ADDRESS {address}: a search cannot run through Ray Client, as it would end with the "
                "connection; give HOST:PORT on a node of the cluster, or http://{host}:8265 to have the search "
                "run there"
            ).format(address=address, host=host)
        )
    if not re.fullmatch(r"local|auto|https?://.+|shared:.+|.+:\d+", address, re.DOTALL):
        text = _("{address} is no address of a Ray: give auto, HOST:PORT, or http://HOST:8265, in --ray or RAY_ADDRESS")
        raise UserError(text.format(address=address))
    return None if address == "local" else address


@dataclass(frozen=True, slots=True)
class SharedRay:
    """A Ray of this machine that several drivers use, with its files in ``folder``: ``shared:CPUS:FOLDER``."""

    folder: Path
    cpus: int

    def __str__(self) -> str:
        return f"shared:{self.cpus}:{self.folder}"


def shared_ray(address: str | None) -> SharedRay | None:
    """The Ray of this machine that an address names, for those who share one; None for any other address."""
    found = re.fullmatch(r"shared:(\d+):(/.*)", address or "", re.DOTALL)
    return SharedRay(Path(found[2]), int(found[1])) if found else None


def is_job_server(address: str | None) -> bool:
    """Whether the address is one of Ray's job server, to which a whole search is handed."""
    return address is not None and address.startswith(("http://", "https://"))


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file. Only what has a meaning in a URL is quoted in it, so that a person can read the rest."""
    return "sqlite:///" + "".join(_QUOTED.get(letter, letter) for letter in str(path))


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, which `sqlite_url` or a person wrote; None for any other URL, and one that names no file.

    As SQLAlchemy reads it, which takes long to import.
    """
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]*)(?:\?.*)?", url, re.DOTALL)
    file = unquote(found[1]) if found else ""
    return Path(file) if file not in ("", ":memory:") else None


def safe(url: str) -> str:
    """The URL as it may be shown: without its password."""
    hidden = re.sub(r"^([\w+.-]+://(?![/])[^/@:]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"([?&](?:password|passwd|pwd|sslpassword)=)[^&]*", r"\1***", hidden, flags=re.IGNORECASE)
