"""Where MLflow's page shows the trials of a study, read off a store of our own in milliseconds; a server is not asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import quote

from pitprop.addresses import Addresses, sqlite_file
from pitprop.study.record import Record
from pitprop.track.view import PORT

_EXPERIMENT = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
_RUNS = """
SELECT tags.value, runs.run_uuid, runs.start_time FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
WHERE runs.experiment_id = ? AND runs.lifecycle_stage = 'active' AND tags.key = 'pitprop.trial'
"""


def addresses_of(where: Addresses, study: str, records: Sequence[Record]) -> dict[int, str]:
    """By trial the address of its run on the page that ``pitprop ui`` serves; of one that is not exported yet, that of the list
    in which it will stand. Empty if there is no store of our own, or none of this study in it."""
    file = sqlite_file(where.mlflow)
    if file is None or not file.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            found = store.execute(_EXPERIMENT, (study,)).fetchone()
            rows = store.execute(_RUNS, found).fetchall() if found else []
    except sqlite3.Error:  # an older store, one that is being made, or no store at all
        return {}
    if not found:
        return {}
    page, known = f"http://127.0.0.1:{PORT}/#/experiments/{found[0]}/runs", dict[int, list[tuple[str, int]]]()
    for number, run, started in rows:
        known.setdefault(int(number), []).append((run, started))
    links = {}
    for record in records:
        runs = [run for run, started in known.get(record.number, ()) if abs(started - record.started * 1000) < 1000]
        waiting = f"{page}?searchFilter={quote(f'tags.`pitprop.trial` = {str(record.number)!r}')}"
        links[record.number] = f"{page}/{runs[0]}" if runs else waiting
    return links
