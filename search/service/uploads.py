"""Small files of an owner's, which their spaces may name: kept whole or not at all, under a name that is no path."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterable
from contextlib import suppress
from pathlib import Path

from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service.catalogue import LimitsSection
from pitprop.service.database.ledger import Store
from pitprop.service.database.tables import UPLOADS
from pitprop.service.inventory import Upload
from pitprop.service.running.places import Places
from sqlalchemy import Connection, delete, func, insert, select
from starlette.concurrency import run_in_threadpool

_COLUMNS = (UPLOADS.c.name, UPLOADS.c.bytes, UPLOADS.c.sha256, UPLOADS.c.created)


class Uploads:
    """The uploaded files of all owners."""

    def __init__(self, store: Store, places: Places, limits: LimitsSection) -> None:
        self._store, self._places, self._limits = store, places, limits

    def listed(self, owner: str) -> list[Upload]:
        """The files of an owner by name."""
        asked = select(*_COLUMNS).where(UPLOADS.c.owner == owner).order_by(UPLOADS.c.name)
        with self._store.reading() as connection:
            return [Upload(name=n, bytes=b, sha256=s, created=c) for n, b, s, c in connection.execute(asked)]

    async def keep(self, owner: str, name: str, body: AsyncIterable[bytes]) -> Upload:
        """Keeps what comes as a file of this name, in place of the one that there was; `UserError` if it is too much."""
        folder = self._places.uploads(owner).with_name(f".{owner}.new")
        await run_in_threadpool(lambda: folder.mkdir(parents=True, exist_ok=True))
        draft = folder / secrets.token_hex(8)
        room = self._limits.uploads - await run_in_threadpool(self._taken, owner, name)
        digest, size = hashlib.sha256(), 0
        try:
            with draft.open("xb") as file:
                async for part in body:
                    size += len(part)
                    if size > room:
                        raise self._too_much()
                    digest.update(part)
                    file.write(part)
            return await run_in_threadpool(self._put, owner, name, draft, digest.hexdigest(), size)
        finally:
            draft.unlink(missing_ok=True)

    def _put(self, owner: str, name: str, draft: Path, digest: str, size: int) -> Upload:
        folder = self._places.uploads(owner)
        folder.mkdir(parents=True, exist_ok=True)
        with self._store.writing() as connection:
            if size > self._limits.uploads - self._taken(owner, name, connection):  # of what came meanwhile, too
                raise self._too_much()
            now = self._store.now(connection)
            row = {"owner": owner, "name": name, "bytes": size, "sha256": digest, "created": now}
            connection.execute(delete(UPLOADS).where(UPLOADS.c.owner == owner, UPLOADS.c.name == name))
            connection.execute(insert(UPLOADS), row)
            self._store.note(connection, owner, "upload", detail=f"{name}, {size} bytes, sha256 {digest}")
            draft.replace(folder / name)
        return Upload(name=name, bytes=size, sha256=digest, created=now)

    def remove(self, owner: str, name: str) -> bool:
        """Removes a file of this name; False if there is none."""
        with self._store.writing() as connection:
            gone = delete(UPLOADS).where(UPLOADS.c.owner == owner, UPLOADS.c.name == name)
            if connection.execute(gone).rowcount != 1:
                return False
            self._store.note(connection, owner, "delete upload", detail=name)
            with suppress(OSError):
                (self._places.uploads(owner) / name).unlink()
        return True

    def _too_much(self) -> UserError:
        return UserError(_("the files of an owner may take {most} bytes together: delete some").format(most=self._limits.uploads))

    def _taken(self, owner: str, name: str, connection: Connection | None = None) -> int:
        """The bytes of the owner's other files."""
        asked = select(func.coalesce(func.sum(UPLOADS.c.bytes), 0)).where(UPLOADS.c.owner == owner, UPLOADS.c.name != name)
        if connection is not None:
            return int(connection.execute(asked).scalar_one())
        with self._store.reading() as own:
            return int(own.execute(asked).scalar_one())
