"""Verdicts are pure functions of the epochs up to the one judged."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import detect, signatures
from search.detect import Signature, Verdict, judge, replay, unwatched
from search.facts import Facts
from search.telemetry import Epoch

FACTS = Facts(20, "val/macro_f1", labels={"0": 696, "1": 204})
losses = st.sampled_from([0.5, 0.50001, 0.4, 90.0, math.nan, math.inf])
row = st.fixed_dictionaries(
    {"val/loss": losses, "val/macro_f1": st.sampled_from([0.4361, 0.436, 0.6, math.nan])},
    optional={
        "val/auc": st.sampled_from([0.5, 0.51, 0.8]),
        "lr": st.sampled_from([1e-3, 2e-3]),
        "grad_norm": st.sampled_from([0.0, 1.0]),
        "train/loss": losses,
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
def test_a_verdict_survives_json(telemetry: list[Epoch]) -> None:
    for verdict in replay(telemetry, FACTS, detect.defaults()):
        again = Verdict.from_json(json.loads(json.dumps(verdict.to_json())))
        assert repr(again) == repr(verdict)


def test_a_verdict_quotes_the_readings_it_rests_on() -> None:
    (verdict,) = judge([Epoch(1, {"val/loss": math.inf, "lr": 0.1, "seconds": 3.0})], FACTS, detect.defaults())
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
    assert [s.name for s in detect.defaults()] == signatures.names()
    assert all(s.action == signatures.load(s.name).ACTION for s in detect.defaults())


def test_a_space_sets_action_and_thresholds() -> None:
    telemetry = [Epoch(1, {"grad_norm": 0.0})]
    assert judge(telemetry, FACTS, [Signature("zero_gradient")]) == []
    (verdict,) = judge(telemetry, FACTS, [Signature("zero_gradient", "warn", {"patience": 1})])
    assert verdict.action == "warn"


def test_pruning_verdicts_stand_first() -> None:
    telemetry = [Epoch(1, {"grad_norm": 0.0, "val/loss": math.nan})]
    chosen = [Signature("zero_gradient", "warn", {"patience": 1}), Signature("non_finite")]
    assert [v.signature for v in judge(telemetry, FACTS, chosen)] == ["non_finite", "zero_gradient"]


def test_unknown_names_actions_and_thresholds_are_refused_with_what_is_known() -> None:
    with pytest.raises(ValueError, match="did you mean explosion"):
        Signature("explosoin")
    with pytest.raises(ValueError, match="'prune' or 'warn'"):
        Signature("explosion", "kill")
    with pytest.raises(ValueError, match="no threshold 'patinece': it takes patience"):
        Signature("explosion", "prune", {"patinece": 3})
    for value in (0, 2.5, "3", True, math.nan):
        with pytest.raises(ValueError, match="patience"):
            Signature("explosion", "prune", {"patience": value})


def test_signatures_without_their_readings_are_listed_with_what_they_need() -> None:
    assert unwatched(["val/loss", "val/predicted/"], detect.defaults()) == {"zero_gradient": ["grad_norm"]}
    telemetry = [Epoch(1, {"val/loss": 1.0, "grad_norm": 1.0}), Epoch(2, {"val/predicted/0": 9.0})]
    assert unwatched(telemetry, detect.defaults()) == {}
