"""Whose study it is: a study belongs to what its space meant when it was made."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
from optuna.trial import TrialState
from pitprop.errors import UserError
from pitprop.space import Space, difference, meaning
from pitprop.study import database


class NotOurs(UserError):
    """The study was made with another space, or by another program: one sentence, and the differences."""


def claim(storage: optuna.storages.RDBStorage, space: Space, folder: Path) -> tuple[int, int]:
    """The id of the study of ``space``, and how many trials are planned. What the space means is written into a new one.

    `NotOurs` if an old one meant something else.
    """
    found = database.study_id(storage, space.name, space.directions)
    known = storage.get_study_user_attrs(found)
    means = meaning(space)
    if known.get("meaning", means) != means and _is_blank(storage, found, folder):
        storage.delete_study(found)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        found, known = database.study_id(storage, space.name, space.directions), {}
    if "meaning" not in known:
        ways = [way.name.lower() for way in storage.get_study_directions(found)]
        if ways != space.directions or storage.get_all_trials(found, deepcopy=False):
            raise NotOurs(f"study {space.name!r} in this database was not made by pitprop: rename the space")
        storage.set_study_user_attr(found, "meaning", means)
    elif known["meaning"] != means:
        lines = "".join(f"\n  {line}" for line in difference(known["meaning"], means))
        raise NotOurs(
            f"the space {space.name!r} no longer means what its study was made with; undo the change, name the space "
            f"anew, or search into another folder (RUNS=...):{lines}"
        )
    # The space's number of trials counts when it is new or was edited; between edits, what was planned on top of it does.
    if known.get("trials in the space") != space.trials:
        storage.set_study_user_attr(found, "trials", space.trials)
        storage.set_study_user_attr(found, "trials in the space", space.trials)
    return found, int(storage.get_study_user_attrs(found)["trials"])


def _is_blank(storage: optuna.storages.RDBStorage, study: int, folder: Path) -> bool:
    """Whether no epoch was trained, as after a first try with a slip in it: there is nothing to lose.

    The trials are asked too, for their files may lie in another folder, or on another machine.
    """
    trials = storage.get_all_trials(study, deepcopy=False)
    ended = any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    return not (ended or any(folder.glob("trials/*/telemetry*.jsonl")))
