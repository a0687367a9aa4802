"""What `pitprop doctor` finds of what a search needs, a check each: whether it is well, what was seen, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pitprop.messages import Message, from_json

State = Literal["ok", "warn", "bad"]
ORDER: tuple[State, ...] = ("ok", "warn", "bad")
"""What a check may find, the worst last."""


@dataclass(frozen=True, slots=True)
class Check:
    """``area`` is what was looked at, such as a node; what is not ``ok`` says what to ``do``."""

    area: str
    state: State
    said: Message
    do: Message | None = None

    def to_json(self) -> dict[str, Any]:
        """For another process, from which `check` makes it again."""
        return {"area": self.area, "state": self.state, "said": self.said.to_json(), "do": self.do.to_json() if self.do else None}


def check(found: dict[str, Any]) -> Check:
    """What `Check.to_json` wrote."""
    return Check(found["area"], found["state"], from_json(found["said"]), from_json(found["do"]))
