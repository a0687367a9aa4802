"""The page of the service in a real browser, by a person's steps: submit, watch, cancel, revive, read the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from conftest import ROOT
from served import SPACE, Served, service

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on the PATH"),
]
AXE = (ROOT / "tests" / "axe" / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = "axe.run().then(found => found.violations.filter(one => ['serious', 'critical'].includes(one.impact))"
FAULTS = f"{SERIOUS}.map(one => [one.id, one.nodes.map(node => node.html)]))"
STATE = "document.querySelector('h1 .state')?.textContent"
ENDED = ("complete", "pruned", "parked", "waiting", "fail")
LONG = SPACE.replace("epochs: 8", "epochs: 40").replace("trials: 6", "trials: 5000")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with service(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as found:
        yield found


def typed(browser: Browser, selector: str, text: str) -> None:
    """Writes into a field as a person does: what listens to input hears it."""
    browser.run(
        f"(field => {{ field.value = {text!r}; field.dispatchEvent(new Event('input', {{bubbles: true}})) }})"
        f"(document.querySelector({selector!r}))"
    )


def submitted(browser: Browser, server: Served, text: str, name: str) -> str:
    browser.open(f"{server.address}/submit")
    typed(browser, "#yaml", text)
    typed(browser, "[name=name]", name)
    browser.wait("document.querySelector('#problems .good')")
    browser.leave("#send")
    assert browser.run(STATE), browser.document()
    return str(browser.run("location.href"))


def faults(browser: Browser) -> Any:
    browser.run(f"{AXE}; 1")
    return browser.run(FAULTS)


def test_a_search_is_submitted_watched_and_read_and_a_parked_trial_revived(browser: Browser, server: Served) -> None:
    browser.open(server.address)
    browser.leave(".head .button")
    typed(browser, "#yaml", SPACE.replace("epochs: 8", "epoch: 8"))
    told = browser.wait("document.querySelector('#problems .wrong')?.innerText")
    assert "line 4" in told
    assert "did you mean" in told
    browser.click("#problems .line")
    at = browser.run("(e => e.value.slice(e.selectionStart, e.selectionEnd))(document.getElementById('yaml'))")
    assert at == "epoch: 8"
    submitted(browser, server, SPACE, "seen")
    browser.reloaded(f"{STATE} === 'done'")
    assert "Use speed" in browser.wait("document.querySelector('.prose')?.innerText")
    assert "constant_prediction" in browser.run("document.querySelector('.counts').innerText")
    assert browser.run("document.querySelectorAll('.curves polyline').length") == 6
    browser.leave("#do-revive")
    browser.reloaded(f"{STATE} === 'done'")
    assert "queued again" in browser.run("document.querySelector('.news').innerText")
    assert "6 of 6" not in browser.run("document.querySelector('.bar').innerText")
    assert faults(browser) == []
    assert browser.errors == []
    assert all(one.startswith(server.address) for one in browser.requests)


def test_a_search_that_runs_shows_what_happens_and_is_paused_resumed_and_cancelled(browser: Browser, server: Served) -> None:
    submitted(browser, server, LONG, "long")
    browser.reloaded(f"{STATE} === 'running'")
    browser.wait("document.querySelector('.news .stopped')")
    assert browser.run(STATE) == "running"
    assert faults(browser) == []
    browser.leave("#do-pause")
    browser.reloaded(f"{STATE} === 'paused'")
    browser.leave("#do-resume")
    browser.reloaded(f"{STATE} === 'running'")
    browser.leave("#do-cancel")
    browser.reloaded(f"{STATE} === 'cancelled'")
    for place in (".facts", ".legend", ".curves"):
        assert "running" not in browser.run(f"document.querySelector('{place}').textContent")
    pair = "one => [one.className, Number(one.querySelector('dd').textContent)]"
    told = dict(browser.run(f"[...document.querySelectorAll('.facts div')].map({pair})"))
    assert f"{sum(told.get(word, 0) for word in ENDED)} of 5000" in browser.run("document.querySelector('.bar').innerText")
    typed(browser, "[name=trials]", "7")
    browser.leave("#do-extend")
    assert "of 5007" in browser.run("document.querySelector('.bar').innerText")
    box, text = browser.run(
        "(one => [one.firstChild.getBoundingClientRect().y, one.getBoundingClientRect().y])(document.querySelector('.sure'))"
    )
    assert box - text < 10, "the box stands beside its words"
    assert browser.errors == []


def test_a_search_is_cancelled_and_resumed_by_keyboard_in_chinese(browser: Browser, server: Served) -> None:
    address = submitted(browser, server, LONG, "keys")
    browser.reloaded(f"{STATE} === 'running'")
    browser.open(f"{address}?lang=zh")
    began = browser.run(STATE)
    cancelled = "document.querySelector('#do-resume') !== null"
    for button, then in (("cancel", cancelled), ("resume", f"{STATE} === '{began}'"), ("cancel", cancelled)):
        browser.run(f"document.querySelector('#do-{button}').focus()")
        browser.press("Enter")
        browser.reloaded(then)
    reasons = browser.run("[...document.querySelectorAll('.news .note small')].map(one => one.textContent).join('')")
    assert not any(letter.isascii() and letter.isalpha() for letter in reasons), reasons
    assert faults(browser) == []


def test_every_page_is_usable_on_a_phone_in_the_dark_and_by_whoever_cannot_see_it(browser: Browser, server: Served) -> None:
    address = submitted(browser, server, SPACE, "small")
    browser.reloaded(f"{STATE} === 'done'")
    search = address.rpartition("/")[2]
    paths = ("/", f"/searches/{search}", "/submit?space=speeds", f"/compare?search={search}", "/login", "/searches/none")
    for width, dark in ((1400, False), (390, True), (390, False)):
        browser.resize(width, 844)
        browser.emulate(dark=dark)
        for path in paths:
            browser.open(server.address + path)
            assert faults(browser) == [], (path, width, dark)
            assert browser.run("document.documentElement.scrollWidth") <= width, path


def test_the_page_works_without_scripts(browser: Browser, server: Served) -> None:
    browser.emulate(scripts=False)
    browser.open(f"{server.address}/submit?space=speeds")
    text = browser.document()
    assert 'action="/submit"' in text
    assert "Which speed" in text


def test_a_list_is_filtered_as_one_types_and_keeps_what_is_ticked(browser: Browser, server: Served) -> None:
    submitted(browser, server, SPACE, "apple")
    submitted(browser, server, SPACE, "pear")
    browser.open(server.address)
    names = "[...document.querySelectorAll('.what a')].map(one => one.textContent).join()"
    browser.click("tbody .tick input")
    typed(browser, "#text", "pea")
    browser.wait(f"{names} === 'pear'")
    assert browser.run("document.querySelector('.tick input').checked")
    browser.run("document.querySelector('.what a').focus()")
    assert browser.run("document.activeElement.textContent") == "pear"
