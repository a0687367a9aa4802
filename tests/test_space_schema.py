"""The structure of a space: its JSON Schema for editors, one message for one cause, and spaces that are written as mappings."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema
import pytest
import yaml
from conftest import ROOT, Said
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pitprop import space
from pitprop.detection.stopping import objective
from pitprop.space import Objective, SpaceError
from pitprop.space.schema import yaml_text
from pitprop.space.schema.document import Document
from pitprop.space.schema.editors import FILE
from pitprop.space.schema.kinds import Kind, Problems, Rows, read
from pydantic_core import PydanticCustomError
from test_docs import examples
from test_space import BASE, PARAMS, TRAINER

SHIPPED = space.names()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spaces")
    (folder / "toy.py").write_text(TRAINER)
    (folder / "silent.py").write_text("def train(params, context):\n    yield\n")
    return folder


@cache
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(space.json_schema())
    return jsonschema.Draft202012Validator(space.json_schema())


def rows(text: str) -> dict[str, Any]:
    problems = Problems("s.yaml")
    found = yaml_text.parse(text, problems)
    assert found is not None
    assert not problems.lines
    return found


def shipped(name: str) -> dict[str, Any]:
    return rows((ROOT / "spaces" / f"{name}.yaml").read_text())


# The JSON Schema


def test_the_schema_that_ships_is_what_the_command_prints(pitprop: Callable[..., Said]) -> None:
    said = pitprop("schema", runs=None)
    assert said.code == 0
    assert json.loads(said.out) == space.json_schema()
    assert (ROOT / "spaces" / FILE).read_text() == said.out, "run make docs"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_space_that_ships_holds_the_schema_and_names_it_in_its_first_line(name: str) -> None:
    assert list(validator().iter_errors(shipped(name))) == []
    first = (ROOT / "spaces" / f"{name}.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={FILE}"


@pytest.mark.parametrize("text", examples("spaces.md", "yaml"))
def test_a_space_in_the_docs_holds_the_schema(text: str) -> None:
    assert list(validator().iter_errors(rows(text))) == []


def test_an_editor_shows_what_every_key_is_for() -> None:
    whole = space.json_schema()
    for one in (whole, *(whole["$defs"][name] for name in ("Objective", "Gate", "Confirm", "Resources", "Float", "Choice"))):
        assert one["description"]
        assert all(field["description"] for field in one["properties"].values())
        assert one["additionalProperties"] is False


def places(value: Any, *above: int | str) -> Iterator[tuple[int | str, ...]]:
    """Every place in a tree, from the top down, the top left out."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*above, key)
        yield from places(item, *above, key)


