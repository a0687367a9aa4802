"""The page shows what the API says, in the language of who asks, takes forms of its own alone, and no text becomes HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pitprop.service.database import tokens
from pitprop.service.database.ledger import Happened
from pitprop.service.http.guard import COOKIE
from pitprop.service.models import Scope
from pitprop.service.page import drawing
from pitprop.service.page.lines import placed
from pitprop.service.page.visit import CSRF, within
from served import SPACE, Served, service

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with service(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture
def visit(server: Served) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.get(server.address)
        yield session


def form(visit: requests.Session, **fields: object) -> dict[str, object]:
    return {"csrf": visit.cookies[CSRF], **fields}


def held(server: Served, visit: requests.Session, name: str = "held", space: str = SPACE) -> str:
    """The address of a search that was submitted and waits no longer."""
    sent = visit.post(f"{server.address}/submit", form(visit, yaml=space, name=name, priority=-100))
    assert sent.status_code == 200, sent.text
    visit.post(f"{sent.url}/cancel", form(visit))
    with server.client() as client:
        assert [one.kind for one in client.followed(sent.url.rpartition("/")[2])][-1] == "cancelled"
    return str(sent.url)


def test_nothing_of_a_page_comes_from_elsewhere_and_nothing_runs_within_it(server: Served, visit: requests.Session) -> None:
    for path in ("/", "/submit?space=speeds", held(server, visit).removeprefix(server.address), "/compare"):
        answer = visit.get(server.address + path)
        assert answer.status_code == 200
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"<script(?! src=\"/static/)|<style|\sstyle=|\son\w+=", answer.text)
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", answer.text)


def test_a_form_without_what_the_page_gave_is_refused(server: Served, visit: requests.Session) -> None:
    address = held(server, visit)
    for fields in ({"trials": "1"}, {"csrf": "x"}, {"csrf": ""}):
        assert visit.post(f"{address}/resume", fields).status_code == 403
    stranger = {"Origin": "https://evil.example"}
    assert visit.post(f"{address}/resume", form(visit), headers=stranger).status_code == 403
    assert visit.post(f"{address}/resume", json=form(visit)).status_code == 415
    assert visit.get(address).text.count("cancelled") >= 1


def test_no_text_becomes_html(server: Served, visit: requests.Session) -> None:
    space = SPACE.replace("Which speed <b>lifts</b> the score?", f"'{EVIL}'")
    address = held(server, visit, "evil", space)
    store = server.app.state.service.store
    search = address.rpartition("/")[2]
    with store.writing() as connection:
        entry = store.find(search, connection)
        told = [
            Happened("trial", {"trial": 0, "state": "fail", "error": EVIL, "verdicts": [], "epochs": 1}),
            Happened("trial", {"trial": 1, "state": EVIL, "verdicts": [{"signature": EVIL, "action": "prune", "reason": EVIL}]}),
            Happened("trial", {"trial": 2, "state": "complete", "values": [0.5], "params": {EVIL: EVIL}, "verdicts": []}),
            Happened("warned", {"trial": 3, "signature": EVIL, "reason": EVIL}),
            Happened("told", {"text": EVIL}),
        ]
        progress = {"target": 3, "begun": 2, "metric": EVIL, "stopped": {EVIL: 1}}
        best = {"trial": 2, "values": [0.5], "params": {EVIL: EVIL}}
        store.set(connection, entry, *told, reason=EVIL, progress={**progress, "best": best})
    texts = [visit.get(address).text, visit.get(f"{address}/live").text, visit.get(server.address).text]
    texts += [visit.get(f"{server.address}/?text={EVIL}").text, visit.get(f"{server.address}/submit?like={search}").text]
    texts += [visit.post(f"{server.address}/validate", form(visit, yaml=f"trainer: '{EVIL}'")).text]
    texts += [visit.post(f"{server.address}/submit", form(visit, yaml=f"'{EVIL}': 1", name=EVIL)).text]
    for text in texts:
        assert "<script>" not in text
        assert "<img" not in text
    assert sum(text.count("&lt;script&gt;") for text in texts) > 12


def test_all_faults_are_told_at_once_each_with_its_line(server: Served, visit: requests.Session) -> None:
    wrong = SPACE.replace("epochs: 8", "epoch: 8").replace("[0.05, 1.0]", "[5, 1.0]")
    said = visit.post(f"{server.address}/validate", form(visit, yaml=wrong.replace("\n", "\r\n"))).text
    lines = [int(line) for line in re.findall(r'data-line="(\d+)"', said)]
    assert {4, 7} <= set(lines)
    refused = visit.post(f"{server.address}/submit", form(visit, yaml=SPACE, notify="https://10.0.0.1/x mailto:anna@example.org"))
    assert refused.status_code == 409
    assert refused.text.count("notify: ") == 2
    again = visit.post(f"{server.address}/submit", form(visit, yaml=wrong, trials="many"))
    assert again.status_code == 422
    assert "epoch: 8" in again.text


def test_a_space_of_the_catalogue_is_submitted_by_its_name_unless_it_is_changed(server: Served, visit: requests.Session) -> None:
    text = server.app.state.service.catalogue.spaces["speeds"].read_text()
    fields = {"yaml": text, "space": "speeds"}
    assert "can be submitted" in visit.post(f"{server.address}/validate", form(visit, **fields)).text
    sent = visit.post(f"{server.address}/submit", form(visit, **fields, key="pressed-once"))
    twice = visit.post(f"{server.address}/submit", form(visit, **fields, key="pressed-once"))
    assert sent.url == twice.url
    visit.post(f"{sent.url}/cancel", form(visit))
    changed = visit.post(f"{server.address}/submit", form(visit, yaml=f"{text}# mine\n", space="speeds"))
    assert changed.status_code == 409
    assert "is not a trainer that a submitted space may name here" in changed.text


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("space: params.a.b: is wrong", 3),
        ("space: params.a.c: is missing", 2),
        ("space: points[1].x: is wrong", 6),
        ("space: dotted.key: is wrong", 7),
        ("space: is not YAML: line 4: no", 4),
        ("space: unheard: is missing", None),
    ],
)
def test_a_problem_is_placed_at_the_key_that_it_names(said: str, line: int | None) -> None:
    text = "params:\n  a:\n    b: 1\npoints:\n  - {x: 1}\n  - {x: 2}\ndotted.key: 1\n"
    assert placed(text, [said])[0].line == line


def test_the_language_is_that_of_the_switch_or_else_of_the_browser(server: Served, visit: requests.Session) -> None:
    def lang(**more: object) -> str:
        return re.search(r'<html lang="(\w+)"', visit.get(server.address + str(more.pop("at", "")), **more).text)[1]  # type: ignore[index, arg-type]

    assert lang() == "en"
    assert lang(headers={"Accept-Language": "fr, zh-CN;q=0.9, en;q=0.8"}) == "zh"
    assert lang(headers={"Accept-Language": "zh;q=0.1, en"}) == "en"
    assert lang(at="/?lang=zh") == "zh"
    assert lang(at="/?lang=xx") == "zh"


def test_a_search_that_is_as_it_was_is_not_sent_again(server: Served, visit: requests.Session) -> None:
    address = held(server, visit)
    live = visit.get(f"{address}/live?state=cancelled")
    page = visit.get(address).text
    assert live.status_code == 200
    assert "every 2s" not in page
    rows = re.search(r'id="rows" hx-get="(/rows[^"]*)"', visit.get(server.address).text)[1].replace("&amp;", "&")  # type: ignore[index]
    assert visit.get(server.address + rows).status_code == 204


def test_the_best_of_the_search_is_told_apart_from_the_trial_that_fresh_seeds_chose(
    server: Served, visit: requests.Session
) -> None:
    space = "\n".join(line for line in SPACE.splitlines() if not line.startswith("confirm:")) + "\nconfirm: {top: 1, seeds: 2}\n"
    sent = visit.post(f"{server.address}/submit", form(visit, yaml=space, name="sure"))
    with server.client() as client:
        assert [one.kind for one in client.followed(sent.url.rpartition("/")[2])][-1] == "done"
    page = visit.get(sent.url).text
    assert "with each of 2 seeds" in page
    assert re.search(r"<dt>Best val/\w+ in the search</dt>", page)
    assert 'class="params"' not in page


def test_what_is_not_there_or_not_possible_is_told_on_a_page(server: Served, visit: requests.Session) -> None:
    assert visit.get(f"{server.address}/searches/nothere").status_code == 404
    assert visit.get(f"{server.address}/static/../page.py").status_code == 404
    assert visit.get(f"{server.address}/searches/{'x' * 200}").status_code == 422
    address = held(server, visit)
    refused = visit.post(f"{address}/pause", form(visit))
    assert refused.status_code == 409
    assert "only a search that waits or runs can be paused" in refused.text
    assert visit.post(f"{address}/extend", form(visit, trials="-3")).status_code == 422
    assert visit.post(f"{address}/explode", form(visit)).status_code == 422


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", None]
)
def test_a_login_goes_on_to_no_other_site(address: str | None) -> None:
    assert within(address) == "/"
    assert within("/searches/abc?x=1") == "/searches/abc?x=1"


def test_a_token_opens_the_page_and_lies_where_no_script_reads_it(tmp_path: Path) -> None:
    from pitprop.service.serving import opened_store

    (tmp_path / "runs").mkdir()
    with opened_store(str(tmp_path / "runs")) as store:
        _known, reads = tokens.make(store, "anna", Scope.READ, 1, "operator")
    with service(tmp_path, tokens=True) as found, requests.Session() as visit:
        asked = visit.get(found.address)
        assert asked.url.endswith("/login?next=/")
        wrong = visit.post(f"{found.address}/login", form(visit, token="pitprop_wrong"))
        assert wrong.status_code == 401
        assert "pitprop_wrong" not in wrong.text
        entered = visit.post(f"{found.address}/login", form(visit, token=reads, next="/"), allow_redirects=False)
        said = entered.headers["Set-Cookie"].lower()
        assert "httponly" in said
        assert "samesite=strict" in said
        assert "Log out anna" in visit.get(found.address).text
        assert visit.post(f"{found.address}/submit", form(visit, yaml=SPACE)).status_code == 403
        visit.post(f"{found.address}/logout", form(visit))
        assert COOKIE not in visit.cookies


@pytest.mark.parametrize(("maximize", "best"), [(True, 0.9), (False, 0.1)])
def test_the_best_value_of_all_curves_lies_within_the_picture(maximize: bool, best: float) -> None:
    values = [0.5] * 60 + [best] + [0.5 + n / 1000 for n in range(60)]
    line = drawing.Line("trial 0", "best", list(enumerate(values)))
    assert f">{best:.4f}<" in drawing.curves([line], "val/f1", "epoch", "", maximize=maximize)


def test_a_search_is_put_first_and_deleted_by_forms_and_deleted_only_for_sure(server: Served, visit: requests.Session) -> None:
    sent = visit.post(f"{server.address}/submit", form(visit, yaml=SPACE, name="first"))
    search = sent.url.rpartition("/")[2]
    with server.client() as client:
        client.pause(search)
        list(client.followed(search))
        page = visit.post(f"{sent.url}/order", form(visit, priority=7))
        assert 'value="7"' in page.text
        assert client.search(search).priority == 7
        assert visit.post(f"{sent.url}/order", form(visit, priority=101)).status_code == 422
        assert visit.post(f"{sent.url}/delete", form(visit)).status_code == 422
        assert client.search(search).id == search
        gone = visit.post(f"{sent.url}/delete", form(visit, sure="yes"))
        assert gone.url == f"{server.address}/"
        assert search not in {one.id for one in client.searches()}
        assert visit.get(sent.url).status_code == 404
