"""What a confirmation trains: a study of its own, whose trials are all baselines.

So nothing prunes them, and whatever ends it, it resumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pitprop.addresses import Addresses
from pitprop.errors import UserError
from pitprop.results.results import Results
from pitprop.space import Baseline, Confirm, Method, Space, nested
from pitprop.study import ranking
from pitprop.study.record import Record, State, StoredStudy, read_studies, read_study

FRESH = 1000
"""How far the seeds of a confirmation are from those of the search."""


def study_name(name: str, seeds: int) -> str:
    """The name of the study that confirms the study ``name``; another number of seeds is another study."""
    return f"{name}.confirm{seeds}"


def begun(name: str, where: Addresses) -> dict[int, StoredStudy]:
    """The studies that confirm the study ``name``, by their number of seeds."""
    prefix = study_name(name, 0)[:-1]
    found = read_studies(where, lambda other: other.startswith(prefix) and other.removeprefix(prefix).isdecimal())
    return {int(other.removeprefix(prefix)): study for other, study in found.items() if study.records}


def results_of(results: Results) -> list[Results]:
    """What the studies say that confirm the one of ``results``."""
    space, where = results.space, results.where
    return [
        Results(space_of(space, Confirm(seeds=seeds), results.records), where, study.records, study.target)
        for seeds, study in begun(space.name, where).items()
    ]


def due(space: Space, records: Sequence[Record], where: Addresses) -> Confirm | None:
    """How the space wants its best trials confirmed, if one of them has not been; else None."""
    if space.confirm is None:
        return None
    name = study_name(space.name, space.confirm.seeds)
    found = read_study(where, name)
    done = {record.baseline for record in found.records if record.state != State.RUNNING} if found is not None else set()
    lacking = any(title(record) not in done for record in candidates(space, space.confirm, records))
    return space.confirm if lacking else None


def space_of(space: Space, confirm: Confirm, records: Sequence[Record], numbers: Sequence[int] = ()) -> Space:
    """The space whose study confirms the search that ``records`` show: of the best, or of the trials ``numbers``."""
    found = chosen(space, records, numbers) if numbers else candidates(space, confirm, records)
    top = [Baseline(title(record), params=nested(record.params)) for record in found]
    if not top:
        raise UserError(f"nothing to confirm: no trial of {space.name} has completed yet; search it first")
    return replace(
        space,
        name=study_name(space.name, confirm.seeds),
        question=f"Do the best trials of {space.name} hold on fresh seeds?",
        baselines=(*space.baselines, *top),
        trials=sum(baseline.params is not None for baseline in (*space.baselines, *top)),
        seeds=confirm.seeds,
        seed=space.seed + FRESH,
        timeout=None,
        points=(),
        gates=(),
        sampler=Method("random", {}),
        pruner=None,
        revive=0,
        targets={},
        stop_when=None,
        remedies="off",
        confirm=None,
    )


def candidates(space: Space, confirm: Confirm, records: Sequence[Record]) -> list[Record]:
    """The trials to confirm, the best of the search first; of several with the same parameters the first."""
    found: list[Record] = []
    for record in ranking.ranked(space, records):
        if len(found) < confirm.top and all(dict(record.params) != dict(other.params) for other in found):
            found.append(record)
    return found


def chosen(space: Space, records: Sequence[Record], numbers: Sequence[int]) -> list[Record]:
    """The trials ``numbers``; `UserError` if one of them has no score to confirm."""
    able = {record.number: record for record in ranking.ranked(space, records)}
    for number in numbers:
        if number not in able:
            some = ", ".join(map(str, list(able)[:5])) or "none"
            raise UserError(f"trial {number} of {space.name} has no score that could be confirmed; those that have one: {some}")
    return [able[number] for number in dict.fromkeys(numbers)]


def title(record: Record) -> str:
    """What a trial is called among the contenders."""
    return f"trial {record.number}"
