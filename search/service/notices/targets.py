"""Where notices go, as a request names it: ``https://…`` (a webhook), ``mailto:…``, or ``ntfy+https://…``."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pitprop.messages import _
from pitprop.service.notices.outside import Allowed

SECRET, PASSWORD = "PITPROP_WEBHOOK_SECRET", "PITPROP_SMTP_PASSWORD"
"""The environment variables of what signs webhooks, and of the mail server's password."""
MAIL = re.compile(r"mailto:([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)")
WAYS = ("https", "http", "ntfy+https", "ntfy+http")


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail server: notices come ``sender``, and go to addresses of ``domains`` alone. ``tls``: starttls, tls or none."""

    host: str
    sender: str
    domains: Sequence[str]
    port: int = 587
    user: str = ""
    tls: str = "starttls"
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """How notices are sent: ``allowed`` are addresses of ours that may be connected to, ``secret`` signs webhooks."""

    allowed: Allowed = field(default_factory=Allowed)
    mail: Mail | None = None
    secret: str = field(default="", repr=False)

    @classmethod
    def of(cls, allow: Sequence[str], mail: Mapping[str, Any] | None, environment: Mapping[str, str] = os.environ) -> Settings:
        """Those of the operator's file and environment; ``ValueError`` if a network is none."""
        server = None if mail is None else Mail(**mail, password=environment.get(PASSWORD, ""))
        return cls(Allowed.of(allow), server, environment.get(SECRET, ""))


def problems(found: Sequence[str], settings: Settings) -> Iterator[str]:
    """What is wrong with targets, a sentence each. Names are looked up when there is something to send."""
    for target in found:
        wrong = _mail(target, settings) if target.startswith("mailto:") else _web(target, settings)
        if wrong:
            yield f"notify: {shown(target)!r} {wrong}"


def shown(target: str) -> str:
    """A target without what may be secret in it: a path can be the key to a channel."""
    if target.startswith("mailto:"):
        return target[:200]
    try:
        parts = urlsplit(target)
        return f"{parts.scheme}://{parts.hostname or ''}"[:200]
    except ValueError:
        return target[:8]


def _mail(target: str, settings: Settings) -> str:
    found = MAIL.fullmatch(target)
    if found is None:
        return _("is no address: mailto:name@example.org")
    if settings.mail is None:
        return _("cannot be sent: the operator of this service names no mail server")
    if found[2].lower() not in [one.lower() for one in settings.mail.domains]:
        return _("is not an address of {domains}").format(domains=", ".join(settings.mail.domains))
    return ""


def _web(target: str, settings: Settings) -> str:
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port == 0 or parts.scheme not in WAYS or parts.fragment or not target.isascii() or " " in target:
        return _("is no target: https://…, ntfy+https://… or mailto:…")
    if parts.username is not None or parts.password is not None:
        return _("has a password in it, which would be kept: leave it out")
    if parts.scheme in ("http", "https") and not settings.secret:
        return _("cannot be sent: the operator of this service has set no {name}, with which webhooks are signed").format(
            name=SECRET
        )
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return "" if settings.allowed.takes(host, str(address)) else _("is an address that is not of the public internet")
