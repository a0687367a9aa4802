"""What a node says of itself: Python and libraries, GPUs as PyTorch sees them, whether it reaches our files, and who listens."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path

from pitprop.workers.files import filesystem
from pitprop.workers.files.home import Home

LIBRARIES = ("ray", "torch", "numpy")
TORCH = 60.0
"""Seconds for PyTorch to count its GPUs."""
COUNT = "import torch; print(*[torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())], sep='\\n')"
_LISTENS = "0A"


@dataclass(frozen=True, slots=True)
class Report:
    """``gpus`` are the names of what PyTorch sees, None where it was not asked; ``stored`` are the seconds to write and read in
    the storage, and ``refused`` why that failed; ``listening`` are Ray's processes that others reach, with their ports."""

    host: str
    python: str
    versions: dict[str, str]
    gpus: list[str] | None
    here: bool
    stored: float | None
    refused: str
    disk: int
    """Bytes that are free for files of its own."""
    listening: dict[str, list[int]]


def report(home: Home | None, url: str, gpus: bool) -> Report:
    """Looks at the machine on which this runs. With ``gpus`` PyTorch is asked for them, which takes seconds."""
    stored, refused = tried(url) if url else (None, "")
    return Report(
        platform.node(),
        platform.python_version(),
        {name: found for name in LIBRARIES if (found := _version(name))},
        _gpus() if gpus else None,
        home is not None and home.here(),
        stored,
        refused,
        shutil.disk_usage(tempfile.gettempdir()).free,
        _listening(),
    )


def tried(url: str) -> tuple[float | None, str]:
    """Writes a little to the storage, reads and removes it: the seconds that took, or why it failed."""
    began, said = time.perf_counter(), uuid.uuid4().bytes
    place = filesystem.under(url, f"pitprop-doctor-{uuid.uuid4().hex[:12]}")
    try:
        filesystem.put(BytesIO(said), place)
        with filesystem.opened(place) as file:
            same = file.read() == said
        filesystem.remove(place)
    except filesystem.StorageError as error:
        return None, str(error)
    return (time.perf_counter() - began, "") if same else (None, "what was read is not what was written")


def _version(name: str) -> str:
    with suppress(PackageNotFoundError):
        return version(name)
    return ""


def _gpus() -> list[str]:
    """The names of the GPUs that PyTorch sees, whatever Ray shows this process of them."""
    seen = {name: value for name, value in os.environ.items() if name not in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")}
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([sys.executable, "-c", COUNT], env=seen, capture_output=True, text=True, timeout=TORCH, check=True)
        return [line for line in done.stdout.splitlines() if line]
    return []


def _listening() -> dict[str, list[int]]:
    """The ports, by process, that Ray's processes on this machine have open to others; empty where the system does not say."""
    ports = {}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                words = line.split()
                place, _colon, port = words[1].partition(":")
                if words[3] == _LISTENS and not _loopback(place):
                    ports[words[9]] = int(port, 16)
    found: dict[str, set[int]] = {}
    for process in Path("/proc").glob("[0-9]*") if ports else ():
        with suppress(OSError):
            name = _ray_name((process / "cmdline").read_bytes().decode(errors="replace"))
            links = (os.readlink(file) for file in (process / "fd").iterdir()) if name else ()
            own = {ports[link[8:-1]] for link in links if link.startswith("socket:[") and link[8:-1] in ports}
            if own:
                found.setdefault(name, set()).update(own)
    return {name: sorted(found[name]) for name in sorted(found)}


def _loopback(place: str) -> bool:
    """Whether an address as the kernel writes it is one of this machine alone."""
    raw = b"".join(struct.pack("=I", int(place[at : at + 8], 16)) for at in range(0, len(place), 8))
    if len(raw) == 4:
        return raw[0] == 127
    mapped = raw[:12] == bytes(10) + b"\xff\xff"
    return raw == socket.inet_pton(socket.AF_INET6, "::1") or (mapped and raw[12] == 127)


def _ray_name(command: str) -> str:
    """Which process of Ray's this is, by its command line; empty if none."""
    words = command.replace("\0", " ")
    names = {
        "gcs_server": "gcs_server",
        "raylet/raylet": "raylet",
        "dashboard/dashboard.py": "dashboard",
        "dashboard/agent.py": "agent",
    }
    names |= {"runtime_env/agent/main.py": "agent", "ray.util.client.server": "client server", "ray::": "workers"}
    return next((name for part, name in names.items() if part in words), "")
