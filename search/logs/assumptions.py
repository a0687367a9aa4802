"""The facts that a training is judged from, out of what a person says and what its log shows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from pitprop.detection import chance, levels, metrics, reading
from pitprop.detection.detect import Bound
from pitprop.detection.facts import Facts
from pitprop.errors import UserError
from pitprop.logs import objectives
from pitprop.logs.finished import Finished
from pitprop.logs.lines import stated
from pitprop.messages import N_, Message, _, message
from pitprop.telemetry import Epoch, Telemetry, columns, reports

FEW = 5
"""Epochs of which fewer tell nothing: then each reading of training is looked at."""
ENDLESS = 10**5
"""Epochs that stand for no limit where a log is not even at a hundredth of them; so does a number of nothing but nines."""
SAID = {
    "facts/classes": ("num_classes", "n_classes", "num_labels", "vocab_size"),
    "facts/pretrained": ("pretrained",),
}
"""Readings by which the facts that a log says of itself are judged, and what logs call them; the first that is said counts."""
LOST = 0.8
"""Share of what it had gained that a training has lost which fell back."""
DETECTOR = frozenset(["box", "bbox", "giou", "ciou", "obj", "objectness", "rpn", "dfl", "om", "oo"])
"""Words of the parts of a detector's loss."""
LEAST = 0.6
"""A loss below which no start is taken for that of an untrained model: a little less than ln 2."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a person says beside the logs; what is None is read off them, or not known."""

    metric: str | None = None
    maximize: bool | None = None
    epochs: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    classes: int | None = None
    batch: int | None = None
    loss: str | None = None
    chance_loss: float | None = None
    chance_score: float | None = None
    checkpoint: Mapping[str, float] = field(default_factory=dict)
    gates: Sequence[Bound] = ()
    format: str | None = None
    pattern: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def shares(telemetry: Telemetry) -> tuple[Telemetry, set[str]]:
    """``telemetry`` with shares that are printed in percent brought to shares, and their names.

    Decided for each metric, over its whole curve.
    """
    names = {name for epoch in telemetry for name in epoch.metrics if metrics.of(name).share}
    found = {name for name in names if metrics.percent(name, telemetry.column(name).values)}
    kinds = {_kind(name) for name in found} - {""}
    if not kinds and (classes := chance.standing(_losses(telemetry))) >= 100:  # a constant prediction may stand at 1.0 of 100
        kinds = {
            "accuracy"
            for name in names
            if _kind(name) and all(abs(value * classes / 100 - 1) < 0.15 for value in telemetry.column(name).values)
        }
    found |= {name for name in names if _kind(name) in kinds}  # a training of 1000 classes may never pass 1.5 %
    if not found:
        return telemetry, found
    brought = Telemetry(
        Epoch(epoch.step, {name: value / 100 if name in found else value for name, value in epoch.metrics.items()})
        for epoch in telemetry
    )
    return brought, found


def totals(telemetry: Telemetry) -> Telemetry:
    """``telemetry`` with the sum of a detector's losses as the loss of that side, where a log has parts of it only."""
    names = {name for epoch in telemetry for name in epoch.metrics}
    if objectives.adversarial(names) or objectives.reinforced(names):
        return telemetry
    parts = {f"{side}/loss": _parts(side, names) for side in ("train", "val") if f"{side}/loss" not in names}
    parts = {name: found for name, found in parts.items() if len(found) > 1}
    if not parts:
        return telemetry
    return Telemetry(Epoch(epoch.step, {**epoch.metrics, **_sums(epoch, parts)}) for epoch in telemetry)


def _parts(side: str, names: set[str]) -> set[str]:
    """The losses of a detector's parts: of boxes, classes and the like."""
    found = {name for name in names if name.startswith(f"{side}/") and metrics.of(name).family == "loss"}
    return found if any(DETECTOR & {*metrics.split(name)} for name in found) else set()


def _sums(epoch: Epoch, parts: Mapping[str, set[str]]) -> dict[str, float]:
    whole = {name: found for name, found in parts.items() if found <= epoch.metrics.keys()}
    return {name: sum(epoch.metrics[part] for part in found) for name, found in whole.items()}


def _kind(name: str) -> str:
    """``accuracy`` for all that are of one unit in a log: accuracies of training and validation, top 1 and top 5."""
    return "accuracy" if {"acc", "accuracy", "top1", "top5"} & {*metrics.split(name)} else ""


