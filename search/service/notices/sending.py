"""Sends what is in the outbox: signed webhooks, e-mail, ntfy."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import smtplib
import ssl
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import urllib3
from pitprop import __version__, messages
from pitprop.messages import _, in_language, ngettext
from pitprop.service import models
from pitprop.service.database.ledger import Entry, Store, Told
from pitprop.service.notices import outbox
from pitprop.service.notices.outside import PATIENCE, Forbidden, post
from pitprop.service.notices.targets import Mail, Settings, shown
from pitprop.views import words
from sqlalchemy.exc import SQLAlchemyError

EVERY = 2.0
"""Seconds between two looks at the outbox."""
HOLD = 120.0
"""Seconds that a service has to send what it has taken."""
logger = logging.getLogger("pitprop.service.notices")


@dataclass(frozen=True, slots=True)
class Said:
    """What is told: a title, a sentence or two, and the same for programs."""

    title: str
    text: str
    body: dict[str, Any]


class Refused(Exception):
    """The target will not take it, also not later."""


class Notifier:
    """Sends notices in a thread of its own, until it is closed. ``address`` is where the service's page is."""

    def __init__(self, store: Store, settings: Settings, address: str = "") -> None:
        self._store, self._settings, self._address = store, settings, address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def close(self) -> None:
        """Ends; what is not sent stays for the next service."""
        self._stop.set()
        self._thread.join(PATIENCE)

    def tick(self) -> int:
        """Sends what is due; how many notices were sent."""
        count = 0
        for notice in outbox.taken(self._store, HOLD):
            if self._stop.is_set():
                break
            count += self._send(notice)
        return count

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.tick()
            except SQLAlchemyError as error:
                logger.warning("the database does not answer: %s", type(error).__name__)
            except Exception:
                logger.exception("notices were not sent, and are tried again")

    def _send(self, notice: outbox.Notice) -> bool:
        entry = self._store.find(notice.search)
        event = next(iter(self._store.events(notice.search, notice.event - 1, 1)), None)
        if entry is None or event is None:  # it was deleted
            outbox.sent(self._store, notice)
            return False
        named = {"search": entry.id, "target": shown(notice.target)}
        try:
            with in_language(entry.language):
                told = said(entry, event, self._address)
            deliver(notice.target, told, f"{notice.search}-{notice.event}", self._settings)
        except (Refused, Forbidden) as error:
            outbox.sent(self._store, notice)
            logger.warning("a notice of search %s was refused: %s", entry.id, type(error).__name__, extra=named)
        except (OSError, urllib3.exceptions.HTTPError, smtplib.SMTPException) as error:
            again = outbox.put_off(self._store, notice)
            end = "is tried again" if again else "is given up"
            logger.warning("a notice of search %s failed (%s) and %s", entry.id, type(error).__name__, end, extra=named)
        else:
            outbox.sent(self._store, notice)
            logger.info("a notice of search %s was sent", entry.id, extra=named)
            return True
        return False


def said(entry: Entry, event: Told, address: str = "") -> Said:
    """What is told of an event of a search, in the language in force."""
    progress = entry.progress or {}
    body, best, answer = messages.told(event.body), progress.get("best") or {}, progress.get("answer") or {}
    if event.kind == "target":
        title = _("{search}: target {name} is reached").format(search=entry.name, name=body.get("name"))
        text = _("trial {n} reached {score}").format(n=body.get("trial"), score=words.score(float(body.get("score", 0))))
    elif event.kind == "told":
        title, text = _("{search}: everything dies").format(search=entry.name), str(body.get("text", ""))
    else:
        title = _("{search} is {state}").format(search=entry.name, state=_(models.STATES.get(event.kind, event.kind)))
        score = ""
        if answer.get("seeds"):  # fresh seeds may say another trial than the best of the search
            seeds = int(answer["seeds"])
            told = ngettext(
                "take trial {n}: {score} on {seeds} fresh seed", "take trial {n}: {score} on {seeds} fresh seeds", seeds
            )
            score = told.format(n=answer["trial"], score=words.score(float(answer["score"])), seeds=seeds)
        elif best.get("values"):
            score = _("best {score} in trial {n}").format(score=words.score(float(best["values"][0])), n=best["trial"])
        text = _("; ").join(part for part in (str(body.get("reason", "")).rstrip("."), score) if part)
    link = f"{address}/searches/{entry.id}" if address else ""
    search = {"id": entry.id, "name": entry.name, "study": entry.study, "state": str(entry.state), "owner": entry.owner}
    known = {"kind": event.kind, "event": event.id, "at": event.at, "language": messages.language(), "title": title, "text": text}
    return Said(title, text, {**known, "search": search, "best": best or None, "answer": answer or None, "link": link or None})


def deliver(target: str, told: Said, ident: str, settings: Settings) -> None:
    """Sends it, or raises why not."""
    if target.startswith("mailto:"):
        if settings.mail is None:
            raise Refused
        mailed(target.removeprefix("mailto:"), told, ident, settings.mail)
        return
    headers = {"User-Agent": f"pitprop/{__version__}", "X-Pitprop-Delivery": ident}
    if target.startswith("ntfy+"):
        body = (told.text or told.title).encode()
        headers |= {"Title": quote(told.title, safe=" :,.()'_-"), "Content-Type": "text/plain; charset=utf-8"}
    else:
        body = json.dumps(told.body, allow_nan=False, default=str).encode()
        headers |= {"Content-Type": "application/json", "X-Pitprop-Signature": signature(settings.secret, body, int(time.time()))}
    status = post(target.removeprefix("ntfy+"), body, headers, settings.allowed)
    if status >= 500 or status in (408, 425, 429):
        raise OSError(f"status {status}")
    if status >= 300:
        raise Refused(status)


def signature(secret: str, body: bytes, at: int) -> str:
    """What the receiver holds against the secret that it shares with us: the time is signed too, against what is sent again."""
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


def mailed(to: str, told: Said, ident: str, mail: Mail) -> None:
    """Sends an e-mail."""
    letter = EmailMessage()
    letter["From"], letter["To"] = mail.sender, to
    letter["Subject"] = " ".join(told.title.split())[:200]
    letter["Message-ID"] = f"<{ident}@{mail.sender.rpartition('@')[2]}>"
    letter.set_content("\n\n".join(part for part in (told.text, told.body.get("link")) if part) or told.title)
    trusted = ssl.create_default_context()
    if mail.tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=PATIENCE, context=trusted)
    else:
        server = smtplib.SMTP(mail.host, mail.port, timeout=PATIENCE)
    with server:
        if mail.tls == "starttls":
            server.starttls(context=trusted)
        if mail.user:
            server.login(mail.user, mail.password)
        server.send_message(letter)
