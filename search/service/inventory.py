"""The answers of the API about the service itself: what can be submitted, files, tokens, who did what, and whether it works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pitprop.service.models import Row, Scope
from pydantic import Field


class Said(Row):
    """A name, and what it is in a line."""

    name: str
    summary: str


class CatalogueSpace(Said):
    """A space that can be submitted by its name."""

    trainer: str
    trials: int | None = None


class CatalogueTrainer(Said):
    """A trainer that a submitted space may name, with what it takes (None where it does not say)."""

    params: Mapping[str, Any] | None
    options: Mapping[str, Any] | None
    reports: list[str] | None


class CatalogueSignature(Said):
    """A signature that watches trainings."""

    reads: list[str]
    action: str


class Limits(Row):
    """What a request may ask for at most; None is no limit."""

    body: int
    """Bytes of a request."""
    upload: int
    """Bytes of an uploaded file."""
    uploads: int
    """Bytes of all files of an owner."""
    requests: int
    """Requests a minute, of one owner."""
    trials: int
    epochs: int
    """Epochs, or steps, of one trial."""
    timeout: float
    """Seconds of one search."""
    running: int
    """Searches of one owner that run at once."""
    queued: int
    """Searches of one owner that wait, run or are paused."""
    share: float
    """Of all CPUs and GPUs, what one owner may have at most."""


class Catalogue(Row):
    """What can be submitted here."""

    spaces: list[CatalogueSpace]
    trainers: list[CatalogueTrainer]
    signatures: list[CatalogueSignature]
    limits: Limits


class Validation(Row):
    """What is wrong with a space, all of it; nothing if it can be submitted."""

    problems: list[str]
    question: str = ""
    trials: int | None = None
    parameters: list[str] = Field(default_factory=list)


class Upload(Row):
    """A file of the owner's, which a space names as ``upload:NAME``."""

    name: str
    bytes: int
    sha256: str
    created: float


class Token(Row):
    """A token as it is listed: never what it is."""

    id: str
    owner: str
    scope: Scope
    created: float
    expires: float
    revoked: float | None


class MadeToken(Token):
    """A new token, with its secret, which is told this once."""

    secret: str


class AuditRow(Row):
    """Who did what."""

    id: int
    at: float
    owner: str
    action: str
    search: str | None
    detail: str


class Silence(Row):
    """What runs the drivers does not answer: since when, and what that means, in a sentence."""

    since: float
    said: str


class Health(Row):
    """Whether the service works, and how much of it is used."""

    ok: bool
    version: str
    service: str
    """The name of this service process."""
    cpus: float
    gpus: float
    searches: Mapping[str, int]
    """How many searches are in each state."""
    silence: Silence | None = None
    """While nobody can say which drivers run: the service works, and its searches wait."""
