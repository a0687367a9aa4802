"""Every signature that ships: its shape, the curve it is there for, and the curves it must not touch."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from curves import CASE, HEALTHY, HEALTHY_FACTS, ILL, KNOWN, Ill, joined, longer
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.detection import detect, metrics, signatures
from pitprop.detection.detect import ACTIONS, Signature, Verdict, judge, replay, unwatched
from pitprop.detection.facts import Facts, Peer
from pitprop.detection.stopping import EarlyStopping
from pitprop.messages import in_language, localized
from pitprop.telemetry import VOCABULARY, Epoch, Telemetry, reports

KINDS = {"hard": "prune", "soft": "park", "advice": "warn"}
NAMES = signatures.names()
every = pytest.mark.parametrize("name", NAMES)
cells = st.sampled_from([math.nan, math.inf, -math.inf])


def ill(name: str) -> Ill:
    assert name in ILL, f"signature {name} has no curve in tests/curves.py: add one to ILL on which it fires"
    return ILL[name]


def fires(name: str, epochs: Sequence[Epoch], facts: Facts) -> Verdict | None:
    """The verdict of one signature on the last epoch."""
    return next(iter(judge(epochs, facts, [Signature(name)])), None)


def without(epochs: Sequence[Epoch], need: str) -> Telemetry:
    """The same training without any reading that would give what a signature needs."""
    return Telemetry(Epoch(e.step, {n: v for n, v in e.metrics.items() if not signatures.gives(need, [n])}) for e in epochs)


def test_each_signature_has_its_ill_curve_and_no_curve_is_left_over() -> None:
    assert sorted(ILL) == sorted(NAMES)


@every
def test_a_signature_has_the_shape_of_one(name: str) -> None:
    module = signatures.load(name)
    first = (module.__doc__ or "").split("\n")[0]
    assert re.fullmatch(r"[A-Z].+: .+\.", first), f"{name}: the first line is its line in lists: {first!r}"
    assert module.KIND in KINDS
    assert signatures.action(name) == KINDS[module.KIND]
    assert isinstance(module.READS, tuple)
    assert module.READS
    assert all(signatures.gives(one, VOCABULARY) for need in module.READS for one in need.split(" or "))
    parameters = list(inspect.signature(module.detect).parameters.values())
    assert [p.name for p in parameters[:2]] == ["telemetry", "facts"]
    assert all(p.kind is p.KEYWORD_ONLY and isinstance(p.default, int | float) for p in parameters[2:])
    assert "patience" in signatures.thresholds(name)
    assert {"grace", "blind"} <= set(signatures.thresholds(name)) or module.KIND != "soft"


@every
def test_it_fires_on_the_curve_it_is_there_for_with_epoch_numbers_and_remedy(name: str) -> None:
    one = ill(name)
    assert unwatched(one.epochs, [Signature(name)]) == {}
    (first,) = replay(one.epochs, one.facts, [Signature(name)])
    assert str(first.step) in re.findall(r"\d+", first.reason) or "before the first step" in first.reason
    assert re.search(r"\d", first.reason)
    assert len(first.remedy) > 20
    for text in (first.reason, first.remedy):
        with in_language("zh"):
            assert re.search(r"[\u4e00-\u9fff]", localized(text)), (
                f"{name} says {text!r} in English: make messages, and translate"
            )
    assert first.action == signatures.action(name)
    assert fires(name, one.epochs, one.facts)


@every
def test_it_acts_as_the_space_says(name: str) -> None:
    one = ill(name)
    for action in ACTIONS:
        (verdict,) = replay(one.epochs, one.facts, [Signature(name, action)])
        assert (verdict.action, verdict.ends) == (action, action != "warn")


def test_the_healthy_curve_reports_every_metric_there_is() -> None:
    assert [name for name in VOCABULARY if not reports(HEALTHY, name)] == []


@every
def test_it_is_silent_on_a_healthy_curve(name: str) -> None:
    assert replay(HEALTHY, HEALTHY_FACTS, [Signature(name)]) == []


@every
def test_it_is_silent_without_its_readings(name: str) -> None:
    module = signatures.load(name)
    for need in module.READS:
        for one in (ill(name), Ill(HEALTHY, HEALTHY_FACTS)):
            assert replay(without(one.epochs, need), one.facts, [Signature(name)]) == [], need
    assert replay([Epoch(e.step, {}) for e in HEALTHY], HEALTHY_FACTS, [Signature(name)]) == []
    assert replay([Epoch(e.step, {"seconds": 1.0}) for e in HEALTHY], HEALTHY_FACTS, [Signature(name)]) == []


@every
def test_no_epoch_and_one_epoch_break_nothing_and_are_no_evidence(name: str) -> None:
    one, hasty = ill(name), Signature(name, thresholds={"patience": 1})
    assert judge([], one.facts, [hasty]) == []
    assert judge(HEALTHY[:1], HEALTHY_FACTS, [hasty]) == []
    for facts in (one.facts, Facts(1), Facts(1, "val/unknown", maximize=False)):
        found = judge(one.epochs[:1], facts, [Signature(name)])
        assert found == [] or signatures.load(name).KIND != "soft"


@every
@settings(max_examples=15)
@given(st.data())
def test_more_of_the_same_evidence_never_unfires_it(name: str, data: st.DataObject) -> None:
    one = ill(name)
    (first,) = replay(one.epochs, one.facts, [Signature(name)])
    told = data.draw(st.integers(first.step, len(one.epochs)), "epochs at which it has fired")
    for more in range(data.draw(st.integers(1, 25), "epochs that repeat the last")):
        on = Ill(longer(one.epochs[:told], more, one.again), one.facts).until(told + more)
        assert fires(name, on.epochs, on.facts), f"{name} at {told} epochs and {more} more"


@every
@settings(max_examples=15)
@given(st.data())
def test_metrics_that_nobody_asked_for_change_nothing(name: str, data: st.DataObject) -> None:
    one = ill(name)
    other = st.dictionaries(st.sampled_from(["note/a", "gpu/memory", "loss", "f1", "train/accuracy"]), st.floats(), max_size=3)
    extra = data.draw(st.lists(other, min_size=len(one.epochs), max_size=len(one.epochs)))
    more = [Epoch(e.step, {**e.metrics, **new}) for e, new in zip(one.epochs, extra, strict=True)]
    assert repr(replay(more, one.facts, [Signature(name)])) == repr(replay(one.epochs, one.facts, [Signature(name)]))


def spoilt(data: st.DataObject, epochs: Sequence[Epoch]) -> list[Epoch]:
    """The same training, some of whose readings are not finite, one of them always, and some of which are missing."""
    known = sorted({name for epoch in epochs for name in epoch.metrics})
    holes = data.draw(st.dictionaries(st.tuples(st.sampled_from(epochs).map(lambda e: e.step), st.sampled_from(known)), cells))
    gaps = data.draw(st.sets(st.tuples(st.sampled_from(epochs).map(lambda e: e.step), st.sampled_from(known)), max_size=10))
    column, value = data.draw(st.sampled_from(["", *known])), data.draw(cells)
    rows = []
    for epoch in epochs:
        row = {n: value if n == column else holes.get((epoch.step, n), v) for n, v in epoch.metrics.items()}
        rows.append(Epoch(epoch.step, {n: v for n, v in row.items() if (epoch.step, n) not in gaps}))
    return rows


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_nan_infinity_and_gaps_in_a_healthy_curve_are_no_evidence_of_anything_else(data: st.DataObject) -> None:
    found = replay(spoilt(data, HEALTHY), HEALTHY_FACTS, detect.defaults())
    assert {v.signature for v in found if v.ends} <= {"non_finite"}, found


@every
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_nan_infinity_and_gaps_in_its_own_curve_break_nothing(name: str, data: st.DataObject) -> None:
    one = ill(name)
    for verdict in replay(spoilt(data, one.epochs), one.facts, [Signature(name)]):
        assert verdict.reason
        assert verdict.remedy


names = sorted({n for one in (HEALTHY, *(i.epochs for i in ILL.values())) for epoch in one for n in epoch.metrics})
wild = st.lists(st.dictionaries(st.sampled_from(names), st.floats(), max_size=12), max_size=25)
labels = st.sampled_from([{}, CASE, {"0": 5}, {"a": 1, "b": 10**6, "c": 3}])
known = st.builds(
    Facts,
    budget=st.integers(1, 30),
    metric=st.sampled_from(["val/macro_f1", "val/loss", "val/auc", "val/event/f1", "val/unknown"]),
    maximize=st.booleans(),
    warmup=st.sampled_from([None, 0.0, 3.0]),
    labels=labels,
    batch=st.sampled_from([None, 1, 2, 32]),
    chance_score=st.sampled_from([None, 0.5]),
    chance_loss=st.sampled_from([None, 0.53]),
    checkpoint=st.sampled_from([{}, {"val/macro_f1": 0.6, "val/pose/top1": 0.8, "val/loss": 0.5}]),
    params=st.sampled_from([{}, {"focal.alpha": [0.0, 2.0], "loss_weights": [1, 2]}, {"focal.alpha": 0.25}]),
    stopping=st.sampled_from([None, EarlyStopping(2)]),
    peers=st.sampled_from([(), HEALTHY_FACTS.peers]),
    recovery=st.sampled_from([None, 4.0]),
    silence=st.sampled_from([0.0, 1e5]),
)


@settings(max_examples=60, deadline=None)
@given(wild, known)
def test_whatever_is_reported_judging_it_raises_nothing(rows: list[dict[str, float]], facts: Facts) -> None:
    epochs = [Epoch(t, row) for t, row in enumerate(rows, 1)]
    for verdict in replay(epochs, facts, detect.defaults()):
        assert verdict.reason.strip()
        assert verdict.remedy.strip()
        assert Verdict.from_json(verdict.to_json()).signature == verdict.signature


@pytest.mark.parametrize("name", [n for n in NAMES if signatures.load(n).KIND == "hard"])
def test_proof_counts_at_once_whatever_else_looks_alive_and_whoever_recovered_before(name: str) -> None:
    one = ill(name)
    alive = joined(one.epochs, val__auc=lambda t: 0.5 + 0.02 * t, val__logit_spread=lambda t: 1e-3 * 1.2**t, lr=1e-3)
    facts = replace(one.facts, recovery=1000.0)
    (plain,), (spared,) = replay(one.epochs, one.facts, [Signature(name)]), replay(alive, facts, [Signature(name)])
    assert plain.step == spared.step
    assert plain.reason == spared.reason
    assert plain.step <= signatures.thresholds(name)["patience"] + 3


RATED = [name for name in NAMES if any(one.moves[:-1] == "lr" for one in detect.remedies(name, ILL[name].epochs, KNOWN))]


@pytest.mark.parametrize("name", RATED)
@given(lived=st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=5), higher=st.booleans())
@settings(max_examples=20, deadline=None)
def test_no_signature_advises_a_rate_away_from_those_with_which_trials_lived(name: str, lived: list[float], higher: bool) -> None:
    rate = min(lived) / 2 if higher else max(lived) * 2
    facts = replace(KNOWN, params={"lr": rate}, peers=[Peer(n, {"lr": one}, HEALTHY) for n, one in enumerate(lived)])
    for one in detect.remedies(name, ILL[name].epochs, facts):
        if one.moves[:-1] == "lr":
            assert one.moves == ("lr+" if higher else "lr-")
            wanted = one.change.get("lr")
            assert wanted is None or min(lived) <= (wanted if isinstance(wanted, float) else rate * wanted["times"]) <= max(lived)


def test_those_that_advise_a_rate_are_known() -> None:
    assert {"chance_plateau", "explosion", "hopelessly_slow", "input_independent", "short_of_chance", "tiny_steps"} <= {*RATED}


@pytest.mark.parametrize(
    ("metric", "ends"),
    [(f"val/{name}", name not in ("auc", "spearman")) for name in ("elbo", "rmse", "smape", "mase", "auc", "spearman")],
)
def test_an_error_that_is_not_finite_ends_a_training_without_losses_and_a_score_that_may_be_undefined_does_not(
    metric: str, ends: bool
) -> None:
    broken = [Epoch(step, {metric: math.nan}) for step in range(1, 9)]
    facts = Facts(40, metric, maximize=metrics.of(metric).maximize is True)
    assert [verdict.step for verdict in replay(broken, facts, [Signature("non_finite")])] == ([5] if ends else [])
