"""Where chance lies and how long to wait: from the facts, else off the telemetry."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from curves import CASE, HEALTHY, ILL, KNOWN, curve, joined
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.detection import detect, levels, reading, signatures
from pitprop.detection.detect import Signature, defaults, judge, replay
from pitprop.detection.facts import Facts, Peer
from pitprop.telemetry import Epoch, Telemetry

NAMES = signatures.names()
SOFT = [name for name in NAMES if signatures.load(name).KIND == "soft"]


@pytest.mark.parametrize("name", SOFT)
@settings(max_examples=12, deadline=None)
@given(
    budget=st.integers(8, 60),
    warmup=st.sampled_from([None, 0.0, 5.0, 20.0]),
    recovery=st.sampled_from([None, 2.0, 10.0, 30.0]),
    heard=st.booleans(),
)
def test_evidence_waits_for_the_grace_the_warm_up_and_whoever_recovered_last_and_then_counts(
    name: str, budget: int, warmup: float | None, recovery: float | None, heard: bool
) -> None:
    one, module = ILL[name].until(80), signatures.load(name)
    facts = replace(one.facts, budget=budget, warmup=warmup, recovery=recovery)
    epochs = joined(one.epochs, val__auc=0.5) if heard else one.epochs
    (verdict,) = replay(epochs, facts, [Signature(name)])
    share = getattr(module, "GRACE", signatures.GRACE)
    guard = min(1.5 * (recovery or 0.0), reading.GUARD * budget)
    assert verdict.step >= max(share * budget, (warmup or 0.0) + 0.1 * budget, guard)
    lively = heard or "val/loss" in epochs[0].metrics or "val/probability_spread" in epochs[0].metrics
    assert lively or verdict.step >= getattr(module, "BLIND", signatures.BLIND) * budget


@pytest.mark.parametrize("name", [n for n in NAMES if n not in SOFT])
def test_proof_and_advice_wait_for_nobody(name: str) -> None:
    one = ILL[name]
    (first,) = replay(one.epochs, one.facts, [Signature(name)])
    (then,) = replay(one.epochs, replace(one.facts, recovery=1000.0), [Signature(name)])
    assert first.step == then.step


def test_a_space_shortens_and_lengthens_the_grace() -> None:
    flat = curve(40, val__loss=0.55, val__macro_f1=0.43)
    steps = [
        replay(flat, KNOWN, [Signature("chance_plateau", thresholds={"grace": grace})])[0].step for grace in (0.2, 0.25, 0.5, 0.9)
    ]
    assert steps == [8, 10, 20, 36]


def test_nothing_soft_is_said_while_the_learning_rate_still_warms_up() -> None:
    flat = curve(40, val__loss=0.55, val__macro_f1=0.43)
    warming = joined(flat, lr=lambda t: 1e-5 * min(t, 20))
    assert [v.step for v in replay(flat, KNOWN, [Signature("chance_plateau")])] == [10]
    assert [v.step for v in replay(warming, KNOWN, [Signature("chance_plateau")])] == [25]


def test_the_window_is_the_patience_or_a_tenth_of_the_budget() -> None:
    assert [reading.window(Telemetry(), Facts(budget), 5) for budget in (40, 51, 200)] == [5, 6, 20]
    assert [reading.window(Telemetry(), Facts(budget), 5) for budget in (1, 5, 10, 12, 16)] == [3, 3, 3, 4, 5], "of few, fewer"
    assert reading.window(Telemetry(), Facts(1), 1) == 2


def test_the_warm_up_ends_with_the_last_rise_before_the_first_fall() -> None:
    rates = [1.0, 2.0, 3.0, 3.0, 2.0, 5.0, 1.0]
    warming = Telemetry(Epoch(t, {"lr": rate}) for t, rate in enumerate(rates, 1))
    assert reading.warmup(warming, Facts(40)) == 3
    assert reading.warmup(warming, Facts(40, warmup=1.5)) == 1.5
    assert reading.warmup(curve(5, lr=1.0), Facts(40)) == 0
    assert reading.warmup(Telemetry(), Facts(40)) == 0


def test_a_training_awakes_where_a_window_begins_to_stand_above_chance() -> None:
    late = curve(40, val__macro_f1=lambda t: 0.4361 if t < 13 else 0.55)
    assert levels.left_chance(late, KNOWN, 5) == 13
    blip = joined(late, val__macro_f1=lambda t: 0.55 if t == 4 or t >= 13 else 0.4361)
    assert levels.left_chance(blip, KNOWN, 5) == 13
    assert levels.left_chance(curve(40, val__macro_f1=0.4361), KNOWN, 5) is None
    assert levels.left_chance(curve(40, val__macro_f1=0.48), KNOWN, 5) is None, "never learned"
    assert levels.left_chance(late, Facts(40, "val/unknown"), 5) is None
    falls = Facts(40, "val/error", maximize=False, chance_score=0.9)
    assert levels.left_chance(curve(40, val__error=lambda t: 0.9 if t < 7 else 0.4), falls, 5) == 7


def test_facts_come_before_what_is_reported_and_that_before_a_guess() -> None:
    told = curve(3, chance__loss=0.7, val__labels__0=300.0, val__labels__1=100.0)
    assert levels.loss(told, replace(KNOWN, chance_loss=0.2)) == 0.2
    assert levels.loss(told, KNOWN) == 0.7
    assert levels.loss(Telemetry(), KNOWN) == pytest.approx(0.535, abs=1e-3)
    assert levels.loss(Telemetry(), KNOWN, guess=False) is None
    assert reading.labels(told, KNOWN) == CASE
    assert reading.labels(told, Facts(40)) == {"0": 300, "1": 100}
    assert levels.score(told, Facts(40, "val/accuracy")) == 0.75
    assert levels.score(told, Facts(40, "val/accuracy", chance_score=0.6)) == 0.6
    assert levels.score(told, Facts(40, "val/loss", maximize=False)) == 0.7
    assert levels.score(told, replace(KNOWN, metric="val/psnr")) is None


@pytest.mark.parametrize("counts", [(math.nan, 3.0), (-1.0, 3.0), (0.0, 0.0), (math.inf, 1.0)])
def test_label_counts_that_cannot_be_are_none(counts: tuple[float, float]) -> None:
    odd = curve(1, val__labels__0=counts[0], val__labels__1=counts[1])
    assert reading.labels(odd, Facts(40)) == {}
    assert levels.score(odd, Facts(40)) is None


@given(st.floats(0.01, 0.9), st.booleans())
def test_above_and_below_chance_exclude_each_other_and_chance_is_neither(level: float, up: bool) -> None:
    facts = Facts(40, "val/x", maximize=up, chance_score=level)
    for value in (0.0, level / 2, level, (1 + level) / 2, 1.0):
        told = curve(5, val__x=value)
        above, below = levels.above_chance(told, facts, 5), levels.below_chance(told, facts, 5)
        assert not (above and below)
        if value == level:
            assert (above, below) == (False, False)
    assert levels.above_chance(curve(4, val__x=1.0), facts, 5) is None
    assert levels.above_chance(curve(5, val__x=1.0), Facts(40, "val/x", untrained=False), 5) is None


def test_kept_answers_are_those_of_the_newest_epoch_and_of_these_facts() -> None:
    growing = Telemetry()
    for epoch in HEALTHY:
        growing.append(epoch)
        fresh = Telemetry(growing)
        for facts in (KNOWN, replace(KNOWN, chance_score=0.7), replace(KNOWN, warmup=2.0)):
            assert levels.bound(growing, facts) == levels.bound(fresh, facts)
            assert levels.bound(growing, facts, 0.1) == levels.bound(fresh, facts, 0.1)
            assert reading.warmup(growing, facts) == reading.warmup(fresh, facts)
            assert levels.loss(growing, facts) == levels.loss(fresh, facts)


def test_where_nobody_says_what_chance_is_it_is_where_an_untrained_training_began_until_it_moves() -> None:
    flat = curve(10, val__accuracy=lambda t: 0.1 + 0.002 * (t % 3), train__loss=4.0)
    facts = Facts(40, "val/accuracy")
    assert levels.score(flat, facts) == pytest.approx(0.1, abs=0.005)
    assert levels.known(flat, facts) is None
    assert levels.score(flat, replace(facts, untrained=False)) is None
    assert levels.score(joined(flat, val__accuracy=lambda t: 0.1 * t), facts) is None, "it moved"
    assert levels.score(joined(flat, val__accuracy=lambda t: 0.58 + 0.002 * (t % 3)), facts) is None, "no guess scores .58"
    assert levels.score(joined(flat, train__loss=lambda t: 4.0 / t), facts) is None, "its training loss fell"


def test_a_good_score_at_the_start_is_no_guess_where_nobody_says_what_chance_is() -> None:
    facts = Facts(20, "val/accuracy")
    tuned = curve(10, val__accuracy=lambda t: 0.788 if t < 4 else 0.79, train__loss=0.42, val__loss=0.6245)
    assert levels.score(tuned, facts) is None
    guess = curve(10, val__accuracy=0.35, train__loss=1.3, val__loss=1.3)
    assert levels.score(guess, facts) == pytest.approx(0.35)
    loaded = curve(10, val__accuracy=0.35, train__loss=1.3, val__loss=1.3, facts__pretrained=1.0)
    assert levels.score(loaded, facts) is None, "its log says that it began from a checkpoint"


def test_a_range_without_bounds_is_what_the_study_has_seen() -> None:
    flat = curve(10, val__bleu=0.4)
    facts = Facts(40, "val/bleu")
    seen = replace(facts, peers=(Peer(0, {}, curve(10, val__bleu=30.0)),))
    assert levels.room(flat, seen) == pytest.approx(30.0)
    assert levels.above_chance(flat, seen, 5) is False
    assert levels.above_chance(flat, replace(seen, range=(0.0, 1.0)), 5)


def test_the_best_trial_of_a_study_is_not_stopped_on_evidence() -> None:
    late = curve(40, val__loss=0.55, val__macro_f1=lambda t: 0.55 if t == 3 else 0.43)
    others = tuple(Peer(n, {}, curve(40, val__macro_f1=0.43 + 0.01 * n)) for n in range(3))
    assert replay(late, replace(KNOWN, peers=others[:2]), [Signature("chance_plateau")])
    assert replay(late, replace(KNOWN, peers=others), [Signature("chance_plateau")]) == []


def test_a_reading_of_an_objective_of_training_is_not_its_own_chance() -> None:
    curve = Telemetry(Epoch(step, {"train/reward": 20.0 + step}) for step in range(1, 11))
    assert levels.known_score(curve, Facts(10, "train/reward")) is None


def test_a_report_may_say_what_the_objective_is_at_chance() -> None:
    curve = Telemetry(Epoch(step, {"val/psnr": 12.0, "chance/psnr": 10.9}) for step in range(1, 11))
    assert levels.known(curve, Facts(10, "val/psnr")) == 10.9


def test_where_trials_stand_a_little_above_what_is_told_chance_is_there() -> None:
    def stands(at: float, lr: float) -> Peer:
        return Peer(int(1000 * at), {"lr": lr}, Telemetry(Epoch(step, {"val/mAP": at}) for step in range(1, 11)))

    good = Peer(9, {"lr": 9.0}, Telemetry(Epoch(step, {"val/mAP": 0.1 + 0.04 * step}) for step in range(1, 11)))
    peers = (good, stands(0.121, 1.0), stands(0.122, 2.0), stands(0.123, 3.0))
    curve = Telemetry(Epoch(step, {"val/mAP": 0.12}) for step in range(1, 11))
    for told, level in ((0.11, 0.122), (0.02, 0.02)):
        assert levels.known(curve, Facts(10, "val/mAP", chance_score=told, peers=peers)) == pytest.approx(level)


def test_what_stands_where_it_began_a_little_above_what_is_told_is_at_chance_and_that_is_what_is_said() -> None:
    good = Peer(9, {"lr": 9.0}, Telemetry(Epoch(step, {"val/mAP": 0.05 + 0.03 * step}) for step in range(1, 6)))
    for at, level in ((0.05, 0.05), (0.07, 0.04)):
        curve = Telemetry(Epoch(step, {"val/mAP": at}) for step in range(1, 41))
        facts = Facts(40, "val/mAP", chance_score=0.04, peers=(good,))
        assert levels.score(curve, facts) == pytest.approx(level)
        said = [verdict.reason for verdict in replay(curve, facts, [Signature("chance_plateau")])]
        assert ["its first 5 readings are about 0.05 on average" in reason for reason in said] == [True] * (at == level)


def test_a_chance_that_only_curves_show_is_told_in_two_digits_and_with_its_metric() -> None:
    curve = Telemetry(Epoch(n, {"val/loss": 2.31 + 0.001 * n, "val/accuracy": 10.66 - 0.1 * n}) for n in range(1, 11))
    facts = Facts(12, "val/accuracy")
    stands = [one for one in judge(curve, facts, [Signature("chance_plateau")]) if one.signature == "chance_plateau"]
    seen = judge(curve, replace(facts, chance_score=10.66), [Signature("chance_plateau")])
    assert [str(one.chance) for one in stands] == ["val/accuracy about 10, by where the loss stands, ln 10"]
    assert "chance seems to be about 10" in stands[0].reason
    assert [str(one.chance) for one in seen] == ["val/accuracy 10.66, stated"]


def test_a_level_that_is_told_is_quoted_where_trials_of_the_study_stand_a_little_above_it() -> None:
    def flat(auc: float) -> Telemetry:
        return Telemetry(Epoch(step, {"val/auc": auc, "val/loss": 0.69}) for step in range(1, 21))

    good = Telemetry(Epoch(step, {"val/auc": 0.5 + 0.02 * step, "val/loss": 0.69 - 0.02 * step}) for step in range(1, 21))
    peers = [Peer(number, {"lr": number}, one) for number, one in enumerate([flat(0.509), flat(0.51), flat(0.511), good])]
    facts = Facts(20, "val/auc", peers=peers)
    assert levels.known(flat(0.51), facts) == pytest.approx(0.51, abs=0.002)
    (found,) = replay(flat(0.51), facts, [Signature("chance_plateau")])
    assert "in epochs 1-5, chance is 0.5" in found.reason
    assert found.chance == "val/auc 0.5, by its name"


@pytest.mark.parametrize("epoch", [20, 40])
def test_a_plateau_says_of_its_first_readings_only_what_they_are(epoch: int) -> None:
    good = Peer(9, {"lr": 9.0}, Telemetry(Epoch(step, {"val/mAP": 0.05 + 0.03 * step}) for step in range(1, 6)))
    facts = Facts(40, "val/mAP", peers=(good,))
    for first, words in (
        (0.05, "its first 5 readings are about 0.05 on average"),
        (0.055, "its first reading, 0.055, was better"),
    ):
        curve = Telemetry(Epoch(step, {"val/mAP": first if step == 1 else 0.05}) for step in range(1, epoch + 1))
        (found,) = judge(curve, facts, [Signature("chance_plateau")])
        assert words in found.reason


@pytest.mark.parametrize("fall", [0.0, 0.02, 0.08, 0.2])
def test_no_rate_is_told_of_a_training_that_has_no_epoch_left(fall: float) -> None:
    curve = Telemetry(Epoch(n, {"val/loss": 3.0 - fall * 3 * max(0, n - 21) / 4, "val/accuracy": 0.1}) for n in range(1, 26))
    found = judge(curve, Facts(25, "val/accuracy", chance_score=0.1), [Signature("hopelessly_slow")], over=True)
    assert len(found) == (fall < 0.05)
    assert not any("rate" in one.reason for one in found)


@pytest.mark.parametrize("metric", ["val/f1", "val/dice", "val/mAP"])
@pytest.mark.parametrize("falls", [True, False])
def test_a_score_of_exactly_0_is_judged_by_its_loss_whether_its_chance_is_told_or_not(metric: str, falls: bool) -> None:
    curve = [Epoch(n, {metric: 0.0, "val/loss": 0.4 * (0.97**n if falls else 1)}) for n in range(1, 41)]
    for told in (None, 0.108):
        found = [one for one in replay(curve, Facts(60, metric, chance_score=told), defaults()) if one.ends]
        assert bool(found) is not falls


def test_what_is_many_times_as_large_is_told_by_its_values_and_not_in_percent() -> None:
    start = [Epoch(1, {"start/loss": 25.6, "chance/loss": 2.303, "val/loss": 25.0})]
    (bad,) = judge(start, Facts(12, "val/accuracy"), [Signature("bad_start")])
    assert bad.reason == "loss 25.6 before the first step, 11 times chance (2.303)"
    risen = [Epoch(n, {"val/loss": 2.4 + n**4, "val/accuracy": 0.1}) for n in range(1, 13)]
    (slow,) = judge(risen, Facts(12, "val/accuracy", chance_score=0.1), [Signature("hopelessly_slow")])
    assert "rose from 6563 to 2.074e+04" in slow.reason


def test_a_training_that_is_held_against_its_own_start_says_that_this_is_a_guess() -> None:
    good = Peer(9, {"lr": 9.0}, Telemetry(Epoch(step, {"val/accuracy": 0.7 + 0.03 * step}) for step in range(1, 11)))
    curve = Telemetry(Epoch(n, {"val/loss": 0.45 - 0.001 * n, "val/accuracy": 0.79}) for n in range(1, 12))
    found = judge(curve, Facts(12, "val/accuracy", peers=(good,)), [Signature("hopelessly_slow")])
    assert [str(one.chance) for one in found] == ["val/accuracy about 0.79, a guess: this training began there and stays"]
    assert [str(one.reason).partition(":")[0] for one in found] == [
        "still where it began, and validation loss fell by 0.68% in epochs 8-11"
    ]


def test_a_loss_that_began_anywhere_is_a_cross_entropy_where_that_of_another_trial_began_at_the_logarithm_of_the_classes() -> (
    None
):
    absurd = curve(10, val__accuracy=0.1, train__loss=40.0, val__loss=40.0)
    for first, level in ((2.31, math.log(10)), (9.0, None)):
        other = Peer(0, {}, curve(10, val__accuracy=0.1, train__loss=first))
        assert levels.loss(absurd, Facts(40, "val/accuracy", classes=10, peers=(other,)), guess=False) == level


def test_a_score_that_stands_where_it_began_beside_a_loss_worse_than_a_guess_is_at_chance_however_far_above_what_is_told() -> (
    None
):
    facts = Facts(40, "val/mAP", chance_score=0.04, chance_loss=0.2)
    for loss, level in ((0.8, 0.07), (0.15, 0.04)):
        stands = curve(10, val__mAP=0.07, train__loss=lambda t, low=loss: max(low, 2.0 - 0.2 * t), val__loss=loss)
        assert levels.score(stands, facts) == pytest.approx(level)


def test_a_share_of_less_than_any_sample_makes_is_none() -> None:
    smoothed = curve(10, val__bleu=lambda t: 4e-75 + 1e-76 * t)
    assert levels.above_chance(smoothed, Facts(40, "val/bleu"), 5) is False
    assert levels.above_chance(joined(smoothed, val__bleu=0.4), Facts(40, "val/bleu"), 5)


@pytest.mark.parametrize("budget", [12, 40, 60])
def test_a_loss_that_will_not_reach_that_of_a_guess_in_time_is_short_of_it_whether_its_window_is_even_or_not(budget: int) -> None:
    slow = curve(budget, val__accuracy=0.2, val__loss=lambda t: 7.0 - t / budget)
    found = replay(slow, Facts(budget, "val/accuracy", chance_score=0.2, chance_loss=1.61), [Signature("short_of_chance")])
    assert [verdict.step <= math.ceil(0.3 * budget) for verdict in found] == [True]


@pytest.mark.parametrize("metric", ["val/accuracy", "val/loss"])
def test_a_loss_that_is_absurd_from_the_first_epoch_is_given_longer_and_is_stopped_where_it_never_falls(metric: str) -> None:
    facts = Facts(40, metric, maximize=metric != "val/loss", classes=10)

    def tossed(t: int) -> float:
        return 30.0 + 70.0 * (t * 0.618 % 1)

    def late(t: int) -> float:
        return 4 * tossed(t) if t < 14 else 60 * 0.5 ** (t - 14)

    dead = curve(40, val__loss=tossed, val__accuracy=lambda t: 0.1 + 0.004 * math.sin(9.0 * t))
    wakes = curve(40, val__loss=late, val__accuracy=lambda t: 0.1 if t < 14 else min(0.9, 0.1 * (t - 12)))
    stops = [verdict.step for verdict in replay(dead, facts, detect.defaults()) if verdict.ends]
    assert 18 <= min(stops) <= 24
    assert not any(verdict.ends for verdict in replay(wakes, facts, detect.defaults()))


@pytest.mark.parametrize("seed", range(6))
def test_an_absurd_loss_that_scatters_while_it_falls_is_waited_for_though_at_its_rate_it_would_end_short_of_chance(
    seed: int,
) -> None:
    random = Random(seed)

    def late(t: int) -> float:
        return (400 - 200 * t / 12 if t <= 12 else max(0.4, 200 * 0.45 ** (t - 12))) * random.uniform(0.7, 1.3)

    wakes = curve(40, val__loss=late, val__accuracy=lambda t: 0.1 + random.gauss(0, 0.01) + max(0, min(0.8, (t - 12) / 20)))
    facts = Facts(40, "val/accuracy", classes=10, loss="cross_entropy")
    assert not [verdict.step for verdict in replay(wakes, facts, detect.defaults()) if verdict.ends]


def test_one_that_stands_above_chance_where_it_began_is_said_to_stand_there_and_not_to_be_at_chance() -> None:
    good = Peer(9, {}, curve(30, val__accuracy=lambda t: 0.94 - 0.8 / t, train__loss=lambda t: 2.303 / t))
    for first, where in ((0.16, "still where it began"), (0.1, "at chance")):
        stands = curve(10, val__accuracy=lambda t, low=first: low + 0.001 * (t % 3), val__loss=2.303)
        (found,) = judge(stands, Facts(30, "val/accuracy", classes=10, peers=(good,)), [Signature("hopelessly_slow")])
        assert str(found.reason).startswith(f"{where}, and validation loss ")


def rising(budget: int, end: float, power: float, loss: float = 2.5) -> Telemetry:
    """An accuracy of ten classes that rises above chance by a power of the time, to ``end`` of what lies there."""
    return curve(budget, val__accuracy=lambda t: 0.1 + 0.9 * end * (t / budget) ** power, val__loss=lambda t: loss - t / 500)


@pytest.mark.parametrize("budget", [12, 30, 50])
@pytest.mark.parametrize("trials", [2, 8])
def test_a_slow_rise_is_stopped_if_at_three_times_its_rate_it_learns_less_than_a_tenth_of_what_the_study_has_shown(
    budget: int, trials: int
) -> None:
    alive = tuple(Peer(n, {"lr": n}, curve(budget, val__accuracy=0.95)) for n in range(trials))
    facts, watched = Facts(budget, "val/accuracy", classes=10, peers=alive), [Signature("short_of_chance")]
    found = replay(rising(budget, 0.03, 0.5), facts, watched)
    assert [0.4 <= verdict.step / budget <= 0.55 for verdict in found] == [True] * (trials > 5), "two trials show too little"
    assert not replay(rising(budget, 0.3, 1), facts, watched), "it learns in time"
    assert not replay(rising(budget, 0.03, 8), facts, watched), "it is faster and faster"
    assert not replay(rising(budget, 0.03, 0.5, loss=2.2), facts, watched), "its loss is better than a guess, and falls"
    hard = tuple(replace(one, telemetry=curve(budget, val__accuracy=0.15)) for one in alive)
    assert not replay(rising(budget, 0.03, 0.5), replace(facts, peers=hard), watched), "others learn as little"


@pytest.mark.parametrize("metric", ["val/accuracy", "val/auc", "val/wer", "val/return"])
def test_what_is_below_chance_is_given_longer_where_it_may_guess_one_class_or_rank_upside_down(metric: str) -> None:
    name, low, chance = metric.replace("/", "__"), (1.6 if metric == "val/wer" else 0.2), (1.0 if metric == "val/wer" else 0.5)
    facts = Facts(40, metric, maximize=metric != "val/wer", chance_score=chance)
    (found,) = replay(curve(40, **{name: low, "train__loss": 3.0}), facts, [Signature("chance_plateau")])
    assert (found.step >= 15) == (metric in ("val/accuracy", "val/auc"))


def test_a_macro_f1_alone_is_judged_by_the_chance_that_is_told_where_no_sizes_of_classes_are_known() -> None:
    flat = curve(30, val__f1_macro=0.12)
    assert [v.step for v in replay(flat, Facts(30, "val/f1_macro", chance_score=0.126), [Signature("chance_plateau")])]


def test_an_accuracy_of_any_name_is_judged_by_its_classes_and_not_by_a_loss_that_stands_at_chance() -> None:
    learned = curve(150, val__loss=1.609, val__node_acc=lambda t: 20 + 62 * (1 - 0.9**t))
    facts = Facts(150, "val/node_acc", classes=5)
    assert levels.known(learned, facts) == 20
    assert replay(learned, facts, [Signature("chance_plateau"), Signature("hopelessly_slow")]) == []


def test_a_brier_score_that_is_better_than_the_prior_is_not_at_chance_however_little() -> None:
    better = curve(50, val__brier=lambda t: 0.137 + 0.006 * (t % 3))
    facts = Facts(50, "val/brier", maximize=False, chance_score=0.1564)
    assert replay(better, facts, [Signature("chance_plateau"), Signature("hopelessly_slow")]) == []
