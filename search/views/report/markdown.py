"""The report as Markdown: what a terminal, a code host or a chat shows; figures stay in the HTML beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from pitprop.views.report.document import Block, Code, Figure, Fold, Items, Page, Span, Spans, Table, Text, strong

SPECIAL = re.compile(r"([\\`*\[\]<>|~$]|^#|(?<!\w)_|_(?!\w))")


def markdown(page: Page, beside: str) -> str:
    """The page; ``beside`` is the name of the HTML file that has the figures."""
    parts = [f"# {escaped(page.title)}", line((strong(page.question),)), line(page.facts)]
    parts.append(" · ".join(f"[{escaped(section.title)}](#{section.name})" for section in page.sections))
    for section in page.sections:
        parts.append(f'<a id="{section.name}"></a>\n\n## {escaped(section.title)}')
        parts += [_block(block, beside) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text that means nothing to Markdown."""
    return SPECIAL.sub(r"\\\1", text)


def line(spans: Spans) -> str:
    """A line of text with its markup."""
    return "".join(map(_span, spans))


def _span(span: Span) -> str:
    if span.kind == "code":
        fence = "`" * (1 + max(map(len, re.findall("`+", span.text)), default=0))
        edge = " " if "`" in span.text else ""
        return f"{fence}{edge}{' '.join(span.text.split())}{edge}{fence}"
    body = escaped(" ".join(span.text.split()))
    before, after = (" " if edge.isspace() else "" for edge in (span.text[:1], span.text[-1:]))
    return f"{before}{f'**{body}**' if span.kind == 'strong' and body else body}{after if body else ''}"


def _block(block: Block, beside: str) -> str:
    match block:
        case Text():
            return line(block.spans)
        case Items():
            return "\n".join(f"{place}. {line(item)}" for place, item in enumerate(block.items, start=1))
        case Code():
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block.text)), default=0))
            return f"{fence}{block.language}\n{block.text}\n{fence}"
        case Table():
            return "\n".join(_rows(block))
        case Figure():
            drawn = [f"```text\n{block.text}\n```"] if block.text else []
            return "\n\n".join([*drawn, f"[↗]({beside}#{block.name}) {line(block.caption)}"])
        case Fold():
            inside = "\n\n".join(_block(one, beside) for one in block.blocks)
            title = "".join(_tag(span) for span in block.title)
            return f"<details{' open' if block.opened else ''}>\n<summary>{title}</summary>\n\n{inside}\n\n</details>"


def _tag(span: Span) -> str:
    """Markup within a line of HTML, where Markdown's own does not count."""
    tag = {"strong": "b", "code": "code"}.get(span.kind)
    return f"<{tag}>{escape(span.text)}</{tag}>" if tag else escape(span.text)


def _rows(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(escaped(name) for name in table.head)} |"
    yield f"|{'|'.join('---:' if column in table.numeric else '---' for column in range(len(table.head)))}|"
    for row in table.rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(spans: Spans) -> str:
    """A cell; within code a bar is escaped nevertheless, that is how tables want it."""
    return "".join(_span(span).replace("|", "\\|") if span.kind == "code" else _span(span) for span in spans)
