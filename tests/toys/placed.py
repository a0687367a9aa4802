"""A curve whose values depend on its state, and which says where it is trained; it waits at one epoch for a file."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from pitprop.telemetry import Epoch
from pitprop.trainer import Context

PARAMS = {"speed": 0.3}
OPTIONS = {"signals": "", "gate": 0, "broken": ""}
REPORTS = ("val/macro_f1", "where", "gpu/")


def train(params: Mapping[str, Any], context: Context) -> Generator[Epoch, None, None]:
    import ray

    host = float(ray.util.get_node_ip_address().rpartition(".")[2])
    signals, gate = Path(context.options["signals"]), context.options.get("gate", 0)
    total = context.state or 0.0
    for step in range(context.step + 1, context.epochs + 1):
        if step == gate:
            (signals / f"waits-{host:.0f}-{os.getpid()}").touch()
            while not (signals / "go").exists():
                time.sleep(0.02)
        total += math.exp(-params["speed"] * step)
        context.state = total
        with (signals / "trained").open("a") as trained:
            trained.write(f"{step}\n")
        gpus = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        yield Epoch(step, {"val/macro_f1": total / (1 + total), "where": host, **{f"gpu/{name}": 1.0 for name in gpus}})
