"""Figures of matplotlib as SVG that lives in a page: its font, its colours for light and dark, no identifiers that clash."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")

INK, SOFT, FAINT, ACCENT, PAPER = "#101112", "#606162", "#b0b1b2", "#20507e", "#fdfefd"
"""Colours by which drawings name what the page's style decides."""
VARIABLES = {INK: "--ink", SOFT: "--soft", FAINT: "--faint", ACCENT: "--accent", PAPER: "--paper"}

STYLE: Any = {  # matplotlib's own type for it names every setting there is
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
}
WIDTH = 4.2
"""Inches: of a figure that has a row to itself; no more, for letters that are still read on a phone."""


def render(name: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> str:
    """What ``draw`` puts on a figure of that size, in inches, as an ``<svg>`` element; ``name`` keeps its identifiers its own."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    out = StringIO()
    with warnings.catch_warnings(), rc_context({**STYLE, "svg.hashsalt": name}):
        warnings.simplefilter("ignore")  # of letters that the font lacks: the page's own has them
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _clean(out.getvalue())


def evenly(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, evenly chosen, the first and the last among them: nobody tells more apart."""
    return items if len(items) <= most else [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def bare(axes: Axes) -> None:
    """No axis at the left."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)


def _clean(svg: str) -> str:
    """Without what a page has no use for: declarations, metadata, styles for all, sizes, digits that nobody sees."""
    svg = svg[svg.index("<svg") :]
    for needless in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<defs>\s*</defs>", r"<!--.*?-->"):
        svg = re.sub(needless, "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 role="img">', svg, count=1).replace("xlink:href", "href")
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r'(?<= d=")[^"]*', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", " ".join(path[0].split())), svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return re.sub(r"\s*\n\s*", "\n", svg).strip()
