"""The options of a space for a command, read strictly: what is wrong is one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pitprop.errors import hint
from pitprop.trainers.commands.arguments import BOOLEANS, LISTS, STYLES, CommandError, Style, text
from pitprop.trainers.commands.inputs import Data, wanted
from pitprop.trainers.commands.template import LANGUAGES

STREAMS = ("stdout", "stderr")
WRITTEN = {"lists": LISTS, "booleans": BOOLEANS}


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
    data: tuple[Data, ...]


def wrong(options: Mapping[str, Any]) -> list[str]:
    """What is wrong with the ``options`` of a space, a sentence each."""
    rows = options["metrics"] if isinstance(options["metrics"], list) else []
    names = [partial(_mapping, options[name], f"options.{name}") for name in ("env", "names")]
    parts: list[Callable[[], Any]] = [
        partial(one, options) for one in (_command, _style, _cwd, _template, _resume, _grace, _rows, _data)
    ]
    parts += [partial(_one_of, options, name, known) for name, known in WRITTEN.items() if options[name]]
    parts += [*names, *(partial(_source, row, f"options.metrics[{index}]", {}) for index, row in enumerate(rows))]
    found = []
    for part in parts:
        try:
            part()
        except CommandError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def read(options: Mapping[str, Any]) -> Settings:
    """The settings in the ``options`` of a space; `CommandError` with all that is wrong."""
    if found := wrong(options):
        raise CommandError("; ".join(found))
    resume, checkpoint = _resume(options)
    common = _mapping(options["names"], "options.names")
    return Settings(
        _command(options),
        _style(options),
        _cwd(options),
        _mapping(options["env"], "options.env"),
        _template(options),
        tuple(_source(row, f"options.metrics[{index}]", common) for index, row in enumerate(_rows(options))),
        common,
        resume,
        checkpoint,
        _grace(options),
        _data(options),
    )


def _command(options: Mapping[str, Any]) -> tuple[str, ...]:
    words = _list(options, "command")
    if not words:
        raise CommandError("options.command is missing: it takes a list of arguments, such as [python, train.py, '{params}']")
    return words


def _cwd(options: Mapping[str, Any]) -> str:
    return _text(options, "cwd") or "."


def _template(options: Mapping[str, Any]) -> str:
    template = _text(options, "template")
    if template and not template.endswith(tuple(LANGUAGES)):
        raise CommandError(f"options.template {template!r} is none of {', '.join(LANGUAGES)}, by which values are written")
    return template


def _resume(options: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    resume, checkpoint = _list(options, "resume"), _text(options, "checkpoint")
    if bool(resume) != bool(checkpoint):
        raise CommandError(
            "options.resume goes with options.checkpoint: the further arguments, and the file that must be there for them"
        )
    return resume, checkpoint


def _grace(options: Mapping[str, Any]) -> float:
    grace = options["grace"]
    if isinstance(grace, bool) or not isinstance(grace, int | float) or not 0 <= grace < 3600:
        raise CommandError(f"options.grace {grace!r} is not a number of seconds from 0 to 3600")
    return float(grace)


def _data(options: Mapping[str, Any]) -> tuple[Data, ...]:
    if not isinstance(options["data"], list):
        raise CommandError(f"options.data must be a list of paths, globs or mappings, not {options['data']!r}")
    return tuple(wanted(row, f"options.data[{index}]") for index, row in enumerate(options["data"]))


def _style(options: Mapping[str, Any]) -> Style:
    style = STYLES[_one_of(options, "style", tuple(STYLES))]
    lists, booleans = (_one_of(options, name, known) if options[name] else None for name, known in WRITTEN.items())
    return replace(style, lists=lists or style.lists, booleans=booleans or style.booleans)


def _rows(options: Mapping[str, Any]) -> list[Any]:
    rows = options["metrics"]
    if not isinstance(rows, list) or not rows:
        raise CommandError(f"options.metrics must be a list of sources, such as [{{from: stdout}}], not {rows!r}")
    return rows


def _source(row: Any, where: str, common: Mapping[str, str]) -> Source:
    known = ("from", "format", "pattern", "names")
    row = {"from": row} if isinstance(row, str) else row
    if not isinstance(row, dict) or not isinstance(row.get("from"), str):
        raise CommandError(f"{where} says not where metrics come from: it takes {{from: stdout}}, stderr, or a path")
    if unknown := [name for name in row if name not in known]:
        raise CommandError(f"{where} has an unknown key {unknown[0]!r}{hint(unknown[0], known)}")
    names, patterns = {**common, **_mapping(row.get("names"), f"{where}.names")}, row.get("pattern") or []
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list | tuple) or not all(isinstance(one, str) for one in patterns):
        raise CommandError(f"{where}.pattern must be a regular expression, or a list of them, not {patterns!r}")
    if not isinstance(row.get("format"), str | None):
        raise CommandError(f"{where}.format must be a text such as csv, not {row['format']!r}")
    return Source(row["from"], row.get("format"), tuple(patterns), names)


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
        raise CommandError(f"options.{name} {options[name]!r} is not allowed{hint(str(options[name]), known, str)}")
    return str(options[name])
