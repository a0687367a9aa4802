"""Looks, as a job on a cluster, at what drivers there need: the folder of runs, the database, the files of the catalogue.

Its line of JSON is for the service that has sent it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pitprop.study import database


def look(folder: str, mark: str, files: list[str]) -> dict[str, object]:
    """Whether ``folder`` is that of the service, which has left its ``mark`` there, and which ``files`` are missing."""
    try:
        shared = Path(folder, "mark").read_text(encoding="ascii") == mark
        os.close(os.open(Path(folder, "answer"), os.O_WRONLY | os.O_CREAT, 0o600))  # as a driver's files are made
    except OSError:
        shared = False
    said = ""
    try:
        database.connect(os.environ["STUDY_DB"]).engine.dispose()
    except database.DatabaseError as error:
        said = str(error)
    return {"shared": shared, "database": said, "missing": [file for file in files if not os.path.exists(file)]}


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1], sys.argv[2], sys.argv[3:])))
