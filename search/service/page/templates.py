"""The templates of the page: HTML in which every text is escaped, in the language in force."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from pitprop import __version__, messages
from pitprop.messages import N_, _
from pitprop.service import models
from pitprop.views import words

if TYPE_CHECKING:
    from jinja2 import Environment


LEFT = {"interrupted": N_("interrupted")}
"""What trials are called that a driver has left, beside the states that they have in their study."""


def render(name: str, **values: Any) -> str:
    """A template as HTML."""
    return environment().get_template(name).render(**values)


@cache
def environment() -> Environment:
    """Where the templates are, and what they can say."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.install_gettext_callables(_, messages.ngettext, newstyle=True)  # type: ignore[attr-defined]
    found.globals |= {"w": words, "version": __version__, "states": models.STATES}
    found.filters |= {"score": words.score, "value": words.value, "time": time, "state": lambda name: _(models.STATES[name])}
    found.filters |= {"trial_state": lambda name: _({**words.STATES, **LEFT}[name]), "percent": words.percent}
    return found


def time(seconds: float | None) -> str:
    """A time in UTC, as the report has it."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def markdown(text: str) -> Markup:
    """Our Markdown as HTML; HTML in it is text."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
    told: str = made.render(text)  # which takes HTML for text
    return Markup(told)  # nosec B704
