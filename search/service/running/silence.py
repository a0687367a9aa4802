"""That nobody can say which drivers run: since when, why, and what becomes of searches meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from pitprop.messages import _, localized


@dataclass(frozen=True, slots=True)
class Silence:
    """Since a time in unix seconds what runs the drivers does not answer, or cannot run them: ``why`` is a message."""

    since: float
    why: str

    def told(self, *, fully: bool = True) -> str:
        """What it means, in the language in force; why, with addresses in it, only if ``fully``."""
        if not fully:
            return _("searches wait, and none that runs is taken for dead: nobody can say now which drivers run")
        return _("searches wait, and none that runs is taken for dead: {why}").format(why=localized(self.why))
