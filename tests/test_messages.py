"""Texts and their translations: every text of the code is translated, and a message survives storage in any language."""

from __future__ import annotations

import ast
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po
from pitprop import messages
from pitprop.detection.signatures import explosion
from pitprop.messages import Message, from_json, in_language, message, ngettext, nmessage, of_locale

ROOT = Path(__file__).parents[1]
KNOWN = (explosion.__doc__ or "").partition("\n")[0]
"""A text of the catalogue."""
OF_PROBLEMS = (ROOT / "search" / "space", ROOT / "search" / "space" / "schema")
PROBLEMS = {"ValueError", "_refused"}
"""What becomes a problem of a space in these rooms."""
MARKS = ("_", "N_", "ngettext", "message", "nmessage")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The texts that the code marks now."""
    path = tmp_path_factory.mktemp("messages") / "pitprop.pot"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # where its settings are
        CommandLineInterface().run(["pybabel", "--quiet", "extract", "--output-file", str(path)])
    with path.open("rb") as file:
        return read_po(file)


def catalogue(lang: str) -> Catalog:
    with (messages.CATALOGUES / lang / "LC_MESSAGES" / "pitprop.po").open("rb") as file:
        return read_po(file, locale=lang)


def ids(catalogue: Catalog) -> set[Any]:
    return {entry.id for entry in catalogue if entry.id}


def texts(entry: Entry) -> tuple[list[str], list[str]]:
    """The texts of an entry, and their translations."""
    return [entry.id] if isinstance(entry.id, str) else list(entry.id), (
        [entry.string] if isinstance(entry.string, str) else list(entry.string)
    )


def fields(text: str) -> set[str]:
    """The placeholders of a text, with how they are shown: ``{loss:.4g}`` or ``%(loss)s``."""
    brace = {f"{name}:{spec}" for _, name, spec, _ in Formatter().parse(text) if name is not None} if "{" in text else set()
    return brace | set(re.findall(r"%\(\w+\)s", text))


@pytest.mark.parametrize("lang", messages.LANGUAGES[1:])
def test_every_text_is_translated_and_no_translation_is_left_over(lang: str, template: Catalog) -> None:
    here = catalogue(lang)
    assert ids(template) - ids(here) == set(), "make messages, and translate"
    assert ids(here) - ids(template) == set(), "make messages"
    assert [entry.id for entry in here if entry.id and (entry.fuzzy or not all(texts(entry)[1]))] == []


@pytest.mark.parametrize("lang", messages.LANGUAGES[1:])
def test_a_translation_has_the_placeholders_of_its_text(lang: str) -> None:
    for entry in catalogue(lang):
        if entry.id:
            ours, theirs = texts(entry)
            assert {frozenset(fields(one)) for one in theirs} == {frozenset(fields(ours[-1]))}, entry.id


def test_a_text_that_goes_by_a_name_before_it_is_told_is_marked() -> None:
    for path in (ROOT / "search").rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                plain = {
                    one.targets[0].id
                    for one in ast.walk(function)
                    if isinstance(one, ast.Assign)
                    and isinstance(one.targets[0], ast.Name)
                    and isinstance(one.value, ast.Constant)
                }
                told = {
                    call.args[0].id
                    for call in ast.walk(function)
                    if isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id in ("message", "nmessage", "_")
                    if call.args and isinstance(call.args[0], ast.Name)
                }
                assert not plain & told, f"{path}:{function.lineno}: {plain & told}"


def test_what_a_kind_takes_is_marked() -> None:
    for path in (ROOT / "search").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("Kind", "numeric", "whole"):
                at = int(call.func.id == "whole")
                assert not any(isinstance(one, ast.Constant) for one in call.args[at : at + 1]), f"{path}:{call.lineno}"


def test_no_text_is_marked_where_the_extractor_does_not_see_it() -> None:
    """Before Python 3.12 an f-string is one token, so a call within it is not seen."""
    for path in (ROOT / "search").rglob("*.py"):
        for string in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for call in ast.walk(string) if isinstance(string, ast.JoinedStr) else ():
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in MARKS:
                    assert not isinstance(call.args[0], ast.Constant), f"{path}:{call.lineno}: no f-string around it"


def test_the_locale_decides_the_language_as_in_posix() -> None:
    assert of_locale({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert of_locale({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}) == "en"
    assert of_locale({"LC_MESSAGES": "zh_SG", "LANG": "de_DE.UTF-8"}) == "zh"
    assert of_locale({"LANG": "de_DE.UTF-8"}) == of_locale({}) == "en"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no language 'fr'; known: en, zh"):
        messages.set_language("fr")


def test_a_language_holds_within_its_block() -> None:
    with in_language("zh"):
        assert messages._(KNOWN).startswith("爆炸")
        with in_language("en"):
            assert messages._(KNOWN) == KNOWN
    assert messages._(KNOWN) == KNOWN


def test_a_text_that_is_not_in_the_catalogue_stays_english() -> None:
    with in_language("zh"):
        assert messages._("nobody translated this") == "nobody translated this"
        assert ngettext("one of this", "more of this", 2) == "more of this"


def test_a_message_is_its_english_sentence() -> None:
    told = message("loss stood at {loss:.4g} for {epochs} epochs", loss=0.69314, epochs=3)
    assert told == "loss stood at 0.6931 for 3 epochs"
    assert nmessage("{n} epoch", "{n} epochs", 1) == "1 epoch"
    assert nmessage("{n} epoch", "{n} epochs", 4) == "4 epochs"


def test_a_message_can_be_told_in_another_language_after_it_was_stored() -> None:
    told = Message("{what} (trial {n}, {{kept}})", {"what": Message(KNOWN), "n": 3})
    again = from_json(json.loads(json.dumps(told.to_json())))
    assert again == told == f"{KNOWN} (trial 3, {{kept}})"
    assert told.to_json() == {
        "template": "{what} (trial {n}, {{kept}})",
        "values": {"what": {"template": KNOWN, "values": {}}, "n": 3},
    }
    for one in (told, again, pickle.loads(pickle.dumps(told))):
        with in_language("zh"):
            assert one.localized().startswith("爆炸")
        assert one.localized() == told


def test_messages_in_a_row_take_the_separator_of_the_language() -> None:
    row = Message.join([Message(KNOWN), "lr 0.1"])
    assert row == f"{KNOWN}, lr 0.1"
    again = from_json(json.loads(json.dumps(row.to_json())))
    with in_language("zh"):
        assert again.localized() == row.localized() == f"{messages._(KNOWN)}、lr 0.1"


def test_what_older_studies_stored_is_read_as_it_is() -> None:
    assert from_json("a plain reason") == "a plain reason"
    assert messages.localized("a plain reason") == "a plain reason"


def test_english_reads_no_catalogue() -> None:
    code = "import sys; from pitprop import messages as m; m._('x'), m.message('{a}', a=1).localized(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"babel", "gettext"} & set(loaded)


def told(call: ast.Call, errors: set[str]) -> list[ast.expr]:
    """What a call tells a user in words: the text of an error, or of a problem of a space."""
    name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""
    of_problems = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("problems", "self.problems")
    return call.args[1:] if of_problems and name == "add" else call.args[:1] if name in errors else []


def unmarked(node: ast.AST) -> list[str]:
    """The words in an expression that no mark takes to the catalogue."""
    if isinstance(node, ast.Constant):
        return re.findall("[A-Za-z]{2,}", node.value) if isinstance(node.value, str) else []
    if isinstance(node, ast.Call):
        return unmarked(node.func.value) if isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join") else []
    parts = ast.iter_child_nodes(node) if isinstance(node, ast.BinOp | ast.BoolOp | ast.IfExp | ast.JoinedStr) else ()
    return [word for part in parts for word in unmarked(part)]


def test_every_error_of_ours_and_every_problem_of_a_space_is_marked_where_it_is_told() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "search").rglob("*.py"))}
    nodes = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    errors = {"UserError"}
    for _round in range(3):
        bases = {node.name: {ast.unparse(base) for base in node.bases} for _path, node in nodes if isinstance(node, ast.ClassDef)}
        errors |= {name for name, named in bases.items() if errors & named}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {' '.join(words)}"
        for path, node in nodes
        if isinstance(node, ast.Call)
        for text in told(node, errors | (PROBLEMS if path.parent in OF_PROBLEMS else set()))
        if (words := unmarked(text))
    ]
    assert not found


def test_the_mark_is_no_variable_where_it_is_called() -> None:
    shadowed = []
    for path in (ROOT / "search").rglob("*.py"):
        for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(one, ast.FunctionDef):
                names = [node for node in ast.walk(one) if isinstance(node, ast.Name) and node.id == "_"]
                called = any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_" for node in ast.walk(one))
                if called and any(isinstance(node.ctx, ast.Store) for node in names):
                    shadowed.append(f"{path.name}:{one.lineno}")
    assert not shadowed
