"""A page in headless Chromium: what it shows, what it asks for, and what a pointer does to it. Not a test.

Chromium is told what to do through two pipes in its DevTools protocol, so that no port is opened and no package is needed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--remote-debugging-pipe"]


class Browser:
    """A window of ``width`` by ``height`` on one page; a context."""

    def __init__(self, profile: Path, width: int = 1400, height: int = 1000) -> None:
        told, self._out = os.pipe()
        self._in, said = os.pipe()
        command = f'exec "$0" "$@" 3<&{told} 4>&{said}'
        flags = [*FLAGS, f"--user-data-dir={profile}", "about:blank"]
        words = ["bash", "-c", command, str(CHROMIUM), *flags]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(words, pass_fds=(told, said), stdout=quiet, stderr=quiet, start_new_session=True)
        os.close(told)
        os.close(said)
        self._rest, self._count, self._session, self._loads = b"", 0, "", 0
        self.requests: list[str] = []
        """What the page asked for, but for itself."""
        self.errors: list[str] = []
        """What its scripts raised, and what its policy forbade."""
        page = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(120)
        os.close(self._in)
        os.close(self._out)

    def resize(self, width: int, height: int) -> None:
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def emulate(self, *, dark: bool = False, scripts: bool = True, media: str = "") -> None:
        """A dark desktop, no JavaScript, or paper."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._send("Emulation.setEmulatedMedia", media=media, features=scheme)
        self._send("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, address: str) -> None:
        """Goes there, and waits until it is loaded; by way of an empty page, as one with another fragment is not loaded anew."""
        for url in ("about:blank", address):
            before = self._loads
            self._send("Page.navigate", url=url)
            while self._loads == before:  # it may have been loaded before the answer came
                self._read()

    def leave(self, selector: str) -> None:
        """Clicks what leads to another page, and waits until that is loaded."""
        before = self._loads
        self.click(selector)
        while self._loads == before:
            self._read()

    def reloaded(self, script: str) -> None:
        """Waits until the expression is true, on a page that loads itself anew when something has changed."""
        while True:
            before = self._loads
            if self.run(script):
                return
            while self._loads == before:
                self._read()

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript, awaited if it is a promise."""
        said = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def wait(self, script: str) -> Any:
        """The value of the expression once it is true: the page says so by its frames, not by a clock."""
        look = f"const see = () => {{ const it = {script}; it ? done(it) : requestAnimationFrame(see) }}; see()"
        return self.run(f"new Promise(done => {{ {look} }})")

    def point(self, x: float, y: float, kind: str = "mouseMoved", *, held: bool = False) -> None:
        """Moves the pointer there, with its button ``held``, or does what ``kind`` names."""
        button = {"button": "left", "buttons": 1, "clickCount": 1} if held or kind != "mouseMoved" else {}
        self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def drag(self, first: tuple[float, float], last: tuple[float, float]) -> None:
        """Presses, moves in eight steps, and lets go."""
        self.point(*first)
        self.point(*first, "mousePressed")
        for step in range(1, 9):
            self.point(*(a + (b - a) * step / 8 for a, b in zip(first, last, strict=True)), held=True)
        self.point(*last, "mouseReleased")

    def press(self, key: str) -> None:
        """Presses a key on what has the focus, such as ``Enter``, and waits for the page that comes."""
        before, text = self._loads, {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            code = 13 if key == "Enter" else 0
            self._send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)
        while self._loads == before:
            self._read()

    def click(self, selector: str) -> None:
        """Clicks the middle of the first element that fits."""
        at = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{at}.scrollIntoView({{block: 'center'}})")
        x, y = self.run(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({at}.getBoundingClientRect())")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.point(x, y, kind)

    def document(self) -> str:
        """The text of the document, which needs no script in the page."""
        root = self._send("DOM.getDocument")["root"]["nodeId"]
        html: str = self._send("DOM.getOuterHTML", nodeId=root)["outerHTML"]
        return html

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A screenshot, of what is in the window or of the ``whole`` page."""
        said = self._send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(said["data"]))

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps({"id": self._count, "method": method, "params": params, **session}).encode() + b"\0")
        while (said := self._read()).get("id") != self._count:
            pass
        assert "error" not in said, said
        found: dict[str, Any] = said["result"]
        return found

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._in, 1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        said: dict[str, Any] = json.loads(line)
        self._loads += said.get("method") == "Page.loadEventFired"
        match said:
            case {"method": "Network.requestWillBeSent", "params": {"type": kind, "request": {"url": url}}} if kind != "Document":
                self.requests.append(url)
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.errors.append(json.dumps(details))
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error", "text": text}}}:
                self.errors.append(text)
        return said
