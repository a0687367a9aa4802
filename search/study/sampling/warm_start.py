"""Trials of elsewhere that the sampler knows (`warm_start`): of another study of ours or of Optuna's, or of a CSV.

They are no trials of the study: they have no numbers in it, do not count, and are in no answer. What was found is kept in the
study itself, as its source may change or go: a search that is opened again proposes what an undisturbed one would have.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pitprop.addresses import safe
from pitprop.errors import UserError, hint, shown
from pitprop.messages import _
from pitprop.space import Choices, Leaf, Space, meaning
from pitprop.space.distributions import STOPPING
from pitprop.space.params import flat
from pitprop.study import database, storage
from pitprop.study.stored import WARM_START, Known, nameable

FIRST = 1_000_000_000
"""Samplers tell trials apart by their numbers: those of elsewhere have numbers that no trial of the study gets."""


class _Outside(ValueError):
    """A trial does not lie inside the space, and why."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A finished trial: its ``params`` by dotted name, what it has reached, and of a stopped one at which ``epoch``, and why.

    ``defaults`` are what it had in place of parameters that it does not name; empty where that is not known.
    """

    params: Mapping[str, Any]
    score: float | None
    epoch: int | None = None
    verdicts: Sequence[Mapping[str, Any]] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


def known(
    space: Space, connection: optuna.storages.RDBStorage, study: int, fence: storage.Fence, facts: Mapping[str, Any]
) -> tuple[tuple[Known, ...], list[FrozenTrial]]:
    """What the sampler of a study is to know from elsewhere, for people and for the sampler; ``facts`` are the study's.

    It is looked up when the study is first opened, or when its space names other sources. `UserError` if there is none of it.
    """
    start = space.warm_start
    if start is None:
        return (), []
    sources = asdict(start) | {"storage": start.storage and safe(start.storage)}
    kept = facts.get(WARM_START, {})
    if kept.get("of") != sources:
        told, rows = [], list[dict[str, Any]]()
        if start.study is not None:
            told.append(_take(space, start.study, _of_study(space, start.study, start.storage, connection), rows))
        if start.csv is not None:
            told.append(_take(space, start.csv, _of_csv(space, space.home / Path(start.csv).expanduser()), rows, csv=True))
        kept = {"of": sources, "known": [asdict(one) for one in told], "trials": rows}
        storage.set_fact(connection, study, WARM_START, kept, fence)
    return tuple(Known(**one) for one in kept["known"]), [_frozen(space, n, row) for n, row in enumerate(kept["trials"])]


def _take(space: Space, source: str, found: Sequence[_Found], rows: list[dict[str, Any]], *, csv: bool = False) -> Known:
    """Adds to ``rows`` those trials of a source that lie inside the space; `UserError` if none does."""
    inside, reasons = [], []
    for one in found:
        try:
            inside.append({"values": _placed(space, one), "score": one.score, "epoch": one.epoch, "verdicts": one.verdicts})
        except _Outside as error:
            reasons.append(str(error))
    if not inside:
        text = _("none of its {n} finished trials lies inside the space: of the first {reason}")
        said = text.format(n=len(reasons), reason=reasons[0]) if reasons else _("none of its trials has ended with a score")
        where = _("warm_start.csv: {source}: {said}") if csv else _("warm_start.study: {source}: {said}")
        raise UserError(where.format(source=source, said=said))
    rows += inside
    return Known(source, len(inside), len(reasons), csv)


def _placed(space: Space, found: _Found) -> dict[str, Any]:
    """Optuna's values by leaf of a trial; `_Outside` if the space does not hold it.

    What the space does not search has to be what its trainings have. A parameter that nobody knows may be the reason for a
    score, so that such a trial lies outside.
    """
    drawn: dict[str, Any] = {}
    params = {**found.defaults, **found.params}
    for leaf in space.active(drawn):
        if leaf.name not in params:
            raise _Outside(_("{name} is not known").format(name=leaf.name))
        try:
            drawn[leaf.name] = leaf.inside(params[leaf.name])
        except ValueError as error:
            raise _Outside(f"{leaf.name}: {error}") from error
    absent = {leaf.name: found.defaults.get(leaf.name) for leaf in space.leaves}
    fixed = {**absent, **space.known}
    for name, value in found.params.items():
        if name not in drawn and (name not in fixed or fixed[name] != value):
            here = shown(fixed[name]) if name in fixed else _("no parameter")
            text = _("{name} is {value}, and here {fixed}")
            raise _Outside(text.format(name=name, value=shown(value), fixed=here))
    if broken := space.violated(drawn):
        raise _Outside(_("the constraint {constraint} is broken").format(constraint=repr(broken[0])))
    return drawn


def _frozen(space: Space, index: int, row: Mapping[str, Any]) -> FrozenTrial:
    """A trial of elsewhere as a sampler is shown it."""
    leaves = {leaf.name: leaf for leaf in space.leaves}
    stopped, score = row["epoch"] is not None, row["score"]
    made = optuna.create_trial(
        state=TrialState.PRUNED if stopped else TrialState.COMPLETE,
        values=None if score is None else [score],
        params=row["values"],
        distributions={name: leaves[name].distribution for name in row["values"]},
        intermediate_values={row["epoch"]: score} if stopped and score is not None else {},
        user_attrs={"verdicts": row["verdicts"], "epochs": row["epoch"] or space.epochs},
    )
    made.number = FIRST + index
    return made


# Studies


def _of_study(space: Space, name: str, url: str | None, connection: optuna.storages.RDBStorage) -> list[_Found]:
    """The finished trials of a study, in the database at ``url``, or that of ``connection``."""
    if url is None and name == space.name:
        text = _("warm_start.study: {name} is this study itself; name another one, or say storage if it is in another database")
        raise UserError(text.format(name=repr(name)))
    path = database.sqlite_path(url) if url is not None else None
    if path is not None and not path.is_file():
        raise UserError(_("warm_start.storage: there is no database {path}").format(path=path))
    other = connection if url is None else database.connect(url)
    try:
        names = optuna.get_all_study_names(other)
        if name not in names:
            text = _("warm_start.study: there is no study {name} in that database")
            raise UserError(text.format(name=repr(name)) + hint(name, nameable(names)))
        found = other.get_study_id_from_name(name)
        facts = other.get_study_user_attrs(found)
        _check_objective(space, name, other.get_study_directions(found), facts.get("meaning", {}))
        trials = storage.trials(other, found)
    finally:
        if other is not connection:
            other.engine.dispose()
    return list(_finished(space, trials, facts))


def _check_objective(space: Space, name: str, ways: Sequence[Any], means: Mapping[str, Any]) -> None:
    """`UserError` if the scores of another study are none that this space could compare with its own."""
    goal, theirs = space.objective, means.get("objective", {})
    if [way.name.lower() for way in ways] != [goal.goal]:
        wanted, found = f"{goal.goal}", ", ".join(way.name.lower() for way in ways)
        text = _("warm_start.study: the study {name} is to {found}, and this space to {wanted}: their scores cannot be compared")
        raise UserError(text.format(name=repr(name), found=found, wanted=wanted))
    if theirs and theirs["metric"] != goal.metric:
        text = _("warm_start.study: the study {name} is for {theirs}, and this space for {ours}: their scores cannot be compared")
        raise UserError(text.format(name=repr(name), theirs=theirs["metric"], ours=goal.metric))


def _finished(space: Space, trials: Sequence[FrozenTrial], facts: Mapping[str, Any]) -> Iterator[_Found]:
    """The trials that tell something: those that ended, each curve once, without those that a user has excluded."""
    gone = {*facts.get("excluded", ()), *(one.user_attrs.get("revives") for one in trials if one.state == TrialState.COMPLETE)}
    same = "meaning" in facts and facts["meaning"].get("trainer") == meaning(space)["trainer"]
    defaults = dict(flat(space.card.params or {}, lambda *_: False)) if same else {}
    for one in trials:
        if one.number in gone or one.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            continue
        params = one.user_attrs.get("params", one.params)
        stopped = one.state == TrialState.PRUNED
        verdicts = [{key: said[key] for key in ("signature", "action")} for said in one.user_attrs.get("verdicts", ())]
        score = one.values[0] if one.values else None
        if stopped and score is None and one.intermediate_values:
            score = one.intermediate_values[max(one.intermediate_values)]
        epoch = max(one.intermediate_values, default=one.user_attrs.get("epochs", 1)) if stopped else None
        yield _Found(params, _finite(score), epoch, verdicts, defaults)


def _finite(score: float | None) -> float | None:
    return score if score is not None and math.isfinite(score) else None


# A CSV


def _of_csv(space: Space, path: Path) -> list[_Found]:
    """The finished trials of a CSV, as `pitprop export` or Optuna's ``trials_dataframe`` writes it, or a plain one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(_("warm_start.csv: {path} cannot be read: {why}").format(path=path, why=why)) from error
    objective = _column(columns, space.objective.metric, "value")
    if objective is None:
        text = _("warm_start.csv: {path} has no column {metric} for the objective, nor value")
        metric = space.objective.metric
        raise UserError(text.format(path=path.name, metric=repr(metric)) + hint(metric, columns))
    names = {leaf.name: _column(columns, leaf.name, f"params.{leaf.name}", f"params_{leaf.name}") for leaf in space.leaves}
    lacking = next((name for name, column in names.items() if column is None), None)
    if lacking is not None:
        text = _("warm_start.csv: {path} has no column for the searched parameter {name}")
        raise UserError(text.format(path=path.name, name=lacking) + hint(lacking, columns))
    said = [name for name in space.known if name != space.unit and not name.startswith((f"{STOPPING}.", "options."))]
    fixed = {name: _column(columns, name, f"params.{name}", f"params_{name}") for name in said}
    readers: dict[str, tuple[str, Callable[[str], Any]]] = {}
    for name, column in {**fixed, **names}.items():
        if column is not None:
            leaf = next((one for one in space.leaves if one.name == name), None)
            readers[column] = name, _reader(leaf, space.known.get(name))
    rest = {column: column[7:] for column in columns if column[:7] in ("params.", "params_") and column not in readers}
    return [one for row in rows if (one := _row(row, objective, readers, rest)) is not None]


