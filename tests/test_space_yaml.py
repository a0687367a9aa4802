"""What a space's YAML says to a person is what pitprop reads: YAML 1.2, decimal numbers, merge keys; what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Said
from hypothesis import given
from hypothesis import strategies as st
from pitprop import space
from pitprop.space import SpaceError, constraints
from pitprop.space.schema import yaml_text
from pitprop.space.schema.kinds import Problems

HEAD = "question: What?\ntrainer: silent.py\nobjective: {metric: val/loss}\nepochs: 4\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], space.Space]:
    (tmp_path / "silent.py").write_text("def train(params, context):\n    yield\n")

    def of(text: str) -> space.Space:
        (tmp_path / "s.yaml").write_text(HEAD + text, encoding="utf-8")
        return space.load(str(tmp_path / "s.yaml"))

    return of


def parsed(text: str) -> Any:
    problems = Problems("s.yaml")
    rows = yaml_text.parse(text, problems)
    problems.check()
    assert rows is not None
    return rows


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(
            (word, word)
            for word in ("on", "off", "yes", "no", "y", "N", "Off", "1:30", "12:30:45", "2024_01", "2026-11-27", "0b1", "1e")
        ),
        *((word, word) for word in ("'010'", '"1e-3"', "!!str 1e-3", "größe", "日本", "inf")),
        *(("true", True), ("False", False), ("~", None), ("null", None), ("", None)),
        *(("010", 10), ("-08", -8), ("0x1F", 31), ("0o17", 15), ("1_000", 1000), ("+3", 3), ("12_345_678", 12345678)),
        *(("1e-3", 0.001), (".5", 0.5), ("-.5e2", -50.0), ("5.", 5.0), ("1E5", 1e5), ("1_000.5", 1000.5), (".inf", float("inf"))),
        *(("0.30000000000000004", 0.3), ("0.1234567890123456", 0.1234567890123456), ("!!float 3", 3.0)),
    ],
)
def test_a_scalar_is_what_yaml_1_2_takes_it_for(text: str, wanted: object) -> None:
    (found,) = parsed(f"a: [{text}]" if text else "a: [null]")["a"]
    wanted = wanted.strip("'\"").removeprefix("!!str ") if isinstance(wanted, str) else wanted
    assert (found, type(found)) == (wanted, type(wanted))


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**62), 2**62) | st.text(), st.lists))
def test_what_a_mapping_holds_is_read_as_it_is(value: Any) -> None:
    problems = Problems("s")
    text = yaml_text.write({"a": value}, problems)
    rows = yaml_text.parse(text, problems) if text is not None else None
    if rows is not None and not problems.lines:
        assert json.dumps(rows["a"]) == json.dumps(_meant(value))


def _meant(value: Any) -> Any:
    if isinstance(value, list):
        return [_meant(one) for one in value]
    return yaml_text.meant(value) if isinstance(value, float) else value


@pytest.mark.parametrize("word", ["1e-5", "1_000", "on", "010", "0o7", "1:30", "<<", ".5", "null", "=", "2026-11-27"])
def test_text_that_looks_like_something_else_stays_text_in_a_mapping(word: str) -> None:
    text = yaml_text.write({"a": word}, Problems("s"))
    assert text is not None
    assert parsed(text) == {"a": word}


def test_scalars_of_numpy_and_torch_and_paths_are_plain_values_in_a_mapping() -> None:
    rows = {"a": np.float64(0.5), "b": np.int64(3), "c": torch.tensor(2), "d": Path("x/y"), "e": (1, 2), "f": np.float32(0.5)}
    text = yaml_text.write(rows, Problems("s"))
    assert text is not None
    assert parsed(text) == {"a": 0.5, "b": 3, "c": 2, "d": "x/y", "e": [1, 2], "f": 0.5}


def test_merge_keys_and_sections_for_anchors_are_yaml_s_own() -> None:
    text = """
