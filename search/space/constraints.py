"""Constraints between parameters, such as ``warmup.epochs < epochs``: a small part of Python, evaluated safely."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pitprop.messages import N_, _

LONGEST = 300
WHAT = N_("a constraint takes names, numbers, text, comparisons, + - * / // %, and, or, not, and indexing")
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISON: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: lambda one, other: one < other and not _same(one, other),
    ast.LtE: lambda one, other: one < other or _same(one, other),
    ast.Gt: lambda one, other: one > other and not _same(one, other),
    ast.GtE: lambda one, other: one > other or _same(one, other),
    ast.Eq: lambda one, other: _same(one, other),
    ast.NotEq: lambda one, other: not _same(one, other),
    ast.In: lambda one, many: _within(one, many),
    ast.NotIn: lambda one, many: not _within(one, many),
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition that every trial holds; ``names`` are the dotted names in it."""

    text: str
    names: tuple[str, ...]
    tree: ast.expr = field(compare=False, repr=False)

    def violated(self, values: Mapping[str, Any]) -> str | None:
        """The constraint's text, and the reason if it cannot be evaluated; None if it holds."""
        try:
            return None if _value(self.tree, values) else self.text
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            return f"{self.text} (cannot be evaluated: {error})"


def parse(text: str) -> Constraint:
    """The constraint ``text``; ``ValueError`` says what is wrong with it. Whether its names exist is not looked at."""
    if len(text) > LONGEST:
        raise ValueError(_("is longer than {n} characters; write several").format(n=LONGEST))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(_("{text!r} is no expression; {what}").format(text=text, what=_(WHAT))) from error
    names: dict[str, None] = {}
    try:
        _names(tree, names)
    except RecursionError as error:
        raise ValueError(_("{text!r} is nested too deeply").format(text=text)) from error
    return Constraint(text, tuple(names), tree)


def _names(node: ast.expr, names: dict[str, None]) -> None:
    """Collects the names under ``node``; ``ValueError`` if it is more than a constraint may be."""
    match node:
        case ast.Name() | ast.Attribute():
            names[_dotted(node)] = None
        case ast.Constant(value=bool() | int() | float() | str() | None):
            pass
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            _names(node.left, names)
            _names(node.right, names)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd()):
            _names(node.operand, names)
        case ast.Compare() if all(type(op) in COMPARISON for op in node.ops):
            for part in (node.left, *node.comparators):
                _names(part, names)
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                _names(part, names)
        case ast.Subscript(value=ast.Name() | ast.Attribute()):
            _names(node.value, names)
            _names(node.slice, names)
        case _:
            raise ValueError(_("{text!r} is not allowed; {what}").format(text=ast.unparse(node), what=_(WHAT)))


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise ValueError(_("{text!r} is not allowed; {what}").format(text=ast.unparse(node), what=_(WHAT)))


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name() | ast.Attribute():
            return values[_dotted(node)]
        case ast.Constant():
            return node.value
        case ast.BinOp():
            return ARITHMETIC[type(node.op)](_number(node.left, values), _number(node.right, values))
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, values)
        case ast.UnaryOp():
            return _number(node.operand, values) * (-1 if isinstance(node.op, ast.USub) else 1)
        case ast.BoolOp(op=ast.And()):
            return all(_value(part, values) for part in node.values)
        case ast.BoolOp():
            return any(_value(part, values) for part in node.values)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, values) for part in parts]
        case ast.Subscript():
            return _value(node.value, values)[_value(node.slice, values)]
        case ast.Compare():
            terms = [_value(part, values) for part in (node.left, *node.comparators)]
            return all(COMPARISON[type(op)](*pair) for op, pair in zip(node.ops, pairwise(terms), strict=True))
        case _:
            raise TypeError(ast.unparse(node))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; to a person 0.1 + 0.2 is 0.3."""
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return bool(math.isclose(one, other, rel_tol=1e-12)) if numbers else False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _within(one: Any, many: Any) -> bool:
    return any(_same(one, other) for other in many) if isinstance(many, list) else one in many


def _number(node: ast.expr, values: Mapping[str, Any]) -> Any:
    value = _value(node, values)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{ast.unparse(node)} is {value!r}, not a number")
    return value
