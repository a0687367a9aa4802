"""Write the sections of a study's content as Markdown, from the templates beside this file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop import messages
from pitprop.messages import _
from pitprop.views import effects, landscape, words
from pitprop.views.content import Content, outcome
from pitprop.views.next_steps import REMEDIES

if TYPE_CHECKING:
    from jinja2 import Environment
    from pitprop.results.confirmation import Contender
    from pitprop.views.report.figures import Figure

SPECIAL = re.compile(r"([\\`*<>|~$&]|\](?=[(\[:])|^#|(?<!\w)_|_(?!\w))")


COLUMNS = 8
"""Parameters that have a column of their own in the list of trials; further ones share one."""
SECTIONS = ("answer", "effects", "standing", "stopped", "space")
"""Templates with blocks that are shown elsewhere too."""


class Markup(str):
    """Text that is Markdown already; all other text is escaped where the template puts it in."""


def report(content: Content, figures: Mapping[str, Figure]) -> str:
    """The whole report; where a figure belongs there is ``<!-- figure:NAME -->``."""
    return _tidied(_environment().get_template("report.md.j2").render(c=content, figures=figures))


def section(content: Content, *names: str) -> str:
    """Sections by the name of their block in the template, without figures; nothing for one that has nothing to say."""
    found = []
    for name in names:
        each = (_environment().get_template(f"{file}.md.j2") for file in SECTIONS)  # compiled until one has the block
        found.append(next(one for one in each if name in one.blocks))
    contexts = [one.new_context({"c": content, "figures": {}}) for one in found]
    texts = (one.blocks[name](it) for one, it, name in zip(found, contexts, names, strict=True))
    return _tidied("\n\n".join(map("".join, texts))).strip()


def escaped(text: Any) -> Markup:
    """Any text as one that means nothing to Markdown, in one line."""
    return text if isinstance(text, Markup) else Markup(SPECIAL.sub(r"\\\1", " ".join(str(messages.localized(text)).split())))


def code(text: Any) -> Markup:
    text = " ".join(str(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    edge = " " if "`" in text else ""
    return Markup(f"{fence}{edge}{text}{edge}{fence}" if text else "")


def strong(text: Any) -> Markup:
    return Markup(f"**{escaped(text)}**")


def fenced(text: str, language: str) -> Markup:
    """A block of code to copy."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markup(f"{fence}{language}\n{text}\n{fence}")


def row(*cells: Any) -> Markup:
    """A row of a table; a list among the cells stands for its items. A bar within code is escaped too: tables want it so."""
    flat = [one for cell in cells for one in (cell if isinstance(cell, list) else [cell])]
    shown = (re.sub(r"(?<!\\)\|", r"\\|", escaped(cell)) for cell in flat)
    return Markup(f"| {' | '.join(shown)} |")


def head(*cells: Any, right: Iterable[int] = ()) -> Markup:
    """The head of a table; the columns ``right`` are aligned to the right."""
    right = set(right)
    count = sum(len(cell) if isinstance(cell, list) else 1 for cell in cells)
    return Markup(f"{row(*cells)}\n|{'|'.join('---:' if place in right else '---' for place in range(count))}|")


def sentences(*parts: Any) -> Markup:
    """Those of the sentences that there are, in one paragraph, and those in lists; Chinese has no space between sentences."""
    return Markup((" " if messages.language() == "en" else "").join(map(escaped, _flat(parts))))


def clauses(*parts: Any) -> Markup:
    """What goes on after a sentence's first part, each of the parts that there are after a semicolon."""
    return Markup("".join(messages._("; ") + escaped(part) for part in _flat(parts)))


def joined(parts: Iterable[str]) -> Markup:
    """Parts of a sentence that have commas of their own."""
    return Markup(messages._("; ").join(map(escaped, parts)))


def items(*parts: Any) -> Markup:
    """Those of the sentences that there are as a numbered list."""
    return Markup("\n".join(f"{place}. {escaped(one)}" for place, one in enumerate(_flat(parts), start=1)))


