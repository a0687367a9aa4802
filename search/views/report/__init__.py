"""The report of a search: what it found, how sure that is, what died and why, and what to try next, on one page.

A report is content first (`document`), of which each section is a module; `html` and `markdown` only set it. It is made from the
study and its curves: nothing is trained, and the page asks nobody for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pitprop.results.summary import Summary
from pitprop.space import Space
from pitprop.study.record import Record

if TYPE_CHECKING:
    from pitprop.results.confirmation import Confirmation


def write(
    folder: Path,
    space: Space,
    records: Sequence[Record],
    summary: Summary,
    confirmation: Confirmation | None,
    *,
    lang: str = "en",
) -> tuple[Path, Path]:
    """Writes ``report.html`` and ``report.md`` to ``folder``, or ``report.zh.html`` and ``report.zh.md``; their paths.

    ``lang`` is ``en`` or ``zh``. ``records`` are all trials, by number. Files are replaced as a whole, or left as they were.
    """
    from pitprop.views.report.html import html
    from pitprop.views.report.markdown import markdown
    from pitprop.views.report.page import page

    found = page(space, records, summary, confirmation, lang)
    stem = "report" if lang == "en" else f"report.{lang}"
    paths = folder / f"{stem}.html", folder / f"{stem}.md"
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, (html(found), markdown(found, paths[0].name)), strict=True):
        draft = path.with_suffix(path.suffix + ".part")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    return paths
