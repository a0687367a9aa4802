"""Write the command lines that a user is told to run next."""

from __future__ import annotations

import shlex
from pathlib import Path

from pitprop import space as spaces
from pitprop.space import Space
from pitprop.study.addresses import Addresses


def next_command(verb: str, space: Space, where: Addresses, *words: str) -> str:
    """The command line ``pitprop VERB SPACE WORDS...`` for the study of ``space`` in ``where``, to be copied to a shell."""
    file = Path(space.path).resolve()
    name = file.stem if file.parent == spaces.FOLDER else str(file)
    runs = [] if where.runs == Path("runs").resolve() else ["--runs", str(where.runs)]
    cut = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    return shlex.join(["pitprop", verb, name, *words[:cut], *runs, *words[cut:]])
