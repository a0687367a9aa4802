"""Nobody gets at what is not theirs: not by a token, a path, a space, a body or a page of another site."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TOY
from pitprop.errors import UserError
from pitprop.service.database import tokens
from pitprop.service.database.tables import AUDIT, SEARCHES, TOKENS
from pitprop.service.models import Scope
from pitprop.service.running import outlook
from pitprop.service.serving import ServiceOptions, served
from pitprop.service.submission import validated
from services import Kit, kit, space
from sqlalchemy import select
from starlette.testclient import TestClient

CATALOGUE = """
capacity: {cpus: 4}
limits: {body: 4096, upload: 1000, uploads: 1500, trials: 100, epochs: 50, queued: 3, requests: 1000}
commands: {mine: {command: [python, /srv/train.py], cwd: /srv}}
"""
ADMIN = [("GET", "/v1/tokens"), ("POST", "/v1/tokens"), ("GET", "/v1/audit"), ("DELETE", "/v1/tokens/abc")]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs", CATALOGUE) as found:
        yield found


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """The same for tests that queue nothing."""
    with kit(tmp_path_factory.mktemp("judge"), CATALOGUE) as found:
        yield found


@pytest.fixture
def client(parts: Kit) -> Iterator[TestClient]:
    with parts.client() as found:
        yield found


def bearer(parts: Kit, owner: str, scope: Scope = Scope.SUBMIT, days: float = 1.0) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.make(parts.store, owner, scope, days, 'test')[1]}"}


# Spaces


def refused(parts: Kit, **changes: Any) -> list[str]:
    rows = yaml.safe_load(space()) | changes
    return validated(yaml.safe_dump(rows), "space", parts.catalogue, parts.places.uploads("anna")).problems


def test_a_space_of_what_the_catalogue_allows_has_no_problem(judge: Kit) -> None:
    assert refused(judge) == []


@pytest.mark.parametrize("name", [str(TOY), "os.path", "antigravity", "../toys/curve.py", "pitprop.cli.main", "", 7, None])
def test_no_other_trainer_can_be_named_or_is_looked_for(judge: Kit, name: Any, tmp_path: Path) -> None:
    assert any("trainer" in line for line in refused(judge, trainer=name))


def test_looking_at_a_space_imports_nothing_that_it_names(judge: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "evil"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (package / "inner.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert refused(judge, trainer="evil.inner")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"data": "/etc/passwd"}},
        {"options": {"data": "data.csv"}},
        {"options": {"data": "../data.csv"}},
        {"options": {"data": "upload:../../study.db"}},
        {"options": {"data": "upload:/etc/passwd"}},
        {"options": {"data": "upload:.hidden"}},
        {"options": {"data": ["/etc/passwd"]}},
        {"options": {"hidden": ["~root"]}},
        {"params": {"lr": {"choice": ["/etc/passwd", "a"]}}},
        {"points": [{"lr": "/etc/passwd"}]},
        {"baselines": {"b": {"params": {"lr": "..\\x"}}}},
        {"baselines": {"b": {"study": "/srv/other.yaml"}}},
        {"baselines": {"b": {"mlflow": "0123"}}},
        {"warm_start": {"csv": "/etc/passwd"}},
        {"pip": ["something==1.0"]},
        {"storage": "s3://somewhere/else"},
        {"warm_start": {"study": "other", "storage": "postgresql://somewhere/db"}},
        {"trainer": "command", "options": {"command": ["python", "-c", "print()"]}},
        {"trainer": "command", "options": {"command": ["mine"], "env": {"LD_PRELOAD": "x"}}},
        {"trainer": "command", "options": {"command": ["mine"], "cwd": "/"}},
        {"trainer": "command", "options": {"command": ["mine", "--out", "/etc/cron.d/x"]}},
        {"trainer": "command", "options": {"command": ["mine"], "metrics": [{"from": "/etc/passwd"}]}},
        {"trainer": "command", "options": {"command": "mine"}},
        {"trainer": "command", "options": None},
        {"trials": 101},
        {"epochs": 51},
        {"resources": {"cpus": 5}},
        {"resources": {"gpus": 1}},
        {"confirm": {"top": 50, "seeds": 50}},
    ],
)
def test_a_space_reads_and_runs_nothing_that_the_catalogue_does_not_allow(judge: Kit, changes: dict[str, Any]) -> None:
    assert refused(judge, **changes)


def test_an_upload_is_named_by_its_owner_and_by_nobody_else(parts: Kit, client: TestClient) -> None:
    assert client.put("/v1/uploads/rows.csv", content=b"x,y\n1,2\n").status_code == 200
    rows = yaml.safe_load(space()) | {"options": {"data": "upload:rows.csv"}}
    text = yaml.safe_dump(rows)
    assert validated(text, "space", parts.catalogue, parts.places.uploads("local")).problems == []
    assert validated(text, "space", parts.catalogue, parts.places.uploads("anna")).problems
    sent = client.post("/v1/searches", json={"yaml": text})
    assert sent.status_code == 201
    assert f"{parts.places.uploads('local')}/rows.csv" in parts.entry(sent.json()["id"]).space


def test_a_command_of_the_catalogue_runs_as_the_operator_wrote_it(parts: Kit, client: TestClient) -> None:
    options = {"command": ["mine", "--lr", "{lr}"]}
    text = yaml.safe_dump(yaml.safe_load(space()) | {"trainer": "command", "options": options})
    found = yaml.safe_load(parts.entry(client.post("/v1/searches", json={"yaml": text}).json()["id"]).space)
    assert found["options"] == {"command": ["python", "/srv/train.py", "--lr", "{lr}"], "cwd": "/srv"}


BOMBS = {
    "aliases": "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
    ),
    "depth": "[" * 3000,
    "itself": "a: &a [*a]\n",
    "tag": "!!python/object/apply:os.system ['true']\n",
    "merge": "a: &a {b: 1}\nc: {<<: [*a, *a, *a]}\n",
    "nothing": "",
    "number": "trials: " + "9" * 3000,
    "controls": "a: \x00\x07",
}  # fmt: skip


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_yaml_that_is_made_to_hurt_is_refused_with_sentences(client: TestClient, text: str) -> None:
    answer = client.post("/v1/searches", json={"yaml": text})
    assert answer.status_code == 422
    assert answer.json()["problems"]


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_spaces_with_something_wrong_are_refused_or_harmless(judge: Kit, count: int) -> None:
    drawn = random.Random(0)
    values: list[Any] = [
        None,
        -1,
        0,
        1e308,
        "x" * 300,
        "/etc/passwd",
        [],
        {},
        [[]],
        {"float": [1, 0]},
        {"choice": []},
        True,
        "é\u202e",
    ]
    base = yaml.safe_load(space())
    keys = [*base, "options", "baselines", "gates", "signatures", "sampler", "pruner", "constraints", "resources", "facts", "zzz"]
    for _number in range(count):
        rows = dict(base)
        for key in drawn.sample(keys, drawn.randint(1, 3)):
            rows[key] = drawn.choice(values)
        found = validated(yaml.safe_dump(rows), "space", judge.catalogue, judge.places.uploads("anna"))
        assert all(isinstance(line, str) and "\n" not in line for line in found.problems)


def test_text_that_is_no_space_is_refused_in_sentences(judge: Kit) -> None:
    drawn, text = random.Random(1), space()
    for _number in range(100):
        start = drawn.randrange(len(text))
        cut = (
            text[:start]
            + drawn.choice(["", "{", "]", ":", "\t", "&a", "*a", "!!x", "\n- ", "'"])
            + text[start + drawn.randrange(9) :]
        )
        validated(cut, "space", judge.catalogue, judge.places.uploads("anna"))


# Paths and bodies


@pytest.mark.parametrize(
    "name", ["..", "../x", "%2e%2e%2fx", "..%2fx", "a/b", ".hidden", "a\\b", "a%00b", "x" * 200, "%2fetc%2fpasswd"]
)
def test_no_upload_leaves_its_folder(parts: Kit, client: TestClient, name: str) -> None:
    answer = client.put(f"/v1/uploads/{name}", content=b"x")
    assert 400 <= answer.status_code < 500
    assert not [path for path in parts.folder.rglob("*") if path.is_file() and path.read_bytes() == b"x"]


@pytest.mark.parametrize("search", ["..", "../..", "%2e%2e", "a%2f..%2f..", "x' OR 1=1 --", "A" * 100])
def test_an_id_is_no_path_and_no_query(client: TestClient, search: str) -> None:
    for ending in ("", "/trials", "/report", "/events"):
        assert client.get(f"/v1/searches/{search}{ending}").status_code in (404, 422, 200 if search in ("..", "../..") else 404)


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(client: TestClient) -> None:
    def parts_of() -> Iterator[bytes]:
        for _part in range(100):
            yield b"x" * 1000

    kind = {"Content-Type": "application/json"}
    assert client.post("/v1/searches", content=b"x" * 5000, headers=kind).status_code == 413
    assert client.post("/v1/searches", content=parts_of(), headers=kind).status_code == 413
    assert client.put("/v1/uploads/a.csv", content=parts_of()).status_code == 413
    assert client.get("/v1/uploads").json() == []


def test_the_files_of_an_owner_have_a_limit_together(client: TestClient) -> None:
    assert client.put("/v1/uploads/a.csv", content=b"x" * 900).status_code == 200
    assert client.put("/v1/uploads/b.csv", content=b"x" * 900).status_code == 422
    assert client.put("/v1/uploads/a.csv", content=b"x" * 1000).status_code == 200
    assert client.delete("/v1/uploads/a.csv").status_code == 204
    assert client.put("/v1/uploads/b.csv", content=b"x" * 900).status_code == 200


def test_a_full_disk_is_told_in_a_sentence_and_keeps_no_part_of_a_file(client: TestClient) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # beyond which a write fails as on a full disk
    try:
        answer = client.put("/v1/uploads/a.csv", content=b"x" * 900)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (answer.status_code, answer.json()["detail"][:33]) == (507, "the disk of the service is full, ")
    assert client.get("/v1/uploads").json() == []
    assert client.put("/v1/uploads/a.csv", content=b"x" * 900).status_code == 200


def test_so_many_searches_of_an_owner_wait_and_no_more(client: TestClient) -> None:
    codes = [client.post("/v1/searches", json={"yaml": space()}).status_code for _number in range(4)]
    assert codes == [201, 201, 201, 409]


def test_too_many_requests_have_to_wait(tmp_path: Path) -> None:
    with kit(tmp_path, "limits: {requests: 1}") as parts, parts.client() as client:
        answers = [client.get("/v1/whoami") for _number in range(12)]
    assert [one.status_code for one in answers] == [200] * 10 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0


# Pages of other sites


def test_a_page_of_another_site_is_not_this_user(client: TestClient) -> None:
    body = {"yaml": space()}
    assert client.get("/v1/searches", headers={"Host": "evil.example"}).status_code == 421
    assert client.post("/v1/searches", json=body, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/v1/searches", json=body, headers={"Origin": "null"}).status_code == 403
    assert client.post("/v1/searches", json=body, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/v1/searches", content=b"a=1", headers={"Content-Type": "text/plain"}).status_code == 422
    assert client.post("/v1/searches", json=body, headers={"Origin": "http://127.0.0.1:8400"}).status_code == 201


def test_no_answer_is_kept_or_taken_for_another_kind(client: TestClient) -> None:
    for path in ("/v1/health", "/v1/searches", "/v1/nowhere"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


# Tokens


def test_once_a_token_is_made_every_request_needs_one(parts: Kit, client: TestClient) -> None:
    assert client.get("/v1/searches").status_code == 200
    headers = bearer(parts, "anna")
    assert client.get("/v1/searches").status_code == 401
    assert client.get("/v1/searches", headers=headers).status_code == 200
    for wrong in ("", "Bearer", "Bearer x", "Basic YTpi", f"Bearer {headers['Authorization']}", headers["Authorization"] + "x"):
        assert client.get("/v1/searches", headers={"Authorization": wrong}).status_code == 401
    assert client.get("/v1/health").status_code == 200


def test_an_expired_or_revoked_token_is_none(parts: Kit, client: TestClient) -> None:
    assert client.get("/v1/searches", headers=bearer(parts, "anna", days=-1)).status_code == 401
    headers = bearer(parts, "anna")
    known = tokens.listed(parts.store)[0]
    tokens.revoke(parts.store, known.id, "test")
    assert client.get("/v1/searches", headers=headers).status_code == 401


def test_a_token_does_what_its_scope_says(parts: Kit, client: TestClient) -> None:
    reads, submits, rules = (bearer(parts, "anna", scope) for scope in Scope)
    body = {"yaml": space()}
    assert client.post("/v1/searches", json=body, headers=reads).status_code == 403
    found = client.post("/v1/searches", json=body, headers=submits)
    assert found.status_code == 201
    assert client.get(f"/v1/searches/{found.json()['id']}", headers=reads).status_code == 200
    for method, path in ADMIN:
        assert client.request(method, path, json={"owner": "bo"}, headers=submits).status_code == 403
    assert client.get("/v1/audit", headers=rules).status_code == 200


def test_a_search_of_somebody_else_is_as_one_that_is_not_there(parts: Kit, client: TestClient) -> None:
    anna, bo, admin = bearer(parts, "anna"), bearer(parts, "bo"), bearer(parts, "root", Scope.ADMIN)
    search = client.post("/v1/searches", json={"yaml": space()}, headers=anna).json()["id"]
    base = f"/v1/searches/{search}"
    asked = [
        ("GET", ""),
        ("DELETE", ""),
        ("PATCH", ""),
        *(("GET", f"/{one}") for one in ("trials", "trials/0", "report", "events")),
    ]
    asked += [("POST", f"/{one}") for one in ("pause", "resume", "cancel", "extend", "revive", "confirm")]
    for method, ending in asked:
        body = {"trials": [1]} if ending == "/revive" else {"trials": 1} if ending == "/extend" else {}
        answer = client.request(method, base + ending, json=body, headers=bo)
        nowhere = client.request(method, f"/v1/searches/zzz{ending}", json=body, headers=bo)
        assert (answer.status_code, answer.json()) == (404, nowhere.json())
    assert client.get("/v1/searches", headers=bo).json()["items"] == []
    assert client.get("/v1/searches?owner=anna", headers=bo).json()["items"] == []
    assert client.get(base, headers=admin).status_code == 200
    assert client.post(f"{base}/cancel", headers=admin).status_code == 200


def test_no_secret_is_stored_or_told_twice(parts: Kit, client: TestClient) -> None:
    admin = bearer(parts, "root", Scope.ADMIN)
    made = client.post("/v1/tokens", json={"owner": "anna", "days": 3}, headers=admin).json()
    secret = made["secret"]
    assert client.get("/v1/whoami", headers={"Authorization": f"Bearer {secret}"}).json()["owner"] == "anna"
    with parts.store.reading() as connection:
        for table in (TOKENS, AUDIT, SEARCHES):
            assert secret not in str(connection.execute(select(table)).all())
    assert secret not in client.get("/v1/tokens", headers=admin).text + client.get("/v1/audit", headers=admin).text
    entry = parts.submit()
    assert "pitprop_" not in " ".join(parts.supervisor()._drivers.command(entry))  # type: ignore[attr-defined]


def test_who_did_what_is_written_down(parts: Kit, client: TestClient) -> None:
    search = client.post("/v1/searches", json={"yaml": space()}).json()["id"]
    client.post(f"/v1/searches/{search}/cancel")
    client.put("/v1/uploads/a.csv", content=b"x")
    client.delete(f"/v1/searches/{search}")
    rows = client.get("/v1/audit").json()["items"]
    assert [(one["action"], one["owner"], one["search"]) for one in rows] == [
        ("delete", "local", search), ("upload", "local", None), ("cancel", "local", search), ("submit", "local", search)
    ]  # fmt: skip


def test_a_disk_that_takes_no_files_is_no_health(client: TestClient) -> None:
    assert client.get("/v1/health").status_code == 200
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as on a disk that is full
    try:
        answer = client.get("/v1/health")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status_code == 503
    assert "takes no files" in answer.json()["detail"]


def test_a_refused_trainer_file_says_how_an_operator_allows_it(client: TestClient) -> None:
    text = space().replace("trainer: imbalanced", "trainer: mine/train.py")
    said = client.post("/v1/validate", json={"yaml": text, "name": "mine"}).json()["problems"]
    assert any("--catalogue FILE` with `trainers:`" in one for one in said), said


@pytest.mark.parametrize(
    ("database", "catalogue", "said"),
    [
        ("", "{}", "the studies lie in the file .*study.db: name a database that the cluster reaches"),
        ("postgresql+psycopg://me:secret@db/studies", "capacity: {cpus: 4}", "STUDY_DB holds a password, which Ray's dashboard"),
        ("postgresql+psycopg://me@db/studies?password=secret", "capacity: {cpus: 4}", "STUDY_DB holds a password"),
        ("postgresql+psycopg://me@db/studies", "{}", "the catalogue does not say how much of its cluster there is"),
    ],
)
def test_a_service_is_not_begun_where_its_drivers_could_not_run_though_the_job_server_does_not_answer(
    database: str, catalogue: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setenv("STUDY_DB", database)
    (tmp_path / "catalogue.yaml").write_text(catalogue)
    options = ServiceOptions(str(tmp_path), catalogue=str(tmp_path / "catalogue.yaml"))
    with pytest.raises(UserError, match=said) as refused, served(options):
        pass
    assert "secret" not in str(refused.value)


def test_what_a_cluster_lacks_for_drivers_is_seen_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDY_DB", "postgresql+psycopg://me@127.0.0.1:9/studies")
    (tmp_path / "mark").write_text("ours")
    found = outlook.look(str(tmp_path), "ours", [str(tmp_path), "/no/such"])
    assert (found["shared"], found["missing"]) == (True, ["/no/such"])
    assert "127.0.0.1:9" in str(found["database"])
    assert not outlook.look(str(tmp_path), "theirs", [])["shared"]
    assert not outlook.look(str(tmp_path / "elsewhere"), "ours", [])["shared"]
