"""Find the log files in a folder, and group them by training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pitprop.errors import UserError
from pitprop.logs import formats
from pitprop.logs.formats import Unit
from pitprop.logs.names import SIDES
from pitprop.messages import _

MOST = 2000
"""Files looked at in a folder."""
OURS = "telemetry.jsonl"
"""What a search keeps of each trial."""
INSIDE = re.compile(r"vis_data|tf_logs|tensorboard|logs?|checkpoint-\d+")
"""Folders that belong to the training whose folder they are in."""
IDLE = re.compile(r"\.(pt|pth|ckpt|pkl|np[yz]|png|jpg|pdf|py|ya?ml|md|toml|safetensors|bin|parquet|zip)")
"""Ends of names of what is no log."""


def trainings(path: Path, format: str | None = None) -> dict[str, list[Path]]:
    """The log files under ``path`` by training, each with a name. `UserError` if there are none."""
    if formats.part(path)[1]:
        return {path.name: [path]}
    if not path.exists():
        raise UserError(_("there is no file or folder {path}").format(path=path))
    if path.is_file():
        return _held(path, format)
    files = sorted(
        file for file in path.rglob("*") if file.is_file() and not IDLE.fullmatch(file.suffix) and not _hidden(file, path)
    )
    files = list(dict.fromkeys(formats.home(file) or file for file in files))  # of a folder that is one log, that
    known = {file: name for file in files[:MOST] if (name := format or formats.recognise(file))}
    if ours := {file: name for file, name in known.items() if file.name == OURS}:
        known = ours  # of a search, what its trials reported: their scripts' logs say the same again
    groups: dict[Path, list[Path]] = {}
    for file in known:
        home = file if file.is_dir() else file.parent
        if home != path and formats.load(known[file]).TRAITS.sided and home.name.lower() in SIDES:
            home = home.parent
        while home != path and INSIDE.fullmatch(home.name):
            home = home.parent
        groups.setdefault(home, []).append(file)
    found: dict[str, list[Path]] = {}
    for home, members in groups.items():
        name = str(home.relative_to(path)) if home != path else path.resolve().name
        for own in _apart(home, members, known):
            alone = len(own) == 1 and len(members) > 1
            for training in formats.several(own[0], known[own[0]]) if len(own) == 1 else ():
                shown = training.relative_to(path) if alone or training != own[0] else name
                found[str(shown)] = [training]
            if len(own) > 1:
                found[name] = own
    if not found:
        raise UserError(
            _("no log that can be read is in {path}: {formats} are known").format(path=path, formats=", ".join(formats.names()))
        )
    return found


def _held(path: Path, format: str | None) -> dict[str, list[Path]]:
    """The trainings in one file; all of the folder that it is in, if that is one log."""
    if home := formats.home(path):
        return {home.name: [home]}
    name = format or formats.recognise(path)
    held = formats.several(path, name) if name else [path]
    return {one.name: [one] for one in held}


def located(text: str) -> Path:
    """The path that a person names: also as ``file:`` or, of MLflow's database, ``sqlite:///``."""
    for scheme in ("sqlite:///", "file://", "file:"):
        if text.startswith(scheme):
            return Path(text.removeprefix(scheme))
    return Path(text)


def told_apart(paths: Sequence[Path]) -> list[str]:
    """Short names of ``paths``: their last parts, or where two of these are the same, the parts in which they differ."""
    if len({path.name for path in paths}) == len(paths):
        return [path.name for path in paths]
    parts = [path.parts for path in paths]
    shortest = min(map(len, parts))
    ahead = next((n for n in range(shortest) if len({one[n] for one in parts}) > 1), shortest)
    behind = next((n for n in range(shortest - ahead) if len({one[-1 - n] for one in parts}) > 1), 0)
    return ["/".join(one[ahead : len(one) - behind]) or str(path) for one, path in zip(parts, paths, strict=True)]


def _apart(home: Path, members: Sequence[Path], known: Mapping[Path, str]) -> list[list[Path]]:
    """One training, or as many as there are files of one format. Of documents that were written one after another, the last."""
    members = [file for file in members if not formats.load(known[file]).TRAITS.aside] or members
    kinds = [known[file] for file in members if file.parent == home and formats.load(known[file]).TRAITS.single]
    if len(kinds) != len(set(kinds)):
        return [[file] for file in members]
    newest: dict[str, Path] = {}
    for file in sorted(members, key=lambda file: file.stat().st_mtime):
        if formats.load(known[file]).TRAITS.unit is Unit.DOCUMENT:
            newest[known[file]] = file
    return [[file for file in members if newest.get(known[file], file) == file]]


def _hidden(file: Path, top: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(top).parts)
