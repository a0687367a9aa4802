"""What a study tells of its dead trials: what separates each from those that lived, and which advice can be tried, as trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Any

from pitprop.detection import signatures
from pitprop.detection.detect import agreeing
from pitprop.detection.remedies import rates
from pitprop.detection.remedies.advice import RATES, WEIGHTS, Advice, again, few
from pitprop.detection.remedies.separation import FEW, Split, identity, is_number, nothing_lived, shown, splits
from pitprop.messages import Message, message, nmessage
from pitprop.space import Leaf, Space
from pitprop.space.distributions import STOPPING, Range
from pitprop.study.record import Record, State

SHARE = 4
"""At most every fourth of the planned trials is one of these: the sampler is to keep most."""
BLIND = 8
"""So many trials have to have ended before a factor is tried that no living trial bears out."""
REACH = 256
"""So many trials back a search looks for what to try: enough to tell what kills, and asking stays quick in a large study."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A trial like ``remedy_of`` but for the ``change`` that ``cause`` advises, a signature or a gate; all in Optuna's values."""

    remedy_of: int
    cause: str
    change: Mapping[str, Any]
    values: Mapping[str, Any]


class FollowUps:
    """The remedies of a study that could be tried, once a trial: first where the study says what killed it, then by number.

    Nothing follows a baseline, a revived trial, or a trial that was itself such a try. What is advised again is tried once.
    """

    def __init__(self, space: Space, records: Iterable[Record] = ()) -> None:
        self._space = space
        self._records: dict[int, Record] = {}
        self._tried: set[frozenset[tuple[str, Any]]] = set()
        self._tries = 0
        self._followed: set[int] = set()
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Takes in a trial: when it begins, and again when it has ended."""
        self._tried.add(_key(_drawn(self._space, record)))
        if record.remedy_of is not None:
            self._tries += record.number not in self._records
            self._followed.add(record.remedy_of)
        self._records[record.number] = record

    def due(self, planned: int) -> FollowUp | None:
        """The next to try in a study of so many trials; None if there is none, or if there were enough of them."""
        return None if SHARE * self._tries >= planned else next(self._left([*self._records.values()][-REACH:], waits=True), None)

    def all(self) -> Iterator[FollowUp]:
        """Every one that is left to try."""
        tried = set(self._tried)
        for found in self._left([*self._records.values()], waits=False):
            if _key(found.values) not in tried:
                tried.add(_key(found.values))
                yield found

    def _left(self, records: Sequence[Record], *, waits: bool) -> Iterator[FollowUp]:
        """What is left to try of these trials, in the light of one another."""
        waiting = [one for one in records if one.verdicts and one.number not in self._followed and _own(one)]
        if waiting:
            lesson = Lesson.of(self._space, records, waits=waits)
            found = [(lesson.splits(one), _rated(self._space, one, lesson)) for one in waiting]
            for against, record in sorted(found, key=lambda one: not one[0]):  # those whose cause is known first
                one = _follow_up(self._space, record, against, lesson, self._tried)
                if one is not None and _key(one.values) not in self._tried:
                    yield one


@dataclass(frozen=True)
class Lesson:
    """What a study tells of its ``trials``: ``found`` are the splits between those that died and those that lived,
    ``outside`` those beyond which none lived, ``living`` the numbers with which trials lived, sorted, by parameter.

    ``waits``: a trial that is to be asked for now had better wait until more is known.
    """

    trials: Sequence[tuple[Mapping[str, Any], bool]]
    found: tuple[Split, ...]
    outside: tuple[Split, ...]
    living: Mapping[str, list[Any]]
    waits: bool = False

    @classmethod
    def of(cls, space: Space, records: Iterable[Record], *, waits: bool = False) -> Lesson:
        """Of the searched parameters, but for those of early stopping."""
        names = [leaf.name for leaf in space.leaves if not leaf.name.startswith(STOPPING + ".")]
        trials = [(one.params, end) for one in records if (end := died(one)) is not None]
        lived = [params for params, end in trials if not end]
        values = {name: [params[name] for params in lived if name in params] for name in names}
        living = {name: sorted(one) for name, one in values.items() if all(isinstance(value, int | float) for value in one)}
        return cls(trials, splits(trials, names), nothing_lived(trials, names), living, waits)

    def safe(self, name: str) -> Sequence[float]:
        """The numbers with which trials lived, but for those where nearly all died."""
        return [one for one in self.living.get(name, ()) if not any(split.holds({name: one}) for split in self.found)]

    def familiar(self, name: str, value: Any) -> Any:
        """``value`` if trials lived with such a one, or hardly any have lived; else the middle of those with which they did.

        A number is familiar between the least and the greatest of them. Of choices the one with which most lived is taken.
        """
        lived = [params[name] for params, end in self.trials if not end and name in params]
        if len(lived) < FEW:
            return value
        if is_number(value) and all(map(is_number, lived)):
            return value if len({*lived}) < FEW or min(lived) <= value <= max(lived) else median_low(lived)
        known = Counter(map(identity, lived))
        most = max(lived, key=lambda one: known[identity(one)])
        return value if identity(value) in known else most

    def splits(self, record: Record) -> tuple[Split, ...]:
        """What separates a dead trial from those that lived; then where it lies outside of all of them."""
        if not died(record):
            return ()
        against = tuple(one for one in self.found if one.holds(record.params))
        known = {one.name for one in against}
        return against + tuple(one for one in self.outside if one.name not in known and one.holds(record.params))


def barred(space: Space, records: Sequence[Record]) -> list[Message]:
    """What verdicts advise and no trial has tried: it lies beyond a range, moves what is not searched, or waits for its turn."""
    lesson, beyond = Lesson.of(space, records), dict[tuple[str, str], list[float]]()
    unsearched = Counter[str]()
    for record in records:
        change = record.ending.change if record.ending is not None and _own(record) else {}
        if not change or _follow_up(space, record, lesson.splits(record), lesson) is not None:
            continue
        for name, target in change.items():
            leaf = _leaf(space, name)
            if leaf is None:
                unsearched[_constant(space, name)] += 1
            elif isinstance(leaf.domain, Range) and (wanted := _wanted(record.params.get(leaf.name), target)) is not None:
                side = "above" if wanted > leaf.domain.high else "below" if wanted < leaf.domain.low else ""
                beyond.setdefault((leaf.name, side), []).append(wanted)
    ends = {leaf.name: leaf.domain for leaf in space.leaves if isinstance(leaf.domain, Range)}
    found = {one: ends[one[0]].high if one[1] == "above" else ends[one[0]].low for one in beyond if one[1]}
    outside = [_beyond(one[0], beyond[one], end) for one, end in found.items()]
    fixed = [_unsearched(name, n, space.constants) for name, n in unsearched.items()]
    left = sum(1 for _ in FollowUps(space, records).all()) if space.remedies == "try" else 0
    return [*outside, *fixed, *([_left(left)] if left else [])]


def _left(n: int) -> Message:
    """That so many remedies wait for their turn."""
    return nmessage(
        "{n} remedy is left to try: it waits until {blind} trials have ended, and at most one trial in {share} is a remedy",
        "{n} remedies are left to try: they wait until {blind} trials have ended, and at most one trial in {share} is a remedy",
        n,
        **{"blind": BLIND, "share": SHARE},
    )


def _beyond(name: str, wanted: Sequence[float], end: float) -> Message:
    """That the space ends before what so many trials are advised to take."""
    return nmessage(
        "the remedy of {n} trial could not be tried: it is {name} {wanted}, and the space ends at {end}",
        "the remedies of {n} trials could not be tried: they are {name} about {wanted}, and the space ends at {end}",
        len(wanted),
        **{"name": name, "wanted": shown(float(median_low(wanted))), "end": shown(end)},
    )


def _unsearched(name: str, n: int, constants: Mapping[str, Any]) -> Message:
    """That the space does not search what so many trials are advised to change."""
    fixed = message("the space fixes {name} at {value}", name=name, value=shown(constants[name])) if name in constants else None
    return nmessage(
        "the remedy of {n} trial could not be tried: {why}",
        "the remedies of {n} trials could not be tried: {why}",
        n,
        why=fixed or message("the space does not search {name}", name=name),
    )


def _constant(space: Space, name: str) -> str:
    """What the space calls the parameter that it fixes; ``lr`` is the one rate that there is."""
    rates = [one for one in space.constants if one.rpartition(".")[2] in RATES] if name == "lr" else []
    return name if name in space.constants or len(rates) != 1 else rates[0]


def _wanted(now: Any, target: Any) -> float | None:
    """The number that is advised; None where it is none."""
    if isinstance(target, Mapping):
        target = now * target["times"] if [*target] == ["times"] and is_number(now) else None
    return float(target) if is_number(target) else None


def _own(record: Record) -> bool:
    """Whether a trial is one that a try may follow."""
    return record.baseline is None and record.revives is None and record.remedy_of is None


def died(record: Record) -> bool | None:
    """Whether a signature ended a trial; None where that is open, or it was another reason, such as a missed gate."""
    if record.ending is not None:
        return None if ":" in record.ending.signature else True
    known = {one.signature for one in record.warnings} & set(signatures.names())
    doubtful = any(signatures.load(name).KIND != "advice" for name in known)
    return None if doubtful or record.state != State.COMPLETE else False


def advised(space: Space, records: Sequence[Record]) -> list[Record]:
    """The trials with remedies in view of the whole study: what separates a dead one from the living comes first."""
    lesson = Lesson.of(space, records)
    return [_advised(_rated(space, one, lesson), lesson.splits(one)) for one in records]


def _rated(space: Space, record: Record, lesson: Lesson) -> Record:
    """A dead trial with what the whole study says of its learning rate: its verdict knew the trials before it alone."""
    leaf = _leaf(space, "lr")
    rate = record.params.get(leaf.name) if leaf is not None else None
    if leaf is None or not isinstance(rate, int | float) or rate <= 0 or not died(record):
        return record
    living = lesson.safe(leaf.name)
    told = [(one, [found for given in one.advice if (found := again(given, rate, living))]) for one in record.verdicts]
    verdicts = tuple(one if tuple(found) == one.advice else one.advised(found) for one, found in told)
    return replace(record, verdicts=verdicts)


def _advised(record: Record, against: Sequence[Split]) -> Record:
    first = [Advice(one.told(record.number, record.params[one.name]), moves=_moves(one)) for one in against]
    if not first or record.ending is None:
        return record
    own = record.ending.advice or (Advice(record.ending.remedy),)
    kept = [one for one in own if not any(one.moves[:-1] == other.moves[:-1] for other in first if one.moves)]
    ending = record.ending.advised(few([*first, *kept]))
    verdicts = [ending if one is record.ending else one for one in record.verdicts]
    return replace(record, verdicts=tuple(agreeing(verdicts)))


def _moves(split: Split) -> str:
    """What a split moves and where, as `Advice.moves` has it."""
    last = split.name.rpartition(".")[2]
    name = "lr" if last in RATES else "weight" if last in WEIGHTS else last
    return name + {"above": "-", "below": "+", "=": "*"}[split.side]


def _follow_up(
    space: Space, record: Record, against: Sequence[Split], lesson: Lesson, tried: Collection[frozenset[tuple[str, Any]]] = ()
) -> FollowUp | None:
    """What a trial is to try: what separates it from the living, with what its verdict says of other parameters; else the latter.

    None if there is neither. Of several that it could be, one that was not ``tried``.
    """
    if against and record.ending is not None:
        wanted = {one.name: one.target for one in against}
        both = {**{name: value for name, value in record.ending.change.items() if _name(space, name) not in wanted}, **wanted}
        found = _changed(space, record, record.ending.signature, both, lesson, tried)
        return found or _changed(space, record, record.ending.signature, wanted, lesson, tried)
    changes = ((verdict.signature, verdict.change) for verdict in record.verdicts if verdict.change)
    return next((one for what in changes if (one := _changed(space, record, *what, lesson, tried))), None)


def _changed(
    space: Space,
    record: Record,
    cause: str,
    wanted: Mapping[str, Any],
    lesson: Lesson,
    tried: Collection[frozenset[tuple[str, Any]]],
) -> FollowUp | None:
    """The trial with what is ``wanted``; None where that is outside the space, or what it did already.

    Values with which none lived go with it, as what was advised may not be all that kills; or alone, where others lived with
    what is to be moved.
    """
    drawn = _drawn(space, record)
    change: dict[str, Any] = {}
    for name, target in wanted.items():
        leaf = _leaf(space, name)
        if leaf is None or leaf.name not in drawn:
            return None
        value = _value(leaf, drawn[leaf.name], target, lesson if died(record) else None)
        if value is None:
            return None
        if value != drawn[leaf.name]:
            change[leaf.name] = value
    if not change:
        return None
    strange = _unfamiliar(space, record, change, lesson) if died(record) else {}
    usual = strange and all(lesson.familiar(name, record.params[name]) == record.params[name] for name in change)
    kinds = [*([strange] if usual else []), strange | change]
    held = [more for more in kinds if not space.violated({**drawn, **more})]
    held = held or [more for more in (change,) if not space.violated({**drawn, **more})]
    found = next((more for more in held if _key({**drawn, **more}) not in tried), held[0] if held else None)
    return None if found is None else FollowUp(record.number, cause, found, {**drawn, **found})


def _unfamiliar(space: Space, record: Record, change: Mapping[str, Any], lesson: Lesson) -> dict[str, Any]:
    """What else of a dead trial may have killed it: values with which none lived, each with what to take instead."""
    drawn, found = _drawn(space, record), dict[str, Any]()
    for leaf in space.leaves:
        if leaf.name in drawn and leaf.name not in change and not leaf.name.startswith(STOPPING + "."):
            now = record.params[leaf.name]
            if (wanted := lesson.familiar(leaf.name, now)) != now and (value := _value(leaf, now, wanted, None)) is not None:
                found[leaf.name] = value
    return found


def _value(leaf: Leaf, now: Any, wanted: Any, lesson: Lesson | None) -> Any:
    """Optuna's new value; None if the space does not hold it.

    A factor says in which direction; `rates` how far that of a dead trial goes, as it does for what is said of it. It waits until
    some have lived there, or until so many have died that nothing else is left to try.
    """
    if isinstance(wanted, Mapping) and [*wanted] == ["times"]:
        if isinstance(now, bool) or not isinstance(now, int | float):
            return None
        times = wanted["times"]
        living = lesson.safe(leaf.name) if lesson is not None else []
        move = rates.decide(now, living, cause="-" if times < 1 else "+", times=times)
        if move is None or move.target is None:
            return None
        early = lesson is not None and (len(living) >= FEW or (lesson.waits and len(lesson.trials) < BLIND))
        if early and move.target not in living:
            return None
        wanted = move.target if isinstance(now, float) else round(move.target)
    try:
        return leaf.inside(wanted)
    except ValueError:
        return None


def _name(space: Space, name: str) -> str:
    return leaf.name if (leaf := _leaf(space, name)) is not None else name


def _leaf(space: Space, name: str) -> Leaf | None:
    """The searched parameter of that name; ``lr`` is the one rate that there is."""
    exact = next((leaf for leaf in space.leaves if leaf.name == name), None)
    rates = [leaf for leaf in space.leaves if leaf.name.rpartition(".")[2] in RATES] if name == "lr" else []
    return exact or (rates[0] if len(rates) == 1 else None)


def _drawn(space: Space, record: Record) -> dict[str, Any]:
    """What Optuna drew for a trial."""
    return {leaf.name: leaf.encode(record.params[leaf.name]) for leaf in space.leaves if leaf.name in record.params}


def _key(values: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """The values as something that a set holds; Optuna's values are numbers, text, truth values and None."""
    return frozenset(values.items())
