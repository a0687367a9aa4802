"""Write numbers, counts, parameters, states and verdicts as every view shows them, in the language in force."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from pitprop import telemetry
from pitprop.detection.life import course as judged
from pitprop.messages import N_, Message, _, in_unit, localized, ngettext, of_steps
from pitprop.study.record import Record, State
from pitprop.study.stored import Known
from rich.markup import escape

if TYPE_CHECKING:
    from pitprop.detection.detect import Verdict
    from pitprop.results.summary import Summary
    from pitprop.space import Space
    from pitprop.telemetry import Telemetry

LONGEST = 120
"""Characters of a reason in a list of trials; the whole of it stands in the trial's story."""

STATES = {
    "complete": N_("complete"),
    "pruned": N_("pruned"),
    "parked": N_("parked"),
    "waiting": N_("waiting"),
    "fail": N_("failed"),
    "running": N_("running"),
}


def score(value: float | None) -> str:
    """A score in four decimals, very large and very small ones in four digits; a dash for what is not known or not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def number(value: float) -> str:
    """A value of any size: a whole number as it is, one from 1 on in four digits, else as a score."""
    if math.isfinite(value) and 1 <= abs(value) < 1e6:
        return f"{value:g}" if value == int(value) else f"{value:.4g}"
    return f"{value:g}" if value == 0 else score(value)


def values(record: Record, space: Space) -> str:
    """What a trial reached in each objective: ``val/macro_f1 0.6633, epochs 12``."""
    pairs = zip(space.objectives, record.values or (), strict=False)
    return listed(f"{goal.metric} {score(one) if place == 0 else number(one)}" for place, (goal, one) in enumerate(pairs))


def measured(mean: float, interval: tuple[float, float]) -> str:
    """A mean with its 95 % interval, where there is one."""
    return f"{number(mean)} {spread(mean, interval, rough)}".rstrip()


def spread(mean: float, interval: tuple[float, float], shown: Callable[[float], str]) -> str:
    """What follows a mean: ``± 0.01``, or ``(0.9962 to 1.0000)`` where a bound of the metric cuts the interval."""
    low, high = interval
    if not math.isfinite(low + high):
        return ""
    if math.isclose(mean - low, high - mean, rel_tol=1e-6):
        return f"± {shown(high - mean)}"
    return _("({low} to {high})").format(low=bound(low), high=bound(high))


def fresh(metric: str) -> str:
    """The head of a column with a metric's means on fresh seeds."""
    return _("{metric} on fresh seeds").format(metric=metric)


def rough(value: float) -> str:
    """A difference in two digits, with a minus sign of its own."""
    return ("–" if not math.isfinite(value) else f"{value:.2g}").replace("-", "−")


def difference(value: float | None) -> str:
    """A score with its sign, for which there is a character of its own."""
    if value is None or not math.isfinite(value):
        return "–"
    return ("−" if value < 0 else "+") + (f"{abs(value):.4f}" if 0.00005 <= abs(value) < 1000 else score(abs(value)))


def bound(value: float) -> str:
    """An end of an interval: with a sign only below 0."""
    return score(value).replace("-", "−")


def percent(part: float, whole: float = 1.0) -> str:
    """A share."""
    return f"{part / whole if whole else 0:.0%}"


def value(found: Any) -> str:
    """A parameter's value, short."""
    if isinstance(found, float):
        return f"{found:.4g}"
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def listed(parts: Iterable[str]) -> str:
    """A list within a sentence."""
    return _(", ").join(parts)


def parameters(params: Mapping[str, Any]) -> str:
    """``focal.alpha [1.2, 3.0], lr 0.049``."""
    return listed(f"{name} {value(found)}" for name, found in params.items())


def searched(record: Record, space: Space) -> dict[str, Any]:
    """The searched parameters of a trial, which name its configuration."""
    return {leaf.name: record.params[leaf.name] for leaf in space.leaves if leaf.name in record.params}


def configuration(record: Record, space: Space) -> str:
    """``lr 0.049, focal.gamma 0``: what tells a trial from others; a baseline's name for one that has nothing searched."""
    return parameters(searched(record, space)) or record.baseline or _("the one configuration")


def styled(style: str, text: str) -> str:
    """A text, escaped, in a style of rich."""
    return f"[{style}]{escape(text)}[/]"


def trial(number: int) -> str:
    return _("trial {n}").format(n=number)


def trials(n: int) -> str:
    return ngettext("{n} trial", "{n} trials", n).format(n=n)


def epochs(n: int) -> str:
    return budget(n, "epochs")


def budget(n: int, unit: str) -> str:
    """So many epochs or steps: ``unit`` is that of the space's budget."""
    told = ngettext("{n} step", "{n} steps", n) if unit == "steps" else ngettext("{n} epoch", "{n} epochs", n)
    return told.format(n=n)


def confirming(over: int, trainings: int) -> str:
    """How far a confirmation is: ``confirming 8/25 trainings``."""
    return _("confirming {over}/{trainings} trainings").format(over=over, trainings=trainings)


def unit_of(space: Space, n: int) -> str:
    """What the budget of a space is in, as the head of a column: of one reading, or of ``n`` of them."""
    if space.unit == "steps":
        return _("step") if n == 1 else _("steps")
    return _("epoch") if n == 1 else _("epochs")


