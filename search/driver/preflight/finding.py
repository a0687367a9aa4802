"""What a check finds, and two ways to come by it."""

from __future__ import annotations

from dataclasses import dataclass

from pitprop.detection import signatures
from pitprop.detection.facts import Facts
from pitprop.telemetry import Epoch, Telemetry


def seen(epoch: Epoch, facts: Facts, name: str) -> str:
    """The remedy of a signature, if it sees in this one epoch what it watches for."""
    module, telemetry = signatures.load(name), Telemetry([epoch])
    return str(module.remedy(telemetry, facts)) if module.detect(telemetry, facts, patience=1) else ""


def unchecked(check: str, *names: str) -> Finding:
    return Finding(check, "unchecked", f"the trainer's preflight does not report {' or '.join(names)}")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``severity`` is stop, warn, ok, or unchecked where the trainer does not report what it takes."""

    check: str
    severity: str
    reason: str
    remedy: str = ""