def facts(telemetry: Telemetry, metric: str, given: Given, log: Finished, budget: int, notes: list[str]) -> tuple[Facts, bool]:
    """The facts, and whether chance is a guess; to ``notes`` is added what was concluded.

    ``UserError`` for a loss that lacks what it is computed from.
    """
    counts = columns(telemetry[-1], "val/labels/")
    if given.loss in chance.CONTRASTIVE and given.batch is None:
        raise UserError(_("what --loss {loss} is at chance depends on the batch: say --batch N too").format(loss=given.loss))
    found = Facts(
        budget,
        metric,
        metrics.rises(metric) is not False if given.maximize is None else given.maximize,
        labels=given.labels or {name: int(count) for name, count in counts.items() if math.isfinite(count)},
        classes=given.classes,
        batch=given.batch,
        loss=given.loss,
        chance_loss=given.chance_loss,
        chance_score=given.chance_score,
        checkpoint=given.checkpoint,
        untrained=False,  # whether its start is that of an untrained model is decided here, by `_chance`
    )
    notes += _concluded(telemetry, found)
    if levels.known_loss(telemetry, found, guess=False) is None and (count := _fallen_to(telemetry, found)):
        text = N_("it ends at ln {count} and {metric} at 1/{count}: that is chance with {count} classes of one size")
        notes.append(message(text, count=count, metric=metric))
        return replace(found, chance_loss=math.log(count), chance_score=_stated(found, 1 / count)), False
    level, score, guessed = _guessed(telemetry, found, given, log, notes)
    return (found if level is None else replace(found, chance_loss=level, chance_score=_stated(found, score))), guessed


def _stated(facts: Facts, score: float | None) -> float | None:
    """The chance of the score as a person states it, else ``score``, which was concluded."""
    return score if facts.chance_score is None else facts.chance_score


def said(facts: Mapping[str, float], *, by_steps: bool = False) -> dict[str, float]:
    """What a log says of its training, as readings; with ``by_steps`` the warm-up is in steps."""
    known = {ours: next((facts[name] for name in theirs if name in facts), None) for ours, theirs in SAID.items()}
    plain = {name: float(value) for name, value in known.items() if value is not None}
    return plain | stated.readings(facts, by_steps=by_steps)


def _concluded(telemetry: Telemetry, facts: Facts) -> list[str]:
    """What the log tells of chance, in words."""
    if metrics.of(facts.metric).family == "reward" or facts.chance_loss is not None or facts.loss is not None:
        return []
    told, plain = reading.told_classes(telemetry, facts), replace(facts, labels={})
    if reading.near_classes(telemetry, told):
        return [message("chance is a loss of ln {told} = {loss:.4g}, near which it began", told=told, loss=math.log(told))]
    if facts.metric in ("val/loss", "train/loss") and (count := chance.usual(telemetry.column(facts.metric).values)):
        said = {"count": count, "loss": math.log(count), "batch": count + 1}
        if count not in chance.ALIKE:
            text = N_("its loss stands at ln {count} = {loss:.4g}: that is chance with {count} classes of one size")
            return [message(text, **said)]
        alike = message(
            "its loss stands at ln {count} = {loss:.4g}: that is where embeddings of a batch of {batch} are all alike "
            "(--loss supcon --batch {batch})",
            **said,
        )
        return [alike]
    if count := reading.classes(telemetry, facts):
        text = N_("its loss stands at ln {count} and {metric} at 1/{count}: that is chance with {count} classes of one size")
        return [message(text, count=count, metric=facts.metric)]
    score = None if facts.labels else reading.stood(telemetry, plain)
    if score is None:
        return []
    text = N_("{metric} never left {score:.4g}, at a loss that is worse than any guess; that is taken for chance")
    return [message(text, metric=facts.metric, score=score)]


def budget(given: Given, log: Finished, last: int, few: bool, notes: list[str]) -> int:
    """The epochs of the whole training, as a person or its log says; else those it has had. ``few`` if these are no epochs."""
    if given.epochs is not None:
        return given.epochs
    said, had = log.said, log.epochs[-1].step if log.epochs else 1
    total = int(next((said[name] for name in ("max_epochs", "num_epochs", "num_train_epochs") if name in said), 0))
    if (had if few else last) <= total and not _endless(total, had):
        notes.append(message("a training of {total} epochs, as its log says", total=total))
        return max(last, round(last * total / had)) if few else total
    planned = int(next((said[name] for name in ("max_iters", "max_steps") if name in said), 0))
    if planned >= log.steps > 0:
        notes.append(message("a training of {planned} steps, as its log says", planned=planned))
        return max(last, round(last * planned / log.steps))
    return max(last, 1)


