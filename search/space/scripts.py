"""The code that trials are trained by: a trainer's file, or a command's scripts and templates, with what they import beside them.

It is part of what a trial's value means, but unlike the rest it is not in the space: a study keeps a digest of each file.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from pitprop import trainer
from pitprop.imports import INSTALLED
from pitprop.space.model import Space

OURS = "pitprop.trainers."
SCRIPTS = re.compile(r".*\.(py|sh|bash|zsh|R|jl|lua|pl|rb|js|ya?ml|json|toml|cfg|ini)")
"""Files that a command names and that are code or configuration; data and programs of the system are not."""
MOST = 2000
"""So many files are read at most."""


def code(space: Space) -> dict[str, str]:
    """Twelve hexadecimal digits for each file of code, by its path from the folder of the first; empty if none is known."""
    found: dict[str, str] = {}
    for file, root in _roots(space):
        for path in _with_imports(file, root):
            name = os.path.relpath(path, root)
            if name not in found and len(found) < MOST and (told := trainer.digest(path)):
                found[name] = told
    return dict(sorted(found.items()))


def folders(space: Space) -> list[Path]:
    """The folders that a training of the space needs beside installed packages: of its own trainer, or where its command runs."""
    if space.card.shell:
        cwd = str(space.options.get("cwd") or ".")
        needed = [space.home] if "{" in cwd else [Path(os.path.normpath(space.home / cwd))]
        return [*needed, space.home] if space.options.get("template") else needed
    return [Path(space.trainer).parent, space.home] if space.trainer.endswith(".py") else []


def modules(space: Space) -> list[Path]:
    """The package or module of a trainer that is imported by name and is not installed."""
    file = None if space.trainer.endswith(".py") or space.trainer.startswith(OURS) else trainer.file_of(space.trainer)
    if file is None or any(file.is_relative_to(place) for place in INSTALLED):
        return []
    head = space.trainer.partition(".")[0]
    top = next((above for above in file.parents if above.name == head), None)
    return [top if top is not None else file]


def short(files: Mapping[str, str]) -> str:
    """Eight hexadecimal digits for all the code; empty where there is none."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()[:8] if files else ""


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The files that differ between two codes, those that are gone or new among them."""
    return sorted(name for name in {**old, **new} if old.get(name) != new.get(name))


def _roots(space: Space) -> Iterator[tuple[Path, Path]]:
    """The files that the space names, each with the folder in which its imports are looked for first."""
    if space.card.shell:
        yield from _commanded(space)
    elif (file := trainer.file_of(space.trainer)) is not None:
        packages = 0 if space.trainer.endswith(".py") else space.trainer.count(".") + (file.name == "__init__.py")
        yield file, file.parent if space.trainer.startswith(OURS) else file.parents[packages]


def _commanded(space: Space) -> Iterator[tuple[Path, Path]]:
    """The scripts, modules (``-m``) and configuration files in a command's arguments, and its template."""
    options = space.options
    cwd = space.home / str(options.get("cwd") or ".")
    if isinstance(template := options.get("template"), str):
        yield space.home / template, space.home
    arguments = [str(one) for name in ("command", "resume") for one in options.get(name) or ()]
    words = [word for one in arguments for word in dict.fromkeys((one, *re.split(r"[\s'\"=;&|()<>]+", one))) if word]
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m" and re.fullmatch(r"[\w.]+", word):
            yield from ((file, cwd) for file in _modules(word, cwd))
        path = Path(os.path.normpath(cwd / word)) if "{" not in word and len(word) < 1000 else None
        if path is not None and path.is_file() and (SCRIPTS.fullmatch(word) or not Path(word).is_absolute()):
            yield path, path.parent


def _modules(name: str, root: Path) -> list[Path]:
    """The files that importing a dotted name reads below ``root``: packages on the way, and the module, if they are there."""
    found, parts = list[Path](), name.split(".")
    for depth in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:depth])
        found += [path for path in (place.with_suffix(".py"), place / "__init__.py", place / "__main__.py") if path.is_file()]
    return found


def _with_imports(file: Path, root: Path) -> Iterator[Path]:
    """``file``, and the modules below ``root`` that it imports, and these import, as far as their text says so."""
    waiting, seen = [file], set[Path]()
    while waiting and len(seen) < MOST:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        yield path
        status = path.stat()
        if path.suffix == ".py" and status.st_size <= trainer.LARGEST:
            names = _imported(path, root, (status.st_mtime_ns, status.st_size, status.st_ino))
            waiting += [found for name in names for found in _modules(name, root)]


@lru_cache(maxsize=MOST)
def _imported(path: Path, root: Path, _version: tuple[int, int, int]) -> tuple[str, ...]:
    """The dotted names, from ``root``, that a module's text imports; parsed once for each version of the file."""
    try:
        return tuple(_imports(ast.parse(path.read_bytes()), path, root))
    except (SyntaxError, ValueError, OSError, RecursionError):
        return ()


def _imports(tree: ast.Module, path: Path, root: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = path.parents[max(0, node.level - 1)]
            package = list(above.relative_to(root).parts) if node.level and above.is_relative_to(root) else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{base}.{one.name}".lstrip(".") for one in node.names)
