"""Whether what verdicts say is so: of each signature the share of first verdicts, warnings included, whose sentence holds.

Each is held against the readings themselves and the known chance of the run, not against its label: at chance is who is, in the
mean of the last readings, within `NEAR` of what the best of the study had above chance, or within two standard errors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from pitprop.detection import chance, detect, levels, predictions, reading
from pitprop.detection.detect import Verdict
from pitprop.telemetry import Telemetry

from tests.bench.detect.curves import Run
from tests.bench.detect.score import parallel

NEAR = 0.1
LAST = 5
Holds = Callable[[Telemetry, Run, Verdict, float], bool]
"""Whether a sentence holds, of the epochs up to its verdict; the number is the best score of the study."""


def table(known: Sequence[Run], judged: Sequence[Run], processes: int) -> Iterator[str]:
    """A line a signature: how many of its sentences are true. ``known`` are the runs with all that is known of them."""
    tops: dict[str, float] = {}
    for run in known:
        tops[run.study] = max(tops.get(run.study, -math.inf), run.best)
    pairs = list(zip(known, judged, strict=True))
    found = parallel(lambda pair: _spoken(*pair, tops[pair[0].study]), pairs, processes)
    said = Counter(name for one in found for name, _ in one)
    true = Counter(name for one in found for name, holds in one if holds)
    false = {name: run.number for run, one in zip(known, found, strict=True) for name, holds in one if holds is False}
    for name, count in said.most_common():
        share = f"{true[name]}/{count} {true[name] / count:6.1%}" if name in HOLDS else f"{count} not checked"
        yield f"  {name:<24}{share:>20}" + (f"   not so of run {false[name]}" if name in false else "")


def _spoken(known: Run, judged: Run, top: float) -> list[tuple[str, bool | None]]:
    """The first verdict of each signature, and whether it is true; None where that is not checked."""
    found = []
    for verdict in detect.replay(judged.epochs, judged.facts, detect.defaults()):
        holds = HOLDS.get(verdict.signature)
        past = Telemetry(epoch for epoch in known.epochs if epoch.step <= verdict.step)
        found.append((verdict.signature, holds(past, known, verdict, top) if holds else None))
    return found


def _at_chance(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    """The mean score of the last readings near chance; or worse than that."""
    last = [score for score in run.scores[: len(past)][-LAST:] if not math.isnan(score)]
    if not last:
        return True
    counts = [round(n) for n in reading.labels(past, run.facts).values()]
    error = (chance.standard_error(run.facts.metric, counts) or 0.0) * reading.unit(past, run.facts)
    return fmean(last) - run.chance < max(NEAR * (top - run.chance), 2 * error)


def _fallen(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    """At chance, after a better time."""
    best = run.reached(len(past)) - run.chance
    return best > 0.05 * (top - run.chance) and _at_chance(past, run, verdict, top)


def _one_class(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    """One class in the counts of the last readings; where there are none, a score that one class gives."""
    counts = [[v for name, v in epoch.metrics.items() if name.startswith("val/predicted/")] for epoch in past[-LAST:]]
    if any(counts):
        return all(max(one) >= 0.95 * sum(one) for one in counts if one)
    return _at_chance(past, run, verdict, top)


def _not_finite(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    seen = ("val/loss", "train/loss", "grad_norm")
    return any(not math.isfinite(past[-1].metrics.get(name, 0.0)) for name in seen) or any(run.broken[: len(past)])


def _exploded(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    values = past.column("val/loss").values
    return values[-1] > 2 * max(values[0], levels.loss(past, run.facts) or 0.0)


def _overfits(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    """Validation worse and training better than at the least validation loss, in a training that has learned something."""
    val, train = past.column("val/loss"), past.column("train/loss")
    low = min(val.values)
    then = median(v for step, v in zip(train.steps, train.values, strict=True) if step <= val.steps[val.values.index(low)])
    learned = run.reached(len(past)) - run.chance > NEAR * (top - run.chance)
    return val.values[-1] > 1.05 * low and train.values[-1] < then and learned


def _far_start(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    begun = past.column("start/loss").values or past.column("val/loss").values
    level = levels.loss(past, run.facts)
    return level is None or abs(begun[0] - level) > 0.25 * abs(level)


def _independent(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    """Logits that differ by less than decides anything, and no one-sided truth: the score is near chance as well."""
    spreads = past.column("val/logit_spread").values[-LAST:] or past.column("val/probability_spread").values[-LAST:]
    return max(spreads, default=0.0) < 0.05


def _same(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    return len({*past.column(run.facts.metric).values[-LAST:]}) == 1


def _constant_but_ranks(past: Telemetry, run: Run, verdict: Verdict, top: float) -> bool:
    areas = past.column("val/auc").values[-LAST:]
    return predictions.constant(past, run.facts, LAST, 0.95) is not None and fmean(areas) > 0.6


HOLDS: dict[str, Holds] = {
    **dict.fromkeys(("chance_plateau", "hopelessly_slow", "short_of_chance", "contrastive_collapse"), _at_chance),
    **dict.fromkeys(("constant_prediction", "minority_prediction"), _one_class),
    "late_collapse": _fallen,
    "non_finite": _not_finite,
    "explosion": _exploded,
    "overfit": _overfits,
    "bad_start": _far_start,
    "input_independent": _independent,
    "unchanged_score": _same,
    "frozen_metric": _same,
    "ranks_without_deciding": _constant_but_ranks,
}
"""What is checked of each signature; what only quotes a reading is true as it stands."""
