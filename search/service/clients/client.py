"""A client of the service over HTTP, for programs, for the commands that name a server, and for assistants.

What the service answers is told in the models that it answers with; what it refuses is a `ServerError` of one sentence.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
from pitprop import messages
from pitprop.errors import UserError, hint
from pitprop.messages import _
from pitprop.service import inventory, models
from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)
SERVER, TOKEN = "PITPROP_SERVER", "PITPROP_TOKEN"
"""The environment variables of the address and of the token."""
PAGE = 200
"""Searches, or trials, that are asked for at once."""
QUIET = 45.0
"""Seconds without a sign after which a stream of events is asked for anew: the service gives one every 15."""
IDENT = re.compile("[a-z0-9]{1,32}")
LAST = ("done", "failed", "cancelled", "paused")
"""Events after which a search does nothing by itself."""


class ServerError(UserError):
    """The server refuses, or is not there: one sentence. ``status`` is that of HTTP, None where there was no answer."""

    def __init__(self, said: str, status: int | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(said)
        self.status, self.problems = status, list(problems)


class _Bearer(requests.auth.AuthBase):
    """Sends the token; without one, nothing that a .netrc has."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Client:
    """A service at an address such as ``http://127.0.0.1:8400``, asked with a token if it needs one; a context.

    Without arguments both come from the environment: ``PITPROP_SERVER`` and ``PITPROP_TOKEN``. ``timeout`` is in seconds.
    """

    def __init__(self, server: str | None = None, token: str | None = None, *, timeout: float = 30.0) -> None:
        self.server = _address(server or os.environ.get(SERVER, ""))
        self._token = token if token is not None else os.environ.get(TOKEN)
        self._timeout = timeout
        self._session = requests.Session()
        self._session.auth = _Bearer(self._token)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    # Looking

    def health(self) -> inventory.Health:
        """Whether the service works."""
        return self._asked(inventory.Health, "GET", "/health")

    def silence(self) -> inventory.Silence | None:
        """That nobody can say now which drivers run; None while that is known, or while the server does not say how it is."""
        with suppress(ServerError):  # what else is wrong with it is told by who asks for something else
            return self.health().silence
        return None

    def whoami(self) -> models.Caller:
        """Whose token is sent, and what it allows."""
        return self._asked(models.Caller, "GET", "/whoami")

    def catalogue(self) -> inventory.Catalogue:
        """What can be submitted."""
        return self._asked(inventory.Catalogue, "GET", "/catalogue")

    def searches(
        self, states: Iterable[str] = (), *, owner: str | None = None, text: str = "", most: int | None = None
    ) -> Iterator[models.Search]:
        """Searches, the newest first: in these states (all, if none is given), with ``text`` in their name."""
        params = {"state": [str(state) for state in states], "owner": owner, "text": text or None}
        return self._paged(models.Search, "/searches", params, most)

    def search(self, search: str) -> models.SearchDetail:
        """One search by its id, with what it says so far."""
        return self._asked(models.SearchDetail, "GET", f"/searches/{quote(search, '')}")

    def found(self, word: str) -> models.Search:
        """The search with this id, or the newest one of this name; `ServerError` with the nearest name if there is none."""
        for one in self.searches(text=word):
            if word in (one.name, one.study):
                return one
        if IDENT.fullmatch(word):
            with suppress(ServerError):
                return self.search(word)
        said = _("{server} has no search {word}").format(server=self.server, word=repr(word))
        known = list(dict.fromkeys(one.name for one in self.searches(most=PAGE)))
        raise ServerError(said + (hint(word, known[:10]) if known else _(": there is none yet that you may see")), 404)

    def answer(self, search: str, *, width: int = 100, colour: bool = False, full: bool = False) -> str:
        """What `pitprop status` says of a search, as text."""
        params = {"width": width, "colour": colour, "full": full}
        return self._ask("GET", f"/searches/{quote(search, '')}/answer", params=params).text

    def trials(self, search: str, states: Iterable[str] = (), *, most: int | None = None) -> Iterator[models.Trial]:
        """The trials of a search by number."""
        params = {"state": [str(state) for state in states]}
        return self._paged(models.Trial, f"/searches/{quote(search, '')}/trials", params, most)

    def trial(self, search: str, number: int) -> models.TrialDetail:
        """One trial with its curves, its verdicts, and the end of what it printed."""
        return self._asked(models.TrialDetail, "GET", f"/searches/{quote(search, '')}/trials/{number:d}")

    def report(self, search: str) -> str:
        """The report as one HTML page."""
        return self._ask("GET", f"/searches/{quote(search, '')}/report").text

    def events(self, search: str, after: int = 0) -> Iterator[models.Event]:
        """What happens in a search, from the event after that one on, as it happens; it goes on over lost connections."""
        lost = 0
        while lost < 5:
            try:
                for one in self._streamed(search, after):
                    after, lost = one.id, 0
                    yield one
                return  # the search was deleted
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                lost += 1
        raise self._absent()

    def followed(self, search: str) -> Iterator[models.Event]:
        """All events of a search until it does nothing by itself any more: it is done, failed, cancelled or paused."""
        for one in self.events(search):
            yield one
            if one.kind in LAST and one.id >= self._last(search):
                return

    # Changing

    def submit(
        self,
        space: str | Path | None,
        *,
        text: str | None = None,
        name: str | None = None,
        trials: int | None = None,
        timeout: float | None = None,
        seed: int | None = None,
        priority: int = 0,
        workers: int | None = None,
        notify: Sequence[str] = (),
        key: str | None = None,
    ) -> models.Search:
        """Queues a space: a `Path` is that of a YAML file, a string the name of one of the catalogue; ``text`` is YAML itself.

        Its end, and what else matters, is told to those whom ``notify`` names. It is queued once, also if the request has to be
        sent twice: ``key`` is what it is known by.
        """
        given: dict[str, Any] = {"space": space, "yaml": text}
        if isinstance(space, Path):
            given = {"yaml": _read(space), "name": name or space.stem}
        asked = {**given, "trials": trials, "timeout": timeout, "seed": seed, "priority": priority, "workers": workers}
        asked["notify"] = list(notify) or None
        body = {name: value for name, value in {"name": name, **asked}.items() if value is not None}
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        return self._asked(models.Search, "POST", "/searches", json=body, headers=headers, again=True)

    def validate(self, text: str, name: str = "space") -> inventory.Validation:
        """What is wrong with a space as YAML, all of it."""
        return self._asked(inventory.Validation, "POST", "/validate", json={"yaml": text, "name": name})

    def pause(self, search: str) -> models.Search:
        """Ends its driver; what was finished is kept."""
        return self._change(search, "pause")

    def resume(self, search: str) -> models.Search:
        """Queues it again after it was paused or cancelled, or has failed."""
        return self._change(search, "resume")

    def cancel(self, search: str) -> models.Search:
        """Ends it; what was finished is kept."""
        return self._change(search, "cancel")

    def extend(self, search: str, trials: int) -> models.Search:
        """Plans so many more trials."""
        return self._change(search, "extend", {"trials": trials})

    def revive(self, search: str, trials: Sequence[int]) -> models.Search:
        """Trains parked trials to their full budget."""
        return self._change(search, "revive", {"trials": list(trials)})

    def confirm(self, search: str, top: int | None = None, seeds: int | None = None, trials: Sequence[int] = ()) -> models.Search:
        """Trains the best trials again on fresh seeds."""
        given = {"top": top, "seeds": seeds, "trials": list(trials)}
        return self._change(search, "confirm", {name: value for name, value in given.items() if value is not None})

    def delete(self, search: str) -> None:
        """Removes a search that does not run, with its study and all files."""
        self._ask("DELETE", f"/searches/{quote(search, '')}")

    def upload(self, path: Path) -> inventory.Upload:
        """Keeps a file on the server, which a space names as ``upload:NAME``."""
        with path.open("rb") as file:
            return self._asked(inventory.Upload, "PUT", f"/uploads/{quote(path.name, '')}", data=file)

    def _change(self, search: str, verb: str, body: Any = None) -> models.Search:
        return self._asked(models.Search, "POST", f"/searches/{quote(search, '')}/{verb}", json=body)

    # Asking

    def _last(self, search: str) -> int:
        """The number of the last event of a search."""
        after = 0
        while True:
            page = self._asked(
                models.Listing[models.Event], "GET", f"/searches/{search}/events", params={"after": after, "limit": 1000}
            )
            after = page.items[-1].id if page.items else after
            if page.next is None:
                return after

    def _paged(self, kind: type[T], path: str, params: dict[str, Any], most: int | None) -> Iterator[T]:
        after, left = None, most
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            page = self._asked(models.Listing[kind], "GET", path, params={**params, "after": after, "limit": limit})  # type: ignore[valid-type]
            yield from page.items
            left = None if left is None else left - len(page.items)
            after = page.next
            if after is None:
                return

    def _asked(self, kind: type[T], method: str, path: str, **more: Any) -> T:
        answer = self._ask(method, path, **more)
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise self._strange(answer.status_code) from None

    def _ask(self, method: str, path: str, *, again: bool = False, timeout: Any = None, **more: Any) -> requests.Response:
        url = f"{self.server}/v1{path}"
        more["headers"] = {"Accept-Language": messages.language(), **more.get("headers", {})}
        try:
            answer = self._session.request(method, url, timeout=timeout or self._timeout, allow_redirects=False, **more)
        except requests.exceptions.SSLError as error:
            text = _(
                "the certificate of {server} is not trusted ({why}); REQUESTS_CA_BUNDLE names a file with further authorities"
            )
            raise ServerError(text.format(server=self.server, why=_cause(error))) from error
        except requests.Timeout as error:
            text = _("{server} did not answer within {seconds:g} s: try again, or look at its log")
            raise ServerError(text.format(server=self.server, seconds=self._timeout)) from error
        except requests.ConnectionError as error:
            if again:  # the answer may have been lost, and not the request
                return self._ask(method, path, timeout=timeout, **more)
            raise self._absent() from error
        except (requests.RequestException, UnicodeError) as error:
            text = _("{server} could not be asked ({why})")
            raise ServerError(text.format(server=self.server, why=_cause(error))) from error
        self._check(answer)
        return answer

    def _streamed(self, search: str, after: int) -> Iterator[models.Event]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        path = f"/searches/{quote(search, '')}/events"
        try:
            with self._ask("GET", path, headers=headers, stream=True, timeout=(self._timeout, QUIET)) as answer:
                for line in answer.iter_lines(chunk_size=None):  # type: ignore[call-overload]  # as it comes
                    if line.startswith(b"data:"):
                        yield models.Event.model_validate_json(line[5:])
        except ValidationError:
            raise self._strange(200) from None

    def _check(self, answer: requests.Response) -> None:
        """`ServerError` if the server has refused."""
        status = answer.status_code
        if status < 300:
            return
        if status < 400:
            text = _("{server} sends on to {other}: give that address")
            raise ServerError(text.format(server=self.server, other=answer.headers.get("Location", "?")), status)
        try:
            said = models.Problem.model_validate_json(answer.content)
        except ValidationError:
            raise self._strange(status) from None
        if status == 401:
            text = _("{server} needs a token: put one into {name}; its operator makes one with `pitprop token make`")
            if self._token:
                text = _("{server} refuses the token in {name}: it is not known, has expired, or was revoked")
            raise ServerError(text.format(server=self.server, name=TOKEN), status)
        raise ServerError("\n".join(said.problems) or said.detail, status, said.problems)

    def _absent(self) -> ServerError:
        text = _("nothing answers at {server}: is the address right, and does `pitprop serve` run there?")
        return ServerError(text.format(server=self.server))

    def _strange(self, status: int) -> ServerError:
        text = _("{server} answers, but not as a pitprop server does (status {status}): is the address right?")
        return ServerError(text.format(server=self.server, status=status), status)


def _address(server: str) -> str:
    """The address without a slash at its end; `ServerError` if it is none."""
    if not server:
        raise ServerError(_("no server is named: give --server URL, or set {name}").format(name=SERVER))
    try:
        parts = urlsplit(server)
        whole = parts.scheme in ("http", "https") and parts.hostname and not parts.query and parts.port != 0
    except ValueError:
        whole = False
    if not whole or "@" in server or "#" in server:
        text = _("{server} is not the address of a server: give one such as http://127.0.0.1:8400, and the token in {name}")
        raise ServerError(text.format(server=repr(server.rpartition("@")[2]), name=TOKEN))
    return server.rstrip("/")


def _cause(error: BaseException) -> str:
    """What was wrong, in a few words: the innermost of errors that name each other."""
    while isinstance(inner := getattr(error, "reason", None) or (error.args[0] if error.args else None), BaseException):
        error = inner
    return " ".join(str(error).split())[:200]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(_("{path} is not UTF-8 text, as a space must be").format(path=path)) from None
