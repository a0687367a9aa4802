"""Kinds of values, such as a whole number of at least 1, and how pydantic reads mappings of them with error sentences of our own.

A value that is refused is noted in `Problems` under its place in the file, and a blank of the right type stands in for it, so
that the rest of the file is read too. A check that depends on a value first asks `Problems.fine`: one message for one cause.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, TypeVar

from pitprop.errors import UserError, hint, nearest, shown
from pitprop.messages import N_, _
from pydantic import ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

T = TypeVar("T")
COUNTED = re.compile(r"\s*[1-9]\d*(\s+(epochs?|steps?))?\s*")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SPAN = re.compile(r"(?:\d+(?:\.\d+)?\s*[smhd]\s*)+")
FAILED = object()
"""Stands in a mapping for a value that was refused, when the mapping is read a second time."""


class SpaceError(UserError, ValueError):
    """A space that cannot be searched; its text holds every problem of the file, one line each."""


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of one file, in the order in which they were found."""

    file: str
    lines: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """Where they are, and the keys that were probably meant by misspelt ones."""

    def add(self, key: str, text: str) -> None:
        """Notes what is wrong with the value at ``key``, such as ``params.focal.gamma``; with the file itself if empty."""
        line = f"{self.file}: {key}: {text}" if key else f"{self.file}: {text}"
        self.lines.append(" ".join(line.splitlines()))
        self.keys.append(key)

    def misspelt(self, group: str, word: str, known: Iterable[str]) -> None:
        """Takes the key of ``group`` that was probably meant by the unknown ``word`` for one with a problem."""
        near = nearest(word, known)
        if near is not None:
            self.keys.append(f"{group}.{near}" if group else near)

    def fine(self, *keys: str) -> bool:
        """Whether nothing is wrong at these keys, with what they are part of, or with what is part of them."""
        return not any(key == bad or _within(key, bad) or _within(bad, key) for key in keys for bad in self.keys if bad)

    def check(self) -> None:
        """Raises `SpaceError` if there is any problem."""
        if self.lines:
            raise SpaceError("\n".join(self.lines))


def _within(key: str, group: str) -> bool:
    return key.startswith((group + ".", group + "["))


def number(value: Any) -> float | None:
    """``value`` as a finite float, text such as ``1e-5`` included; None if it is none. A bool is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        return None
    return float(value) if math.isfinite(float(value)) else None


def meant(value: float) -> float:
    """The decimal number that was meant by the result of an addition such as 0.1 + 0.2; any other number as it is.

    One of at most ten digits is taken for it: of values drawn at random not one in a hundred thousand comes so near to one.
    """
    short = float(f"{value:.10g}")
    return short if f"{value:.15g}" == f"{short:.15g}" else value


def integer(value: Any) -> int | None:
    """``value`` as an int; None if it is not whole."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    real = number(value)
    return int(real) if real is not None and real.is_integer() and abs(real) < 2**63 else None


SAID = dict.fromkeys(("true", "yes", "on"), True) | dict.fromkeys(("false", "no", "off"), False)
"""Words for truth values, which YAML 1.1 took for these and YAML 1.2 takes for text."""


def boolean(value: Any) -> bool | None:
    """``value`` as a bool, words such as ``on`` and ``no`` included, where nothing else can be meant; None if it is none."""
    return value if isinstance(value, bool) else SAID.get(value.lower()) if isinstance(value, str) else None


def seconds(value: Any) -> float | None:
    """A time in seconds: a number, or text such as ``90s``, ``3m`` or ``1h30m``."""
    if isinstance(value, str) and SPAN.fullmatch(value.strip()):
        return sum(float(count) * UNITS[unit] for count, unit in re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", value))
    return number(value)


def span(value: Any) -> tuple[float, float] | None:
    """``value`` as two numbers of which the first is the lower one; None if it is none."""
    low, high = map(number, value) if isinstance(value, list | tuple) and len(value) == 2 else (None, None)
    return (low, high) if low is not None and high is not None and low < high else None


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of value, to annotate a field with.

    ``wanted`` says in words what it takes, ``parse`` gives None for everything else, ``json`` is its JSON Schema, ``blank``
    stands in for a value that was refused, and ``words`` are those that a misspelt one may have been meant as.
    """

    wanted: str
    parse: Callable[[Any], Any]
    json: Mapping[str, Any]
    blank: Any = None
    words: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What it takes, in the language in force."""
        return _("one of {words}").format(words=", ".join(self.words)) if self.wanted == _one_of(self.words) else _(self.wanted)

    def __call__(self, value: Any) -> Any:
        """The value as ``parse`` gives it; pydantic's error with our sentence if it is refused."""
        if value is FAILED:
            return self.blank
        if value is None:
            raise _refused(_("is missing; it takes {wanted}").format(wanted=self.told))
        found = self.parse(value)
        if found is None:
            near = nearest(value, self.words) if isinstance(value, str) else None
            text = _("{value} is not allowed; did you mean {near!r}?") if near else _("{value} is not allowed; it takes {wanted}")
            raise _refused(text.format(value=shown(value), near=near, wanted=self.told))
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.json)


