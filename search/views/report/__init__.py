"""Write the report of a study as Markdown and as one HTML page: what it found, how sure that is, what died, what to try next.

The Markdown comes from the content by a template, the page from the Markdown, with the figures put in. Nothing is trained, and
the page asks no server for anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop import messages
from pitprop.views.content import Content

if TYPE_CHECKING:
    from pitprop.views.report.figures import Figure

SHELL = Path(__file__).with_name("templates") / "page.html.j2"
FIGURE = re.compile(
    r'<figure id="([\w-]+)">\n<!-- figure:[\w-]+ -->\n<figcaption>\n\n(.*?)\n\n</figcaption>\n</figure>\n', re.DOTALL
)


def write(folder: Path, content: Content, *, lang: str = "en") -> tuple[Path, Path]:
    """Writes ``report.html`` and ``report.md`` to ``folder``, or ``report.zh.html`` and ``report.zh.md``; their paths.

    Files are replaced as a whole, or left as they were.
    """
    from pitprop.views.report import markdown
    from pitprop.views.report.figures import figures

    stem = "report" if lang == "en" else f"report.{lang}"
    paths = folder / f"{stem}.html", folder / f"{stem}.md"
    with messages.in_language(lang):
        drawn = figures(content)
        text = markdown.report(content, drawn)
    folder.mkdir(parents=True, exist_ok=True)
    for path, whole in zip(paths, (page(text, drawn, lang), plain(text, drawn, paths[0].name)), strict=True):
        draft = path.with_suffix(path.suffix + ".part")
        draft.write_text(whole, encoding="utf-8")
        draft.replace(path)
    return paths


def plain(text: str, drawn: Mapping[str, Figure], beside: str) -> str:
    """The Markdown to keep: for a figure its text, if it has one, and a link to it in the page ``beside``."""

    def instead(found: re.Match[str]) -> str:
        block = f"```text\n{drawn[found[1]].text}\n```\n\n" if drawn[found[1]].text else ""
        return f"{block}[↗]({beside}#{found[1]}) {found[2]}\n"

    return FIGURE.sub(instead, text)


def page(text: str, drawn: Mapping[str, Figure], lang: str) -> str:
    """The Markdown as an HTML page. Users' text is escaped in the Markdown already, so all HTML in it is the template's."""
    from jinja2 import Environment, StrictUndefined
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    markdown.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0"><table>\n')
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    markdown.add_render_rule("td_open", _cell)
    body = markdown.render(text)
    for name, figure in drawn.items():
        many = ' class="many"' if len(figure.pictures) > 1 else ""
        body = body.replace(f'<figure id="{name}">', f'<figure id="{name}"{many}>', 1)
        body = body.replace(f"<!-- figure:{name} -->", "<div>\n" + "\n".join(figure.pictures) + "\n</div>", 1)
    shell = Environment(autoescape=True, undefined=StrictUndefined).from_string(SHELL.read_text(encoding="utf-8"))
    title = re.search(r"<h1>(.*?)</h1>", body)
    return shell.render(lang=lang, title=re.sub(r"<[^>]*>", "", title[1]) if title else "", body=body)


def _cell(renderer: Any, tokens: Sequence[Any], place: int, *_: Any) -> str:
    """A cell with a class for its width: long text needs room, short text keeps to one line."""
    letters = len(tokens[place + 1].content)
    style = tokens[place].attrGet("style")
    return f'<td class="{"n" if style else "w" if letters > 60 else "s" if letters < 15 else "m"}">'
