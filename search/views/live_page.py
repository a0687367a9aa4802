"""Serve the report of a study on the loopback address, as a page that follows a search while it runs.

Nobody else on the machine can guess the page's address, a page of another site cannot ask for it by a name of its own, and
nothing can be changed through it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pitprop import messages
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.results.results import Results
from pitprop.views import report
from pitprop.views.content import Content

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LivePage(ThreadingHTTPServer):
    """Shows what ``read`` finds, under an address that holds a secret; the page asks for itself anew every few seconds.

    `UserError` if the ``port`` cannot be used.
    """

    daemon_threads = True

    def __init__(self, read: Callable[[], Results], port: int) -> None:
        self._read, self._lock = read, threading.Lock()
        self._tag, self._page = "", b""
        self.path = f"/{secrets.token_urlsafe(16)}/"
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            text = _("port {port} cannot be used ({error}): choose another with --port")
            raise UserError(text.format(port=port, error=error)) from error
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        self.address = f"http://127.0.0.1:{self.server_port}{self.path}"

    def page(self) -> tuple[str, bytes]:
        """The page as it is now, with a tag that changes when the study does; it is made anew only then."""
        with self._lock:
            results = self._read()
            if (tag := state(results)) != self._tag:
                made, _beside = report.made(Content.of(results), lang=messages.language(), live=True)
                self._tag, self._page = tag, made.encode()
            return self._tag, self._page


class Handler(BaseHTTPRequestHandler):
    """Answers GET of the one address there is."""

    server: LivePage

    def do_GET(self) -> None:
        if self.headers.get("Host") not in self.server.hosts or self.path != self.server.path:
            self.send_error(404)
            return
        tag, page = self.server.page()
        if self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        for name, value in (*HEADERS.items(), ("ETag", tag), ("Content-Length", str(len(page)))):
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(page)

    def log_message(self, *_args: object) -> None:
        """Nothing: the terminal is for the address."""


def state(results: Results) -> str:
    """What changes with every epoch of any trial, and with every score of a confirmation."""
    sizes = [file.stat().st_size for r in results.records for file in sorted(Path(r.folder).glob("telemetry*.jsonl"))]
    rows = [(r.number, r.state, r.values, len(r.verdicts)) for r in results.records]
    sure = results.confirmation.to_json() if results.confirmation is not None else None
    return f'"{hashlib.sha256(repr((sizes, rows, results.target, sure)).encode()).hexdigest()[:32]}"'
