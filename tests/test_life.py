"""Life signs: each is seen when it is there, and spares what stands at chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from curves import ILL, KNOWN, Ill, curve, joined
from hypothesis import given
from hypothesis import strategies as st
from pitprop.detection import life, signatures
from pitprop.detection.detect import Signature, defaults, judge, replay
from pitprop.detection.facts import Facts, Peer
from pitprop.telemetry import Epoch, Telemetry
from pitprop.views.next_steps import nearest

NOW = 30
"""The epoch at which curves are judged here: past every grace, even that of a training which reports nothing that shows life."""
SOFT = [name for name in signatures.names() if signatures.load(name).KIND == "soft"]


def losses(epochs: Sequence[Epoch]) -> list[float]:
    return [epoch.metrics.get("val/loss", 0.6) for epoch in epochs]


def ranking(epochs: Telemetry, facts: Facts, alive: bool) -> Telemetry:
    return joined(epochs, val__auc=lambda t: 0.5 + (0.012 * t if alive else 0))


def logits_spreading(epochs: Telemetry, facts: Facts, alive: bool) -> Telemetry:
    return joined(epochs, val__logit_spread=lambda t: 1e-3 * 10 ** (0.05 * t * alive))


def probabilities_spreading(epochs: Telemetry, facts: Facts, alive: bool) -> Telemetry:
    start = epochs[-1].metrics.get("val/probability_spread", 1e-3)
    return joined(epochs, val__probability_spread=lambda t: 1e-3 * 10 ** (0.05 * t) if alive else start)


def loss_falling(epochs: Telemetry, facts: Facts, alive: bool) -> Telemetry:
    return joined(epochs, val__loss=lambda t: losses(epochs)[t - 1] * (1 - 1e-5 * t * alive))


def loss_accelerating(epochs: Telemetry, facts: Facts, alive: bool) -> Telemetry:
    return joined(epochs, val__loss=lambda t: losses(epochs)[t - 1] - 1e-9 * 1.6**t * alive)


def score_rising(epochs: Telemetry, facts: Facts, alive: bool) -> Telemetry:
    level = epochs[-1].metrics.get(facts.metric, 0.43)
    rise = {facts.metric.replace("/", "__"): lambda t: level + 0.01 * max(0, t - NOW + 4) * alive}
    return Telemetry([*epochs[: NOW - 5], *joined(epochs, **rise)[NOW - 5 :]])


def cooling(epochs: Telemetry, facts: Facts, alive: bool) -> Telemetry:
    return joined(epochs, lr=lambda t: 1e-3 * (0.97**t if alive else 1), update_ratio=0.02)


SIGNS = (ranking, logits_spreading, probabilities_spreading, loss_falling, loss_accelerating, score_rising, cooling)
NAMES = [sign.__name__ for sign in SIGNS]


def ill(name: str) -> Ill:
    return ILL[name].until(NOW)


def seen(epochs: Sequence[Epoch], facts: Facts) -> set[str]:
    return {sign.name for sign in life.signs(Telemetry(epochs), facts, 5) if sign.alive}


@pytest.mark.parametrize("sign", SIGNS, ids=NAMES)
@pytest.mark.parametrize("name", SOFT)
def test_any_life_sign_spares_what_is_only_evidence(name: str, sign: Callable[[Telemetry, Facts, bool], Telemetry]) -> None:
    one, despite = ill(name), getattr(signatures.load(name), "DESPITE", ())
    dead, alive = sign(one.epochs, one.facts, False), sign(one.epochs, one.facts, True)
    assert seen(dead, one.facts) <= {"loss_falling"} & set(despite)
    assert sign.__name__ in seen(alive, one.facts)
    assert judge(dead, one.facts, [Signature(name)]), "dead as it is, it fires"
    found = judge(alive, one.facts, [Signature(name)])
    grows = name == "short_of_chance" and sign is score_rising  # ever faster: nobody knows where that ends
    assert bool(found) == (seen(alive, one.facts) <= set(despite) and not grows)


@pytest.mark.parametrize("name", SOFT)
def test_a_reason_ends_with_the_signs_that_were_looked_for_and_are_absent(name: str) -> None:
    one, despite = ill(name), getattr(signatures.load(name), "DESPITE", ())
    epochs = one.epochs
    for sign in SIGNS:
        epochs = sign(epochs, one.facts, False)
    (verdict,) = judge(epochs, one.facts, [Signature(name)])
    signs = life.signs(epochs, one.facts, 5)
    assert [sign.name for sign in signs] == NAMES
    looked_for = [sign.seen for sign in signs if sign.name not in despite]
    assert verdict.reason.endswith(f"; no life sign: {', '.join(looked_for)}")
    assert "AUC 0.50 to 0.50" in verdict.reason or "ranking" in despite


def test_where_nothing_could_show_life_the_reason_says_so_and_the_grace_is_longer() -> None:
    epochs = curve(40, val__predicted__0=900.0, val__predicted__1=0.0)
    found = {n: judge(epochs[:n], KNOWN, [Signature("constant_prediction")]) for n in range(1, 41)}
    assert min(n for n in found if found[n]) == 27
    assert found[27][0].reason.endswith("; nothing is reported that could show life")
    heard = joined(epochs, val__auc=0.5)
    assert judge(heard[:10], KNOWN, [Signature("constant_prediction")])
    assert judge(heard[:9], KNOWN, [Signature("constant_prediction")]) == []


@given(st.lists(st.dictionaries(st.sampled_from(["val/auc", "val/logit_spread", "val/loss", "lr"]), st.floats()), max_size=20))
def test_a_sign_is_the_same_however_often_it_is_asked_for(rows: list[dict[str, float]]) -> None:
    epochs = Telemetry(Epoch(t, row) for t, row in enumerate(rows, 1))
    assert life.signs(epochs, KNOWN, 5) == life.signs(epochs, KNOWN, 5) == life.signs(Telemetry(epochs), KNOWN, 5)


def test_random_weights_that_rank_well_and_stay_where_they_are_show_no_life() -> None:
    still = curve(10, val__auc=0.65, val__logit_spread=0.2)
    assert seen(still, KNOWN) == set()
    assert "ranking" in seen(joined(still, val__logit_spread=lambda t: 0.2 + 0.02 * t), KNOWN)


def test_a_rank_that_cannot_become_a_decision_in_time_is_no_life() -> None:
    rising = curve(10, val__auc=lambda t: 0.5 + 0.02 * t, val__logit_spread=1e-6)
    assert seen(rising, KNOWN) == set()


def test_a_rank_that_rises_is_life_however_slowly_the_logits_spread() -> None:
    rising = curve(10, val__auc=lambda t: 0.56 + 0.032 * t, val__logit_spread=lambda t: 0.003 + 1e-6 * t, val__macro_f1=0.43)
    assert seen(rising, KNOWN) == {"ranking"}


def test_a_spread_that_grows_too_slowly_for_what_is_left_is_no_life() -> None:
    growing = curve(35, val__logit_spread=lambda t: 1e-6 * 10 ** (0.03 * t))
    assert seen(growing[:10], Facts(400)) == {"logits_spreading"}
    assert seen(growing, Facts(40)) == set()


def test_the_loss_alone_counts_no_more_where_better_signs_are_seen_and_absent() -> None:
    falling = curve(20, val__loss=lambda t: 0.6 * 0.999**t, val__auc=0.5, val__logit_spread=0.01)
    for step, expected in ((11, True), (12, False), (20, False)):
        told = Telemetry(falling[:step])
        assert life.alive(life.signs(told, KNOWN, 5), told, KNOWN) is expected
    alone = curve(20, val__loss=lambda t: 0.6 * 0.999**t, val__auc=0.5)
    assert life.alive(life.signs(alone, KNOWN, 5), alone, KNOWN)


def test_promise_puts_ranking_before_spread_and_spread_before_loss() -> None:
    dead = curve(10, val__auc=0.5, val__logit_spread=0.01, val__loss=0.6)
    order = [
        joined(dead, val__auc=0.8),
        joined(dead, val__logit_spread=lambda t: 0.01 * 1.5**t),
        joined(dead, val__loss=lambda t: 0.6 * 0.9**t),
        dead,
    ]
    promises = [life.promise(epochs, KNOWN) for epochs in order]
    assert promises == sorted(promises, reverse=True)
    assert len(set(promises)) == 4


def test_a_recovery_is_one_that_no_life_sign_foretold() -> None:
    facts = Facts(40, "val/macro_f1", labels={"0": 696, "1": 204})
    late = curve(40, val__macro_f1=lambda t: 0.4361 if t < 13 else 0.55, val__auc=0.5)
    assert life.recovery(late, facts) == 13
    foretold = curve(40, val__macro_f1=lambda t: 0.4361 if t < 13 else 0.55, val__auc=lambda t: 0.5 + 0.01 * t)
    assert life.recovery(foretold, facts) is None
    assert life.recovery(curve(40, val__macro_f1=0.4361, val__auc=0.5), facts) is None
    assert life.recovery(curve(40, val__macro_f1=0.6), facts) is None, "it never was at chance"


@pytest.mark.parametrize(("best", "counts"), [(0.6, True), (0.66, True), (0.7, False), (0.9, False)])
def test_a_recovery_counts_only_if_it_came_half_of_the_way_to_the_best_of_the_study(best: float, counts: bool) -> None:
    late = curve(40, val__macro_f1=lambda t: 0.4361 if t < 13 else 0.55, val__auc=0.5)
    facts = Facts(40, "val/macro_f1", labels={"0": 696, "1": 204}, seen=(best,))
    assert life.recovery(late, facts) == (13 if counts else None)


def test_a_training_loss_near_0_is_life_while_validation_stands_at_chance() -> None:
    grokking = curve(NOW, train__loss=lambda t: 3.0 * 0.7**t, val__loss=6.0, val__macro_f1=0.43)
    assert "memorising" in seen(grokking, KNOWN)
    assert "memorising" not in seen(joined(grokking, train__loss=3.0), KNOWN)


def test_means_of_returns_that_rise_are_life_though_each_return_scatters() -> None:
    facts = Facts(40, "val/return")
    rising = curve(NOW, val__return=lambda t: -60 + t + (8 if t % 2 else -8))
    assert "score_rising" in seen(rising, facts)
    assert "score_rising" not in seen(joined(rising, val__return=lambda t: -60 + (8 if t % 2 else -8)), facts)


@pytest.mark.parametrize("first", [70.0, 3e7])
def test_a_training_loss_that_exploded_and_came_back_to_chance_is_not_learned_by_heart(first: float) -> None:
    exploded = curve(NOW, train__loss=lambda t: first if t == 1 else 0.7, val__loss=0.7, val__macro_f1=0.43)
    assert seen(exploded, KNOWN) == set()


def test_a_training_loss_that_falls_below_any_of_validation_is_life_where_nothing_better_is_reported() -> None:
    learning = curve(NOW, train__loss=lambda t: 0.7 * 0.99**t, val__loss=lambda t: 0.69 + 0.002 * t, val__macro_f1=0.43)
    assert seen(learning, KNOWN) == {"fitting"}
    assert life.alive(life.signs(learning, KNOWN, 5), learning, KNOWN)
    ranked = joined(learning, val__auc=0.5)
    assert not life.alive(life.signs(ranked, KNOWN, 5), ranked, KNOWN)
    assert seen(joined(learning, train__loss=0.6), KNOWN) == set(), "it is below, and stands"
    worse = joined(learning, train__loss=lambda t: 7.0 * 0.99**t, val__loss=lambda t: 8.0 + 0.002 * t)
    assert seen(worse, replace(KNOWN, chance_loss=0.69)) == set(), "no guess is as bad"


def test_a_training_loss_that_is_near_0_from_the_first_may_only_be_weighted_so_and_is_no_life() -> None:
    weighted = curve(NOW, train__loss=7e-5, val__loss=0.7016, val__macro_f1=0.43)
    assert seen(weighted, KNOWN) == set()


def test_a_rate_that_falls_and_is_still_high_spares_what_had_learned_and_fell() -> None:
    fallen = curve(NOW, val__macro_f1=lambda t: 0.7 if 3 < t < 9 else 0.43, lr=lambda t: 0.1 * 0.98**t)
    assert seen(fallen, KNOWN) == {"cooling"}
    assert seen(joined(fallen, lr=0.1), KNOWN) == set()
    assert seen(joined(fallen, val__macro_f1=0.43), KNOWN) == set(), "it never learned"
    exploded = joined(fallen, val__macro_f1=0.43, val__loss=lambda t: 0.7 if t < 3 else 1e9 * 1.1**t)
    assert seen(exploded, KNOWN) == {"cooling"}


def weak(best: float, start: float = 0.5) -> Telemetry:
    """30 epochs of two classes, of which little can be learned: the score rises by less in a window than it scatters."""
    wobble = (0.0008, -0.0005, 0.0002)
    return Telemetry(
        Epoch(t, {"val/loss": 0.6932 - 0.0003 * t, "val/accuracy": start + (best - start) * t / 30 + wobble[t % 3]})
        for t in range(1, 31)
    )


@pytest.mark.parametrize(("best", "stopped"), [(0.545, False), (0.5, True)])
def test_a_slow_rise_spares_a_training_where_no_trial_comes_far(best: float, stopped: bool) -> None:
    peers = tuple(Peer(n, {"lr": 10.0**-n}, weak(0.56 - 0.005 * n)) for n in range(4))
    facts = Facts(30, "val/accuracy", True, classes=2, peers=peers)
    assert any(verdict.ends for verdict in replay(weak(best), facts, defaults())) is stopped


def test_a_slow_rise_spares_no_training_where_others_learned() -> None:
    peers = tuple(Peer(n, {"lr": 10.0**-n}, weak(0.95 - 0.05 * n)) for n in range(4))
    facts = Facts(30, "val/accuracy", True, classes=2, peers=peers)
    assert any(verdict.ends for verdict in replay(weak(0.515), facts, defaults()))


def test_of_parked_trainings_that_report_only_a_score_the_one_that_gains_is_nearest_to_learning() -> None:
    facts = Facts(budget=30, metric="val/r2")
    scores = {1: [-0.44, -0.42, -0.39], 3: [-0.02, -0.02, -0.02], 5: [-3.6, -3.55, -3.5]}
    curves = {number: Telemetry(Epoch(step, {"val/r2": r2}) for step, r2 in enumerate(own, 1)) for number, own in scores.items()}
    assert nearest(curves, facts) == 1
    assert nearest({3: curves[3]}, facts) is None
