"""Judge trainings by their logs: ``pitprop diagnose``. Nothing is trained."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pitprop.cli.options import DiagnoseOptions
from pitprop.cli.output import print_json
from pitprop.detection.detect import Bound
from pitprop.errors import UserError
from pitprop.logs.assumptions import Given
from pitprop.logs.diagnosis import Diagnosis, across
from pitprop.logs.diagnosis import diagnose as read
from pitprop.logs.names import Names
from pitprop.logs.sources import OURS, located, told_apart, trainings
from pitprop.messages import _
from pitprop.views import chart
from rich.console import Console
from rich.markup import escape


def diagnose(options: DiagnoseOptions) -> int:
    """Prints a verdict on each training: 1 if any of them is dead, else 2 if any could not be judged or read, else 0."""
    given = _given(options)
    found: list[Diagnosis] = []
    silent: list[str] = []
    logs = _logs(options)
    for name, files in logs:
        try:
            own, verdicts = _own(files[0], given)
            one = read(files, own, name)
            found.append(replace(one, notes=[*one.notes, *verdicts]))
        except UserError as error:
            if len(logs) == 1:
                raise
            silent.append(str(error))
    if not found:
        raise UserError(silent[0])
    baseline, found = _baseline(options, given) or found[0].compared, across(found)
    if options.plot:
        _plot(Path(options.plot), found)
    code = 1 if any(one.dead for one in found) else 2 if silent or not all(one.alive for one in found) else 0
    try:
        _print(options, found, silent, baseline)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # whoever reads has seen enough, and may still ask; the latter is how rich tells it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _logs(options: DiagnoseOptions) -> list[tuple[str, Sequence[Path]]]:
    """The trainings that are named, each under a name that no other has."""
    paths = [_fetched(path) if path.startswith(("http://", "https://")) else located(path) for path in options.path]
    found = [(path, trainings(path, options.format)) for path in paths]
    each = [(path, name, files) for path, held in found for name, files in held.items()]
    names = [name for _, name, _ in each]
    if len(set(names)) < len(names):
        names = told_apart([path if path.name == name else path / name for path, name, _ in each])
    return [(name, files) for name, (_, _, files) in zip(names, each, strict=True)]


def _own(file: Path, given: Given) -> tuple[Given, list[str]]:
    """Of a trial of a search of ours: what its space says, and what the search itself concluded; else ``given`` as it is."""
    study = file.parents[2] if file.name == OURS and len(file.parents) > 3 else None
    if study is None or not (study / "space.yaml").is_file():
        return given, []
    import yaml
    from pitprop.addresses import addresses
    from pitprop.study.stored import read_study

    space = yaml.safe_load((study / "space.yaml").read_text(encoding="utf-8"))
    objective, epochs = space.get("objective") or {}, space.get("epochs")
    goal = objective.get("goal")
    given = replace(
        given,
        metric=given.metric or objective.get("metric"),
        maximize=given.maximize if given.maximize is not None or goal is None else goal == "maximize",
        epochs=given.epochs or (epochs if isinstance(epochs, int) else None),
    )
    stored, number = read_study(addresses(str(study.parent)), study.name), file.parent.name
    records = {one.number: one for one in stored.records} if stored else {}
    record = records.get(int(number)) if number.isdigit() else None
    if record is None:
        return given, []
    told = [f"; {verdict.action} {verdict.signature} at epoch {verdict.step}: {verdict.reason}" for verdict in record.verdicts]
    return given, [f"in its search: trial {record.number} {str(record.state).lower()}{''.join(told)}"]


def _fetched(address: str) -> Path:
    """The runs of a tracking server, in a folder that is gone when this process is."""
    from pitprop.track.fetch import fetched

    folder = tempfile.mkdtemp(prefix="pitprop-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return fetched(address, Path(folder))


def _print(options: DiagnoseOptions, found: Sequence[Diagnosis], silent: Sequence[str], baseline: Mapping[str, float]) -> None:
    from pitprop.views.terminal.diagnosis_table import print_comparison, print_diagnosis

    if options.json:
        print_json({"trainings": [to_json(one) for one in found], "passed_over": list(silent), "baseline": baseline})
        return
    if len(found) > 1 or options.compare:
        print_comparison(Console(), found, baseline)
    else:
        print_diagnosis(Console(), found[0], baseline)
    for sentence in silent:
        text = _("skipped: {reason}").format(reason=sentence)
        Console().print(f"[dim]{escape(text)}[/]", highlight=False)
    if options.plot:
        text = _("curves drawn in {path}").format(path=options.plot)
        Console().print(f"[dim]{escape(text)}[/]", highlight=False)


def to_json(found: Diagnosis) -> dict[str, Any]:
    """All that is known of a training, for scripts."""
    best, ended = found.best, found.ended
    return {
        "name": found.name,
        "files": [str(file) for file in found.files],
        "answer": "dead" if found.dead else "alive" if found.alive else "cannot judge",
        "dead": found.dead,
        "unjudged": found.unjudged,
        "signature": ended.signature if ended else None,
        "known_at": ended.step if ended else None,
        "unit": found.unit,
        "epochs": found.telemetry[-1].step,
        "budget": found.facts.budget,
        "metric": found.facts.metric,
        "best": {"epoch": best[0], "value": best[1]} if best else None,
        "chance": {"score": found.chance, "loss": found.chance_loss},
        "verdicts": [verdict.to_json() for verdict in found.verdicts],
        "gates": [asdict(gate) | {"value": value, "missed": missed} for gate, value, missed in found.gates],
        "not_watched": {name: list(needs) for name, needs in found.unwatched.items()},
        "notes": list(found.notes),
        "curve": [{"epoch": epoch.step, **epoch.metrics} for epoch in found.telemetry],
    }


def _given(options: DiagnoseOptions) -> Given:
    """What the flags say."""
    names = dict(_equals(pair, "--name", "theirs=ours") for pair in options.name)
    given = Given(
        metric=options.metric and (Names(names)(options.metric, "val") or options.metric),
        maximize=None if options.goal is None else options.goal == "maximize",
        epochs=options.epochs,
        labels={str(label): count for label, count in enumerate(options.class_counts)},
        classes=options.classes,
        batch=options.batch,
        loss=options.loss,
        chance_loss=options.chance_loss,
        chance_score=options.chance_score,
        gates=[_gate(text, names) for text in options.gate],
        format=options.format,
        pattern=[*options.pattern],
        names=names,
    )
    if options.baseline and not Path(options.baseline).exists():
        return replace(given, checkpoint=_numbers(options.baseline, given))
    return given


def _baseline(options: DiagnoseOptions, given: Given) -> Mapping[str, float]:
    """What another run reached in its best epoch, by metric, to compare with; empty where numbers are given."""
    if not options.baseline or given.checkpoint:
        return {}
    (name, files), *more = trainings(Path(options.baseline), options.format).items()
    if more:
        raise UserError(
            _("--baseline {baseline} holds {value} trainings: name one of them").format(
                baseline=options.baseline, value=1 + len(more)
            )
        )
    return read(files, given, name).there


def _numbers(text: str, given: Given) -> Mapping[str, float]:
    """``0.8919`` for the objective, or ``val/top1=0.8919,val/pose/top1=0.825``."""
    pairs = [_equals(part, "--baseline", "name=value") if "=" in part else (given.metric or "", part) for part in text.split(",")]
    names = Names(given.names)
    try:
        found = {names(name, "val") or name: float(value) for name, value in pairs}
    except ValueError:
        raise UserError(
            _("--baseline {text} is no file or folder, and no numbers such as val/top1=0.89").format(text=text)
        ) from None
    if "" in found:
        raise UserError(
            _("--baseline {text}: say of what, as in val/top1={text}, or which --metric is the objective").format(text=text)
        )
    return found


def _gate(text: str, names: Mapping[str, str]) -> Bound:
    """``val/top1@5>=0.885``, or that and what to change when it is missed: ``val/top1@5>=0.885: lower the learning rate``."""
    least = ">=" in text
    where, _sign, rest = text.partition(">=" if least else "<=")
    bound, _colon, remedy = rest.partition(":")
    metric, _at, epoch = where.strip().rpartition("@")
    try:
        limit, at = float(bound), int(epoch)
    except ValueError:
        raise UserError(
            _("--gate {text!r} is not understood: write metric@epoch>=bound, such as val/top1@5>=0.885").format(text=text)
        ) from None
    ours = Names(names)(metric, "val") or metric
    return Bound(ours, at, limit if least else None, None if least else limit, action="warn", remedy=remedy.strip())


def _equals(pair: str, flag: str, form: str) -> tuple[str, str]:
    name, equals, value = pair.rpartition("=")
    if not equals or not name or not value:
        raise UserError(_("{flag} {pair!r} is not understood: write {form}").format(flag=flag, pair=pair, form=form))
    return name, value


def _plot(path: Path, found: Sequence[Diagnosis]) -> None:
    first = found[0]
    curves = {one.name: one.curve for one in found if one.facts.metric == first.facts.metric}
    marks = {one.name: one.ended.step for one in found if one.ended and one.name in curves}
    chart.picture(path, curves, first.facts.metric, first.chance, marks)
