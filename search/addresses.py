"""Where things are kept: flags first, then the environment, then files under one folder of runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PRIVATE = 0o077
"""The mask of the files that we make: they are for their owner. Files and folders that are there already keep their modes."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """``study_db`` is a database URL, ``mlflow`` a tracking URI; ``ray`` is a cluster's address, None for one of our own."""

    runs: Path
    study_db: str
    mlflow: str
    ray: str | None

    @property
    def artifacts(self) -> Path:
        """Where a local MLflow store keeps its artifacts."""
        return self.runs / "mlartifacts"

    def folder(self, study: str) -> Path:
        """Where the trials of a study keep their telemetry and checkpoints."""
        return self.runs / study


def addresses(runs: str | None) -> Addresses:
    """The addresses in force: ``STUDY_DB``, ``MLFLOW_TRACKING_URI`` and ``RAY_ADDRESS``, by default files under ``runs``."""
    folder = Path(runs or "runs").expanduser().resolve()
    return Addresses(
        folder,
        os.environ.get("STUDY_DB") or f"sqlite:///{folder / 'study.db'}",
        os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}",
        os.environ.get("RAY_ADDRESS") or None,
    )
