"""Where nearly all trials of a study died: what they have in common, a finding about the set-up, or what orders them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pitprop import telemetry
from pitprop.detection.remedies import trend
from pitprop.detection.remedies.advice import RATES
from pitprop.detection.remedies.separation import shown
from pitprop.messages import Message, message
from pitprop.study.record import Record, State
from pitprop.telemetry import finite

ENOUGH = 4
"""Trials that have to have died, of different parameters."""
NEARLY = 0.9
"""The share of those that ended which has to have died, and of these the share which has to show the same."""
SAME = 1e-3
"""What values that are the same may differ by, as a share of them."""
CURVES = 64
"""So many of the dead are looked at for what orders them, so that asking stays quick."""
SLOW = 0.01
"""The share by which a loss fell that is hardly any."""
DIVERGED = ("explosion", "non_finite", "non_finite_parameter")
"""Signatures of a training that diverges."""


def in_common(records: Sequence[Record], metric: str) -> Message | None:
    """What nearly all trials died of, if nearly all died, and why as far as it shows; None if they did not, or are few.

    Baselines and revived trials do not count, nor does a trial that died of something else than most, or one that had its time.
    """
    ended = [
        one
        for one in records
        if one.state in (State.COMPLETE, State.PRUNED) and one.judged and one.baseline is None and one.revives is None
    ]
    dead = [one for one in ended if one.ending is not None]
    if len(dead) < ENOUGH or len(dead) < NEARLY * len(ended):
        return None
    endings = [one.ending for one in dead if one.ending is not None]
    signature, count = Counter(one.signature for one in endings).most_common(1)[0]
    evidence = [one.evidence for one in endings]
    found = _proven(evidence, signature)
    if found is None:
        courses = _Courses.of(dead)
        found = courses.ordered() or _shown(evidence, metric)
        if found is None and count < NEARLY * len(dead):
            return None
        found = found or courses.unordered()
    head = message(
        "{dead} of {ended} trials died, {count} of them of {name}", dead=len(dead), ended=len(ended), count=count, name=signature
    )
    return Message.join([head, found], ": ")


class _Courses:
    """How far the dead came: by the share that their losses fell by in the same epochs or, where most diverged, until when.

    Trials of which that is not known are left out, and of too many some.
    """

    def __init__(self, dead: int, diverged: int, trials: Sequence[trend.Trial]) -> None:
        self._dead, self._diverged, self._trials = dead, diverged, trials

    @classmethod
    def of(cls, dead: Sequence[Record]) -> _Courses:
        from pitprop.space.distributions import STOPPING  # the schema takes a fifth of a second, and few studies nearly all die

        some = dead[:: math.ceil(len(dead) / CURVES)]
        losses = [_losses(one.folder, one.ended) for one in some]
        diverged = sum(
            one.ending is not None and (one.ending.signature in DIVERGED or not all(finite(value) for _, value in loss))
            for one, loss in zip(some, losses, strict=True)
        )
        if 2 * diverged > len(some):
            ends = [(loss[-1][0], -loss[-1][1] if finite(loss[-1][1]) else -math.inf) if loss else None for loss in losses]
            places = {end: place for place, end in enumerate(sorted({end for end in ends if end is not None}))}
            far = [None if end is None else float(places[end]) for end in ends]
        else:
            until = min((loss[-1][0] for loss in losses if len(loss) > 1), default=0)
            far = [_fall([value for step, value in loss if step <= until]) for loss in losses]
        params = [{name: n for name, n in one.params.items() if not name.startswith(STOPPING + ".")} for one in some]
        trials = [(given, share) for given, share in zip(params, far, strict=True) if share is not None]
        return cls(len(some), diverged, trials)

    @property
    def _known(self) -> bool:
        """Whether the courses of nearly all are known."""
        return len(self._trials) >= max(ENOUGH, NEARLY * self._dead)

    def ordered(self) -> Message | None:
        """What separates those that came furthest from the rest, and where to look next; None where nothing shows that."""
        found = trend.order(self._trials) if self._known else None
        if found is None:
            return None
        said = {"name": found.name, "value": shown(found.value)}
        if 2 * self._diverged > self._dead:
            return _told_diverged(found, {**said, "n": self._diverged, "of": self._dead})
        share = max(far for _, far in self._trials)
        return _told_fallen(found, {**said, "share": 100 * share}, share) if share > 0 else None

    def unordered(self) -> Message:
        """What follows where they died alike, and nothing orders them."""
        if self._known and trend.tells(self._trials):
            return message("nothing that is searched makes a difference; check data, labels and loss before more trials")
        return message(
            "check data, labels and loss before more trials; whether anything that is searched makes a difference is not known"
        )


@lru_cache(maxsize=2 * CURVES)  # a search asks at the end of each trial, and the curves of those before it stay as they are
def _losses(folder: str, ended: float | None) -> Sequence[tuple[int, float]]:
    """The loss of validation by step, else that of training, of a trial that ``ended`` then; to the first that is not finite."""
    curve = telemetry.read(telemetry.file(folder))
    name = "val/loss" if telemetry.reports(curve, "val/loss") else "train/loss"
    found = [(epoch.step, epoch.metrics[name]) for epoch in curve if name in epoch.metrics]
    end = next((at for at, (_, value) in enumerate(found, 1) if not finite(value)), len(found))
    return found[:end]


def _fall(losses: Sequence[float]) -> float | None:
    """The share by which the losses fell; None where that says nothing."""
    if len(losses) < 2 or not all(map(finite, losses)) or losses[0] == 0:
        return None
    return (losses[0] - losses[-1]) / abs(losses[0])


def _told_fallen(found: trend.Order, said: Mapping[str, object], share: float) -> Message:
    if found.way == "=":
        return message("the loss fell most ({share:.2g} %) with {name} {value}: look there first", **said)
    if not found.end:
        if found.way == "+":
            return message("the higher {name}, the more the loss fell, and most ({share:.2g} %) at {value}", **said)
        return message("the lower {name}, the more the loss fell, and most ({share:.2g} %) at {value}", **said)
    if found.way == "-":
        return message(
            "the loss fell most ({share:.2g} %) at the lowest {name}, {value}: widen {name} downwards if its range ends there",
            **said,
        )
    furthest = message(
        "the loss fell most ({share:.2g} %) at the highest {name}, {value}: widen {name} upwards if its range ends there", **said
    )
    slow = share < SLOW and found.name.rpartition(".")[2] in RATES
    return Message.join([message("too slow everywhere"), furthest], "; ") if slow else furthest


def _told_diverged(found: trend.Order, said: Mapping[str, object]) -> Message:
    head = message("the training diverges in {n} of {of}", **said)
    if found.way == "=":
        where = message("latest with {name} {value}: look there first", **said)
    elif found.way == "-" and found.end:
        where = message("latest at the lowest {name}, {value}: widen {name} downwards if its range ends there", **said)
    elif found.end:
        where = message("latest at the highest {name}, {value}: widen {name} upwards if its range ends there", **said)
    elif found.way == "-":
        where = message("the later the lower {name}, and latest at {value}", **said)
    else:
        where = message("the later the higher {name}, and latest at {value}", **said)
    return Message.join([head, where], ", ")


def _proven(evidence: Sequence[Mapping[str, float]], signature: str) -> Message | None:
    """What of the set-up keeps every trial from learning, whatever else their last epochs show."""
    labels = [{name: n for name, n in _under(one, "val/labels/").items() if n > 0} for one in evidence]
    if _most([len(one) == 1 for one in labels]):
        return message("all labels of the validation are {name}: labels are constant", name=next(iter(labels[0])))
    if signature == "nothing_trains" or _most([one.get("params/with_grad", 1.0) == 0 for one in evidence]):
        return message("nothing reaches the loss: no parameter gets a gradient, whatever is searched")
    return None


def _shown(evidence: Sequence[Mapping[str, float]], metric: str) -> Message | None:
    """What the last epochs of the dead show of the set-up, the likeliest cause first; None if nothing is the same in them."""
    guessed = [max(counts, key=lambda name: counts[name]) for one in evidence if (counts := _under(one, "val/predicted/"))]
    values = [one[metric] for one in evidence if metric in one]
    same = bool(values) and _most([abs(value - values[0]) <= SAME * abs(values[0]) for value in values])
    if guessed and _most([name == guessed[0] for name in guessed]) and len(guessed) == len(evidence):
        return message(
            "every one predicts mostly class {name}, so that {metric} cannot pass its share: check that the model has a bias, "
            "and that the inputs tell the classes apart",
            **{"name": guessed[0], "metric": metric},
        )
    if same and len(values) >= ENOUGH:
        return message(
            "{metric} is {value:.4g} whatever the parameters: they do not reach the training, or nothing is learned at all",
            **{"metric": metric, "value": values[0]},
        )
    return None


def _under(evidence: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in evidence.items() if name.startswith(prefix)}


def _most(told: Sequence[bool]) -> bool:
    return len(told) >= ENOUGH and sum(told) >= NEARLY * len(told)
