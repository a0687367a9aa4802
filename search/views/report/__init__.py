"""Write the report of a study as Markdown and as one HTML page: what it found, how sure that is, what died, what to try next.

The Markdown comes from the content by a template, the page from the Markdown, with the figures put in. Nothing is trained, and
the page asks no server for anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop import messages
from pitprop.views.content import Content

if TYPE_CHECKING:
    from pitprop.views.report.figures import Figure

PAGE = Path(__file__).with_name("page")
FIGURE = re.compile(
    r'<figure id="([\w-]+)">\n<!-- figure:[\w-]+ -->\n<figcaption>\n\n(.*?)\n\n</figcaption>\n</figure>\n', re.DOTALL
)


def write(folder: Path, content: Content, *, lang: str = "en") -> tuple[Path, Path]:
    """Writes ``report.html`` and ``report.md`` to ``folder``, or ``report.zh.html`` and ``report.zh.md``; their paths.

    Files are replaced as a whole, or left as they were.
    """
    stem = "report" if lang == "en" else f"report.{lang}"
    paths = folder / f"{stem}.html", folder / f"{stem}.md"
    texts = made(content, lang=lang, beside=paths[0].name)
    folder.mkdir(parents=True, exist_ok=True)
    for path, whole in zip(paths, texts, strict=True):
        draft = path.with_suffix(path.suffix + ".part")
        draft.write_text(whole, encoding="utf-8")
        draft.replace(path)
    return paths


def made(content: Content, *, lang: str = "en", beside: str = "", live: bool = False) -> tuple[str, str]:
    """The report as an HTML page, which asks for itself anew if ``live``; and as Markdown, the page being the file ``beside``."""
    from pitprop.views.report import markdown
    from pitprop.views.report.figures import figures, page_data

    with messages.in_language(lang):
        drawn = figures(content)
        text = markdown.report(content, drawn)
        study = page_data(content, drawn) | {"files": not live}
    return page(text, drawn, study, lang, live=live), plain(text, drawn, beside)


def plain(text: str, drawn: Mapping[str, Figure], beside: str) -> str:
    """The Markdown to keep: for a figure its text, if it has one, and a link to it in the page ``beside``."""

    def instead(found: re.Match[str]) -> str:
        block = f"```text\n{drawn[found[1]].text}\n```\n\n" if drawn[found[1]].text else ""
        return f"{block}[↗]({beside}#{found[1]}) {found[2]}\n"

    return FIGURE.sub(instead, text)


def page(text: str, drawn: Mapping[str, Figure], study: Mapping[str, Any], lang: str, *, live: bool = False) -> str:
    """The Markdown as an HTML page, with ``study`` for its script. Users' text is escaped in the Markdown already, so all HTML in
    it is the templates'."""
    from html import escape

    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    markdown.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0"><table>\n')
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    markdown.add_render_rule("td_open", _cell)
    body = markdown.render(text)
    for name, figure in drawn.items():
        instead = f"<noscript><pre>{escape(figure.text)}</pre></noscript>" if figure.text else ""
        body = body.replace(f"<!-- figure:{name} -->", f'<div class="chart" data-figure="{name}">{instead}</div>', 1)
    title = re.search(r"<h1>(.*?)</h1>", body)
    named = re.sub(r"<[^>]*>", "", title[1]) if title else ""
    data = json.dumps(study, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {"style": _file("page.css"), "library": _file("echarts.min.js"), "script": _file("page.js")}
    return str(_shell().render(lang=lang, title=named, body=body, study=data, live=live, **parts))


@cache
def _file(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


@cache
def _shell() -> Any:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(_file("page.html.j2"))


def _cell(renderer: Any, tokens: Sequence[Any], place: int, *_: Any) -> str:
    """A cell with a class for its width: long text needs room, short text keeps to one line."""
    letters = len(tokens[place + 1].content)
    style = tokens[place].attrGet("style")
    return f'<td class="{"n" if style else "w" if letters > 60 else "s" if letters < 15 else "m"}">'
