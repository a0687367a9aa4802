"""What trials that nearly all died have in common: a finding about the set-up, in place of as many verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pitprop.messages import Message, message
from pitprop.study.record import Record, State

ENOUGH = 4
"""Trials that have to have died, of different parameters."""
NEARLY = 0.9
"""The share of those that ended which has to have died, and of these the share which has to show the same."""
SAME = 1e-3
"""What values that are the same may differ by, as a share of them."""


def common(records: Sequence[Record], metric: str) -> Message | None:
    """What nearly all trials died of, if nearly all died, and what of the set-up it shows; None if they did not, or are few.

    Baselines and revived trials do not count, nor does a trial that died of something else than most.
    """
    ended = [
        one
        for one in records
        if one.state in (State.COMPLETE, State.PRUNED) and not one.waits and one.baseline is None and one.revives is None
    ]
    dead = [one for one in ended if one.ending is not None]
    if len(dead) < ENOUGH or len(dead) < NEARLY * len(ended):
        return None
    signature, count = Counter(one.ending.signature for one in dead if one.ending is not None).most_common(1)[0]
    found = _shown([one.ending.evidence for one in dead if one.ending is not None], metric, signature)
    if found is None and count < NEARLY * len(dead):
        return None
    why = found or message("nothing that is searched makes a difference; check data, labels and loss before more trials")
    head = message(
        "{dead} of {ended} trials died, {count} of them of {name}", dead=len(dead), ended=len(ended), count=count, name=signature
    )
    return Message.join([head, why], ": ")


def _shown(evidence: Sequence[Mapping[str, float]], metric: str, signature: str) -> Message | None:
    """What of the set-up the last epochs of the dead show, the likeliest cause first; None if nothing is the same in them."""
    labels = [{name: n for name, n in _under(one, "val/labels/").items() if n > 0} for one in evidence]
    if _most([len(one) == 1 for one in labels]):
        return message("all labels of the validation are {name}: labels are constant", name=next(iter(labels[0])))
    if signature == "nothing_trains" or _most([one.get("params/with_grad", 1.0) == 0 for one in evidence]):
        return message("nothing reaches the loss: no parameter gets a gradient, whatever is searched")
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
