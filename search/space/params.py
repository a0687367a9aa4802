"""The tree of parameters: dotted names for people and Optuna, nested mappings for trainers, held against what a trainer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pitprop.errors import hint, nearest, shown
from pitprop.messages import N_, _
from pitprop.space.distributions import KINDS, STOPPING, Leaf, read_leaf
from pitprop.space.schema.kinds import Problems, boolean

SIGNS = {"log", "step", "when"}
WORDS = {
    bool: N_("true or false"),
    int: N_("a number"),
    float: N_("a number"),
    str: N_("text"),
    list: N_("a list"),
    dict: N_("a mapping"),
}
"""What a value is called, by its type; null has no type here, as it may stand for anything."""


def flat(tree: Mapping[str, Any], stop: Callable[[str, Any], bool], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values; a mapping is gone into unless it is empty or ``stop(name, mapping)`` holds."""
    for word, value in tree.items():
        name = prefix + word
        if isinstance(value, dict) and value and not stop(name, value):
            yield from flat(value, stop, name + ".")
        else:
            yield name, value


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The tree of dotted names; where one name goes on from another, the later wins."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        branch = tree
        for group in groups:
            if not isinstance(branch.get(group), dict):
                branch[group] = {}
            branch = branch[group]
        branch[last] = value
    return tree


def values_of(rows: Any, place: str, problems: Problems, stop: Callable[[str, Any], bool]) -> dict[str, Any]:
    """The dotted names and values of the mapping at ``place``, each name once."""
    found: dict[str, Any] = {}
    if not isinstance(rows, dict):
        problems.add(place, _("must be a mapping of parameters, not {rows}").format(rows=shown(rows)))
        return found
    for name, value in flat(rows, stop):
        if not all(name.split(".")):
            problems.add(place, _("{name!r} is not a valid name of a parameter").format(name=name))
        elif any(name == other or name.startswith(other + ".") or other.startswith(name + ".") for other in found):
            problems.add(f"{place}.{name}", _("is given twice, or both as a value and as a group"))
        else:
            found[name] = value
    return found


def read(rows: Any, accepted: Mapping[str, Any] | None, problems: Problems) -> tuple[list[Leaf], dict[str, Any]]:
    """The leaves and the constants, by dotted name, of ``params``; ``accepted`` is what the trainer takes, None if unsaid."""
    leaves, constants = [], {}

    def stop(name: str, value: Mapping[str, Any]) -> bool:
        return not KINDS.keys().isdisjoint(value) or _misspelt(value, default_of(accepted, name))

    for name, value in values_of({} if rows is None else rows, "params", problems, stop).items():
        place = f"params.{name}"
        if name.split(".")[0] in (STOPPING, "options"):
            problems.add(place, _("{name} stands beside params, not in it").format(name=name.split(".")[0]))
        elif accepted is None or check(name, value, accepted, place, problems):
            known = default_of(accepted, name)
            if isinstance(value, dict) and value:
                leaf = read_leaf(name, value, place, problems)
                leaves += [leaf] if leaf and _all_fit(leaf, value, known, place, problems) else []
            elif not hides_distribution(value, place, problems) and check_kind(value, known, place, problems):
                constants[name] = value
    return leaves, constants


def check(name: str, value: Any, accepted: Mapping[str, Any], place: str, problems: Problems) -> bool:
    """Whether the trainer takes a parameter ``name``; a problem if not."""
    node: Any = accepted
    group, where = "", place.removesuffix(f".{name}")
    for word in name.split("."):
        if isinstance(node, dict) and node and word not in node:
            key = f"{where}.{word}"
            if problems.fine(key):
                problems.add(key, _("unknown key{hint}").format(hint=hint(word, node)))
                problems.misspelt(where, word, node)
            return False
        if node is not None and not isinstance(node, dict):
            problems.add(
                place,
                _("unknown key; {group} is one value ({node} if not given), not a group").format(group=group, node=shown(node)),
            )
            return False
        group, where = f"{group}.{word}".lstrip("."), f"{where}.{word}"
        node = node[word] if node else None
    if isinstance(node, dict) and node:
        problems.add(place, _("is a group of {node}, not {value}").format(node=", ".join(node), value=shown(value)))
        return False
    return True


