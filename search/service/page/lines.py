"""Where in the text of a space a problem is: the line of the key that it names."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

KEY = re.compile(r"\w+: ([\w./-]+(?:\[\d+\])?(?:\.[\w/-]+)*): ")
LINE = re.compile(r"\bline (\d+)")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A problem of a space, and the line that it is in, from 1; None if it is in none of them."""

    said: str
    line: int | None


def placed(text: str, problems: list[str]) -> list[Wrong]:
    """The problems, each with its line."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader) if len(text) < 2**18 and "&" not in text else None
    except (yaml.YAMLError, RecursionError, ValueError):
        root = None
    return [Wrong(said, _line(root, said)) for said in problems]


def _line(root: yaml.Node | None, said: str) -> int | None:
    if found := LINE.search(said):
        return int(found[1])
    key = KEY.match(said)
    if key is None or root is None:
        return None
    return _of(root, [part for part in re.split(r"[.\[\]]+", key[1]) if part])


def _of(node: yaml.Node, path: list[str]) -> int | None:
    """The line of the deepest key of the path that is there; None if not even the first is."""
    line = None
    while path:
        if isinstance(node, yaml.SequenceNode) and path[0].isdigit() and int(path[0]) < len(node.value):
            node, path = node.value[int(path[0])], path[1:]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            return line
        for taken in range(len(path), 0, -1):  # a key may have dots itself
            word = ".".join(path[:taken])
            pair = next((pair for pair in node.value if getattr(pair[0], "value", None) == word), None)
            if pair is not None:
                line, node, path = pair[0].start_mark.line + 1, pair[1], path[taken:]
                break
        else:
            return line
    return line
