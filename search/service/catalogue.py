"""What the operator allows: spaces by name, trainers, commands and folders that a submitted space may name, and limits.

Without a file it is what ships: the spaces and trainers that run no command and read no file of the user's.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pitprop import space as spaces
from pitprop import trainer
from pitprop.detection import signatures
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service import inventory
from pitprop.service.notices.targets import Settings
from pitprop.space import Space, SpaceError
from pitprop.space.schema import yaml_text
from pitprop.space.schema.kinds import Problems
from pydantic import BaseModel, ConfigDict, Field, ValidationError

COMMAND = "command"
"""The trainer that runs a command of the user's."""
MIB = 2**20


class Section(BaseModel):
    """A part of the operator's file, in which a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitsSection(Section):
    """What a request may ask for at most."""

    body: int = Field(MIB, ge=1024)
    upload: int = Field(32 * MIB, ge=1)
    uploads: int = Field(256 * MIB, ge=1)
    requests: int = Field(6000, ge=1)
    trials: int = Field(10_000, ge=1)
    epochs: int = Field(1_000_000, ge=1)
    timeout: float = Field(7 * 86400.0, gt=0)
    running: int = Field(4, ge=1)
    queued: int = Field(200, ge=1)
    share: float = Field(1.0, gt=0, le=1)


class CommandSection(Section):
    """A command that submitted spaces may run by its name, with further arguments, in a folder."""

    command: Annotated[list[str], Field(min_length=1)]
    cwd: str


class CapacitySection(Section):
    """What there is to share: CPUs and GPUs of the machine or cluster."""

    cpus: float = Field(gt=0)
    gpus: float = Field(0.0, ge=0)


class MailSection(Section):
    """The mail server of notices, and to which domains they may go; its password is in the environment."""

    host: str
    sender: str
    domains: Annotated[list[str], Field(min_length=1)]
    port: int = Field(587, ge=1, le=65535)
    user: str = ""
    tls: Literal["starttls", "tls", "none"] = "starttls"


class NoticesSection(Section):
    """How people are told outside how a search went."""

    allow: list[str] = Field(default_factory=list)
    """Names and networks that are not of the public internet, and may be told all the same."""
    mail: MailSection | None = None


class CatalogueFile(Section):
    """The operator's file."""

    spaces: list[str] | None = None
    """Names of spaces that ship, and paths of others; those that ship and run no command, if not said."""
    trainers: list[str] | None = None
    """Names of trainers that ship, and paths of others; those that ship and run no command, if not said."""
    commands: dict[str, CommandSection] = Field(default_factory=dict)
    folders: list[str] = Field(default_factory=list)
    """Folders whose files a submitted space may name."""
    limits: LimitsSection = LimitsSection.model_validate({})
    capacity: CapacitySection | None = None
    notices: NoticesSection = NoticesSection()
    visible: Literal["own", "all"] = "own"
    """Whether everybody sees everybody's searches."""
    inline: bool = False
    """Whether each search trains in its driver, without Ray, and so with one worker."""


@dataclass(frozen=True)
class Catalogue:
    """The operator's file with its names looked up: ``spaces`` and ``trainers`` by name, each with where it is."""

    spaces: Mapping[str, Path]
    trainers: Mapping[str, str]
    commands: Mapping[str, CommandSection] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    limits: LimitsSection = CatalogueFile().limits
    cpus: float = 1.0
    gpus: float = 0.0
    visible: Literal["own", "all"] = "own"
    inline: bool = False
    notices: Settings = field(default_factory=Settings)
    counted: bool = False
    """Whether the CPUs and GPUs are those of this machine, as the operator has not said what there is."""

    @property
    def files(self) -> list[Path]:
        """What it names by a path: spaces and trainers of the operator's, folders of commands and of data."""
        own = [path for name, path in self.spaces.items() if name not in spaces.names() or path != spaces.find(name).resolve()]
        trainers = [Path(where) for where in self.trainers.values() if where.endswith(".py")]
        return [*own, *trainers, *(Path(one.cwd) for one in self.commands.values()), *self.folders]

    @cached_property
    def told(self) -> inventory.Catalogue:
        """The same for who asks; reading it takes a second."""
        return inventory.Catalogue(
            spaces=[_said(name, spaces.load(str(path))) for name, path in sorted(self.spaces.items())],
            trainers=[_card(name, where) for name, where in sorted(self.trainers.items())],
            signatures=[
                inventory.CatalogueSignature(
                    name=name,
                    summary=(signatures.load(name).__doc__ or "").split("\n")[0],
                    reads=list(signatures.load(name).READS),
                    action=signatures.action(name),
                )
                for name in signatures.names()
            ],
            limits=inventory.Limits(**self.limits.model_dump()),
        )