def _endless(total: int, had: int) -> bool:
    """Whether ``total`` epochs stand for no limit, as sys.maxsize and 99999 do."""
    return total >= 2**31 - 1 or (had < total / 100 and (total >= ENDLESS or (total > 999 and {*str(total)} == {"9"})))


def _guessed(
    telemetry: Telemetry, facts: Facts, given: Given, log: Finished, notes: list[str]
) -> tuple[float | None, float | None, bool]:
    """The loss and the score where a training began that never moved, if nothing else tells, and whether that is a guess.

    Where a log begins late, or a checkpoint was loaded, its start is not chance; and the losses of a reward say nothing.
    """
    start = reading.began(telemetry)
    if levels.known_loss(telemetry, facts, guess=False) is not None or reading.stood(telemetry, facts) is not None:
        return None, None, False
    if metrics.of(facts.metric).family == "reward" or learned(given, log) or log.late or facts.labels or start is None:
        return None, None, False
    if start < LEAST or good(telemetry, facts.metric) or _moved(telemetry, start):
        return None, None, False
    text = N_("its loss never left {start:.4g}, where it began, which is taken for chance; --chance-loss says better")
    notes.append(message(text, start=start))
    stood = reading.start(telemetry, facts) if metrics.of(facts.metric).chance is None else None
    # worse than the loss of a uniform guess among 1 / stood classes: then it is none
    return start, stood, not (stood is not None and 0 < stood < 0.2 and start > -2 * math.log(stood))


def learned(given: Given, log: Finished) -> bool:
    """Whether it starts from something that has learned, whose score and loss are not those of chance."""
    return bool(given.checkpoint) or bool(log.said.get("pretrained"))


