"""The log of the service as JSON, a line for each record, with the search that it is about."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

SEARCH = re.compile(r"\bsearch ([2-9a-hjkmnp-z]{12})\b")
"""How our messages name a search."""
EXTRA = ("search", "target")


class JsonLines(logging.Formatter):
    """Writes a record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The record, with the search of its ``extra``, or the one that its message names."""
        message = record.getMessage()
        row = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        if (found := SEARCH.search(message)) is not None:
            row["search"] = found[1]
        row |= {name: str(record.__dict__[name]) for name in EXTRA if name in record.__dict__}
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return json.dumps(row, ensure_ascii=False)


def to_stderr(*, as_json: bool) -> None:
    """Has the log written to standard error, as JSON or for people."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
