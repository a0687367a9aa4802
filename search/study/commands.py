"""Write the command lines that a user is told to run next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pitprop import space as spaces
from pitprop.addresses import Addresses
from pitprop.space import Space

VARIABLES = {"--trials": "TRIALS", "--timeout": "TIMEOUT", "--workers": "WORKERS"}
"""Flags for which the Makefile has a variable of their own; all others go into ``ARGS``."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The flags of a command that trains which its repetition needs as well. None or False: not given."""

    workers: int | None = None
    inline: bool = False
    seed: int | None = None
    """Part of what the study means: without it the study would be refused."""
    top: int | None = None
    """Of a confirmation, as ``seeds``, ``trials`` and ``each``, which is "" for all parameters."""
    seeds: int | None = None
    trials: tuple[int, ...] = ()
    each: tuple[str, ...] = ()

    def words(self, verb: str) -> tuple[str, ...]:
        """The flags that the command ``verb`` takes, as words of a command line."""
        confirms = {"top": self.top, "seeds": self.seeds} if verb == "confirm" else {}
        chosen = [word for number in self.trials if verb == "confirm" for word in ("--trial", str(number))]
        chosen += [word for name in self.each if verb == "confirm" for word in ("--each", name) if word]
        numbers = {"workers": self.workers, **confirms, "seed": self.seed}
        given = [word for name, value in numbers.items() if value is not None for word in (f"--{name}", str(value))]
        return (*(["--inline"] if self.inline else []), *chosen, *given)


def next_command(verb: str, space: Space, where: Addresses, *words: str) -> str:
    """The command line ``pitprop VERB SPACE WORDS...`` for the study of ``space`` in ``where``, to be copied to a shell.

    ``words`` are unquoted: first positional arguments, then flags with their values. The space goes by its name if it ships,
    else by its path, and one without a file by the name of its study. Under make, a space that ships gives ``make VERB
    SPACE=...``; elsewhere there is no Makefile to use.
    """
    return command_line(verb, space_word(space.path) if space.path else space.name, where, *words)


def command_line(verb: str, space: str, where: Addresses, *words: str) -> str:
    """`next_command` for a space that is given as a user writes it, by name or by path."""
    cut = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    numbers, flags = words[:cut], words[cut:]
    runs = "" if where.runs == Path("runs").resolve() else shown_path(where.runs)
    if "MAKELEVEL" in os.environ and space in spaces.names() and shlex.quote(runs) in (runs, "''"):
        return _make(verb, space, runs, numbers, flags)
    return shlex.join(["pitprop", verb, space, *numbers, *(["--runs", runs] if runs else []), *flags])


def space_word(path: str) -> str:
    """What to call the space in the file at ``path`` on a command line: the name of one that ships, else its path."""
    file = Path(path).resolve()
    ships = file.stem in spaces.names() and spaces.find(file.stem).resolve() == file
    return file.stem if ships else shown_path(file)


def shown_path(path: Path) -> str:
    """``path``, relative to the current folder if it lies below that."""
    path, here = path.resolve(), Path.cwd()
    shown = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return f"./{shown}" if shown.startswith("-") else shown


def _make(verb: str, space: str, runs: str, numbers: Sequence[str], flags: Sequence[str]) -> str:
    variables, rest = {"SPACE": space}, list(flags)
    if numbers:
        variables["TRIAL"] = " ".join(numbers)
    if runs:
        variables["RUNS"] = runs
    for flag, name in VARIABLES.items():
        if flag in rest:
            at = rest.index(flag)
            variables[name] = rest[at + 1]
            del rest[at : at + 2]
    if rest:
        variables["ARGS"] = shlex.join(rest)
    return shlex.join(["make", verb]) + "".join(f" {name}={shlex.quote(value)}" for name, value in variables.items())
