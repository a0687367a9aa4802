"""The signatures that watch a space's trials, and whether the trainer reports what they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pitprop.detection import signatures
from pitprop.detection.detect import ACTIONS
from pitprop.space.problems import hint
from pitprop.space.section import AMOUNT, COUNT, NATURAL, SHARE, Kind, Section, one_of

ACTION = one_of(*ACTIONS)
SHARES = ("grace", "blind")
"""Thresholds that are shares of the budget."""


@dataclass(frozen=True, slots=True)
class SignatureChoice:
    """A signature that watches: what it does, every threshold of its ``detect``, and what it reads, as ``READS`` says it."""

    action: str
    thresholds: Mapping[str, Any]
    reads: tuple[str, ...] = ()


def read_signatures(top: Section, reports: Sequence[str] | None) -> tuple[dict[str, SignatureChoice], dict[str, str]]:
    """The signatures that watch, and those that cannot see, each with what it lacks."""
    given = top.get("signatures")
    every = signatures.names()
    if given is False or given == "off":
        return {}, {}
    section = Section(given, top.place("signatures"), top.problems)
    for name in section.rows:
        if name not in every:
            section.wrong(name, f"unknown signature{hint(name, every)}")
    watching, lacking = {}, {}
    for name in every:
        choice = _signature(section, name)
        if choice is None:
            continue
        lacks = " and ".join(missing(choice, reports))
        if lacks and name in section.rows:
            section.wrong(name, f"needs {lacks}, which the trainer does not report; write {name}: off")
        elif lacks:
            lacking[name] = lacks
        else:
            watching[name] = choice
    return watching, lacking


def missing(choice: SignatureChoice, reports: Sequence[str] | None) -> list[str]:
    """The readings of a signature that the trainer does not give, as far as it says."""
    return [reading for reading in choice.reads if reports is not None and not signatures.gives(reading, reports)]


def _signature(section: Section, name: str) -> SignatureChoice | None:
    """The signature as the space sets it; None where it is off."""
    action, thresholds = signatures.action(name), dict(signatures.thresholds(name))
    value = section.get(name)
    if value is False or value == "off":
        return None
    if isinstance(value, str):
        action = section.read(name, one_of(*ACTIONS, "off"), action)
    elif value is not None and value is not True:
        changes = Section(value, section.place(name), section.problems)
        if changes.get("action") is False or changes.get("action") == "off":
            return None
        action = changes.read("action", one_of(*ACTIONS, "off"), action)
        thresholds = {key: changes.read(key, _kind(key, default), default) for key, default in thresholds.items()}
        changes.close()
    return SignatureChoice(action, thresholds, tuple(signatures.load(name).READS))


def _kind(threshold: str, default: Any) -> Kind[Any]:
    if threshold in SHARES:
        return SHARE
    if isinstance(default, int):
        return COUNT if threshold == "patience" else NATURAL
    return AMOUNT
