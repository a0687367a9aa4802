"""What has happened is kept as messages and their values, and told in the language of whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import TOY, Said
from pitprop.addresses import sqlite_url
from pitprop.messages import in_language, message, packed, told, unpacked
from pitprop.service.database.ledger import Happened
from pitprop.service.database.lifecycle import Change
from pitprop.service.models import SearchState
from pitprop.service.notices.sending import said
from pitprop.service.running.drivers import journal_lines
from services import Kit, kit, older, until

KEPT = "what was finished is kept"
IDLE = "it was not running"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs") as found:
        yield found


def zh(text: str) -> str:
    with in_language("zh"):
        return str(told(message(text)))


def cancelled(parts: Kit) -> str:
    search = parts.submit().id
    Change(parts.store, search, "anna").cancel()
    return search


def test_a_tree_of_messages_is_the_same_after_it_was_kept() -> None:
    nan = message("loss {loss:.3g} at {unit}", loss=float("nan"), unit=message("epochs"))
    tree = {"reason": nan, "verdicts": [{"reason": message("it was killed"), "step": 3}], "n": None}
    back = unpacked(json.loads(json.dumps(packed(tree), allow_nan=False)))
    assert back == tree
    for lang in ("en", "zh"):
        with in_language(lang):
            assert told(back) == told(tree)
    assert packed(back) == packed(tree)
    assert packed(tree)["reason"]["pitprop:message"]["text"] == "loss nan at epochs"  # for programs that know no templates


@pytest.mark.parametrize("template", ["{n.__class__}", "{missing}", "{n:>q}", "{", 3, None])
def test_a_message_that_cannot_be_told_is_told_as_it_is_kept(template: object) -> None:
    assert isinstance(unpacked({"pitprop:message": {"template": template, "values": {"n": "1"}}}), str)


def test_a_parameter_whose_value_looks_like_a_message_stays_that_value(parts: Kit) -> None:
    value = {"odd": {"pitprop:message": {"template": "it was killed", "values": {}}}}
    search = parts.submit().id
    with parts.store.writing() as connection:
        parts.store.say(connection, search, Happened("trial", {"trial": 0, "params": value}))
    assert parts.store.events(search)[-1].body["params"] == value


@pytest.mark.parametrize("asked", [{"headers": {"Accept-Language": "zh-CN,zh;q=0.9"}}, {"params": {"lang": "zh"}}])
def test_events_and_reasons_are_told_in_the_language_that_is_asked_for(parts: Kit, asked: dict[str, Any]) -> None:
    search = cancelled(parts)
    with parts.client() as client:
        for more, reason in (({}, IDLE), (asked, zh(IDLE))):
            event = client.get(f"/v1/searches/{search}/events", **more).json()["items"][-1]
            assert (event["kind"], event["body"]["reason"]) == ("cancelled", reason)
            assert event["texts"] == {"reason": {"template": IDLE, "values": {}}}
            assert client.get(f"/v1/searches/{search}", **more).json()["reason"] == reason
            assert client.get("/v1/searches", **more).json()["items"][0]["reason"] == reason
            assert reason in client.get(f"/searches/{search}", **more).text
    assert zh(IDLE) != IDLE


def test_what_is_refused_is_told_in_the_language_that_is_asked_for(parts: Kit) -> None:
    chinese = {"Accept-Language": "zh"}
    with parts.client() as client:
        for path in ("/v1/searches/none", "/v1/catalogue/spaces/none"):
            said = {client.get(path, headers=headers).json()["detail"] for headers in ({}, chinese)}
            assert len(said) == 2


def test_what_a_driver_says_and_dies_of_is_told_in_every_language(parts: Kit) -> None:
    one = parts.supervisor()
    search = parts.submit("die=9").id
    until([one], lambda: parts.entry(search).retry_at > 0)
    entry = parts.entry(search)
    assert entry.state == SearchState.QUEUED
    with in_language("zh"):
        assert zh("it was killed") in told(entry.reason)
    assert "it was killed" in entry.reason
    assert f"--lang {entry.language}" in parts.runs(entry)[-1]


def test_a_notice_of_a_confirmed_search_tells_the_trial_to_take_and_not_the_best_of_the_search(parts: Kit) -> None:
    search = cancelled(parts)
    progress = {"best": {"trial": 4, "values": [0.5], "params": {}}, "answer": {"trial": 2, "score": 0.4906, "seeds": 5}}
    entry, event = replace(parts.entry(search), progress=progress), parts.store.events(search)[-1]
    notice = said(entry, event)
    assert notice.text.endswith("take trial 2: 0.4906 on 5 fresh seeds")
    assert notice.body["answer"]["trial"] == 2
    unsure = replace(entry, progress={**progress, "answer": {"trial": 4, "score": 0.5, "seeds": 0}})
    assert said(unsure, event).text.endswith("best 0.5000 in trial 4")


def test_a_notice_is_in_the_language_that_its_search_was_submitted_in(parts: Kit) -> None:
    with in_language("zh"):
        search = cancelled(parts)
    entry = parts.entry(search)
    assert entry.language == "zh"
    event = parts.store.events(search)[-1]
    with in_language(entry.language):
        notice = said(entry, event)
    assert zh(IDLE) in notice.text
    assert notice.body["language"] == "zh"
    with parts.client() as client:
        sent = {"yaml": entry.space, "name": "toy"}
        made = client.post("/v1/searches", json=sent, headers={"Accept-Language": "zh"}).json()["id"]
    assert parts.entry(made).language == "zh"


def test_a_search_that_cannot_be_searched_says_why_in_every_language(
    pitprop: Callable[..., Said], write_space: Callable[..., Path], tmp_path: Path
) -> None:
    path, told_py = tmp_path / "events.jsonl", str(TOY.with_name("told.py"))
    rows = {
        "trainer": told_py,
        "objective": {"metric": "score", "goal": "maximize"},
        "options": {"harm": "nothing"},
        "signatures": "off",
    }
    space = write_space(**rows, params={"slope": {"float": [0.01, 0.1]}})
    assert pitprop("search", space, "--inline", "--events", path).code != 0
    lines = journal_lines(path, 0)[0]
    ended = "the trainer ended without a single epoch"
    errors = [unpacked(line.body["error"]) for line in lines if line.kind == "trial"]
    why = unpacked(lines[-1].body["said"])
    assert (lines[-1].kind, set(errors)) == ("left", {ended})
    assert why == f"the first 3 trials failed alike, and the search stops: {ended}"
    with in_language("zh"):
        assert told(why) != why


def test_reasons_of_an_older_database_stay_as_they_were_written(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    older(url, "0002", id="a", state="failed", reason='it said "no"')
    with kit(tmp_path / "runs", url=url) as parts:
        assert parts.entry("a").reason == 'it said "no"'
        assert parts.entry("a").language == "en"


UNKEPT = (
    "context.state holds a value of type {kind}, and a checkpoint takes {taken}: "
    "store what it is made of, such as its state_dict()"
)
OURS, THEIRS = "the command ended with exit code {code}: {why}", "the learning rate is a lemon"


@pytest.mark.parametrize(
    ("code", "template"),
    [
        ("    yield 1", "the trainer yielded {given}; it yields Epoch(step, metrics)"),
        ("    context.state = object()\n    yield Epoch(1, {'score': 1.0})", UNKEPT),
        (f"    raise ValueError({THEIRS!r})\n    yield", None),
    ],
    ids=["ours", "of a checkpoint", "theirs"],
)
def test_what_we_say_of_a_training_that_failed_is_a_message_and_what_others_raise_stays_as_it_is(
    pitprop: Callable[..., Said], write_space: Callable[..., Path], tmp_path: Path, code: str, template: str | None
) -> None:
    path, trainer = tmp_path / "events.jsonl", tmp_path / "fails.py"
    trainer.write_text(f"from pitprop import Epoch\n\n\ndef train(params, context):\n{code}\n")
    rows = {"trainer": str(trainer), "objective": {"metric": "score", "goal": "maximize"}, "signatures": "off"}
    pitprop("search", write_space(**rows, params={"slope": {"float": [0.01, 0.1]}}), "--inline", "--events", path)
    error = next(unpacked(line.body["error"]) for line in journal_lines(path, 0)[0] if line.kind == "trial")
    assert getattr(error, "template", None) == template
    assert template is not None or THEIRS in error


def test_why_a_command_failed_is_a_message(
    pitprop: Callable[..., Said], write_space: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    rows = {
        "trainer": "command",
        "objective": {"metric": "score", "goal": "maximize"},
        "options": {"command": ["sh", "-c", "exit 3", "{params}"]},
        "signatures": "off",
    }
    pitprop("search", write_space(**rows, params={"slope": {"float": [0.01, 0.1]}}), "--inline", "--events", path)
    error = next(unpacked(line.body["error"]) for line in journal_lines(path, 0)[0] if line.kind == "trial")
    assert error == "CommandError: the command ended with exit code 3: it said nothing on stderr"
    assert error.values["part1"].template == OURS
