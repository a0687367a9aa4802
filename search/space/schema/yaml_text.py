"""Finds a space's file and reads its YAML as YAML 1.2 does (its core schema): ``on`` and ``1:30`` are text, ``010`` is 10.

Strictly: duplicate keys are errors, keys are text, and so are dates. Beyond YAML 1.2, ``1e-5`` is a number without a dot,
``1_000`` is 1000, and ``<<`` merges mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pitprop.errors import hint, nearest, shown
from pitprop.messages import _
from pitprop.space.schema.kinds import Problems, SpaceError, meant

FOLDER = (Path(__file__).parents[2] / "spaces").resolve()
DEPTH = 50
LARGEST = 2**63
BYTES = 2**18
"""The largest file that is read: of a space with a thousand choices it is a tenth."""
VALUES = 20_000
"""The most values of a space, an alias counted as often as it is named: nested ones would make billions of a few lines."""
TAG = "tag:yaml.org,2002:"
PLAIN = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(?:\d+|\d{1,3}(?:_\d{3})+)|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?|[-+]?\d{1,3}(?:_\d{3})+\.\d*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
"""What a scalar without quotes is: the first that fits, else text."""
HALF = re.compile("[\\ud800-\\udfff]")


def names() -> list[str]:
    """The spaces that ship, by name."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of the space ``name``, or at the path ``name``; `SpaceError` with the nearest name if there is none."""
    shipped = FOLDER / f"{name}.yaml"
    if name in names():
        return shipped
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    is_file = path.suffix in (".yaml", ".yml")
    text = _("there is no file {name!r}{hint}") if is_file else _("there is no space {name!r}{hint}")
    beside = [str(one) for one in sorted(path.parent.glob("*.y*ml"))] if is_file else []
    meant = hint(str(path), beside) if nearest(str(path), beside) else hint(path.stem, names())
    raise SpaceError(text.format(name=name, hint=meant))


def summary(name: str) -> str:
    """The question that a space asks, read lightly; or what is wrong with its file."""
    problems = Problems(f"{name}.yaml")
    text = read(find(name), problems)
    rows = parse(text, problems) or {} if text is not None else {}
    question = rows.get("question")
    return " ".join(question.split()) if isinstance(question, str) else " ".join([*problems.lines, "asks no question"][:1])


