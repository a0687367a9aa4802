"""Translate what a user reads, by gettext catalogues: mark messages, choose the language, store messages for another language.

English is the source, and costs nothing: no catalogue is read for it. The catalogue of another language is
``locale/LANGUAGE/LC_MESSAGES/pitprop.po``, compiled in memory when its language is first used; ``make messages`` updates it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gettext import NullTranslations
    from typing import IO

LANGUAGES = ("en", "zh")
"""The languages there are, the source first."""

CATALOGUES = Path(__file__).with_name("locale")

_STEPS = {"en": (re.compile(r"(?<![{(\w])epoch(?=s?\b)"), "step"), "zh": (re.compile(r"个 epoch\b"), "步")}
"""How each language says steps where our texts say epochs; places such as ``{epoch}`` are none of a text."""

PACKED, NUMBER = "pitprop:message", "pitprop:number"
"""The only keys of what `packed` makes of a message, and of a number of one that is none."""

_language = LANGUAGES[0]
_within: ContextVar[str | None] = ContextVar("language", default=None)
"""The language of the block `in_language` that this thread or task is in."""


def set_language(lang: str | None) -> None:
    """Sets the language of everything printed from now on: one of `LANGUAGES`, or None for that of the locale."""
    global _language
    _language = _known(lang)


def _known(lang: str | None) -> str:
    chosen = of_locale() if lang is None else lang
    if chosen not in LANGUAGES:
        raise ValueError(f"no language {chosen!r}; known: {', '.join(LANGUAGES)}")
    return chosen


def language() -> str:
    """The language in force."""
    return _within.get() or _language


@contextmanager
def in_language(lang: str | None) -> Iterator[None]:
    """Within the block, another language; other threads and tasks keep theirs."""
    before = _within.set(_known(lang))
    try:
        yield
    finally:
        _within.reset(before)


def of_locale(environment: Mapping[str, str] = os.environ) -> str:
    """The language of the locale, as POSIX finds it (``LC_ALL``, ``LC_MESSAGES``, ``LANG``); English if we have no other."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    lang = locale.partition(".")[0].partition("_")[0].lower()
    return lang if lang in LANGUAGES else LANGUAGES[0]


