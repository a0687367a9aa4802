# ruff: noqa: F401, F811 (a fixture of another file)
"""The page of a report in a real browser: what a pointer, a narrow window and a page without scripts make of it."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from pitprop.addresses import Addresses, sqlite_url
from pitprop.results.results import Results
from pitprop.space import Space
from pitprop.study.record import Record
from pitprop.views.live_page import LivePage
from pitprop.views.report import write
from test_report import confirmation, content, study, trial

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on the PATH"),
]
SHOWN = "[...document.querySelectorAll('#all-trials tbody tr:not(.detail)')].filter(row => !row.hidden)"
NUMBERS = f"{SHOWN}.map(row => row.cells[0].textContent)"
LEFT = "document.getElementById('left').textContent"


@pytest.fixture
def address(study: tuple[Space, list[Record]], tmp_path: Path) -> str:
    space, records = study
    return write(tmp_path, content(space, records, confirmation(space, records, shift=0.05)))[0].as_uri()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as found:
        yield found


def box(browser: Browser, figure: str) -> tuple[float, float, float, float]:
    """Where the first chart of a figure is in the window, once it is in view."""
    at = f"document.querySelector('[data-figure={figure}] > div')"
    browser.run(f"{at}.scrollIntoView({{block: 'center'}})")
    x, y, width, height = browser.run(f"(b => [b.x, b.y, b.width, b.height])({at}.getBoundingClientRect())")
    return x, y, width, height


def test_a_pointer_over_a_chart_is_told_the_trial_and_its_values(browser: Browser, address: str) -> None:
    browser.open(address)
    x, y, width, height = box(browser, "curve")
    browser.point(x + width / 2, y + height / 2)
    browser.point(x + width / 2 + 2, y + height / 2)
    told = browser.wait("document.querySelector('[data-figure=curve] .tip')?.innerText")
    assert "trial 1, best" in told
    assert told.startswith("epoch ")
    assert browser.errors == []
    assert browser.requests == []


def test_the_list_of_trials_sorts_by_any_column_and_filters_by_words_and_state(browser: Browser, address: str) -> None:
    browser.open(address)
    everything = [str(number) for number in range(11)]
    assert browser.run(NUMBERS) == everything
    browser.click("#all-trials th:nth-child(3) button")
    best = browser.run(NUMBERS)
    assert (best[0], set(best[-3:])) == ("1", {"3", "5", "9"})  # the score, the best first; what has none comes last
    browser.click("#all-trials th:nth-child(3) button")
    assert set(browser.run(NUMBERS)[-3:]) == {"3", "5", "9"}
    browser.click("#all-trials th:nth-child(1) button")
    assert browser.run(NUMBERS) == everything
    browser.run("search = document.querySelector('.tools input'); search.value = 'constant parked'; search.oninput()")
    assert (browser.run(NUMBERS), browser.run(LEFT)) == (["2", "8", "10"], "3 of 11 trials")
    browser.click("#reset")
    browser.run("state = document.querySelector('.tools select'); state.value = 'fail'; state.onchange()")
    assert browser.run(NUMBERS) == ["5"]
    browser.click("#reset")
    assert browser.run(LEFT) == "11 of 11 trials"


def test_a_brush_along_an_axis_keeps_the_trials_that_pass_there(browser: Browser, address: str) -> None:
    browser.open(address)
    x, y, width, _ = box(browser, "parallel")
    score = x + width - 64, y + 34
    browser.drag(score, (score[0], score[1] + 100))
    kept = browser.run(NUMBERS)
    assert "1" in kept
    assert 0 < len(kept) < 11
    browser.click("#reset")
    assert browser.run(LEFT) == "11 of 11 trials"
    assert browser.errors == []


def test_a_row_opens_the_curve_the_predictions_the_verdict_and_the_remedy(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.click("#all-trials tbody tr:nth-child(3) button")
    told = browser.run("document.querySelector('tr.detail').innerText")
    for words in (
        "predicted class 0 for all 100 samples",
        "the remedy of constant_prediction",
        "pitprop show",
        "files of the trial",
    ):
        assert words in told
    assert browser.run("document.querySelectorAll('tr.detail svg').length") == 2
    assert browser.run("document.querySelector('tr.detail a').getAttribute('href')") == "trials/0002/"
    browser.click("#all-trials tbody tr:nth-child(3) button")
    assert browser.run("document.querySelectorAll('tr.detail').length") == 0


def test_the_contents_mark_where_one_is(browser: Browser, address: str) -> None:
    browser.open(address)
    for name in ("space", "advice", "answer"):
        browser.run(f"document.getElementById('{name}').scrollIntoView()")
        assert browser.wait(f"document.querySelector('nav a.here')?.hash === '#{name}'")


def test_a_phone_scrolls_down_only_and_a_wide_window_is_used(browser: Browser, address: str) -> None:
    for width in (390, 1400, 1920):
        browser.resize(width, 900)
        browser.open(address)
        assert browser.run("document.documentElement.scrollWidth") <= width
        used = browser.run("document.querySelector('#all-trials').getBoundingClientRect().right")
        assert used > 0.75 * width


def test_without_scripts_the_page_still_answers(browser: Browser, address: str) -> None:
    browser.emulate(scripts=False)
    browser.open(address)
    shown = browser.document()
    assert re.search(r"Use .*dead.* false", shown)
    for words in ("the remedy of constant_prediction", "a lemon", "⠀"):
        assert words in shown


def test_a_live_page_follows_the_study_and_keeps_what_was_opened(
    browser: Browser,
    study: tuple[Space, list[Record]],
    tmp_path: Path,
) -> None:
    space, records = study
    known = records[:9]
    where = Addresses(tmp_path, sqlite_url(tmp_path / "study.db"), "", None)
    with LivePage(lambda: Results(space, where, tuple(known), len(known)), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.open(server.address)
        browser.click("#all-trials tbody tr:nth-child(3) button")
        known = records
        assert browser.wait(f"{LEFT} === '11 of 11 trials' && document.querySelector('tr.detail').innerText").count(
            "constant_prediction"
        )
        assert browser.errors == []
        server.shutdown()


def test_a_live_page_answers_only_to_its_own_address(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    space, records = study
    where = Addresses(tmp_path, sqlite_url(tmp_path / "study.db"), "", None)
    with LivePage(lambda: Results(space, where, tuple(records), len(records)), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def status(path: str, **headers: str) -> tuple[int, str | None]:
            asked = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
            asked.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = asked.getresponse()
            answer.read()
            asked.close()
            return answer.status, answer.headers["ETag"]

        found, tag = status(server.path)
        assert (found, tag is not None) == (200, True)
        assert status(server.path, If_None_Match=str(tag))[0] == 304
        assert status("/")[0] == 404
        assert status(server.path, Host="evil.example")[0] == 404
        server.shutdown()


def test_a_pointer_over_the_front_is_told_every_objective_and_a_click_opens_the_trial(
    browser: Browser, toy: Callable[..., Space], tmp_path: Path
) -> None:
    space = toy(objective=None, objectives=[{"metric": "val/macro_f1"}, {"metric": "val/auc"}, {"metric": "val/loss"}])
    values = [(0.6, 0.7, 0.5), (0.5, 0.8, 0.4), (0.4, 0.6, 0.6)]
    records = [trial(tmp_path, n, value=row[0], values=row) for n, row in enumerate(values)]
    browser.open(write(tmp_path, content(space, records))[0].as_uri())
    x, y, _width, _height = box(browser, "front")
    chart = "echarts.getInstanceByDom(document.querySelector('[data-figure=front] > div'))"
    at = browser.run(f"{chart}.convertToPixel({{xAxisIndex: 0, yAxisIndex: 0}}, [0.7, 0.6])")
    browser.point(x + at[0], y + at[1])
    browser.point(x + at[0] + 1, y + at[1])
    told = browser.wait("document.querySelector('[data-figure=front] .tip')?.innerText")
    assert [line in told for line in ("val/macro_f1 0.6", "val/auc 0.7", "val/loss 0.5")] == [True] * 3
    for kind in ("mousePressed", "mouseReleased"):
        browser.point(x + at[0] + 1, y + at[1], kind)
    assert browser.wait("document.querySelectorAll('#all-trials tr.detail').length") == 1
    axes = f"[{chart}.getOption().xAxis[0].name, {chart}.getOption().yAxis[0].name]"
    assert browser.run(axes) == ["val/auc", "val/macro_f1"]
    across = "document.querySelector('[data-figure=front] select')"
    browser.run(f"{across}.value = 2; {across}.dispatchEvent(new Event('change'))")
    assert browser.run(axes) == ["val/loss", "val/macro_f1"]
    assert browser.errors == []


def test_no_two_texts_of_a_chart_overlap_on_a_phone(browser: Browser, address: str) -> None:
    browser.resize(390, 844)
    browser.open(address)
    browser.wait("document.querySelectorAll('.chart svg text').length")
    overlap = """[...document.querySelectorAll('.chart svg')].flatMap(svg => {
        const texts = [...svg.querySelectorAll('text')].filter(one => one.textContent.trim());
        const all = texts.map(one => [one.textContent, one.getBoundingClientRect()]);
        const across = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = (a, b) => Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        const meets = (a, b) => across(a, b) > 1 && down(a, b) > 3;
        return all.flatMap(([text, a], i) => all.slice(i + 1).filter(([, b]) => meets(a, b)).map(([beside]) => [text, beside]));
    })"""
    assert browser.run(overlap) == []
