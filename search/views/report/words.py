"""What a report says in English and in Chinese, and how it writes numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pitprop.views.report import chinese, english
from pitprop.views.report.document import Span, Spans, fill, joined, plain, said

LANGUAGES = {"en": english, "zh": chinese}


class Words:
    """The phrases of one language. A phrase with a ``|`` has a singular before it and a plural behind it, chosen by ``n``."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._phrases = LANGUAGES[lang].PHRASES
        self._signatures: Mapping[str, str] = getattr(LANGUAGES[lang], "SIGNATURES", {})

    def say(self, key: str, **values: str | int | Span | Spans) -> Spans:
        """The phrase ``key``, with the values put into it."""
        singular, _, plural = self._phrases[key].partition("|")
        return fill(plural if plural and values.get("n") != 1 else singular, values)

    def text(self, key: str, **values: str | int | Span | Spans) -> str:
        """The same without markup, for headings and heads of tables."""
        return said(self.say(key, **values))

    def paragraph(self, sentences: Iterable[Spans]) -> Spans:
        """Sentences in a row; Chinese has no space between them."""
        return joined((one for one in sentences if one), " " if self.lang == "en" else "")

    def listed(self, lines: Iterable[Spans]) -> Spans:
        """A list within a sentence."""
        return joined(lines, ", " if self.lang == "en" else "、")

    def numbers(self, trials: Sequence[int], most: int | None = None) -> Spans:
        """The numbers of trials in a row, all or at ``most`` so many."""
        shown = [plain(str(number)) for number in trials[:most]]
        return self.listed([*shown, self.say("more", n=len(trials) - len(shown))] if len(shown) < len(trials) else shown)

    def meaning(self, signature: str) -> str:
        """What a signature stands for in a sentence; nothing for a gate or a pruner."""
        from pitprop.detection import signatures

        if signature not in signatures.names():
            return ""
        return self._signatures.get(signature) or (signatures.load(signature).__doc__ or "").partition("\n")[0]

    def duration(self, seconds: float) -> str:
        """``45 s``, ``12 min``, ``3.4 h``."""
        if seconds < 90:
            return self.text("seconds", x=f"{seconds:.0f}")
        return self.text("minutes", x=f"{seconds / 60:.0f}") if seconds < 5400 else self.text("hours", x=f"{seconds / 3600:.1f}")


def score(value: float | None) -> str:
    """A score as the terminal shows it; very large and very small ones in four digits."""
    if value is None or math.isnan(value):
        return "" if value is None else "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def difference(value: float | None) -> str:
    """The same with its sign, for which there is a character of its own."""
    if value is None or math.isnan(value):
        return score(value)
    size = abs(value)
    return ("−" if value < 0 else "+") + (f"{size:.4f}" if 0.00005 <= size < 1000 else score(size))


def signed(value: float) -> str:
    """A bound of an interval: with a sign only below 0."""
    return score(value).replace("-", "−")


def parameter(value: Any) -> str:
    """A parameter's value, short."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def share(part: float, whole: float) -> str:
    """A percentage."""
    return f"{part / whole if whole else 0:.0%}"
