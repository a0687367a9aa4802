"""What a confirmation trains: studies of their own, one for each block of seeds, whose trials are all baselines.

So nothing prunes them, and whatever ends them, they resume. More seeds are a further block for all configurations that are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pitprop.addresses import Addresses
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.results.results import Results
from pitprop.space import Baseline, Confirm, Method, Space, nested
from pitprop.study import ranking
from pitprop.study.record import Record, State
from pitprop.study.stored import read_studies

FRESH = {"confirm": 1000, "each": 2000}
"""How far the seeds are from those of the search: of the best trials, and of one of them with each of its parameters changed."""

QUESTION = {
    "confirm": "Do the best trials of {study} hold on fresh seeds?",
    "each": "What does each parameter do in the best trial of {study}?",
}


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """Seeds ``first`` to ``last`` - 1 of a confirmation, counted from its own first: what one of its studies trains."""

    first: int
    last: int

    def study(self, name: str, kind: str) -> str:
        """The name of the study that trains it, such as ``lr.confirm5`` or ``lr.confirm5-8``, beside the study ``name``."""
        return f"{name}.{kind}{f'{self.first}-' if self.first else ''}{self.last}"


Blocks = Mapping[Block, Sequence[Record]]
"""The trials of a confirmation, by the seeds that they train on."""


def blocks(space: Space, where: Addresses, kind: str = "confirm") -> dict[Block, tuple[Record, ...]]:
    """What there is of a confirmation, in the order of the seeds; empty if it has not begun."""
    found = {}
    for name, study in read_studies(where, lambda name: name.startswith(f"{space.name}.{kind}")).items():
        first, _dash, last = name.removeprefix(f"{space.name}.{kind}").rpartition("-")
        if last.isdecimal() and (first.isdecimal() or not first) and study.records:
            found[Block(int(first or 0), int(last))] = study.records
    return dict(sorted(found.items()))


def chain(found: Iterable[Block], seeds: int = 0) -> list[Block]:
    """The blocks that cover the seeds from the first on without a gap, with a further one if they are fewer than ``seeds``."""
    row: list[Block] = []
    while starts := [one for one in found if one.first == (row[-1].last if row else 0)]:
        row.append(max(starts))
    end = row[-1].last if row else 0
    return [*row, Block(end, seeds)] if end < seeds else row


def pending(
    space: Space, confirm: Confirm, records: Sequence[Record], where: Addresses, numbers: Sequence[int] = ()
) -> list[Space]:
    """The spaces whose studies have to be searched to confirm the best, or the trials ``numbers``: none if all is there.

    Candidates of earlier confirmations are among them, so that all stand on the same seeds. `UserError` for a number that has
    no score.
    """
    there = blocks(space, where)
    held = {record.baseline for rows in there.values() for record in rows}
    found = chosen(space, records, numbers) if numbers else candidates(space, confirm, records)
    found += [one for one in ranking.order(space, records) if title(one) in held and one not in found]
    top = [Baseline(title(record), params=nested(record.params)) for record in found]
    return lacking(space, "confirm", there, confirm.seeds, [*space.baselines, *top]) if top else []


def lacking(space: Space, kind: str, there: Blocks, seeds: int, contenders: Sequence[Baseline]) -> list[Space]:
    """The spaces of those blocks, of at least ``seeds``, in which a training of ``contenders`` is not there or not over."""
    wanted = {one.name for one in contenders if one.params is not None}
    spaces = []
    for block in chain(there, seeds):
        records = there.get(block, ())
        names = {record.baseline for record in records}
        if any(record.state == State.RUNNING for record in records) or not wanted <= names:
            trials = len(records) + len(wanted - names)
            spaces.append(_space(space, kind, block, contenders, trials))
    return spaces


def _space(space: Space, kind: str, block: Block, contenders: Sequence[Baseline], trials: int) -> Space:
    return replace(
        space,
        name=block.study(space.name, kind),
        question=QUESTION[kind].format(study=space.name),
        baselines=tuple(contenders),
        trials=trials,
        seeds=block.last - block.first,
        seed=space.seed + FRESH[kind] + block.first,
        timeout=None,
        trial_timeout=None,
        budget=None,
        scheduler=Method("full", {}),
        points=(),
        gates=(),
        sampler=Method("random", {}),
        pruner=None,
        revive=0,
        targets={},
        stop_when=None,
        remedies="off",
        confirm=None,
        warm_start=None,
    )


def results_of(results: Results) -> list[Results]:
    """What the studies say that confirm the one of ``results``."""
    space, where = results.space, results.where
    return [
        Results(_space(space, kind, block, space.baselines, len(records)), where, records, len(records))
        for kind in FRESH
        for block, records in blocks(space, where, kind).items()
    ]


def candidates(space: Space, confirm: Confirm, records: Sequence[Record]) -> list[Record]:
    """The trials to confirm, the best of the search first; of several with the same parameters the first.

    Of several objectives those on the front: evenly from the best in the first of them to the best in the others.
    """
    found: list[Record] = []
    several = len(space.objectives) > 1
    for record in ranking.best(space, records) if several else ranking.order(space, records):
        if (several or len(found) < confirm.top) and all(dict(record.params) != dict(other.params) for other in found):
            found.append(record)
    if len(found) <= confirm.top or confirm.top == 1:
        return found[: confirm.top]
    return [found[round(place * (len(found) - 1) / (confirm.top - 1))] for place in range(confirm.top)]


def chosen(space: Space, records: Sequence[Record], numbers: Sequence[int]) -> list[Record]:
    """The trials ``numbers``; `UserError` if one of them has no score to confirm."""
    able = {record.number: record for record in ranking.ranked(space, records)}
    for number in numbers:
        if number not in able:
            some = ", ".join(map(str, list(able)[:5])) or _("none")
            text = _("trial {n} of {study} has no score that could be confirmed; those that have one: {trials}")
            raise UserError(text.format(n=number, study=space.name, trials=some))
    return [able[number] for number in dict.fromkeys(numbers)]


def title(record: Record) -> str:
    """What a trial is called among the contenders."""
    return f"trial {record.number}"