x-rates: &rate {float: [1e-4, 1.0], log: true}
x-more: &more {float: [5, 6], when: {mode: a}}
a: {<<: *rate, float: [1e-3, 2.0]}
b: {<<: [*rate, *more]}
"""
    assert parsed(text) == {
        "a": {"float": [1e-3, 2.0], "log": True},
        "b": {"float": [1e-4, 1.0], "log": True, "when": {"mode": "a"}},
    }


HALF = r"an escape from \ud800 to \udfff is half a character; write the character itself"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: {<<: 3}", "s.yaml: a.<<: merges a mapping such as *name, or a list of them, not 3"),
        ("a: &a {<<: *a}", "s.yaml: a.<<: refers to itself"),
        ("a: {b: 1, b: 2}", "s.yaml: a.b: is given twice, the second time in line 1"),
        ("x-a: {b: 1, b: 2}", "s.yaml: x-a.b: is given twice, the second time in line 1"),
        ("a: !secret x", "s.yaml: a: has the tag !secret; values here are plain, without one"),
        ("a: !!set {x}", "s.yaml: a: has the tag !!set; values here are plain, without one"),
        ("a: !!int x", "s.yaml: a: 'x' is not a int"),
        (r'"a": "\ud800"', f"s.yaml: is not YAML: line 1, column 6: {HALF}"),
        (r'"\udfff": 1', f"s.yaml: is not YAML: line 1, column 1: {HALF}"),
        ("a: " + "9" * 5000, "s.yaml: a: 99999999999999999999... is too large a number"),
    ],
)
def test_what_yaml_allows_and_a_space_does_not_is_a_sentence(text: str, wanted: str) -> None:
    with pytest.raises(SpaceError) as error:
        parsed(text)
    assert str(error.value) == wanted


@pytest.mark.parametrize("link", ["[{0},{0},{0},{0},{0},{0},{0},{0},{0}]", "{{a: {0}, b: {0}, c: {0}, d: {0}, <<: {0}}}"])
def test_nested_aliases_are_counted_and_not_expanded(link: str) -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{level}: &a{level} {link.format(f'*a{level - 1}')}" for level in range(1, 12))]
    with pytest.raises(SpaceError, match="holds more than 20000 values"):
        parsed("\n".join(lines))


def test_a_file_larger_than_any_space_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("question: " + "x" * 2**19)
    with pytest.raises(SpaceError, match="is larger than 256 KiB, which no space is"):
        space.load(str(tmp_path / "s.yaml"))


@pytest.mark.parametrize("word", ["yes", "on", "On", "true"])
def test_words_for_true_and_false_count_where_nothing_else_can_be_meant(load: Callable[[str], space.Space], word: str) -> None:
    found = load(
        f"params: {{a: {{float: [1, 2], log: {word}}}}}\nconfirm: {word}\npruner: off\nearly_stopping: no\nsignatures: off"
    )
    assert (found.leaves[0].distribution.log, found.confirm is not None) == (True, True)  # type: ignore[attr-defined]
    assert (found.pruner, found.early_stopping, found.signatures) == (None, None, {})


# Numbers


def test_a_step_leads_to_the_decimal_number_that_a_condition_names(load: Callable[[str], space.Space]) -> None:
    found = load(
        "params: {x: {float: [0, 1], step: 0.1}, n: {int: [1, 9], when: {x: 0.3}}}\npoints: [{x: 0.1}]\nconstraints: [x <= 0.3]"
    )
    drawn = 0.1 + 2 * 0.1
    assert drawn != 0.3
    assert [leaf.name for leaf in found.active({"x": drawn})] == ["x", "n"]
    assert found.params({"x": drawn}) == {"x": 0.3}
    assert found.violated({"x": drawn}) == []
    assert found.leaves[0].encode(drawn) == 0.3


def test_a_number_in_a_condition_a_choice_or_a_point_is_the_decimal_one(load: Callable[[str], space.Space]) -> None:
    text = "params: {x: {choice: [0.30000000000000004, 0.5]}, n: {int: [1, 9], when: {x: 0.3}}}\npoints: [{x: 0.3, n: 2}]"
    found = load(text)
    assert found.points == ({"x": 0.3, "n": 2},)
    assert found.flat({"x": 0.3, "n": 2}) == {"x": 0.3, "n": 2}


@pytest.mark.parametrize(
    ("text", "holds"),
    [("a + b == 0.3", True), ("a + b <= 0.3", True), ("a + b > 0.3", False), ("a + b != 0.3", False), ("a + b in [0.3, 1]", True),
     ("a < b", True), ("c == [0.1, 0.3]", True), ("a == 'x'", False), ("a == true_", False), ("a + b < 0.31", True)],
)  # fmt: skip
def test_a_constraint_compares_decimal_numbers(text: str, holds: bool) -> None:
    values = {"a": 0.1, "b": 0.2, "c": [0.1, 0.1 + 0.2], "true_": True}
    assert (constraints.parse(text).violated(values) is None) is holds


@pytest.mark.parametrize("sampler", ["qmc", "grid", "tpe"])
def test_a_seed_of_any_size_trains(pitprop: Callable[..., Said], tmp_path: Path, sampler: str) -> None:
    (tmp_path / "t.py").write_text(
        '"""Seeds NumPy."""\nimport numpy as np\nfrom pitprop.telemetry import Epoch\n\n\ndef train(params, context):\n'
        '    np.random.seed(context.seed)\n    yield Epoch(1, {"val/loss": params["x"]})\n'
    )
    text = HEAD.replace("silent", "t").replace("epochs: 4", "epochs: 1") + "trials: 2\nseeds: 2\nparams: {x: {choice: [1, 2]}}\n"
    (tmp_path / "s.yaml").write_text(text + f"sampler: {sampler}\nseed: 20261126190500")
    flags = ["--inline", "--no-report"]
    assert pitprop("search", str(tmp_path / "s.yaml"), *flags).code == 0


def test_a_negative_seed_is_refused_in_a_sentence(pitprop: Callable[..., Said], load: Callable[[str], space.Space]) -> None:
    with pytest.raises(SpaceError, match="seed: -1 is not allowed; it takes a whole number of at least 0"):
        load("params: {x: {int: [1, 2]}}\nseed: -1")
    said = pitprop("search", "lr", "--seed=-1")
    assert (said.code, "'-1' is not a whole number of at least 0" in said.err) == (2, True)


def test_a_value_in_any_language_is_shown_as_it_is_and_escaped_where_the_terminal_takes_ascii_alone(
    pitprop: Callable[..., Said], shell: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "t.py").write_text(
        '"""Trains nothing."""\nfrom pitprop.telemetry import Epoch\n\n\n'
        'def train(params, context):\n    yield Epoch(1, {"val/loss": 1})\n'
    )
    text = (
        HEAD.replace("silent", "t").replace("epochs: 4", "epochs: 1") + "trials: 1\nparams: {name: {choice: [[größe, 日本]]}}\n"
    )
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    path = tmp_path / "s.yaml"
    assert pitprop("search", path, "--inline").code == 0
    for words in (("show", path), ("show", path, 0), ("status", path), ("best", path)):
        assert "größe" in pitprop(*words).out
    said = shell("best", path, PYTHONIOENCODING="ascii")
    assert (said.code, said.err) == (0, "")
    assert parsed(said.out) == {"name": ["größe", "日本"]}
    said = shell("show", path, PYTHONIOENCODING="ascii")
    assert (said.code, r"gr\xf6\xdfe" in said.out, said.err) == (0, True, "")
