"""The API keeps to its own document: whatever is sent, the answer is one that it describes, and never a mistake of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pitprop.service import bodies, models
from pydantic import BaseModel
from services import Kit, kit, space
from starlette.testclient import TestClient

ROUTES = 29


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs") as found:
        yield found


@pytest.fixture
def client(parts: Kit) -> Iterator[TestClient]:
    with parts.client() as found:
        yield found


def test_every_route_is_described_with_what_can_go_wrong_and_how_a_token_is_sent(client: TestClient) -> None:
    document = client.get("/v1/openapi.json").json()
    assert document["components"]["securitySchemes"]
    for path, row in document["paths"].items():
        for operation in row.values():
            assert path.startswith("/v1/")
            assert operation["summary"]
            assert {"401", "422", "429"} <= operation["responses"].keys()
            told = operation["responses"]["422"]["content"]
            assert list(told) == ["application/problem+json"]


def test_the_examples_of_requests_can_be_sent(client: TestClient) -> None:
    document = client.get("/v1/openapi.json").json()
    found = {name: row["examples"] for name, row in document["components"]["schemas"].items() if "examples" in row}
    assert {"Submit", "Extend", "Revive"} <= found.keys()
    for name, examples in found.items():
        kind: type[BaseModel] = getattr(bodies, name, None) or getattr(models, name)
        for example in examples:
            kind.model_validate(example)


def test_the_same_key_queues_one_search_and_another_request_under_it_none(client: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = client.post("/v1/searches", json={"yaml": space()}, headers=headers)
    again = client.post("/v1/searches", json={"yaml": space()}, headers=headers)
    other = client.post("/v1/searches", json={"yaml": space(), "trials": 9}, headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["id"] == again.json()["id"]
    assert len(client.get("/v1/searches").json()["items"]) == 1


def test_a_list_is_told_in_pages_that_hold_each_search_once(parts: Kit, client: TestClient) -> None:
    made = [parts.submit(owner="local", name=f"s{n}").id for n in range(7)]
    found: list[str] = []
    after = ""
    while True:
        page = client.get(f"/v1/searches?limit=3{after}").json()
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == made[::-1]
    assert [one["name"] for one in client.get("/v1/searches?text=S3").json()["items"]] == ["s3"]
    assert client.get("/v1/searches?state=running").json()["items"] == []


def test_all_that_is_wrong_with_a_space_is_told_at_once(client: TestClient) -> None:
    text = "trainer: imbalanced\nepochs: none\noptions: {data: /x, batch: 3}\nobjective: {metric: val/f1}\n"
    problem = client.post("/v1/validate", json={"yaml": text}).json()
    assert len(problem["problems"]) >= 5
    refused = client.post("/v1/searches", json={"yaml": text})
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["problems"] == problem["problems"]


def test_what_is_asked_for_wrongly_is_told_by_its_place(client: TestClient) -> None:
    answer = client.post("/v1/searches", json={"space": "focal_alpha", "yaml": "x", "trials": 0, "colour": 1})
    assert answer.status_code == 422
    assert {line.partition(":")[0] for line in answer.json()["problems"]} == {"trials", "colour"}


def test_what_cannot_be_done_in_a_state_says_why(parts: Kit, client: TestClient) -> None:
    base = f"/v1/searches/{parts.submit(owner='local').id}"
    assert client.post(f"{base}/revive", json={"trials": [1]}).json()["detail"] == "toy has no trials yet: it has not begun"
    assert client.post(f"{base}/resume").json()["state"] == "queued"
    assert client.post(f"{base}/cancel").json()["state"] == "cancelled"
    refused = client.post(f"{base}/pause")
    assert (refused.status_code, refused.json()["detail"]) == (
        409, "toy is cancelled: only a search that waits or runs can be paused"
    )  # fmt: skip
    assert client.delete(base).status_code == 204
    assert client.get(base).status_code == 404


def test_followers_are_told_each_event_once_from_where_they_were(parts: Kit, client: TestClient) -> None:
    entry = parts.submit(owner="local")
    client.post(f"/v1/searches/{entry.id}/pause")
    client.post(f"/v1/searches/{entry.id}/resume")
    told: list[dict[str, Any]] = []
    stream = {"Accept": "text/event-stream", "Last-Event-ID": "1"}
    with client.stream("GET", f"/v1/searches/{entry.id}/events", headers=stream) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: ")))
            if len(told) == 2:
                client.delete(f"/v1/searches/{entry.id}")  # which ends the stream
    assert [(one["id"], one["kind"]) for one in told] == [(2, "paused"), (3, "resumed")]


@pytest.mark.slow
def test_nothing_that_the_document_allows_or_forbids_makes_the_service_fail(parts: Kit) -> None:
    import schemathesis
    from schemathesis import GenerationMode

    with parts.client() as client:
        parts.submit(owner="local")
        schema = schemathesis.openapi.from_asgi("/v1/openapi.json", client.app)
        routes = [found.ok() for found in schema.get_all_operations()]
        assert len(routes) == ROUTES
        for route in routes:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                with suppress(*([Unsatisfiable] if mode == GenerationMode.NEGATIVE else [])):  # nothing of it can be wrong
                    _try(route.as_strategy(generation_mode=mode), client)


def _try(cases: st.SearchStrategy[Any], client: TestClient) -> None:
    @settings(max_examples=25, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(cases)
    def answered(case: Any) -> None:
        answer = case.call(headers={"Accept": "application/json"})
        assert answer.status_code < 500, f"{case.method} {case.path}: {answer.text}"

    answered()