def check_kind(value: Any, default: Any, place: str, problems: Problems) -> bool:
    """Whether ``value`` is of the kind of the ``default`` of the trainer; a problem if not. A default of null takes any."""
    if value is None or default is None:
        return True
    kinds: tuple[type, ...] = (
        (str, int, float) if isinstance(default, str) else (int, float) if _is_number(default) else (type(default),)
    )
    kinds = (list, tuple) if isinstance(default, list | tuple) else kinds
    if not isinstance(value, kinds) or (isinstance(value, bool) and not isinstance(default, bool)):
        truth = boolean(value) if isinstance(default, bool) else None
        way = _("; write {truth}").format(truth=shown(truth)) if truth is not None else ""
        example = default or (value.split() if isinstance(value, str) and isinstance(default, list) else default)
        such = "" if example in ([], {}) else _(", such as {example}").format(example=shown(example))
        problems.add(
            place,
            _("{value} is not allowed; it takes {words}{such}{way}").format(
                value=shown(value), words=_(WORDS[kinds[0]]), such=such, way=way
            ),
        )
        return False
    if isinstance(default, dict) and isinstance(value, dict):
        fits = [check_kind(one, default.get(name), f"{place}.{name}", problems) for name, one in value.items()]
        return all(fits)
    if isinstance(value, list | tuple) and default and all(map(_is_number, default)):
        fits = [check_kind(one, default[0], f"{place}[{index}]", problems) for index, one in enumerate(value)]
        return all(fits)
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all_fit(leaf: Leaf, rows: Mapping[str, Any], default: Any, place: str, problems: Problems) -> bool:
    """Whether every value that the leaf may have is of the kind of the trainer's default."""
    if isinstance(rows.get("choice"), list):
        values = {f"{place}.choice[{index}]": value for index, value in enumerate(rows["choice"])}
        fits = [
            not hides_distribution(one, at, problems) and check_kind(one, default, at, problems) for at, one in values.items()
        ]
        return all(fits)
    return check_kind(getattr(leaf.domain, "low", None), default, place, problems)


def hides_distribution(value: Any, place: str, problems: Problems) -> bool:
    """Whether a distribution stands within ``value``, where nothing would search it; a problem if so."""
    if isinstance(value, list):
        found = [hides_distribution(one, f"{place}[{index}]", problems) for index, one in enumerate(value)]
        return any(found)
    if not isinstance(value, dict):
        return False
    kinds = KINDS.keys() & value.keys()
    if len(kinds) == 1 and isinstance(value[kinds.pop()], list) and value.keys() <= KINDS.keys() | SIGNS:
        text = _(
            "{value} is a distribution where none is searched: a searched parameter has a name of its own in params, or is a "
            "choice of whole values"
        )
        problems.add(place, text.format(value=shown(value)))
        return True
    found = [hides_distribution(one, f"{place}.{name}", problems) for name, one in value.items()]
    return any(found)


def default_of(accepted: Mapping[str, Any] | None, name: str) -> Any:
    """What the trainer takes for a parameter that is not given; None too where it does not say."""
    node: Any = accepted
    for word in name.split("."):
        node = node.get(word) if isinstance(node, dict) else None
    return node


def _misspelt(value: Mapping[str, Any], default: Any) -> bool:
    """Whether a mapping with none of the kinds was meant as a distribution: better a question than a strange constant."""
    if isinstance(default, dict) and isinstance(value, dict):
        return False
    close = any(isinstance(item, list) and nearest(word, KINDS) is not None for word, item in value.items())
    return close or not SIGNS.isdisjoint(value) or (default is not None and not isinstance(default, dict))
