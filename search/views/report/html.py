"""The report as one HTML page that asks nobody for anything."""

from __future__ import annotations

from pathlib import Path

from pitprop.views.report.document import Block, Page

TEMPLATE = Path(__file__).with_name("page.html.j2")


def html(page: Page) -> str:
    """The page; all text is escaped by the template, figures are ours and go in as they are."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["kind"] = kind
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(page=page)


def kind(block: Block) -> str:
    """What a block is, in a word."""
    return type(block).__name__.lower()
