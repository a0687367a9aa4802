"""The options of a space for a command, read strictly: what is wrong is one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pitprop.trainers.commands.arguments import BOOLEANS, LISTS, STYLES, CommandError, Style, nearest, text
from pitprop.trainers.commands.template import LANGUAGES

STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class Source:
    """Where metrics are read from: ``place`` is stdout, stderr, or a path, a glob or a folder."""

    place: str
    format: str | None = None
    pattern: tuple[str, ...] = ()
    names: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What `pitprop.trainers.command` says of its options, as it is used. Texts may hold places such as ``{lr}``."""

    command: tuple[str, ...]
    style: Style
    cwd: str
    env: Mapping[str, str]
    template: str
    metrics: tuple[Source, ...]
    names: Mapping[str, str]
    resume: tuple[str, ...]
    checkpoint: str
    grace: float


def read(options: Mapping[str, Any]) -> Settings:
    """The settings in the ``options`` of a space; `CommandError` for the first that is wrong."""
    words = _list(options, "command")
    if not words:
        raise CommandError("options.command is missing: it takes a list of arguments, such as [python, train.py, '{params}']")
    template, resume = _text(options, "template"), _list(options, "resume")
    checkpoint, grace = _text(options, "checkpoint"), options["grace"]
    if template and not template.endswith(tuple(LANGUAGES)):
        raise CommandError(f"options.template {template!r} is none of {', '.join(LANGUAGES)}, by which values are written")
    if bool(resume) != bool(checkpoint):
        raise CommandError("options.resume and options.checkpoint come together: the arguments, and the file that must be there")
    if isinstance(grace, bool) or not isinstance(grace, int | float) or not 0 <= grace < 3600:
        raise CommandError(f"options.grace {grace!r} is not a number of seconds from 0 to 3600")
    return Settings(
        words,
        _style(options),
        _text(options, "cwd") or ".",
        _mapping(options["env"], "options.env"),
        template,
        _sources(options),
        _mapping(options["names"], "options.names"),
        resume,
        checkpoint,
        float(grace),
    )


def _style(options: Mapping[str, Any]) -> Style:
    style = STYLES[_one_of(options, "style", tuple(STYLES))]
    lists = _one_of(options, "lists", LISTS) if options["lists"] else style.lists
    booleans = _one_of(options, "booleans", BOOLEANS) if options["booleans"] else style.booleans
    return replace(style, lists=lists, booleans=booleans)


def _sources(options: Mapping[str, Any]) -> tuple[Source, ...]:
    common, rows = _mapping(options["names"], "options.names"), options["metrics"]
    if not isinstance(rows, list) or not rows:
        raise CommandError(f"options.metrics must be a list of sources, such as [{{from: stdout}}], not {rows!r}")
    found = []
    for index, row in enumerate(rows):
        where, known = f"options.metrics[{index}]", ("from", "format", "pattern", "names")
        row = {"from": row} if isinstance(row, str) else row
        if not isinstance(row, dict) or not isinstance(row.get("from"), str):
            raise CommandError(f"{where} says not where metrics come from: it takes {{from: stdout}}, stderr, or a path")
        if unknown := [name for name in row if name not in known]:
            raise CommandError(f"{where} has an unknown key {unknown[0]!r}{nearest(unknown[0], known)}")
        names, patterns = {**common, **_mapping(row.get("names"), f"{where}.names")}, row.get("pattern") or []
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if not isinstance(patterns, list | tuple) or not all(isinstance(one, str) for one in patterns):
            raise CommandError(f"{where}.pattern must be a regular expression, or a list of them, not {patterns!r}")
        if not isinstance(row.get("format"), str | None):
            raise CommandError(f"{where}.format must be a text such as csv, not {row['format']!r}")
        found.append(Source(row["from"], row.get("format"), tuple(patterns), names))
    return tuple(found)


def _list(options: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = options[name]
    if not isinstance(given, list | tuple):
        shell = "; there is no shell, and if you want one write [bash, -c, ...]" if isinstance(given, str) else ""
        raise CommandError(f"options.{name} must be a list of arguments, not {given!r}{shell}")
    return tuple(text(word, STYLES["flags"]) for word in given)


def _mapping(given: Any, where: str) -> dict[str, str]:
    if not isinstance(given, Mapping | None):
        raise CommandError(f"{where} must be a mapping of names to texts, not {given!r}")
    for name, value in (given or {}).items():
        if isinstance(value, Mapping) or (isinstance(value, list | tuple) and not where.endswith("env")):
            raise CommandError(f"{where}.{name} must be a text, not {value!r}")
    return {str(name): text(value, STYLES["env"]) for name, value in (given or {}).items()}


def _text(options: Mapping[str, Any], name: str) -> str:
    given: str | None = options[name]
    if not isinstance(given, str | None):
        raise CommandError(f"options.{name} must be a text, not {given!r}")
    return given or ""


def _one_of(options: Mapping[str, Sequence[str]], name: str, known: Sequence[str]) -> str:
    if options[name] not in known:
        raise CommandError(f"options.{name} {options[name]!r} is not allowed{nearest(str(options[name]), known, str)}")
    return str(options[name])