def read(path: Path, problems: Problems) -> str | None:
    """The text of the file at ``path``; None, and a problem, if it cannot be read."""
    try:
        with path.open("rb") as file:
            found = file.read(BYTES + 1)
        if len(found) <= BYTES:
            return found.decode("utf-8-sig")
        problems.add("", _("is larger than {value} KiB, which no space is").format(value=BYTES // 1024))
    except OSError as error:
        problems.add("", _("cannot be read: {value}").format(value=error.strerror or error))
    except UnicodeDecodeError:
        problems.add("", _("cannot be read: it is not UTF-8 text"))
    return None


def parse(text: str, problems: Problems) -> dict[str, Any] | None:
    """The mapping that ``text`` is, without its ``x-`` sections; None, and a problem, if it is none."""
    try:
        node = _Loader(text).get_single_node()
        rows = None if node is None else _Values(problems).value(node, "", ())
    except RecursionError:
        problems.add("", _("is nested more than {depth} deep").format(depth=DEPTH))
    except _TooMany:
        problems.add(
            "",
            _("holds more than {values} values, an alias (*name) counted as often as it is named: write fewer of them").format(
                values=VALUES
            ),
        )
    except yaml.YAMLError as error:
        problems.add("", _("is not YAML: {error}").format(error=_where(error)))
    else:
        if isinstance(rows, dict):
            return {name: value for name, value in rows.items() if not name.startswith("x-")}
        said = _("is empty") if rows is None else _("must be a mapping of keys such as question, trainer and params")
        problems.add("", said)
    return None


def write(rows: Mapping[str, Any], problems: Problems) -> str | None:
    """The mapping as YAML text that `parse` reads alike; None, and a problem, if it holds what YAML cannot."""
    try:
        return yaml.dump(dict(rows), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=130)
    except (yaml.YAMLError, RecursionError) as error:
        what = error.args[1] if len(error.args) > 1 else error
        problems.add(
            "",
            _("cannot be written as YAML, which holds text, numbers, true, false, null, lists and mappings, not {what}").format(
                what=shown(what)
            ),
        )
    return None


class _Loader(yaml.SafeLoader):
    """Knows the plain scalars of `PLAIN` in place of YAML 1.1's."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """Refuses half a character, which an escape can be and no file or answer can hold."""
        node = super().compose_scalar_node(anchor)
        if HALF.search(node.value):
            said = _("an escape from \\ud800 to \\udfff is half a character; write the character itself")
            raise yaml.composer.ComposerError(None, None, said, node.start_mark)
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes text such as "1e-5", which `parse` would take for a number; a scalar of NumPy or PyTorch is a number."""

    def plain(self, data: Any) -> yaml.Node:
        """Of an object that only wraps a number, the number; of a path its text."""
        if isinstance(data, Path):
            return self.represent_data(str(data))
        if getattr(data, "shape", None) == () and hasattr(data, "item"):
            return self.represent_data(data.item())
        raise yaml.representer.RepresenterError("cannot represent an object", data)


_Dumper.add_multi_representer(object, _Dumper.plain)
for _kind, _pattern in PLAIN.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(TAG + _kind, re.compile(f"(?:{_pattern.pattern})\\Z"), None)


class _TooMany(Exception):
    """A document of more than `VALUES` values."""


def _where(error: yaml.YAMLError) -> str:
    mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = _("line {line}, column {column}: ").format(line=mark.line + 1, column=mark.column + 1) if mark else ""
    return place + (what or " ".join(str(error).split()))


class _Values:
    """Turns YAML nodes into None, bool, int, float, str, list and dict, and nothing else."""

    def __init__(self, problems: Problems) -> None:
        self.problems, self.left = problems, VALUES

    def value(self, node: yaml.Node, key: str, above: tuple[int, ...]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _TooMany
        if id(node) in above or len(above) > DEPTH:
            text = _("refers to itself") if id(node) in above else _("is nested more than {n} deep").format(n=DEPTH)
            self.problems.add(key, text)
            return None
        kind = node.tag.removeprefix(TAG)
        if kind not in (*PLAIN, "str", "seq", "map"):
            tag = kind if kind.startswith("!") else "!!" + kind
            self.problems.add(key, _("has the tag {tag}; values here are plain, without one").format(tag=tag))
            return None
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{key}[{index}]", above) for index, item in enumerate(node.value)]
        return self.scalar(str(node.value), kind, key)

    def mapping(self, node: yaml.MappingNode, key: str, above: tuple[int, ...]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else None
            place = f"{key}.{name}" if key else str(name)
            if name is None:
                self.problems.add(key, _("has a list or a mapping as a key; keys are words"))
            elif name in rows or (name == "<<" and merged):
                text = _("is given twice, the second time in line {line}")
                self.problems.add(place, text.format(line=name_node.start_mark.line + 1))
            elif name == "<<" and name_node.style is None:
                for one in self.merges(value_node, place, above):
                    merged = {**one, **merged}  # of several the first counts
            else:
                rows[name] = self.value(value_node, place, above)
        return {**merged, **rows}

    def merges(self, node: yaml.Node, place: str, above: tuple[int, ...]) -> Iterator[dict[str, Any]]:
        """The mappings that ``<<`` merges: one, or a list of them."""
        found = self.value(node, place, above)
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, dict):
                yield one
            elif self.problems.fine(place):
                text = _("merges a mapping such as *name, or a list of them, not {value}")
                self.problems.add(place, text.format(value=shown(one)))

    def scalar(self, text: str, kind: str, key: str) -> Any:
        if kind in ("str", "seq", "map"):
            return text
        if not PLAIN[kind].fullmatch(text) and not (kind == "float" and PLAIN["int"].fullmatch(text)):
            self.problems.add(key, _("{value!r} is not a {kind}").format(value=text[:40], kind=kind))
            return None
        if kind in ("null", "bool"):
            return text.lower() == "true" if kind == "bool" else None
        if kind == "float":
            return meant(float(text.lower().replace(".inf", "inf").replace(".nan", "nan").replace("_", "")))
        value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)) if len(text) <= 40 else LARGEST
        if abs(value) >= LARGEST:
            self.problems.add(key, _("{value}... is too large a number").format(value=text[:20]))
            return None
        return value
