"""Print Markdown on the terminal with tables in which nothing is cut: what is too wide goes on in the next line of its column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.table import Table
from rich.text import Text


class WholeTable(TableElement):
    """A table that keeps words in one piece as long as the terminal holds them; rich cuts them with an ellipsis."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=box.SIMPLE, pad_edge=False, style="markdown.table.border", collapse_padding=True)
        heads = [cell.content.copy() for cell in self.header.row.cells] if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        columns = [[head, *(row[place] for row in rows if place < len(row))] for place, head in enumerate(heads)]
        for head, width in zip(heads, _widths(columns, options.max_width - 2 * len(columns)), strict=True):
            head.stylize("markdown.table.header")
            table.add_column(head, overflow="fold", width=width)
        for row in rows:
            table.add_row(*row)
        yield table


def _widths(columns: Sequence[Sequence[Text]], room: int) -> list[int | None]:
    """The width of each column: its longest word, and a part of what is left; None where all have room, or not even the words."""
    whole = [max(cell.cell_len for cell in column) for column in columns]
    least = [max(cell_len(line) for cell in column for line in cell.plain.split() or [""]) for column in columns]
    wanted, left = sum(whole) - sum(least), room - sum(least)
    if left >= wanted or left < 0:
        return [None] * len(columns)
    return [low + (high - low) * left // wanted for low, high in zip(least, whole, strict=True)]


class WholeMarkdown(Markdown):
    """Markdown with such tables."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "table_open": WholeTable}
