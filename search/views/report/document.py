"""A report as a tree of blocks that knows nothing of HTML or Markdown: text is kept apart from markup, and so can be escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from string import Formatter


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text; ``kind`` is ``strong``, ``code`` or nothing."""

    text: str
    kind: str = ""


Spans = tuple[Span, ...]
"""A line of text."""
Values = dict[str, str | int | Span | Spans]
"""What a phrase is filled with, by name."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; its ``tone`` is ``answer`` for what everybody should read, ``note`` for what few will."""

    spans: Spans
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A numbered list."""

    items: tuple[Spans, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Text to copy."""

    text: str
    language: str = "yaml"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head. ``numeric`` are the columns that are aligned to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[Spans, ...], ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Figure:
    """Pictures (SVG) side by side, with a caption; ``text`` stands for them where there are no pictures."""

    name: str
    pictures: tuple[str, ...]
    caption: Spans
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that a reader may open; ``opened`` shows them at once."""

    title: Spans
    blocks: tuple[Block, ...]
    opened: bool = False


Block = Text | Items | Code | Table | Figure | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it; ``name`` is its anchor, the same in every language."""

    name: str
    title: str
    blocks: tuple[Block, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report: what it is about, its ``facts`` in a line, and its sections."""

    lang: str
    title: str
    question: str
    facts: Spans
    contents: str
    sections: tuple[Section, ...]


def plain(text: str) -> Spans:
    """Text as it is."""
    return (Span(text),)


def strong(text: str) -> Span:
    return Span(text, "strong")


def code(text: str) -> Span:
    return Span(text, "code")


def fill(template: str, values: Values) -> Spans:
    """``template`` with each ``{name}`` replaced; what is filled in is never read as a template."""
    spans: list[Span] = []
    for text, name, _, _ in Formatter().parse(template):
        if text:
            spans.append(Span(text))
        if name is not None:
            value = values[name]
            spans.extend(value if isinstance(value, tuple) else [value if isinstance(value, Span) else Span(str(value))])
    return tuple(spans)


def joined(lines: Iterable[Spans], between: str) -> Spans:
    """The lines in one."""
    spans: list[Span] = []
    for line in lines:
        spans += [Span(between), *line] if spans and between else line
    return tuple(spans)


def said(spans: Sequence[Span]) -> str:
    """The text without its markup."""
    return "".join(span.text for span in spans)