def numeric(wanted: str, fits: Callable[[float], bool] = lambda value: True, blank: float = 1.0, **json: Any) -> Kind:
    """The kind of a number that ``fits``; it may be written as text, such as "1e-5"."""

    def parse(value: Any) -> float | None:
        found = number(value)
        return found if found is not None and fits(found) else None

    return Kind(
        wanted, parse, {"anyOf": [{"type": "number", **json}, {"type": "string", "pattern": f"^{NUMBER.pattern}$"}]}, blank
    )


def whole(least: int, wanted: str) -> Kind:
    """The kind of a whole number of at least ``least``."""

    def parse(value: Any) -> int | None:
        found = integer(value)
        return found if found is not None and found >= least else None

    return Kind(wanted, parse, {"type": "integer", "minimum": least}, least)


def _one_of(words: Sequence[str]) -> str:
    return "one of " + ", ".join(words)


def one_of(*words: str) -> Kind:
    """The kind of a word out of ``words``."""
    return Kind(
        _one_of(words),
        lambda value: value if isinstance(value, str) and value in words else None,
        {"enum": list(words)},
        words[0],
        words,
    )


TRUTH = {"anyOf": [{"type": "boolean"}, {"enum": [word for word in SAID if word not in ("true", "false")]}]}
BOOLEAN = Kind(N_("true or false"), boolean, TRUTH, False)
TEXT = Kind(
    N_("text"),
    lambda value: value if isinstance(value, str) and value.strip() else None,
    {"type": "string", "pattern": r"\S"},
    "",
)
NUMERIC = numeric(N_("a number"))
POSITIVE = numeric(N_("a number above 0"), lambda value: value > 0, exclusiveMinimum=0)
AMOUNT = numeric(N_("a number of at least 0"), lambda value: value >= 0, minimum=0)
SHARE = numeric(N_("a share of the budget, 0 to 1"), lambda value: 0 <= value <= 1, minimum=0, maximum=1)
COUNT = whole(1, N_("a whole number of at least 1"))
NATURAL = whole(0, N_("a whole number of at least 0"))
RANGE = Kind(
    N_("a list of two numbers, the lower one first, such as [0, 100]"),
    span,
    {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    (0.0, 1.0),
)
TIME = Kind(
    N_("a time above 0 such as 90s, 3m, 2h or a number of seconds"),
    lambda value: found if (found := seconds(value)) is not None and 0 < found < math.inf else None,
    {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": rf"^\s*({SPAN.pattern}|{NUMBER.pattern})\s*$"},
        ]
    },
    1.0,
)
WHOLE_BUDGET = Kind(
    N_("a whole number such as 2000 or `2000 epochs` (a limit of time is `timeout:`)"),
    lambda value: " ".join(str(value).split()) if COUNTED.fullmatch(str(value)) else None,
    {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{COUNTED.pattern}$"}]},
)
Boolean = Annotated[bool, BOOLEAN]
Text = Annotated[str, TEXT]
Number = Annotated[float, NUMERIC]
Positive = Annotated[float, POSITIVE]
Amount = Annotated[float, AMOUNT]
Count = Annotated[int, COUNT]
Natural = Annotated[int, NATURAL]
Time = Annotated[float, TIME]

MAPPING = ConfigDict(extra="forbid", use_attribute_docstrings=True, validate_by_name=True, validate_by_alias=True)
"""How pydantic treats a class that is read from a mapping of the file."""


@dataclass(frozen=True)
class Rows:
    """Annotates a field that holds a mapping, read as the pydantic class ``cls``, or else a ``plain`` value in its place.

    A key whose value is null counts as absent. ``unknown`` is what is said of a key that the class does not have.
    """

    cls: Any
    plain: Kind | None = None
    unknown: str = N_("unknown key")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._read, handler.generate_schema(self.cls))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        own = dict(handler(core))
        return own if self.plain is None else {"anyOf": [own, dict(self.plain.json)]}

    def _read(self, value: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(value, self.cls):
            return value
        if self.plain is not None and value is not None and not isinstance(value, dict):
            return self.plain(value)
        failed, rows = value is FAILED, {} if value is FAILED or value is None else value
        if not isinstance(rows, dict):
            raise _refused(_("must be a mapping, not {value}").format(value=shown(rows)))
        fields: dict[str, FieldInfo] = {one.alias or name: one for name, one in self.cls.__pydantic_fields__.items()}
        known = {name: rows[name] for name, one in fields.items() if _counts(rows.get(name), one)}
        for name, one in fields.items():
            if one.is_required() and name not in known and (failed or any(isinstance(tag, Rows) for tag in one.metadata)):
                known[name] = FAILED if failed else {}
        absent = [name for name in fields if name not in rows]
        wrong = [
            InitErrorDetails(type=_refused(_(self.unknown) + hint(name, fields), misspelt=True), loc=(name,), input=absent)
            for name in rows
            if name not in fields and rows[name] is not FAILED
        ]
        try:
            found = handler(known)
        except ValidationError as error:
            wrong = [_ours(one, fields) for one in error.errors(include_url=False)] + wrong
        if wrong:
            raise ValidationError.from_exception_data("space", wrong)
        return found


def _counts(value: Any, one: FieldInfo) -> bool:
    """Whether a value is given for the field: neither absent, nor refused where there is a default."""
    return value is not None and (value is not FAILED or one.is_required())


def _refused(text: str, *, misspelt: bool = False) -> PydanticCustomError:
    return PydanticCustomError("misspelt" if misspelt else "refused", "{text}", {"text": text})


def _ours(error: Any, fields: Mapping[str, FieldInfo]) -> InitErrorDetails:
    """One of pydantic's errors with our sentence; the input of a misspelt key's is what may have been meant."""
    loc, given = error["loc"], error["input"]
    match error["type"]:
        case "missing":
            kinds = [tag for tag in fields[loc[-1]].metadata if isinstance(tag, Kind)]
            text = _("is missing; it takes {wanted}").format(wanted=kinds[0].told) if kinds else _("is missing")
        case "dict_type":
            text = _("must be a mapping, not {value}").format(value=shown(given))
        case "list_type":
            text = _("must be a list, not {value}").format(value=shown(given))
        case _:
            text = error["msg"]
    return InitErrorDetails(type=_refused(text, misspelt=error["type"] == "misspelt"), loc=loc, input=given)


def read(cls: type[T], rows: Any, where: str, problems: Problems, unknown: str = N_("unknown key")) -> T:
    """The mapping ``rows``, which stands at ``where``, as ``cls``; what was refused is noted, and blank or a default in it."""
    adapter: TypeAdapter[T] = _adapter(cls, unknown)  # type: ignore[arg-type]
    try:
        return adapter.validate_python(rows)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    for one in wrong:
        if one["type"] == "misspelt":
            problems.misspelt(key_at(where, one["loc"][:-1]), str(one["loc"][-1]), one["input"])
    holder = {"rows": copy.deepcopy(rows)}
    for one in wrong:
        key = key_at(where, one["loc"])
        if problems.fine(key):
            problems.add(key, one["msg"])
        _blank(holder, ("rows", *one["loc"]))
    return adapter.validate_python(holder["rows"])


@cache
def _adapter(cls: Any, unknown: str) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[cls, Rows(cls, unknown=unknown)])


def take(kind: Kind, value: Any, where: str, problems: Problems) -> Any:
    """The value at ``where`` as ``kind`` gives it; a problem, and a blank, if it is refused."""
    try:
        return kind(value)
    except PydanticCustomError as error:
        problems.add(where, error.message())
        return kind.blank


def key_at(where: str, loc: Sequence[int | str]) -> str:
    """Where a value stands in the file, such as ``gates[0].epoch``."""
    key = where
    for part in loc:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _blank(rows: Any, loc: Sequence[int | str]) -> None:
    """Puts `FAILED` at ``loc``."""
    *above, last = loc
    for part in above:
        group = rows.get(part) if isinstance(rows, dict) else rows[part]
        if group is None:
            group = rows[part] = {}
        rows = group
    rows[last] = FAILED