@cache
def _catalogue(lang: str) -> NullTranslations:
    """A catalogue, compiled from its source: so no binary has to be kept or built."""
    from gettext import GNUTranslations
    from io import BytesIO

    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with (CATALOGUES / lang / "LC_MESSAGES" / "pitprop.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=lang))
    compiled.seek(0)
    return GNUTranslations(compiled)


def _(text: str) -> str:
    """The text in the language in force; the text itself where the catalogue lacks it."""
    lang = language()
    return text if lang == LANGUAGES[0] or not text else _catalogue(lang).gettext(text)


def ngettext(one: str, many: str, n: int) -> str:
    """``one`` or ``many`` by the number ``n``, in the language in force."""
    lang = language()
    if lang == LANGUAGES[0]:
        return one if n == 1 else many
    return _catalogue(lang).ngettext(one, many, n)


def in_unit(text: str, unit: str) -> str:
    """A text of epochs in the language in force, or its template: of steps where that is the ``unit`` of a budget."""
    return _swapped(text, language()) if unit == "steps" else text


def _swapped(text: str, lang: str) -> str:
    found, word = _STEPS[lang]
    return found.sub(word, text)


def N_(text: str) -> str:
    """Marks a text for the catalogue, and leaves it as it is: `_` translates it where it is shown."""
    return text


class Message(str):
    """A sentence in English that can also be told in another language, later.

    As a string it is English and complete, so it compares, prints and is stored like any other. It remembers the ``template``
    (a format string, the key of the catalogue), ``plural`` (the template for many, or nothing) with the number ``n`` that
    decides, and the ``values`` that fill it, which may be messages themselves.
    """

    template: str
    values: Mapping[str, Any]
    plural: str
    n: int

    def __new__(cls, template: str, values: Mapping[str, Any] | None = None, plural: str = "", n: int = 1) -> Message:
        values = dict(values or {})
        told = cls._worded(plural if plural and n != 1 else template, LANGUAGES[0])
        self = super().__new__(cls, told.format(**values))
        self.template, self.values, self.plural, self.n = template, values, plural, n
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.template, self.values, self.plural, self.n

    def localized(self) -> str:
        """The message in the language in force."""
        template = ngettext(self.template, self.plural, self.n) if self.plural else _(self.template)
        return self._worded(template, language()).format(**{name: localized(value) for name, value in self.values.items()})

    def to_json(self) -> dict[str, Any]:
        """The message for a file, from which `from_json` makes it again."""
        values = {name: value.to_json() if isinstance(value, Message) else value for name, value in self.values.items()}
        return {"template": self.template, "values": values} | ({"plural": self.plural, "n": self.n} if self.plural else {})

    @staticmethod
    def _worded(template: str, lang: str) -> str:
        return template

    @staticmethod
    def join(parts: Iterable[str], sep: str = ", ") -> Message:
        """The parts in a row; a language may have a separator of its own."""
        named = {f"part{place}": part for place, part in enumerate(parts)}
        return _Row(sep.join(f"{{{name}}}" for name in named), named)


class _OfSteps(Message):
    """A message whose epochs are steps."""

    @staticmethod
    def _worded(template: str, lang: str) -> str:
        return _swapped(template, lang)

    def to_json(self) -> dict[str, Any]:
        """The same, marked as one of steps."""
        return super().to_json() | {"steps": True}


class _Row(Message):
    """Parts in a row. Its template is no sentence, so only its separators are translated."""

    def localized(self) -> str:
        """The parts in the language in force, between the separators of that language."""
        template = self.template.replace(", ", _(", ")).replace("; ", _("; "))
        return template.format(**{name: localized(value) for name, value in self.values.items()})

    def to_json(self) -> dict[str, Any]:
        """The same, marked as a row."""
        return super().to_json() | {"row": True}


def message(template: str, **values: Any) -> Message:
    """A message: ``message("loss {loss:.4g} after {epochs} epochs", loss=0.7, epochs=3)``. The template goes to the catalogue."""
    return Message(template, values)


def nmessage(one: str, many: str, n: int, **values: Any) -> Message:
    """A message with a singular and a plural, of which ``n`` decides; ``n`` is a value like the others."""
    return Message(one, {"n": n, **values}, many, n)


def of_steps(found: str) -> str:
    """What was said of epochs, in a space whose budget is in steps; messages stay messages."""
    if not isinstance(found, Message):
        return _swapped(found, LANGUAGES[0])
    values = {name: of_steps(value) if isinstance(value, Message) else value for name, value in found.values.items()}
    return (_Row if isinstance(found, _Row) else _OfSteps)(found.template, values, found.plural, found.n)


def localized(value: Any) -> Any:
    """A message in the language in force; anything else as it is."""
    return value.localized() if isinstance(value, Message) else value


def from_json(found: Any) -> Any:
    """What `Message.to_json` wrote; anything else as it is, plain strings of older studies among it."""
    if not isinstance(found, dict) or "template" not in found:
        return found
    kind = _Row if found.get("row") else _OfSteps if found.get("steps") else Message
    values = {name: from_json(value) for name, value in found["values"].items()}
    return kind(found["template"], values, found.get("plural", ""), found.get("n", 1))


def packed(value: Any) -> Any:
    """A tree as JSON holds it, with its messages so that `unpacked` finds them, and other programs their English as ``text``."""
    if isinstance(value, Message):
        values = {name: _number(one) for name, one in value.values.items()}
        return {PACKED: {"text": str(value), **value.to_json(), "values": packed(values)}}
    if isinstance(value, Mapping):
        return {str(name): packed(one) for name, one in value.items()}
    return [packed(one) for one in value] if isinstance(value, list | tuple) else value


def unpacked(value: Any) -> Any:
    """What `packed` was given. A message that cannot be told as it is kept is its template."""
    if isinstance(value, list):
        return [unpacked(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {NUMBER} and value[NUMBER] in ("nan", "inf", "-inf"):
        return float(value[NUMBER])
    kept = value.get(PACKED) if len(value) == 1 else None
    if not isinstance(kept, dict):
        return {name: unpacked(one) for name, one in value.items()}
    try:
        return from_json({**kept, "values": {name: unpacked(one) for name, one in kept["values"].items()}})
    except (LookupError, ValueError, TypeError, AttributeError):
        return str(kept.get("template", ""))


def told(value: Any) -> Any:
    """The same tree with its messages in the language in force."""
    if isinstance(value, Mapping):
        return {name: told(one) for name, one in value.items()}
    return [told(one) for one in value] if isinstance(value, list | tuple) else localized(value)


def _number(value: Any) -> Any:
    """A number that JSON does not have, so that it can still be formatted when it is read; any other value as it is."""
    return {NUMBER: str(float(value))} if isinstance(value, float) and not math.isfinite(value) else value


def extract(file: IO[bytes], keywords: Any, tags: Any, options: Any) -> Iterator[Any]:
    """Messages for the catalogue from a module whose first line of docstring a user reads too: a signature (used by Babel)."""
    import ast

    from babel.messages.extract import extract_python

    yield from extract_python(file, keywords, tags, options)
    file.seek(0)
    first = (ast.get_docstring(ast.parse(file.read())) or "").partition("\n")[0]
    if first:
        yield 1, None, first, []
