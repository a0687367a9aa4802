"""The place of a worker: its actor, and what it is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Place:
    """One worker: its actor, the note of its death, and what it is asked, which is to be answered by ``deadline``."""

    actor: Any
    note: Path
    starting: Any
    """The answer to whether it can train, until that has come."""
    asked: Any = None
    deadline: float = math.inf
    node: str = ""

    @property
    def use(self) -> tuple[bool, bool]:
        """What is lost by its end: first what it trains, then that it has started."""
        return self.asked is not None, self.starting is None