def _flat(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, str):
            yield from [part] if part else []
        elif isinstance(part, Iterable):
            yield from part


def _applied(given: Any, macro: Callable[..., str]) -> Markup:
    """What a macro makes of something, or of the parts of a tuple."""
    return Markup((macro(*given) if type(given) is tuple else macro(given)).strip())


def measured(one: Contender) -> Markup:
    """The mean of a configuration on fresh seeds, with its 95 % interval; scores that are all alike have none."""
    mean = strong(words.score(one.mean))
    if one.intervals and (sure := words.spread(one.mean, one.intervals[0], words.score)):
        return Markup(f"{mean} {escaped(sure)}")
    return Markup(_("{mean} each time").format(mean=mean)) if len(one.scores) > 1 else mean


def settings(params: Mapping[str, Any]) -> Markup:
    """Parameters in a row, their names set as code."""
    return Markup(words.listed(f"{code(name)} {escaped(words.value(value))}" for name, value in params.items()))


def signature(name: str) -> Markup:
    return escaped(words.signature(name)) if ":" in name else code(name)


def _part(part: landscape.Part) -> Markup:
    """``lr from 0.1 to 1``: a part of the space."""
    name = code(part.axis.name)
    if part.axis.choices:
        return Markup(f"{name} {escaped(landscape.label(part.axis.choices[part.first]))}")
    low, high = map(landscape.label, part.bounds)
    return Markup(messages._("{name} from {low} to {high}").format(name=name, low=escaped(low), high=escaped(high)))


def _translated(context: Mapping[str, Any], text: str, /, **values: Any) -> Markup:
    return _filled(context, messages._(text), values)


def _plural(context: Mapping[str, Any], one: str, many: str, n: int, /, **values: Any) -> Markup:
    return _filled(context, messages.ngettext(one, many, n), {"n": n, **values})


def _filled(context: Mapping[str, Any], text: str, values: Mapping[str, Any]) -> Markup:
    unit = context["c"].space.unit if "c" in context else "epochs"
    return Markup(messages.in_unit(text, unit) % {name: escaped(value) for name, value in values.items()})


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

    # Markdown is made here, and `escaped` escapes it; the page around it is made with autoescape.
    found = Environment(  # nosec B701
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=escaped,
    )
    found.newstyle_gettext = True  # type: ignore[attr-defined]
    translated, plural = pass_context(_translated), pass_context(_plural)
    found.globals |= {"_": translated, "gettext": translated, "ngettext": plural, "w": words, "landscape": landscape}
    found.globals |= {"row": row, "head": head, "sentences": sentences, "items": items, "clauses": clauses}
    found.globals |= {"outcome": outcome, "REMEDIES": REMEDIES, "COLUMNS": COLUMNS}
    shown = (words.score, words.difference, words.bound, words.percent, words.value, words.listed, words.epochs, words.trials)
    made = (escaped, code, strong, fenced, settings, signature, measured, joined)
    for one in (*shown, words.numbers, words.duration, words.trial, words.number, words.fresh, *made):
        found.filters[one.__name__] = one
    found.filters |= {
        "effect": effects.line,
        "verdict": effects.verdict,
        "knows": words.knows,
        "raw": Markup,
        "part": _part,
        "time": _time,
        "apply": _applied,
        "finite": math.isfinite,
    }
    return found


def _time(seconds: float, after: float | None = None) -> str:
    """A time in UTC; without its date if that is the date of ``after``."""
    at = datetime.fromtimestamp(seconds, UTC)
    same = after is not None and datetime.fromtimestamp(after, UTC).date() == at.date()
    return f"{at:%H:%M}" if same else f"{at:%Y-%m-%d %H:%M}"


def _tidied(text: str) -> str:
    """One empty line between blocks, none within code."""
    found: list[str] = []
    fence = ""
    for line in map(str.rstrip, text.split("\n")):
        if line or fence or (found and found[-1]):
            found.append(line)
        opens = re.match("`{3,}", line)
        fence = ("" if line == fence else fence) if fence else opens[0] if opens else ""
    return "\n".join(found).strip() + "\n"
