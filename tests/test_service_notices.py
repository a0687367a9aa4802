"""People are told outside how a search went: once it happened, signed, again if it failed, and never at an address of ours."""

from __future__ import annotations

import hashlib
import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pitprop.service.database.ledger import Happened
from pitprop.service.database.lifecycle import Change
from pitprop.service.notices import outbox
from pitprop.service.notices.outside import Allowed, Forbidden, connected, post
from pitprop.service.notices.sending import Notifier
from pitprop.service.notices.targets import Mail, Settings, problems, shown
from pitprop.service.submission import Refused
from services import Kit, kit

SECRET = "shared with the receiver"


class Receiver(HTTPServer):
    """Keeps what it is sent, and answers with the statuses that it is given, then 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.at = f"127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", f"http://{self.server.at}/elsewhere")
        self.end_headers()

    def log_message(self, *_args: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    monkeypatch.setenv("PITPROP_WEBHOOK_SECRET", SECRET)
    with kit(tmp_path / "runs", "capacity: {cpus: 4}\nnotices: {allow: [127.0.0.0/8]}") as found:
        yield found


def cancelled(parts: Kit, *targets: str) -> str:
    entry = parts.submit(name="toy", notify=list(targets))
    Change(parts.store, entry.id, "anna").cancel()
    return entry.id


def hurry(parts: Kit, due: float = 0.0) -> None:
    """Lets what is put off be due, or due at another time."""
    from pitprop.service.database.tables import NOTICES
    from sqlalchemy import update

    with parts.store.writing() as connection:
        connection.execute(update(NOTICES).values(due=due))


def waiting(parts: Kit) -> int:
    hurry(parts)
    return len(outbox.taken(parts.store, -1.0))


def test_a_webhook_is_signed_with_its_time_and_sent_once(parts: Kit, receiver: Receiver) -> None:
    search = cancelled(parts, f"http://{receiver.at}/hook?key=1")
    notifier = Notifier(parts.store, parts.catalogue.notices, "https://here.example")
    assert [notifier.tick(), notifier.tick()] == [1, 0]
    [(path, headers, body)] = receiver.got
    assert path == "/hook?key=1"
    at, _, made = headers["X-Pitprop-Signature"].removeprefix("t=").partition(",v1=")
    assert made == hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert told["kind"] == "cancelled"
    assert told["search"]["id"] == search
    assert told["link"] == f"https://here.example/searches/{search}"
    assert waiting(parts) == 0


def test_what_fails_is_tried_again_under_the_same_name_and_given_up_in_the_end(parts: Kit, receiver: Receiver) -> None:
    cancelled(parts, f"http://{receiver.at}/")
    receiver.statuses = [500, 429, 204]
    notifier = Notifier(parts.store, parts.catalogue.notices)
    for sent in (0, 0, 1):
        assert notifier.tick() == sent
        assert notifier.tick() == 0
        hurry(parts)
    assert len({headers["X-Pitprop-Delivery"] for _path, headers, _body in receiver.got}) == 1
    cancelled(parts, f"http://{receiver.at}/")
    receiver.statuses = [503] * 20
    for _time in range(outbox.TRIES):
        assert notifier.tick() == 0
        hurry(parts)
    assert waiting(parts) == 0


def test_a_clock_that_is_set_back_puts_a_notice_off_for_no_longer_than_the_longest_wait(parts: Kit, receiver: Receiver) -> None:
    notifier = Notifier(parts.store, parts.catalogue.notices)
    for ahead, sent in ((outbox.LONGEST - 60.0, 0), (outbox.LONGEST + 60.0, 1)):
        cancelled(parts, f"http://{receiver.at}/")
        hurry(parts, parts.store.now() + ahead)
        assert notifier.tick() == sent * 2


def test_a_redirect_is_not_followed(parts: Kit, receiver: Receiver) -> None:
    cancelled(parts, f"http://{receiver.at}/")
    receiver.statuses = [307]
    assert Notifier(parts.store, parts.catalogue.notices).tick() == 0
    assert [path for path, _headers, _body in receiver.got] == ["/"]
    assert waiting(parts) == 0


def test_people_are_told_of_the_end_of_a_target_and_that_everything_dies_and_of_nothing_else(
    parts: Kit, receiver: Receiver
) -> None:
    entry = parts.submit(name="toy", notify=[f"ntfy+http://{receiver.at}/channel"])
    said = [
        Happened("trial", {"trial": 0}),
        Happened("told", {"text": "a note"}),
        Happened("told", {"text": "4 of 4 trials died", "dead": True}),
        Happened("target", {"name": "middle", "trial": 3, "score": 0.66}),
    ]
    with parts.store.writing() as connection:
        parts.store.set(connection, entry, *said)
    assert Notifier(parts.store, parts.catalogue.notices).tick() == 2
    assert [(headers["Title"], body.decode()) for _path, headers, body in receiver.got] == [
        ("toy: everything dies", "4 of 4 trials died"),
        ("toy: target middle is reached", "trial 3 reached 0.6600"),
    ]


def test_a_search_that_is_deleted_is_told_of_no_more(parts: Kit, receiver: Receiver) -> None:
    search = cancelled(parts, f"http://{receiver.at}/")
    Change(parts.store, search, "anna").delete()
    assert Notifier(parts.store, parts.catalogue.notices).tick() == 0
    assert receiver.got == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.9.9", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "ff02::1",
    ],
)  # fmt: skip
def test_no_address_of_ours_may_be_told(address: str) -> None:
    assert not Allowed().takes("named.example", address)
    literal = f"[{address}]" if ":" in address else address
    assert list(problems([f"https://{literal}/"], Settings(secret=SECRET)))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_public_internet_may_be_told(address: str) -> None:
    assert Allowed().takes("named.example", address)


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1"])
def test_a_name_is_looked_at_when_it_is_connected_to(host: str, receiver: Receiver) -> None:
    port = receiver.server_port
    with pytest.raises(Forbidden):
        connected(host, port, Allowed())
    with pytest.raises(Forbidden):
        post(f"http://{host}:{port}/", b"", {}, Allowed())
    assert receiver.got == []
    connected("localhost", port, Allowed.of(["localhost"])).close()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("ftp://example.org", "is no target"),
        ("javascript:alert(1)", "is no target"),
        ("https://", "is no target"),
        ("https://[::1", "is no target"),
        ("https://me:word@example.org/", "has a password in it"),
        ("https://10.0.0.1/", "not of the public internet"),
        ("mailto:anna@example.org", "names no mail server"),
        ("mailto:anna@example.org\r\nBcc: all@example.org", "is no address"),
    ],
)
def test_what_is_no_target_is_refused_when_it_is_submitted(parts: Kit, target: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as told:
        parts.submit(notify=[target])
    assert "word" not in str(told.value).replace("password", "")


def test_without_a_secret_there_are_no_webhooks() -> None:
    assert "PITPROP_WEBHOOK_SECRET" in next(iter(problems(["https://example.org/"], Settings())))


def test_a_target_is_shown_without_what_may_be_the_key_to_a_channel(parts: Kit) -> None:
    assert shown("https://hooks.example/services/T0/secret?x=1") == "https://hooks.example"
    entry = parts.submit(notify=["ntfy+https://ntfy.example/my-secret-topic"])
    with parts.client() as client:
        for path in (f"/v1/searches/{entry.id}", "/v1/searches", "/v1/audit", f"/searches/{entry.id}"):
            assert "my-secret-topic" not in client.get(path).text


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """Takes one letter after the other."""
    lines: list[str] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            within = False
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                lines.append(line)
                if within and line != ".":
                    continue
                within = line.lower() == "data"
                self.wfile.write(b"354 go on\r\n" if within else b"221 bye\r\n" if line.lower() == "quit" else b"250 yes\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Session) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], lines
        server.shutdown()
        thread.join()


def test_a_letter_goes_to_addresses_of_the_operators_domains_alone(parts: Kit) -> None:
    with mail_server() as (port, lines):
        mail = Mail("127.0.0.1", "pitprop@example.org", ["example.org"], port, tls="none")
        settings: Any = Settings(mail=mail)
        assert list(problems(["mailto:eve@elsewhere.example"], settings))
        assert not list(problems(["mailto:anna@example.org"], settings))
        object.__setattr__(parts.catalogue, "notices", settings)
        cancelled(parts, "mailto:anna@example.org")
        assert Notifier(parts.store, settings).tick() == 1
    assert "rcpt TO:<anna@example.org>" in lines
    assert "Subject: toy is cancelled" in lines