ANYTHING = st.sampled_from(
    [None, True, False, "off", "word", "", -1, 0, 1, 2.5, "1e-3", [], [1], {}, {"a": 1}, {"float": [0, 1]}]
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A space that ships, with up to three values replaced, left out, or under a misspelt key."""
    found = copy.deepcopy(shipped(draw(st.sampled_from(SHIPPED))))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([where for where in places(found) if where[0] != "options"]))
        inner: Any = found
        for key in above:
            inner = inner[key]
        change = draw(st.sampled_from(["replace", "remove", "misspell"]))
        if change == "replace":
            inner[last] = draw(ANYTHING)
        elif change == "remove":
            del inner[last]
        elif isinstance(last, str):
            inner[last[:-1] + "x"] = inner.pop(last)
    return found


COMMON = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@COMMON
@given(found=mutated())
def test_what_the_reader_refuses_for_its_structure_the_schema_refuses_too(found: dict[str, Any]) -> None:
    problems = Problems("s.yaml")
    read(Document, found, "", problems)
    assert not problems.lines or not validator().is_valid(found), problems.lines


@pytest.mark.parametrize(
    "text",
    [
        "params: {lr: {float: [1e-5, 1], logg: true}}",
        "params: {lr: {float: [1e-5]}}",
        "params: {a: {b: {int: [0.5, 1]}}}",
        "params: {lr: {choice: []}}",
        "params: {lr: {float: [1, 2], int: [1, 2]}}",
        PARAMS + "sampler: tpee",
        PARAMS + "sampler: {tpe: {multivariat: true}}",
        PARAMS + "pruner: percentile",
        PARAMS + "signatures: {explosoin: off}",
        PARAMS + "signatures: {explosion: {patience: 0}}",
        PARAMS + "signatures: {explosion: pruna}",
        PARAMS + "early_stopping: {patience: {int: [1]}}",
        PARAMS + "timeout: 3 minutes",
    ],
)
def test_an_editor_underlines_what_is_refused_in_a_part_of_its_own(folder: Path, text: str) -> None:
    assert not validator().is_valid(rows(BASE + text))
    with pytest.raises(SpaceError):
        load(folder, BASE + text)


@COMMON
@given(found=mutated())
def test_a_mutated_space_is_a_space_or_is_refused_in_our_own_words(found: dict[str, Any]) -> None:
    told = "some: "
    try:
        space.load(found, "some")
    except SpaceError as error:
        told = str(error)
    assert all(line.startswith("some: ") for line in told.splitlines())
    assert not [word for word in ("pydantic", "http", "type=", "validation error", "Input should") if word in told]


# One message for one cause


def load(folder: Path, text: str) -> space.Space:
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    return space.load(str(folder / "s.yaml"))


GATE = "gates: [{metric: val/loss, epoch: 5, at_most: {baseline: b}}]\n"
SILENT = BASE.replace("toy.py", "silent.py")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (BASE.replace("10", "24.5") + PARAMS + "gates: [{metric: val/loss, epoch: 5, at_most: 1}]", "epochs"),
        (BASE.replace("10", "ten") + PARAMS + "constraints: [warmup.epochs < epochs, epochs > 5]", "epochs"),
        (BASE.replace("10", "!!int x") + PARAMS, "epochs"),
        (BASE + "params: {lr: {float: [2, 1]}}\nconstraints: [lr < 1]\npoints: [{lr: 1}]", "params.lr.float"),
        (SILENT + "params: {lr: {float: [2, 1]}, a: {int: [0, 1], when: {lr: 1}}}", "params.lr.float"),
        (SILENT + "params: {a: {int: [0, 1]}, lr: {float: [2]}}\nbaselines: {b: {params: {lr: 1, a: 1}}}", "params.lr.float"),
        (
            BASE + "params: {lr: {flot: [1, 2]}}\ngates: [{metric: val/loss, epoch: 1, at_most: 1, try: {lr: {times: 0.1}}}]",
            "params.lr",
        ),
        (BASE.replace("macro_f1", "macro_f") + PARAMS + "early_stopping: {patience: 3}", "objective.metric"),
        (
            BASE.replace("{metric: val/macro_f1, goal: maximize}", "{}")
            + PARAMS
            + "early_stopping: {patience: 3, metric: val/loss}",
            "objective.metric",
        ),
        (BASE.replace("toy.py", "tooy.py") + PARAMS + "constraints: [warmup.epochs < epochs]", "trainer"),
        (BASE + PARAMS + GATE + "baselines: {b: {valeus: {val/loss: 1}}}", "baselines.b.valeus"),
        (BASE + PARAMS + GATE + "baselines: [b]", "baselines"),
        (BASE + PARAMS + GATE.replace("loss", "los") + "baselines: {b: {values: {val/loss: 1}}}", "gates[0].metric"),
        (BASE + PARAMS + GATE.replace("metric: val/loss, ", "") + "baselines: {b: {values: {val/loss: 1}}}", "gates[0].metric"),
        (BASE + PARAMS + "gates: [{metric: val/loss, epoch: 5, at_mots: 1}]", "gates[0].at_mots"),
        (BASE + PARAMS + "baselines: {b: {values: 3, checkpoint: true}}", "baselines.b.values"),
        (BASE + PARAMS + "targets: 3\nstop_when: good", "targets"),
        (BASE.replace("epochs", "epoch") + PARAMS + "constraints: [epochs > 11]", "epoch"),
        (BASE.replace("objective", "objectiv") + PARAMS + "early_stopping: {patience: 3, metric: val/loss}", "objectiv"),
        (BASE + PARAMS.replace("params", "parms") + "points: [{lr: 1e-3}]", "parms"),
        (BASE + PARAMS + GATE + "baseline: {b: {values: {val/loss: 1}}}", "baseline"),
        (
            BASE + "params: {lr: {int: [1, 2]}, focl: {gamma: {int: [1, 2]}, alpha: 1}}\npoints: [{focal.gamma: 1}]",
            "params.focl",
        ),
        (BASE + PARAMS + "baselines: {b: {params: {lr: 1, focl: {alpha: [1, 1]}}}}", "baselines.b.params.focl"),
        (BASE + PARAMS + "baselines: {b: {params: 3}}", "baselines.b.params"),
        (
            BASE + PARAMS + "early_stopping: {patience: {int: [0, 5]}}\npoints: [{early_stopping: {patience: 3}}]",
            "early_stopping.patience",
        ),
    ],
)
def test_a_field_that_failed_silences_what_depends_on_it(folder: Path, text: str, key: str) -> None:
    with pytest.raises(SpaceError) as error:
        load(folder, text)
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == [key]


def test_what_does_not_depend_on_a_failed_field_is_still_told(folder: Path) -> None:
    gate = "gates: [{metric: val/los, epoch: 0, at_most: {baseline: b, pluss: 1}}]\n"
    rest = "points: [{lr: 9}]\nconstraints: [lrr < 1]\nstop_when: good\n"
    with pytest.raises(SpaceError) as error:
        load(folder, BASE.replace("10", "24.5") + "trails: 3\ntrials: 0" + PARAMS + gate + rest)
    keys = {line.split(": ")[1] for line in str(error.value).splitlines()}
    assert {"epochs", "trails", "trials", "points[0].lr", "constraints[0]", "stop_when"} <= keys
    assert {"gates[0].metric", "gates[0].epoch", "gates[0].at_most.pluss", "gates[0].at_most.baseline"} <= keys


# A mapping in place of a file


def test_a_mapping_is_the_space_that_its_yaml_would_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = BASE + PARAMS + "early_stopping: {patience: 3}\npoints: [{lr: 1e-3}]\n"
    filed, given = load(folder, text), space.load({"name": "s", **rows(text)})
    assert given == filed
    assert space.meaning(given) == space.meaning(filed)
    assert (given.path, given.home, filed.home) == ("", folder, folder)
    assert space.load(rows(text), "t").name == "t"
    assert load(folder, given.text) == given, "what is recorded is a space's file"


def test_text_in_a_mapping_stays_text_though_it_looks_like_a_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = ["1e-5", "2.", "off", "null", "2026-01-01", "0x1f", "1_0", "", "12 or more"]
    found = space.load({**rows(SILENT), "params": {"tag": {"choice": words}, "name": "1e5"}}, "s")
    assert list(found.leaves[0].distribution.choices) == words
    assert found.constants == {"name": "1e5"}


@pytest.mark.parametrize(
    ("name", "changes", "wanted"),
    [
        ("", {}, "space: name: is missing; a space without a file takes a name for its study, such as rates"),
        ("a/b", {}, "a/b: name: 'a/b' is not allowed"),
        ("s", {"epochs": "many"}, "s: epochs: 'many' is not allowed; it takes a whole number of at least 1"),
        ("s", {"options": {"dtype": object()}}, "s: cannot be written as YAML.*not <object object"),
        ("s", {"epocs": 3}, "s: epocs: unknown key; did you mean 'epochs'?"),
    ],
)
def test_a_mapping_is_refused_as_a_file_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, changes: dict[str, Any], wanted: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SpaceError, match=wanted):
        space.load({**yaml.safe_load(BASE + PARAMS), **changes}, name)


# The space itself


def test_what_follows_from_a_space_follows_from_a_changed_one_too(folder: Path) -> None:
    found = load(folder, BASE + PARAMS)
    assert (found.known["epochs"], len(found.walk)) == (10, 2)
    changed = dataclasses.replace(found, epochs=12, leaves=found.leaves[:1])
    assert (changed.known["epochs"], len(changed.walk)) == (12, 1)


@given(
    curve=st.lists(st.floats(-5, 5) | st.just(math.nan), max_size=8),
    goal=st.sampled_from(["maximize", "minimize"]),
)
def test_the_best_epoch_is_the_first_that_has_the_best_value(curve: list[float], goal: str) -> None:
    index = Objective("score", goal).best(curve)
    value = objective(curve, "best", goal == "maximize")
    assert math.isnan(value) if index is None else curve[index] == value and value not in curve[:index]


# What it states of every training


def test_facts_of_a_space_are_what_its_trainings_are_judged_by(folder: Path) -> None:
    said = "facts: {class_counts: {a: 300, b: 20}, chance: {val/loss: 0.2, val/macro_f1: 0.48}, loss: cross_entropy, warmup: 3}\n"
    found = load(folder, BASE + PARAMS + said + "options: {batch_size: 16}\n").known_of()
    assert (found.labels, found.chance_loss, found.chance_score) == ({"a": 300, "b": 20}, 0.2, 0.48)
    assert (found.loss, found.warmup, found.batch, found.budget) == ("cross_entropy", 3, 16, 10)
    assert load(folder, BASE + PARAMS + "facts: {vocabulary: 50257}").known_of().classes == 50257
    ranged = BASE.replace("macro_f1,", "macro_f1, range: [0, 100],") + PARAMS
    assert load(folder, ranged).known_of().range == (0, 100)


def test_facts_may_be_told_once_they_are_known(folder: Path) -> None:
    told = BASE.replace("macro_f1,", "macro_f1, range: [0, 100],") + PARAMS + "facts: {classes: 10}\n"
    assert space.meaning(load(folder, told)) == space.meaning(load(folder, BASE + PARAMS))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("facts: {clases: 3}", "facts.clases: unknown key; did you mean 'classes'?"),
        ("facts: {classes: 1}", "facts.classes: 1 is not allowed; it takes a whole number of at least 2"),
        ("facts: {classes: 2, vocabulary: 3}", "facts.vocabulary: is not allowed beside classes"),
        ("facts: {class_counts: {a: 5, b: 0}}", "facts.class_counts: 1 class with samples is not enough"),
        ("facts: {chance: {val/los: 1}}", "facts.chance.val/los: is not judged by; it takes .*'val/loss'"),
        ("facts: {chance: {val/loss: often}}", "facts.chance.val/loss: 'often' is not allowed; it takes a number"),
        ("facts: {drops: [0.5, 8]}", "facts.drops: 0.5 is a share of the budget, and 8 counts what the budget does; write all"),
        ("facts: {drops: [5, 30]}", "facts.drops: 30 comes after the budget of 10; leave it out"),
        ("facts: {loss: supkon}", "facts.loss: 'supkon' is not allowed; did you mean 'supcon'?"),
        ("objective: {metric: val/macro_f1, range: [1, 0]}", "range: .* is not allowed; it takes a list of two numbers"),
        (
            "objective: {metric: val/macro_f1, range: [0, 1]}\nfacts: {chance: {val/macro_f1: 33}}",
            "facts.chance.val/macro_f1: 33 lies outside of objective.range, 0 to 1",
        ),
    ],
)
def test_facts_that_cannot_be_are_refused(folder: Path, text: str, wanted: str) -> None:
    base = BASE.replace("objective: {metric: val/macro_f1, goal: maximize}\n", "") if text.startswith("objective") else BASE
    with pytest.raises(SpaceError, match=wanted):
        load(folder, base + PARAMS + text)


def enumerated(found: Any, seen: set[Any]) -> Iterator[Kind]:
    """The kinds of words that the fields of a class can take, those of the classes within it among them."""
    for tag in getattr(found, "__metadata__", ()):
        yield from [tag] if isinstance(tag, Kind) and tag.words else []
        yield from enumerated(tag.cls, seen) if isinstance(tag, Rows) else ()
    for part in get_args(found):
        yield from enumerated(part, seen)
    if isinstance(found, type) and hasattr(found, "__annotations__") and found not in seen:
        seen.add(found)
        for hint in get_type_hints(found, include_extras=True).values():
            yield from enumerated(hint, seen)


KINDS = list({kind.words: kind for kind in enumerated(Document, set())}.values())


@pytest.mark.parametrize("kind", KINDS, ids=[kind.words[0] for kind in KINDS])
def test_each_misspelt_word_that_a_space_can_hold_is_told_with_the_one_that_was_meant(kind: Kind) -> None:
    for word in kind.words:
        for slip in {word.upper(), word[:-1], f"{word}x", word[:1] + word[2:]} - {*kind.words}:
            if len(slip) < 3 or slip.lower() in {one.lower() for one in kind.words} - {word.lower()}:
                continue
            with pytest.raises(PydanticCustomError) as refusal:
                kind(slip)
            assert f"did you mean {word!r}?" in refusal.value.message()


def test_what_a_space_enumerates_is_looked_at() -> None:
    words = {word for kind in KINDS for word in kind.words}
    assert {"maximize", "best", "prune", "warn"} <= words
