"""What a stored study says, once it is held against the space that it is read with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pitprop.addresses import Addresses, safe
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.results.baselines import looked_up
from pitprop.results.results import Results
from pitprop.space import Space, scripts
from pitprop.study.record import code_counts
from pitprop.study.source import as_studied, check_meaning, next_command
from pitprop.study.stored import StoredStudy


def results_of(
    space: Space, where: Addresses, stored: StoredStudy | None, seed: int | None = None, *, ask: bool = False
) -> Results:
    """What ``stored``, the study of ``space``, says; `UserError` if there is none, or if it was made with another space."""
    if stored is None:
        if (of_service := max(where.runs.glob(f"searches/*/{space.name}.yaml"), key=_changed, default=None)) is not None:
            text = _("there is no study of {name} in {database}, but the service has searched it: say --runs {folder}")
            raise UserError(text.format(name=repr(space.name), database=safe(where.study_db), folder=of_service.parent))
        text = _("there is no study of {name} in {database} yet: {command}")
        raise UserError(
            text.format(name=repr(space.name), database=safe(where.study_db), command=next_command("search", space, where))
        )
    seeded = as_studied(space, stored) if seed is None else replace(space, seed=seed)
    known = looked_up(seeded, where, ask=ask)
    check_meaning(known, stored)
    counts = stored.code and any(map(code_counts, stored.records))
    changes = scripts.changed(stored.code, scripts.code(known)) if counts else []
    return Results(known, where, stored.records, stored.target, changes, stored.knows)


def _changed(file: Path) -> float:
    return file.stat().st_mtime
