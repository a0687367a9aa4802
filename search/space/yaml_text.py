"""Finds a space's file and reads its YAML, strictly: duplicate keys are errors, keys are text, and ``1e-5`` is a number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pitprop.errors import hint, shown
from pitprop.space.kinds import NUMBER, Problems, SpaceError

FOLDER = (Path(__file__).parents[1] / "spaces").resolve()
DEPTH = 50
LARGEST = 2**63


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
    what = "file" if path.suffix in (".yaml", ".yml") else "space"
    raise SpaceError(f"there is no {what} {name!r}{hint(path.stem, names())}")


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
        return path.read_text(encoding="utf-8")
    except OSError as error:
        problems.add("", f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        problems.add("", "cannot be read: it is not UTF-8 text")
    return None


def parse(text: str, problems: Problems) -> dict[str, Any] | None:
    """The mapping that ``text`` is; None, and a problem, if it is none."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        rows = None if node is None else _Plain(loader, problems).value(node, "", ())
    except RecursionError:
        problems.add("", f"is nested more than {DEPTH} deep")
    except yaml.YAMLError as error:
        problems.add("", f"is not YAML: {_where(error)}")
    else:
        if isinstance(rows, dict):
            return rows
        problems.add("", "is empty" if rows is None else "must be a mapping of keys such as question, trainer and params")
    return None


def write(rows: Mapping[str, Any], problems: Problems) -> str | None:
    """The mapping as YAML text that `parse` reads alike; None, and a problem, if it holds what YAML cannot."""
    try:
        return yaml.dump(dict(rows), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=130)
    except (yaml.YAMLError, RecursionError) as error:
        what = error.args[1] if len(error.args) > 1 else error
        problems.add(
            "", f"cannot be written as YAML, which holds text, numbers, true, false, null, lists and mappings, not {shown(what)}"
        )
    return None


class _Dumper(yaml.SafeDumper):
    """Quotes text such as "1e-5", which `parse` would take for a number."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))


def _where(error: yaml.YAMLError) -> str:
    mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + (what or " ".join(str(error).split()))


class _Plain:
    """Turns YAML nodes into None, bool, int, float, str, list and dict, and nothing else."""

    def __init__(self, loader: yaml.SafeLoader, problems: Problems) -> None:
        self.loader, self.problems = loader, problems

    def value(self, node: yaml.Node, key: str, above: tuple[int, ...]) -> Any:
        if id(node) in above or len(above) > DEPTH:
            self.problems.add(key, "refers to itself" if id(node) in above else f"is nested more than {DEPTH} deep")
            return None
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{key}[{index}]", above) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self.scalar(node, key)

    def mapping(self, node: yaml.MappingNode, key: str, above: tuple[int, ...]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else None
            place = f"{key}.{name}" if key else str(name)
            if name is None:
                self.problems.add(key, "has a list or a mapping as a key; keys are words")
            elif name in rows:
                self.problems.add(place, f"is given twice, the second time in line {name_node.start_mark.line + 1}")
            else:
                rows[name] = self.value(value_node, place, above)
        return rows

    def scalar(self, node: yaml.ScalarNode, key: str) -> Any:
        text = str(node.value)
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind == "str":  # YAML 1.1 wants a dot and a sign in a float, nobody else does
            return float(text) if node.style is None and NUMBER.fullmatch(text) else text
        if kind not in ("null", "bool", "int", "float"):
            return text
        try:
            value = self.loader.construct_object(node)
        except (ValueError, KeyError, IndexError, yaml.YAMLError):
            self.problems.add(key, f"{text[:40]!r} is not a {kind}")
            return None
        if isinstance(value, int) and abs(value) >= LARGEST:
            self.problems.add(key, f"{text[:20]}... is too large a number")
            return None
        return value
