"""Where a study stands: what every command that looks at one begins with, and what every command ends with."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from pitprop import space as spaces
from pitprop.cli.answer import again, print_json, print_way
from pitprop.errors import UserError
from pitprop.results.baselines import looked_up
from pitprop.results.summary import summarise
from pitprop.space import Space
from pitprop.study.addresses import Addresses, addresses
from pitprop.study.archive import read_records
from pitprop.study.database import safe
from pitprop.study.record import Record
from rich.console import Console


def opened(options: Namespace, *, ask: bool = False) -> tuple[Space, Addresses]:
    """The space that is asked for, with the seed that was asked for and the numbers of its baselines, and where its study is."""
    where, space = addresses(options.runs), spaces.load(options.space)
    seed = getattr(options, "seed", None)
    return looked_up(space if seed is None else replace(space, seed=seed), where, ask=ask), where


def records(space: Space, options: Namespace) -> tuple[Sequence[Record], int]:
    """The trials of a study and how many it is to have; `UserError` if there is no study yet."""
    where = addresses(options.runs)
    found = read_records(where.study_db, space.name, where.folder(space.name))
    if found is None:
        raise UserError(f"there is no study of {space.name!r} in {safe(where.study_db)} yet: {again('search', options)}")
    return found


def best(space: Space, trials: Sequence[Record], where: Addresses) -> Record | None:
    """The trial to take: the one with the best mean on fresh seeds, or as the search ranks them while none is confirmed."""
    from pitprop.results import confirmation

    return confirmation.best(space, trials, confirmation.read(space, trials, where))


def conclude(console: Console, space: Space, trials: Sequence[Record], target: int, options: Namespace) -> None:
    """The summary, for a person and, if asked for, for a script."""
    from pitprop.results import confirmation  # scipy takes its time
    from pitprop.views.terminal.contenders import print_confirmation
    from pitprop.views.terminal.status import print_summary

    where, summary = addresses(options.runs), summarise(space, trials, target)
    sure = confirmation.read(space, trials, where)
    if options.json:
        print_json(summary.to_json() | {"confirmation": sure.to_json() if sure is not None else None})
        return
    print_summary(console, summary, where.folder(space.name))
    if sure is not None:
        print_confirmation(console, space, sure)
    if summary.revivable:
        one = Namespace(**{**vars(options), "trial": summary.revivable[:1]})
        print_way(console, "Continue a parked trial:", again("revive", one))
    if summary.best and sure is None:
        print_way(console, "Is the best really better? ", again("confirm", options))
    print_way(console, "Open the runs: ", again("ui", options))
