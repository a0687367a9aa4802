"""What a trainer may report: numbers of every kind, each taken as what it means, or refused by name in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Said, events, records
from hypothesis import given
from hypothesis import strategies as st
from pitprop import telemetry
from pitprop.detection import detect, life
from pitprop.detection.facts import Facts
from pitprop.driver.progress import Ended
from pitprop.space import Space
from pitprop.telemetry import VOCABULARY, Epoch, NotAnEpoch, Telemetry, checked
from toys import odd

Toy = Callable[..., Space]

ODD = str(Path(odd.__file__))
ACCEPTED = [*odd.NUMBERS, *(f"step {name}" for name in odd.GOOD_STEPS), "many", "infinite once"]
REFUSED = {
    **dict.fromkeys(odd.NO_NUMBERS, "metric 'extra' of epoch 2 is "),
    **dict.fromkeys(odd.NAMES, "the name of a metric of epoch 2 is "),
    **{f"step {name}": "step is " for name in odd.STEPS},
    "step again": "step 1 came after step 1",
    "step as name": "the name of a metric of epoch 2 is 'step'",
    "no epoch": "the trainer yielded {'val/score': 0.5} (dict)",
    "no pickle": "context.state holds a value of type ",
    "infinite score": "val/score was NaN or infinite in all of 3 reports",
}


def space_of(toy: Toy, *whats: str, **more: Any) -> Space:
    """A search of the odd trainer: a good trial, then one of each kind."""
    points = [{"what": what} for what in ("nothing", *whats)]
    choice = {"what": {"choice": ["nothing", *whats, "other directory"]}}
    rows = {"trainer": ODD, "objective": {"metric": "val/score", "goal": "maximize"}, "epochs": 3, "params": choice}
    return toy(**{**rows, "points": points, "trials": len(points), **more})


def test_a_number_of_any_kind_is_taken_as_what_it_is(toy: Toy, tmp_path: Path) -> None:
    space = space_of(toy, *ACCEPTED)
    events(space, tmp_path)
    found = records(space, tmp_path)
    assert [record.error for record in found] == [None] * len(found)
    read = {record.params["what"]: telemetry.read(telemetry.file(record.folder)) for record in found}
    assert {tuple(epoch.step for epoch in curve) for curve in read.values()} == {(1, 2, 3)}
    half = ("numpy float32", "array of one", "array without axes", "tensor", "tensor of one", "decimal", "fraction")
    assert [read[what][1].metrics["extra"] for what in half] == [0.5] * len(half)
    whole = ("boolean", "numpy bool", "numpy int64", "infinity")
    assert [read[what][1].metrics["extra"] for what in whole] == [1, 1, 3, -math.inf]
    assert math.isnan(read["nan"][1].metrics["extra"])
    assert "extra" not in read["none"][1].metrics
    assert len(read["many"][1].metrics) == 10_001


def test_what_is_no_number_fails_its_own_trial_with_its_name_and_value(toy: Toy, tmp_path: Path) -> None:
    space = space_of(toy, *REFUSED)
    events(space, tmp_path)
    told = {record.params["what"]: record.error for record in records(space, tmp_path)}
    assert told.pop("nothing") is None
    for what, error in told.items():
        assert error is not None, what
        assert error.startswith(REFUSED[what]), (what, error)
        assert "\n" not in error
        assert len(error) < 300
    assert "'hello' (str)" in (told["text"] or "")
    assert "1.5 (float)" in (told["step half"] or "")


@pytest.mark.slow
def test_no_value_stops_a_later_command(toy: Toy, pitprop: Callable[..., Said], tmp_path: Path) -> None:
    space = space_of(toy, *ACCEPTED, *REFUSED)
    done = pitprop("search", space.path, "--inline", report=True)
    assert (done.code, "Traceback" in done.out + done.err) == (0, False)
    for words in (("show",), ("status",), ("best",), ("report",), ("search", "--trials", "+1", "--inline")):
        again = pitprop(words[0], space.path, *words[1:])
        assert (again.code, "Traceback" in again.out + again.err) == (0, False), words
    for number in range(space.trials):
        assert pitprop("show", space.path, number).code == 0
    assert pitprop("status", space.path, "--json").json["best"][0]["values"] == [pytest.approx(0.53)]


def test_an_infinite_score_is_neither_the_best_epoch_nor_the_best_trial(toy: Toy, tmp_path: Path) -> None:
    space = space_of(toy, "infinite once", "infinite score")
    ended = [event.record for event in events(space, tmp_path) if isinstance(event, Ended)]
    assert [(record.state, record.values) for record in ended] == [
        ("COMPLETE", (pytest.approx(0.53),)),
        ("COMPLETE", (pytest.approx(0.53),)),
        ("FAIL", None),
    ]


def test_a_line_that_cannot_be_read_is_a_gap_and_not_the_end(tmp_path: Path) -> None:
    good = [Epoch(step, {"val/loss": step / 10}) for step in (1, 3, 9)]
    first, second, third = (telemetry.dumps(epoch).encode() for epoch in good)
    bad = [b'{"step": 2, "val', b"\xff\xfe", b"[]", b'{"step": 4, "note": "hello"}', b'{"step": 5, "n": 1' + b"0" * 400 + b"}"]
    bad += [b"[" * 100_000, b'{"step": "six"}', b'{"val/loss": 0.1}', b"", b'{"step": 1, "val/loss": 9}', b"\0" * 50]
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"\n".join([first, *bad[:4], second, *bad[4:], third, b""]))
    assert telemetry.read(path) == good


def test_an_epoch_after_half_a_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    telemetry.append(path, Epoch(1, {"val/loss": 0.5}))
    with path.open("ab") as file:
        file.write(b'{"step": 2, "val/lo')
    telemetry.append(path, Epoch(2, {"val/loss": 0.4}))
    telemetry.append(path, Epoch(3, {"val/loss": 0.3}))
    assert [epoch.step for epoch in telemetry.read(path)] == [1, 2, 3]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=4,
)


@given(anything, st.dictionaries(st.text() | st.integers() | st.none() | st.binary(), anything))
def test_whatever_is_reported_is_written_and_read_back_or_refused_in_one_sentence(step: Any, metrics: Any) -> None:
    try:
        epoch = checked(step, metrics)
    except NotAnEpoch as refused:
        told = str(refused)
    else:
        told = ""
        assert telemetry.loads(telemetry.dumps(epoch)).step == epoch.step
        assert json.loads(telemetry.dumps(epoch)).keys() == {"step", *epoch.metrics}
    assert "\n" not in told
    assert len(told) < 400


NAMES = [name if not name.endswith("/") else f"{name}{rest}" for name in VOCABULARY for rest in ("0", "1", "a/accuracy")]
EXTREME = [math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 1e150, 1e-320, 0.0, -0.0, 1.0, -1.0, 0.5, 70.0]
rows = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(EXTREME), max_size=12)


@given(st.lists(rows, min_size=1, max_size=10), st.booleans(), st.sampled_from([1, 8, 40]))
def test_no_number_breaks_a_signature(metrics: list[dict[str, float]], maximize: bool, budget: int) -> None:
    curve, facts = Telemetry(), Facts(budget, "val/0", maximize)
    for step, row in enumerate(metrics, 1):
        curve.append(Epoch(step, row))
        detect.judge(curve, facts, detect.defaults())
    life.promise(curve, facts)
    life.recovery(curve, facts)
