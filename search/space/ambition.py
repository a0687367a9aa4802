"""What a search is to reach, and how sure one wants to be of it: targets, when to stop, confirmation, remedies to try."""

from __future__ import annotations

from collections.abc import Mapping

from pitprop.space.model import Confirm
from pitprop.space.problems import hint
from pitprop.space.section import COUNT, NUMERIC, TEXT, Section, bounded, integer, one_of

REMEDIES = one_of("try", "suggest", "off")
SEVERAL = bounded(integer, lambda value: value >= 2, "a whole number of at least 2, for one seed shows no spread")


def read_targets(top: Section) -> tuple[Mapping[str, float], str | None]:
    """The scores at ``targets``, by name, and the one whose name stands at ``stop_when``."""
    section = top.section("targets")
    targets = {str(name): section.read(name, NUMERIC, 0.0, required=True) for name in section.rows}
    stop = top.read("stop_when", TEXT, None)
    if stop is not None and stop not in targets:
        top.wrong("stop_when", f"{stop!r} is no target of this space{hint(stop, targets)}")
    return targets, stop


def read_confirm(top: Section) -> Confirm | None:
    """The mapping at ``confirm``; None if there is none. ``confirm: true`` takes the defaults."""
    value = top.get("confirm")
    if value is None or value is False:
        return None
    section = Section({} if value is True else value, top.place("confirm"), top.problems)
    found = Confirm(section.read("top", COUNT, Confirm().top), section.read("seeds", SEVERAL, Confirm().seeds))
    section.close()
    return found


def read_remedies(top: Section, sampler: str) -> str:
    """The word at ``remedies``. A grid has its points counted, and no room for others."""
    word = top.read("remedies", REMEDIES, "suggest")
    if word == "try" and sampler == "grid":
        top.wrong("remedies", "'try' is not allowed beside the grid sampler, which tries every point there is; write suggest")
        return "suggest"
    return word