def _said(name: str, space: Space) -> inventory.CatalogueSpace:
    word = Path(space.trainer).stem if space.trainer.endswith(".py") else space.trainer.rpartition(".")[2]
    return inventory.CatalogueSpace(name=name, summary=space.question, trainer=word, trials=space.trials)


def _card(name: str, where: str) -> inventory.CatalogueTrainer:
    card = trainer.card(where)
    reports = None if card.reports is None else list(card.reports)
    return inventory.CatalogueTrainer(name=name, summary=card.summary, params=card.params, options=card.options, reports=reports)


def read(path: str | None) -> Catalogue:
    """The operator's catalogue in a file, or that of what ships; `UserError` with everything that is wrong with it."""
    if path is None:
        return _found(CatalogueFile(), Path())
    file = Path(path).expanduser()
    problems = Problems(file.name)
    text = yaml_text.read(file, problems)
    rows = yaml_text.parse(text, problems) if text is not None else None
    problems.check()
    try:
        return _found(CatalogueFile.model_validate(rows), file.resolve().parent)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            problems.add(".".join(map(str, one["loc"])), one["msg"])
        raise SpaceError("\n".join(problems.lines)) from None


def _found(file: CatalogueFile, home: Path) -> Catalogue:
    capacity = file.capacity or CapacitySection(cpus=_cores(), gpus=_cards())
    chosen = _shipped_spaces() if file.spaces is None else dict(_space(word, home) for word in file.spaces)
    for name, path in chosen.items() if file.spaces is not None else ():
        spaces.load(str(path), name)  # an error is for the operator, not for who asks
    trained = _shipped_trainers() if file.trainers is None else dict(_trainer(word, home) for word in file.trainers)
    folders = tuple((home / folder).expanduser().resolve() for folder in file.folders)
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise UserError(_("the catalogue names the folder {folder}, which does not exist").format(folder=missing[0]))
    return Catalogue(
        chosen,
        trained,
        file.commands,
        folders,
        file.limits,
        capacity.cpus,
        capacity.gpus,
        file.visible,
        file.inline,
        _notices(file.notices),
        file.capacity is None,
    )


def _notices(section: NoticesSection) -> Settings:
    try:
        return Settings.of(section.allow, section.mail.model_dump() if section.mail is not None else None)
    except ValueError as error:
        raise UserError(_("notices.allow in the catalogue must list networks: {why}").format(why=error)) from error


def _shipped_spaces() -> dict[str, Path]:
    found = {name: spaces.find(name) for name in spaces.names()}
    return {name: path for name, path in found.items() if _trainer_of(path.read_text(encoding="utf-8")) != COMMAND}


@lru_cache(maxsize=64)
def _trainer_of(text: str) -> Any:
    """The trainer that a space's text names."""
    return (yaml_text.parse(text, Problems("")) or {}).get("trainer")


def _shipped_trainers() -> dict[str, str]:
    return {name: f"pitprop.trainers.{name}" for name in trainer.names() if name != COMMAND}


def _space(word: str, home: Path) -> tuple[str, Path]:
    path = spaces.find(word if word in spaces.names() else str(home / word))
    return path.stem, path.resolve()


def _trainer(word: str, home: Path) -> tuple[str, str]:
    where = trainer.find(word, home)
    if where is None or word == COMMAND:
        text = _("the catalogue names the trainer {name}, which is none that a space may name; a command goes under commands")
        raise UserError(text.format(name=repr(word)))
    return (Path(word).stem if word.endswith(".py") else word), where


def _cores() -> int:
    """The CPUs that this process may use; on macOS, which cannot say so, those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cards() -> int:
    """How many GPUs the CUDA driver shows."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0
