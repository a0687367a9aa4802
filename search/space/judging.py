"""The signatures that watch a space's trials, and whether the trainer reports what they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search import signatures
from search.space.problems import hint
from search.space.section import BOOLEAN, NUMERIC, TEXT, WHOLE, Kind, Section, one_of

ACTION = one_of("prune", "warn")


@dataclass(frozen=True, slots=True)
class SignatureChoice:
    """A signature that watches: what it does, every threshold of its ``detect``, and the metrics it reads."""

    action: str
    thresholds: Mapping[str, Any]
    reads: tuple[str, ...] = ()


def covered(reading: str, reports: Sequence[str]) -> bool:
    """Whether a trainer that reports ``reports`` gives ``reading``; either may be a prefix that ends in ``/``."""
    return any(
        reading == name
        or (name.endswith("/") and reading.startswith(name))
        or (reading.endswith("/") and name.startswith(reading))
        for name in reports
    )


def read_signatures(top: Section, reports: Sequence[str] | None) -> tuple[dict[str, SignatureChoice], tuple[str, ...]]:
    """The signatures that watch, and the names of those that the space chose itself."""
    given = top.get("signatures")
    every = signatures.names()
    if given is False or given == "off":
        return {}, ()
    section = Section(given, top.place("signatures"), top.problems)
    for name in section.rows:
        if name not in every:
            section.wrong(name, f"unknown signature{hint(name, every)}")
    watching, explicit = {}, []
    for name in every:
        choice = _signature(section, name)
        if choice is None:
            continue
        watching[name] = choice
        if name in section.rows:
            explicit.append(name)
            for reading in missing(choice, reports):
                section.wrong(name, f"needs {reading}, which the trainer does not report; write {name}: off")
    return watching, tuple(explicit)


def missing(choice: SignatureChoice, reports: Sequence[str] | None) -> list[str]:
    """The readings of a signature that the trainer does not give, as far as it says."""
    return [reading for reading in choice.reads if reports is not None and not covered(reading, reports)]


def _signature(section: Section, name: str) -> SignatureChoice | None:
    """The signature as the space sets it; None where it is off."""
    module, thresholds = signatures.load(name), dict(signatures.thresholds(name))
    action, reads = module.ACTION, tuple(module.READS)
    value = section.get(name)
    if value is False or value == "off":
        return None
    if isinstance(value, str):
        action = section.read(name, one_of("prune", "warn", "off"), action)
    elif value is not None and value is not True:
        changes = Section(value, section.place(name), section.problems)
        if changes.get("action") is False or changes.get("action") == "off":
            return None
        action = changes.read("action", ACTION, action)
        thresholds = {key: changes.read(key, _kind(default), default) for key, default in thresholds.items()}
        changes.close()
    return SignatureChoice(action, thresholds, reads)


def _kind(default: Any) -> Kind[Any]:
    if isinstance(default, bool):
        return BOOLEAN
    if isinstance(default, int):
        return WHOLE
    return TEXT if isinstance(default, str) else NUMERIC
