"""Writes the list in formats.md anew, from the format files: python docs/build_formats.py"""

from __future__ import annotations

import inspect
from pathlib import Path

from pitprop.logs import formats

PAGE = Path(__file__).with_name("formats.md")
FIRST, LAST = "<!-- formats: written by build_formats.py -->", "<!-- end of the formats -->"
USUAL = "The usual: the score of validation, else its loss, else the loss of training."


def page(text: str) -> str:
    """``text`` with its list of formats replaced."""
    before, rest = text.split(FIRST)
    return f"{before}{FIRST}\n{''.join(map(entry, formats.asked()))}\n{LAST}{rest.split(LAST)[1]}"


def entry(name: str) -> str:
    """What a format is, what is read of it, and what decides the objective."""
    module = formats.load(name)
    doc, rule = ((inspect.getdoc(one) or "").replace("``", "`") for one in (module, module.Reader))
    files = ", ".join(f"`{pattern}`" for pattern in module.TRAITS.files) or "by content"
    head, _, more = doc.partition("\n\n")
    read = " ".join(f"{more}\n{rule}".split())
    judged = module.TRAITS.judged or USUAL
    return f"\n### {name}\n{' '.join(head.split())}\n\n- files: {files}\n- read: {read}\n- objective: {judged}\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