def _column(columns: Sequence[str], *words: str) -> str | None:
    return next((word for word in words if word in columns), None)


def _row(
    row: Mapping[str, str], objective: str, readers: Mapping[str, tuple[str, Callable[[str], Any]]], rest: Mapping[str, str]
) -> _Found | None:
    """The trial in a row; None if it has not ended, has no score, or was excluded."""
    state = (row.get("state") or "COMPLETE").upper()
    try:
        score = _finite(float(row[objective]))
    except (TypeError, ValueError):
        score = None
    if state not in ("COMPLETE", "PRUNED") or (row.get("excluded") or "").lower() == "true" or score is None:
        return None
    params = {name: read(row[column] or "") for column, (name, read) in readers.items()}
    params |= {name: row[column] for column, name in rest.items() if row[column]}
    epochs = row.get("epochs") or ""
    epoch = (int(epochs) if epochs.isdecimal() else 1) if state == "PRUNED" else None
    return _Found({name: value for name, value in params.items() if value is not _ABSENT}, score, epoch)


_ABSENT = object()


def _reader(leaf: Leaf | None, fixed: Any) -> Callable[[str], Any]:
    """What makes a value out of a cell: of a choice the one that it stands for, else what JSON makes of it, else text.

    An empty cell is a parameter that does not exist in the trial, or the choice null.
    """
    known = [leaf.decode(choice) for choice in leaf.domain.choices] if leaf and isinstance(leaf.domain, Choices) else [fixed]

    def read(cell: str) -> Any:
        if not cell:
            return None if None in known else _ABSENT
        if cell in known:
            return cell
        if (word := cell.lower()) in ("true", "false"):
            return word == "true"
        try:
            return json.loads(cell)
        except ValueError:
            return None if cell in ("None", "nan") else cell

    return read