def numbers(found: Sequence[int], most: int | None = None) -> str:
    """The numbers of trials in a row, all or at ``most`` so many."""
    shown = [str(number) for number in found[:most]]
    return listed([*shown, _("{n} more").format(n=len(found) - len(shown))] if len(shown) < len(found) else shown)


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return _("{x} s").format(x=f"{seconds:.0f}")
    return _("{x} min").format(x=f"{seconds / 60:.0f}") if seconds < 5400 else _("{x} h").format(x=f"{seconds / 3600:.1f}")


def standing(record: Record) -> str:
    """The state of a trial in a word: ``parked`` for one that was stopped and can be revived, ``waiting`` for its turn."""
    return _(STATES[record.word])


def knows(known: Known) -> str:
    """What a sampler knows from elsewhere: ``The sampler also knows 18 trials of the study lr; 4 lie outside the space.``"""
    n, outside = known.trials, known.outside
    source = _("the file {name}") if known.csv else _("the study {name}")
    text = ngettext("The sampler also knows {n} trial of {source}", "The sampler also knows {n} trials of {source}", n)
    head = text.format(n=n, source=source.format(name=known.source))
    rest = ngettext("{n} lies outside the space", "{n} lie outside the space", outside).format(n=outside)
    return f"{head}; {rest}." if outside else f"{head}."


def counts(summary: Summary) -> str:
    """How many trials are in each state: ``12 complete, 9 pruned, 4 parked (1 revived)``."""
    states, parked = summary.states, len(summary.parked)
    found = {
        "complete": states[State.COMPLETE],
        "pruned": states[State.PRUNED] - parked - len(summary.waiting),
        "parked": parked,
        "waiting": len(summary.waiting),
        "fail": states[State.FAIL],
        "running": states[State.RUNNING],
    }
    parts = {word: _("{n} {state}").format(n=n, state=_(STATES[word])) for word, n in found.items() if n}
    stopped = "parked" if summary.parked else "waiting"
    if summary.revived and stopped in parts:
        parts[stopped] = _("{parked} ({n} revived)").format(parked=parts[stopped], n=len(summary.revived))
    return listed(parts.values()) or _("none yet")


def lead(delta: float, baseline: str, against: float) -> str:
    """How a trial compares with a baseline, as searched; positive is better."""
    values = {"name": baseline, "score": score(against), "delta": score(abs(delta))}
    if delta == 0:
        return _("level with {name} ({score})").format(**values)
    template = _("ahead of {name} ({score}) by {delta}") if delta > 0 else _("behind {name} ({score}) by {delta}")
    return template.format(**values)


def signature(name: str) -> str:
    """A signature, gate, pruner or limit by name."""
    if name.startswith("gate:"):
        metric, _at, epoch = name.removeprefix("gate:").rpartition("@")
        return _("gate on {metric} at {epoch}").format(metric=metric, epoch=epoch)
    kind, _colon, rest = name.rpartition(":")
    return _("{name} pruner").format(name=rest) if kind == "pruner" else rest


def meaning(name: str) -> str:
    """What a signature stands for, in a sentence; nothing for a gate or a pruner."""
    from pitprop.detection import signatures

    return _((signatures.load(name).__doc__ or "").partition("\n")[0]) if name in signatures.names() else ""


def code_changed(files: Sequence[str]) -> str:
    """That trials were trained by other code than there is now."""
    text = _("The code has changed since trials were trained by it: {files}")
    return text.format(files=listed([*files[:6], *(["…"] if len(files) > 6 else [])]))


def codes(records: Iterable[Record]) -> str:
    """Which trials were trained by which code; nothing where it was the same for all."""
    found: dict[tuple[str, ...], list[int]] = {}
    for record in records:
        if record.code:
            found.setdefault(record.code, []).append(record.number)
    if len(found) < 2:
        return ""
    text = _("code {code}: trials {numbers}")
    parts = [text.format(code=_(", then ").join(code), numbers=numbers(trials, 12)) for code, trials in found.items()]
    return _("Trained by different code: {parts}").format(parts=_("; ").join(parts))


def continues(record: Record, space: Space) -> str:
    """``continues trial 17 from epoch 9`` for a revived trial, else nothing."""
    if record.revives is None:
        return ""
    curve = telemetry.read(telemetry.file(Path(record.folder).with_name(f"{record.revives:04d}")))
    if not curve:
        return _("continues trial {n}").format(n=record.revives)
    return in_unit(_("continues trial {n} from epoch {epoch}"), space.unit).format(n=record.revives, epoch=curve[-1].step)


def course(curve: Telemetry, space: Space) -> list[str]:
    """What an author looks for in a curve that rose: a flat start, precision and recall, the shares predicted."""
    found = judged(curve, space.known_of())
    return [localized(of_steps(one) if space.unit == "steps" else one) for one in found]


def gist(verdict: Verdict) -> str:
    """A signature and why it spoke, in a line: without the life signs that were looked for, and cut if long."""
    reason: Any = verdict.reason
    if isinstance(reason, Message) and reason.template == "{part0}; {part1}":
        reason = reason.values["part0"]  # the other part is what was not found
    return shorten(f"{verdict.signature}: {localized(reason)}", LONGEST, placeholder=" …")


def story(record: Record, space: Space) -> str:
    """The line that tells one trial from others: what it continues; why it ended, cut if long; or its configuration."""
    verdict = record.ending
    if verdict is not None:
        found = gist(verdict)
    else:
        found = localized(record.error) or (
            _("baseline {name}").format(name=record.baseline) if record.baseline else configuration(record, space)
        )
    excluded = _("excluded") if record.excluded else ""
    return _("; ").join(part for part in (excluded, continues(record, space), found) if part)
