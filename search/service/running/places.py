"""Where the service keeps what is no row of its database: a folder for each search, and the files that were uploaded."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pitprop.addresses import Addresses, addresses, sqlite_url
from pitprop.service.database.ledger import Entry
from pitprop.study.stored import study_names

PIECE = 65_536
"""Bytes that a disk has to take to be said to work."""


@dataclass(frozen=True, slots=True)
class Places:
    """Folders under that of the service, and the addresses of each search's study.

    The studies of a team lie in one database, ``STUDY_DB``. Without it each search has a SQLite file in its folder, so that
    no two drivers wait for each other.
    """

    home: Addresses

    @classmethod
    def under(cls, runs: str | None) -> Places:
        """Those under a folder of runs."""
        return cls(addresses(runs))

    def folder(self, search: str) -> Path:
        """The folder of runs of one search."""
        return self.home.runs / "searches" / search

    def space_file(self, entry: Entry) -> Path:
        """The file of its space, after which its study is called."""
        return self.folder(entry.id) / f"{entry.study}.yaml"

    def of(self, entry: Entry) -> Addresses:
        """Where its study is, and the runs of it."""
        folder = self.folder(entry.id)
        study_db = os.environ.get("STUDY_DB") or sqlite_url(folder / "study.db")
        return replace(self.home, runs=folder, study_db=study_db)

    def study_folder(self, entry: Entry) -> Path:
        """Where its trials keep their telemetry."""
        return self.folder(entry.id) / entry.study

    def journal(self, entry: Entry) -> Path:
        """To what its driver appends what happens."""
        return self.folder(entry.id) / "events.jsonl"

    def try_disk(self) -> None:
        """Writes a small file and removes it; `OSError` where the disk takes none."""
        self.home.runs.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.home.runs, prefix=".health-") as file:
            file.write(bytes(PIECE))
            file.flush()

    def said(self, entry: Entry) -> int:
        """The bytes of its journal so far."""
        file = self.journal(entry)
        return file.stat().st_size if file.exists() else 0

    def share(self, entry: Entry) -> Path:
        """The number of workers that it may have now."""
        return self.folder(entry.id) / "share"

    def set_share(self, entry: Entry) -> None:
        """Writes how many workers its driver may have from its next group on."""
        file = self.share(entry)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(".share.new")
        draft.write_text(f"{entry.share}\n", encoding="ascii")
        draft.replace(file)

    def forget(self, entry: Entry) -> None:
        """Removes its study from a database that it shares with others; its folder is for the caller."""
        if os.environ.get("STUDY_DB"):
            from pitprop.study import database

            storage = database.connect(self.of(entry).study_db)
            try:
                for name in (entry.study, *_confirmations(self.of(entry), entry.study)):
                    with suppress(KeyError):
                        storage.delete_study(storage.get_study_id_from_name(name))
            finally:
                storage.engine.dispose()

    def uploads(self, owner: str) -> Path:
        """The files of an owner."""
        return self.home.runs / "uploads" / owner


def _confirmations(where: Addresses, study: str) -> list[str]:
    """The studies that confirm this one: they begin with its name and a dot."""
    return [name for name in study_names(where) if name.startswith(f"{study}.")]
