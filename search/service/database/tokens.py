"""Tokens: who asks, and what they may do. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service.database.ledger import Store
from pitprop.service.database.tables import TOKENS
from pitprop.service.models import Caller, Scope
from sqlalchemy import func, insert, select, update

PREFIX = "pitprop_"
"""What every token begins with, so that scanners for secrets know one."""
DAY = 86400.0
LOCAL = "local"
"""The owner of everything where no token is needed."""
ALLOWS = {Scope.READ: (Scope.READ,), Scope.SUBMIT: (Scope.READ, Scope.SUBMIT), Scope.ADMIN: tuple(Scope)}


@dataclass(frozen=True, slots=True)
class Known:
    """A token as it is stored."""

    id: str
    owner: str
    scope: Scope
    created: float
    expires: float
    revoked: float | None


_COLUMNS = (TOKENS.c.id, TOKENS.c.owner, TOKENS.c.scope, TOKENS.c.created, TOKENS.c.expires, TOKENS.c.revoked)


def make(store: Store, owner: str, scope: Scope, days: float, by: str) -> tuple[Known, str]:
    """A new token, and its secret, which is told this once."""
    secret, name = PREFIX + secrets.token_urlsafe(32), secrets.token_hex(6)
    with store.writing() as connection:
        now = store.now(connection)
        known = Known(name, owner, scope, now, now + days * DAY, None)
        row = {"id": name, "hash": hashed(secret), "owner": owner, "scope": str(scope), "created": now, "expires": known.expires}
        connection.execute(insert(TOKENS), row)
        store.note(connection, by, "make token", detail=f"{name} for {owner}, {scope}")
    return known, secret


def listed(store: Store) -> list[Known]:
    """All tokens, the newest first."""
    with store.reading() as connection:
        return [_known(row) for row in connection.execute(select(*_COLUMNS).order_by(TOKENS.c.created.desc()))]


def revoke(store: Store, name: str, by: str) -> None:
    """Takes a token back, by its id; `UserError` if there is none."""
    with store.writing() as connection:
        gone = update(TOKENS).where(TOKENS.c.id == name).values(revoked=func.coalesce(TOKENS.c.revoked, store.now(connection)))
        if connection.execute(gone).rowcount != 1:
            raise UserError(_("there is no token {name}: pitprop token list shows them").format(name=repr(name)))
        store.note(connection, by, "revoke token", detail=name)


def any_made(store: Store) -> bool:
    """Whether a token was ever made: from then on every request needs one."""
    with store.reading() as connection:
        return connection.execute(select(TOKENS.c.id).limit(1)).first() is not None


def caller(store: Store, secret: str) -> Caller | None:
    """Whose token this is; None if it is nobody's, or not valid any more."""
    with store.reading() as connection:
        row = connection.execute(select(*_COLUMNS).where(TOKENS.c.hash == hashed(secret))).one_or_none()
        if row is None:
            return None
        known = _known(row)
        if known.revoked is not None or known.expires <= store.now(connection):
            return None
    return Caller(owner=known.owner, scope=known.scope, token=known.id)


def hashed(secret: str) -> str:
    """What is kept of a token. It holds 256 random bits, so nothing slower is needed to keep it from being guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _known(row: tuple[str, str, str, float, float, float | None]) -> Known:
    name, owner, scope, created, expires, revoked = row
    return Known(name, owner, Scope(scope), created, expires, revoked)
