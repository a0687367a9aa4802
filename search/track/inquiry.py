"""A question to MLflow, asked by a process of its own, so that the asking one imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.processes import module_command
from pitprop.track.exporter import environment

PATIENCE = 120
"""Seconds; MLflow alone takes several to import, and a new database is migrated."""


def ask(module: str, uri: str, *words: str) -> dict[str, Any]:
    """What ``python -m pitprop.track.<module>`` answers about the MLflow at ``uri``, in a line of JSON; `UserError` with the
    sentence of its ``error``."""
    command = [*module_command(f"pitprop.track.{module}"), *words]
    given = environment(uri)  # not in the command line, which every user of the machine can read
    try:
        done = subprocess.run(command, env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise UserError(
            _("MLflow did not answer in {patience} seconds: check whether its server or database is running").format(
                patience=PATIENCE
            )
        ) from error
    try:
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(_("MLflow could not be asked: {last}").format(last=last)) from error
    if "error" in said:
        raise UserError(str(said["error"]))
    return said
