"""Find the space that a study was made with, refuse one that means something else, and name it on command lines.

A study stores the file of its space (`source`), so that a name means the study of that name in the folder of runs, whichever
file made it: a user's ``lr.yaml`` is not taken for the space ``lr`` that ships.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pitprop import space as spaces
from pitprop.addresses import Addresses, safe
from pitprop.errors import UserError, hint
from pitprop.messages import _
from pitprop.space import Space, difference, meaning
from pitprop.study.stored import StoredStudy, nameable, read_study, study_names

VARIABLES = {"--trials": "TRIALS", "--timeout": "TIMEOUT", "--workers": "WORKERS"}
"""Flags for which the Makefile has a variable of their own; all others go into ``ARGS``."""


class OtherSpace(UserError):
    """A study was made with another space than the one it is read with, or by another program: one sentence, and differences."""


def source(space: Space) -> str | None:
    """What a study stores of where its space lies: the name of one that ships, else the absolute path; None without a file."""
    if not space.path:
        return None
    word = space_word(space.path)
    return word if word in spaces.names() else str(Path(space.path).resolve())


def find_space(word: str, where: Addresses) -> tuple[Space, StoredStudy | None]:
    """The space that a user means by ``word``, and its study in ``where`` as it stands (None: not begun).

    A path is that file. A name is the space of the study of that name if its file is there and means the same still, else
    a space that ships. Whether the space and the study agree is for `check_meaning` to say. `UserError` if there is no such
    space, or if its file is gone.
    """
    if Path(word).suffix in (".yaml", ".yml"):
        space = spaces.load(word)
        return space, read_study(where, space.name)
    stored = read_study(where, word)
    file = stored.space_file if stored is not None else None
    if file is None or file in spaces.names():
        return _shipped(word, where, stored), stored
    assert stored is not None
    made = spaces.load(file) if Path(file).is_file() else None
    if made is not None and not _differences(made, stored):
        return made, stored
    shipped = spaces.load(word) if word in spaces.names() else None
    if shipped is not None and not _differences(shipped, stored):
        return shipped, stored
    if made is None:
        text = _(
            "the study {study} in {database} was made with {file}, which is gone: put the file back, or give its path in the "
            "folder to which it was moved, instead of {study}"
        )
        raise OtherSpace(text.format(study=repr(word), database=safe(where.study_db), file=file))
    return made, stored


def _shipped(word: str, where: Addresses, stored: StoredStudy | None) -> Space:
    if word in spaces.names():
        return spaces.load(word)
    if stored is not None:
        text = _("the study {study} in {database} does not say where its space lies: give the path of the space, such as {path}")
        raise UserError(text.format(study=repr(word), database=safe(where.study_db), path=f"{word}.yaml"))
    known = dict.fromkeys([*nameable(study_names(where)), *spaces.names()])
    raise spaces.SpaceError(_("there is no space and no study {word!r}{hint}").format(word=word, hint=hint(word, known)))


def as_studied(space: Space, stored: StoredStudy) -> Space:
    """The space with the seed that its study was made with: a search may have been given one by ``--seed``."""
    seed = (stored.meaning or {}).get("seed")
    return replace(space, seed=seed) if isinstance(seed, int) else space


def check_meaning(space: Space, stored: StoredStudy) -> None:
    """Raises `OtherSpace` if the study was made with a space that meant something else, with every difference, a line each."""
    if stored.meaning is None and stored.records:
        raise OtherSpace(
            _("study {study} in this database was not made by pitprop: rename the space").format(study=repr(space.name))
        )
    lines = _differences(space, stored, seed=True)
    if lines:
        raise OtherSpace(refusal(space, stored.space_file, lines))


def refusal(space: Space, file: str | None, lines: list[str]) -> str:
    """Why a study that was made with the space in ``file`` (None: not known) is not one of ``space``, and what to do."""
    here = space_word(space.path) if space.path else repr(space.name)
    made = file if file is None or file in spaces.names() else shown_path(Path(file))
    if made is None or made == here:
        text = _(
            "the space {study} no longer means what its study was made with; undo the change in {here}, rename the space, or use "
            "another folder of runs (--runs DIR):"
        )
    else:
        text = _(
            "the study {study} was made with {made}, which means something else than {here}: give {made}, rename the space, or "
            "use another folder of runs (--runs DIR):"
        )
    return text.format(study=repr(space.name), here=here, made=made) + "".join(f"\n  {line}" for line in lines)


def _differences(space: Space, stored: StoredStudy, *, seed: bool = False) -> list[str]:
    """What the space means beside what its study was made with, a line each.

    The ``seed`` may have come from a flag. Scores of a checkpoint that have not been looked up are no difference.
    """
    means = meaning(space)
    meant = {**(stored.meaning or means)}
    if not seed:
        meant["seed"] = means["seed"]
    if "checkpoint" not in means and any(baseline.checkpoint for baseline in space.baselines):
        meant.pop("checkpoint", None)
    return difference(meant, means)


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
    ray: str | None = None
    storage: str | None = None
    share: str | None = None

    def words(self, verb: str) -> tuple[str, ...]:
        """The flags that the command ``verb`` takes, as words of a command line."""
        confirms = {"top": self.top, "seeds": self.seeds} if verb == "confirm" else {}
        chosen = [word for number in self.trials if verb == "confirm" for word in ("--trial", str(number))]
        chosen += [word for name in self.each if verb == "confirm" for word in ("--each", name) if word]
        shared = {"share": self.share} if verb == "search" else {}
        numbers = {"workers": self.workers, **confirms, "seed": self.seed, "ray": self.ray, "storage": self.storage, **shared}
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