def _fallen_to(telemetry: Telemetry, facts: Facts) -> int:
    """The number of classes at whose chance loss and score have stood since, though they were better before; else 0."""
    return reading.classes(Telemetry(telemetry[-max(2 * FEW, len(telemetry) // 4) :]), facts) if fell(telemetry, facts) else 0


def fell(telemetry: Telemetry, facts: Facts) -> bool:
    """Whether the objective and each loss had gained, and have lost nearly all of it again: where only one has, it overfits.

    The middle ones of five count: nothing is said of a curve of fewer than fifteen readings.
    """
    curves = [(telemetry.column(name).values, -1) for name in ("train/loss", "val/loss") if name != facts.metric]
    found = [(telemetry.column(facts.metric).values, facts.sign), *((values, sign) for values, sign in curves if values)]
    return all(len(values) >= 3 * FEW and lost(values, sign) for values, sign in found)


def lost(values: Sequence[float], sign: int) -> bool:
    """Whether a curve had gained, and has lost nearly all of it again."""
    middles = [sign * middle for middle in _middles(values)]
    first, best, last = sign * values[0], max(middles), middles[-1]
    return improved(values, sign) and best - last > LOST * (best - first)


def _losses(telemetry: Telemetry) -> Sequence[float]:
    return telemetry.column("val/loss").values or telemetry.column("train/loss").values


def moved(telemetry: Telemetry) -> bool:
    """Whether a loss ends 5 % below where it began, or none is reported."""
    found = [values for name in ("train/loss", "val/loss") if (values := telemetry.column(name).values)]
    return not found or any(values[-1] < values[0] - 0.05 * abs(values[0]) for values in found)


def _moved(telemetry: Telemetry, start: float) -> bool:
    """Whether the mean of five losses running, of training or validation, ever lay 5 % below the start, or there are too few."""
    found = [telemetry.column(name).values for name in ("train/loss", "val/loss")]
    means = [mean for values in found for mean in _means(values)]
    return not means or min(means) < 0.95 * start


def good(telemetry: Telemetry, metric: str) -> bool:
    """Whether a share was better than that of a guess from the beginning."""
    meaning, values = metrics.of(metric), telemetry.column(metric).values[:FEW]
    if not meaning.share or not values:
        return False
    return max(values) > levels.GOOD if meaning.maximize else min(values) < 1 - levels.GOOD


def _means(values: Sequence[float]) -> list[float]:
    return [sum(values[i : i + FEW]) / FEW for i in range(len(values) - FEW + 1)]


def _middles(values: Sequence[float]) -> list[float]:
    return [median(values[i : i + FEW]) for i in range(len(values) - FEW + 1)]


def improved(values: Sequence[float], sign: int, at_end: bool = False) -> bool:
    """Whether a curve ends, or was for five readings (not ``at_end``), better than it began, by more than its readings scatter.

    Middle values count for what came of it, as an outlier tells nothing, and the mean for how it began, as some learn at once.
    """
    part = max(1, min(FEW, len(values) // 3))
    first, then = sign * sum(values[:part]) / part, sign * median(values[-part:])
    middles = [sign * middle for middle in _middles(values)] if part == FEW and not at_end else []
    steps = [b - a for a, b in pairwise(values)]
    # of a steady course what it moves by at a time is no scatter, but how that changes: of noise, bends are as large as steps
    steady = len(values) < 3 * FEW and sum(sign * step < 0 for step in steps) <= len(steps) // 6
    bends = [(b - a) / math.sqrt(3) for a, b in pairwise(steps)] if steady else []
    scatter = min((median(map(abs, some)) for some in (steps, bends) if some), default=0.0)
    many = 4.5 if len(values) < 60 else 5.5  # of many windows the best lies further out: 1 % of pure noise passes
    return max([*middles, then]) - first > max(many * scatter * math.sqrt(2 / part), 1e-12)


def absent(telemetry: Telemetry, given: Given) -> list[str]:
    """What a person names in gates or a baseline that the log does not report."""
    asked = dict.fromkeys([*(gate.metric for gate in given.gates), *given.checkpoint])
    known = named({name for epoch in telemetry for name in epoch.metrics})
    return [
        message("{name} is not among its readings ({known}), so that nothing is held against it", name=name, known=known)
        for name in asked
        if not reports(telemetry, name)
    ]


def patient(telemetry: Telemetry, facts: Facts) -> list[str]:
    """Where a training ended before its time, how long after its best that was."""
    column = telemetry.column(facts.metric)
    best = max(range(len(column.values)), key=lambda at: facts.sign * column.values[at], default=0)
    after = len(column.values) - 1 - best
    if after < FEW or telemetry[-1].step >= facts.budget:
        return []
    text = N_("it ends {after} evaluations after its best, at {step} of {budget}: as early stopping with that patience does")
    return [message(text, after=after, step=telemetry[-1].step, budget=facts.budget)]


def meant(given: Given, telemetry: Telemetry, metric: str, notes: list[str]) -> Given:
    """``given`` with the objective's name in gates and numbers that name its score without its branch, as ``val/top1`` does."""
    plain, asked = f"val/{metric.rsplit('/', 1)[-1]}", {*(gate.metric for gate in given.gates), *given.checkpoint}
    if metric.count("/") != 2 or reports(telemetry, plain) or plain not in asked:
        return given
    notes.append(message("{plain} is taken for {metric}, the objective", plain=plain, metric=metric))
    gates = [replace(gate, metric=metric) if gate.metric == plain else gate for gate in given.gates]
    return replace(given, gates=gates, checkpoint={metric if name == plain else name: n for name, n in given.checkpoint.items()})


def fresh(given: Given, telemetry: Telemetry, metric: str, log: Finished, notes: list[str]) -> Given:
    """``given`` without its checkpoint, where training began nearer to chance than to that: then it is what to beat."""
    known, values = given.checkpoint.get(metric), telemetry.column(metric).values
    rises = metrics.rises(metric) is not False if given.maximize is None else given.maximize
    facts = Facts(1, metric, rises, labels=given.labels, classes=given.classes)
    level = levels.known(telemetry, facts) if values and known is not None and not log.said.get("pretrained") else None
    if level is None or known is None or facts.sign * (2 * values[0] - level - known) >= 0:
        return given
    text = N_("it began at {first:.4g}, and chance is {level:.4g}: {known:.4g} is what to beat, it did not start from that")
    notes.append(message(text, first=values[0], level=level, known=known))
    return replace(given, checkpoint={})


def named(names: Iterable[str], most: int = 6) -> Message | str:
    """Some of the readings, to be quoted."""
    found = [name for name in sorted(names) if not re.search(r"/(predicted|labels|true_positives)/", name)]
    some = ", ".join(found[:most])
    return message("{some} and others", some=some) if len(found) > most else some
