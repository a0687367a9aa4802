"""The answer: the best configuration, what it beats, by how much, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pitprop.results.summary import Target
from pitprop.space.leaf import STOPPING
from pitprop.space.params import nested
from pitprop.study import ranking
from pitprop.study.record import Record
from pitprop.study.story import best_epoch, ending
from pitprop.views.report.document import Block, Code, Section, Spans, Text, Values, code, strong
from pitprop.views.report.material import Material
from pitprop.views.report.words import difference, score, signed

if TYPE_CHECKING:
    from pitprop.results.statistics import Difference


def section(m: Material) -> Section:
    """What is known, in a few sentences, and the configuration to copy."""
    say, paragraph = m.words.say, m.words.paragraph
    blocks: list[Block] = []
    if m.summary.states["RUNNING"]:
        blocks.append(Text(say("still running", n=m.summary.states["RUNNING"])))
    if m.best is None:
        lost = [say("all lost", n=len(m.ended))] if m.ended else []
        blocks.append(Text(paragraph([say("no answer"), *lost]), "answer"))
        return Section("answer", m.words.text("answer"), tuple(blocks))
    blocks.append(Text(paragraph([*_found(m, m.best), *_against(m, m.best)]), "answer"))
    blocks += [Text(line) for line in (paragraph(target_sentences(m)), paragraph(_doubt(m, m.best))) if line]
    blocks.append(Text(say("configuration", trial=m.trial(m.best.number))))
    blocks.append(Code(configuration(m.best)))
    blocks += [Text(say("again")), Code(f"pitprop best {m.space.name} --command", "sh")]
    return Section("answer", m.words.text("answer"), tuple(blocks))


def configuration(record: Record) -> str:
    """The trial's parameters as the part of a space that holds them."""
    tree = nested(record.params)
    stopping = tree.pop(STOPPING, None)
    rows: dict[str, Any] = {"params": tree} | ({STOPPING: stopping} if stopping else {})
    return dump(rows)


def dump(rows: Any) -> str:
    """YAML with a line for each key, and lists in one."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(list, lambda it, found: it.represent_sequence("tag:yaml.org,2002:seq", found, flow_style=True))
    text: str = yaml.dump(rows, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1000)
    return text.strip()


def target_sentences(m: Material) -> Iterator[Spans]:
    """Whether each target is reached, and whether that is confirmed."""
    for target in m.summary.targets:
        told = confirmed(m, target)
        key = "missed" if target.trial is None else "reached" if told is None else "confirmed" if told else "doubtful"
        trial = "" if target.trial is None else target.trial
        yield m.words.say(f"target {key}", name=code(target.name), score=score(target.value), trial=trial)


def confirmed(m: Material, target: Target) -> bool | None:
    """Whether any confirmed candidate is better than the target; None if that was not tested."""
    if m.confirmation is None or not m.confirmation.complete:
        return None
    told = [all_.get(f"target {target.name}") for all_ in m.confirmation.differences.values()]
    return any(one.verdict == "better" for one in told if one) if any(told) else None


def _found(m: Material, best: Record) -> Iterator[Spans]:
    """Which trial, and what it scores; on fresh seeds if it has been trained on some."""
    say, values, counted = m.words.say, best.values or (math.nan,), len(m.ended)
    if m.space.searches_stopping and m.winner is None:
        yield _front(m)
        return
    if m.winner is not None and m.confirmation is not None:
        gap = m.sign * ((m.winner.searched or math.nan) - m.winner.mean)
        key = "confirmed mean" if gap > 0 else "confirmed mean kept"
        numbers: Values = {"mean": strong(score(m.winner.mean)), "searched": score(m.winner.searched), "gap": score(abs(gap))}
        seeds = len(m.confirmation.seeds)
        yield say(key, n=seeds, seeds=seeds, trial=m.trial(best.number), metric=code(m.metric), **numbers)
        return
    at = best_epoch(best, m.space)
    found: Values = {
        "trial": m.trial(best.number), "metric": code(m.metric), "score": strong(score(values[0]))
    }  # fmt: skip
    yield say("best at", n=counted, epoch=at, **found) if at is not None else say("best", n=counted, **found)
    if (verdict := ending(best)) is not None:
        yield say("collapsed after", reason=verdict.reason)


def _front(m: Material) -> Spans:
    high, low = (record.values or (math.nan, math.nan) for record in (m.summary.best[0], m.summary.best[-1]))
    epochs = {word: m.words.say("epochs", n=round(values[1])) for word, values in (("few", low), ("many", high))}
    sentence = m.words.say(
        "best front", n=len(m.summary.best), metric=code(m.metric), low=score(low[0]), high=strong(score(high[0])), **epochs
    )
    shown = m.words.say("front shown", trial=m.trial(m.summary.best[0].number))
    return m.words.paragraph([sentence, shown])


def _against(m: Material, best: Record) -> Iterator[Spans]:
    """How it stands to each baseline: as confirmed, or else as searched."""
    say = m.words.say
    told = m.confirmation.differences.get(m.winner.name, {}) if m.winner is not None and m.confirmation is not None else {}
    for name, against in m.summary.baselines.items():
        delta = m.summary.delta(best, name)
        if name in told:
            yield _confirmed(m, name, told[name])
        elif against is None or delta is None:
            yield say("baseline unknown", baseline=code(name))
        else:
            word = ranking.standing(delta)
            yield say(word, baseline=code(name), score=score(against), delta=strong(score(abs(delta))))
    if not m.summary.baselines:
        yield say("no baselines")


def _confirmed(m: Material, baseline: str, found: Difference) -> Spans:
    still_open = found.verdict == "not distinguishable"
    sign = -1 if found.verdict == "worse" else 1
    low, high = sorted((sign * found.low, sign * found.high))
    return m.words.say(
        f"is {found.verdict}",
        baseline=code(baseline),
        delta=strong(difference(found.mean) if still_open else score(abs(found.mean))),
        low=signed(low),
        high=signed(high),
        detectable=score(found.detectable),
    )


def _doubt(m: Material, best: Record) -> Iterator[Spans]:
    """What there is to doubt while nothing is confirmed; and what became of the best of the search, if that is another."""
    first = m.confirmation.candidates[0] if m.confirmation is not None and m.winner is not None else None
    if first is not None and first.trial != best.number:
        yield m.words.say("confirmed another", first=m.words.say("trial", n=first.trial or 0), mean=score(first.mean))
    if m.confirmation is not None and not m.confirmation.complete:
        everyone = (*m.confirmation.candidates, *m.confirmation.baselines)
        yield m.words.say("confirming", n=len(everyone), done=sum(bool(one.scores) for one in everyone))
    elif m.confirmation is None:
        command = code(f"make confirm SPACE={m.space.name}")
        yield m.words.say("hint" if m.space.seeds == 1 else "hint seeds", n=m.space.seeds, command=command)
