"""Where imports look: beside a trainer's file while it runs."""

from __future__ import annotations

import importlib
import os
import site
import sys
import sysconfig
from functools import cache
from types import ModuleType

INSTALLED = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")} | {
    *site.getsitepackages(),
    site.getusersitepackages(),
}
"""Folders of the standard library and of installed packages; what comes from there is shared by all."""

_folder: str | None = None
_before: dict[str, ModuleType] = {}
_kept: dict[str, dict[str, ModuleType]] = {}


@cache
def spared(module: str, package: str) -> ModuleType:
    """A ``module`` of a library without the ``package`` that it imports for what is not used here, and does without.

    Whoever imports the module otherwise gets it with all that belongs to it.
    """
    if module in sys.modules or package in sys.modules:
        return importlib.import_module(module)
    parent, _, name = module.rpartition(".")
    before = getattr(importlib.import_module(parent), name)
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        found = importlib.import_module(module)
    finally:
        del sys.modules[package]
    for one in [one for one in sys.modules if one == module or one.startswith(f"{module}.")]:
        del sys.modules[one]
    setattr(sys.modules[parent], name, before)
    return found


def use(folder: str | None, *, fresh: bool = False) -> None:
    """Imports find the modules in ``folder`` first, as they do in a script that lies there, until `use` is called again.

    Trainers of several folders may each have a module ``utils``. So the modules of a folder leave ``sys.modules`` with it and
    return with it, unless they were imported before; ``fresh`` imports them again. Modules of the same names from elsewhere are
    set aside meanwhile, unless they are installed packages. None restores what there was before.
    """
    global _folder, _before
    if folder == _folder and not fresh:
        return
    if _folder is not None:
        _kept[_folder] = {name: sys.modules.pop(name) for name in _names_in(_folder) if name not in _before}
        sys.modules.update(_before)
        if _folder in sys.path:
            sys.path.remove(_folder)
    _folder, _before = folder, {}
    if folder is not None:
        entries = os.listdir(folder) if os.path.isdir(folder) else []
        heads = {entry.partition(".")[0] for entry in entries} - {"pitprop", "__main__"}
        own = set(_names_in(folder))
        same = {name for name in sys.modules if name.partition(".")[0] in heads}
        foreign = {name for name in same - own if not _installed(sys.modules[name.partition(".")[0]])}
        _before = {name: sys.modules[name] for name in own | foreign}
        for name in foreign:
            del sys.modules[name]
        kept = _kept.pop(folder, {})
        if not fresh:
            sys.modules.update(kept)
        sys.path.insert(0, folder)


def _names_in(folder: str) -> list[str]:
    """The loaded modules that lie in ``folder`` itself, with the submodules of its packages."""
    heads = {name for name, module in list(sys.modules.items()) if "." not in name and folder in _places(module)}
    heads -= {"pitprop", "__main__"}
    return [name for name in sys.modules if name.partition(".")[0] in heads] if heads else []


def _places(module: ModuleType) -> list[str]:
    """The folders on ``sys.path`` in which a module of no package was found, or may have been."""
    inside = getattr(module, "__path__", None)
    if inside is not None:
        return [os.path.dirname(path) for path in inside]
    file = getattr(module, "__file__", None)
    return [os.path.dirname(file)] if file else []


def _installed(module: ModuleType) -> bool:
    places = _places(module)
    known = module.__name__ in sys.stdlib_module_names or not places
    return known or any(f"{place}/".startswith(f"{folder}/") for place in places for folder in INSTALLED)
