"""Verdicts are pure functions of the epochs up to the one judged."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.detection import detect, signatures
from pitprop.detection.detect import Signature, Verdict, judge, replay, unwatched
from pitprop.detection.facts import Facts, Peer
from pitprop.detection.stopping import EarlyStopping
from pitprop.messages import in_language, localized
from pitprop.telemetry import VOCABULARY, Epoch, Telemetry

FACTS = Facts(
    20,
    "val/macro_f1",
    labels={"0": 696, "1": 204},
    batch=32,
    checkpoint={"val/macro_f1": 0.6, "val/pose/top1": 0.8},
    params={"lr": 1e-3},
    stopping=EarlyStopping(4),
    peers=(Peer(0, {"lr": 1e-2}, Telemetry(Epoch(t, {"val/loss": 0.5 + 0.1 * (t % 2)}) for t in range(1, 30))),),
)
losses = st.sampled_from([0.5, 0.50001, 0.4, 90.0, math.nan, math.inf])
row = st.fixed_dictionaries(
    {"val/loss": losses, "val/macro_f1": st.sampled_from([0.4361, 0.436, 0.6, math.nan])},
    optional={
        "val/auc": st.sampled_from([0.5, 0.51, 0.8]),
        "lr": st.sampled_from([1e-3, 2e-3]),
        "grad_norm": st.sampled_from([0.0, 1.0]),
        "train/loss": losses,
        "val/logit_spread": st.sampled_from([1e-5, 2e-5, 0.3]),
        "val/pose/top1": st.sampled_from([0.4, 0.79]),
        "embedding/rank": st.sampled_from([1.0, 40.0]),
        "chance/loss": st.sampled_from([0.5, 3.434]),
        "dormant/hidden": st.sampled_from([0.0, 0.99]),
        "seconds": st.just(1.0),
        "val/predicted/0": st.just(900.0),
        "val/predicted/1": st.sampled_from([0.0, 50.0]),
    },
)
telemetries = st.lists(st.one_of(row, st.just({"val/loss": 0.5, "val/macro_f1": 0.4361})), max_size=20).map(
    lambda rows: [Epoch(step, metrics) for step, metrics in enumerate(rows, 1)]
)


def plain(verdicts: list[Verdict]) -> str:
    return json.dumps([verdict.to_json() for verdict in verdicts])


@given(telemetries)
def test_a_replay_gives_what_live_judging_gave(telemetry: list[Epoch]) -> None:
    live: dict[str, Verdict] = {}
    for end in range(1, len(telemetry) + 1):
        for verdict in judge(telemetry[:end], FACTS, detect.defaults()):
            live.setdefault(verdict.signature, verdict)
    replayed = {verdict.signature: verdict for verdict in replay(telemetry, FACTS, detect.defaults())}
    assert {name: plain([v]) for name, v in live.items()} == {name: plain([v]) for name, v in replayed.items()}


@settings(max_examples=50)
@given(telemetries, telemetries)
def test_a_verdict_never_depends_on_the_future(past: list[Epoch], future: list[Epoch]) -> None:
    whole = past + [Epoch(len(past) + e.step, e.metrics) for e in future]
    before = replay(past, FACTS, detect.defaults())
    assert plain(before) == plain([v for v in replay(whole, FACTS, detect.defaults()) if v.step <= len(past)])


@given(telemetries)
def test_judging_twice_gives_the_same_and_changes_nothing(telemetry: list[Epoch]) -> None:
    copy = [Epoch(e.step, dict(e.metrics)) for e in telemetry]
    once = plain(judge(telemetry, FACTS, detect.defaults()))
    assert plain(judge(telemetry, FACTS, detect.defaults())) == once
    assert repr(telemetry) == repr(copy)


@given(telemetries)
def test_an_own_telemetry_that_grows_is_judged_as_a_fresh_list(epochs: list[Epoch]) -> None:
    growing = Telemetry()
    for epoch in epochs:
        growing.append(epoch)
        assert plain(judge(growing, FACTS, detect.defaults())) == plain(judge(list(growing), FACTS, detect.defaults()))
        other = replace(FACTS, recovery=3.0, chance_loss=0.5)
        assert plain(judge(growing, other, detect.defaults())) == plain(judge(list(growing), other, detect.defaults()))


@given(telemetries, st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=4))
def test_a_telemetry_cut_short_and_grown_again_is_judged_as_a_fresh_list(
    epochs: list[Epoch], cuts: list[tuple[int, bool]]
) -> None:
    own = Telemetry(epochs)
    judge(own, FACTS, detect.defaults())
    for end, judged in cuts:
        while len(own) > min(end, len(epochs)):
            own.pop()
            if judged:
                assert plain(judge(own, FACTS, detect.defaults())) == plain(judge(list(own), FACTS, detect.defaults()))
        own.extend(epochs[len(own) : len(own) + end])
        assert plain(judge(own, FACTS, detect.defaults())) == plain(judge(list(own), FACTS, detect.defaults()))


@given(telemetries, st.lists(st.sampled_from(["train/loss", "val/loss", "val/auc", "lr"]), max_size=6))
def test_a_column_is_every_finite_reading_whenever_it_is_asked_for(epochs: list[Epoch], asked: list[str]) -> None:
    own = Telemetry()
    for epoch in epochs:
        own.append(epoch)
        for name in asked:
            column = own.column(name)
            finite = [(e.step, v) for e in own if math.isfinite(v := e.metrics.get(name, math.nan))]
            assert list(zip(column.steps, column.values, strict=True)) == finite
        assert own.each(len_of) == [len_of(e) for e in own]


def len_of(epoch: Epoch) -> int:
    return len(epoch.metrics)


@given(telemetries)
def test_a_verdict_survives_json(telemetry: list[Epoch]) -> None:
    for verdict in replay(telemetry, FACTS, detect.defaults()):
        again = Verdict.from_json(json.loads(json.dumps(verdict.to_json())))
        assert repr(again) == repr(verdict)


def test_a_stored_verdict_can_be_shown_in_another_language() -> None:
    (verdict,) = judge([Epoch(1, {"val/loss": math.inf, "lr": 0.1})], replace(FACTS, params={}), detect.defaults())
    again = Verdict.from_json(json.loads(json.dumps(verdict.to_json())))
    assert again == verdict
    assert again.reason == "validation loss is inf at epoch 1"
    with in_language("zh"):
        assert localized(again.reason) == localized(verdict.reason) == "第 1 个 epoch 的验证损失为 inf"
        assert localized(again.remedy).startswith("将学习率从 0.1 降到 0.01；")


def test_a_verdict_that_was_stored_without_translations_is_shown_as_it_stands() -> None:
    row = {
        "signature": "explosion",
        "step": 3,
        "action": "prune",
        "reason": "it rose",
        "remedy": "less lr",
        "evidence": {"lr": 1},
    }
    verdict = Verdict.from_json(row)
    with in_language("zh"):
        assert (localized(verdict.reason), localized(verdict.remedy)) == ("it rose", "less lr")
    assert verdict.to_json() == {**row, "change": {}}


def test_a_verdict_quotes_the_readings_it_rests_on() -> None:
    epochs = [Epoch(1, {"val/loss": math.inf, "lr": 0.1, "seconds": 3.0})]
    (verdict,) = judge(epochs, replace(FACTS, params={}), detect.defaults())
    assert verdict.signature == "non_finite"
    assert verdict.evidence == {"val/loss": math.inf, "lr": 0.1}
    assert "0.01" in verdict.remedy


@pytest.mark.parametrize("reason", ["", "  "])
def test_no_verdict_without_a_reason(reason: str) -> None:
    with pytest.raises(ValueError, match="no reason"):
        Verdict("explosion", 3, "prune", reason)


def test_no_epoch_no_verdict() -> None:
    assert judge([], FACTS, detect.defaults()) == []
    assert replay([], FACTS, detect.defaults()) == []


def test_the_default_set_is_every_signature_that_ships_with_its_own_action() -> None:
    assert tuple(s.name for s in detect.defaults()) == signatures.names()
    kinds = {"hard": "prune", "soft": "park", "advice": "warn"}
    assert all(s.action == kinds[signatures.load(s.name).KIND] for s in detect.defaults())
    assert set(detect.ENDING) == {"prune", "park"}


def test_a_space_sets_action_and_thresholds() -> None:
    epochs = [Epoch(1, {"grad_norm": 0.0})]
    assert judge(epochs, FACTS, [Signature("nothing_trains")]) == []
    (verdict,) = judge(epochs, FACTS, [Signature("nothing_trains", "warn", {"patience": 1})])
    assert (verdict.action, verdict.ends) == ("warn", False)
    assert Signature("nothing_trains", "", {"patience": 1}).action == "prune"


def test_what_is_not_asked_for_is_not_looked_for() -> None:
    assert judge([Epoch(1, {"val/loss": math.nan})], FACTS, []) == []
    assert judge([Epoch(1, {"val/loss": math.nan})], FACTS, [Signature("explosion")]) == []


def test_verdicts_that_end_a_training_stand_first_and_those_that_name_a_cause_before_those_that_do_not() -> None:
    broken = [Epoch(1, {"grad_norm": 0.0, "val/loss": math.nan})]
    chosen = [Signature("nothing_trains", "warn", {"patience": 1}), Signature("non_finite")]
    assert [v.signature for v in judge(broken, FACTS, chosen)] == ["non_finite", "nothing_trains"]
    still = {"val/loss": 0.6, "val/macro_f1": 0.4361, "val/predicted/0": 900.0, "val/predicted/1": 0.0}
    flat = [Epoch(t, still) for t in range(1, 10)]
    both = [Signature("chance_plateau"), Signature("constant_prediction")]
    assert [v.signature for v in judge(flat, FACTS, both)] == ["constant_prediction", "chance_plateau"]
    assert [v.signature for v in replay(flat, FACTS, both)] == ["constant_prediction", "chance_plateau"]
    both = [Signature("constant_prediction", "warn"), Signature("chance_plateau")]
    assert [v.signature for v in judge(flat, FACTS, both)] == ["chance_plateau", "constant_prediction"]


def test_unknown_names_actions_and_thresholds_are_refused_with_what_is_known() -> None:
    with pytest.raises(ValueError, match="did you mean explosion"):
        Signature("explosoin")
    with pytest.raises(ValueError, match="an action is one of prune, park, warn, not 'kill'"):
        Signature("explosion", "kill")
    with pytest.raises(ValueError, match="no threshold 'patinece': it takes patience"):
        Signature("explosion", "prune", {"patinece": 3})
    for value in (0, 2.5, "3", True, math.nan):
        with pytest.raises(ValueError, match="patience"):
            Signature("explosion", "prune", {"patience": value})
    for value in (-1, "3", True, math.nan):
        with pytest.raises(ValueError, match="ratio"):
            Signature("explosion", "prune", {"ratio": value})
    with pytest.raises(ValueError, match="one of prune, park, warn"):
        Verdict("explosion", 3, "kill", "it rose")


def test_only_evidence_has_a_grace_to_set() -> None:
    assert Signature("chance_plateau", "", {"grace": 0.5, "blind": 0.9}).thresholds["grace"] == 0.5
    with pytest.raises(ValueError, match="no threshold 'grace'"):
        Signature("non_finite", "", {"grace": 0.5})


def test_signatures_without_their_readings_are_listed_with_what_they_need() -> None:
    chosen = [Signature(name) for name in ("nothing_trains", "explosion", "constant_prediction", "overfit")]
    need = "grad_norm or update_ratio or params/trainable or params/with_grad"
    assert unwatched(["val/loss", "val/predicted/"], chosen) == {"nothing_trains": [need], "overfit": ["train/loss"]}
    epochs = [Epoch(1, {"val/loss": 1.0, "grad_norm": 1.0}), Epoch(2, {"val/predicted/0": 9.0, "train/loss": 1.0})]
    assert unwatched(epochs, chosen) == {}
    assert set(unwatched([], detect.defaults())) == set(signatures.names())


def test_every_signature_can_be_fed_from_the_vocabulary() -> None:
    assert unwatched(VOCABULARY, detect.defaults()) == {}
