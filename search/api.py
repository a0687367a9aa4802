"""The Python API of the commands: run a search, open a study, diagnose logs, judge numbers."""

from __future__ import annotations

import html
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitprop.cli.options import RunOptions, Trials
from pitprop.detection import detect
from pitprop.detection.detect import Signature, Verdict
from pitprop.detection.facts import Facts
from pitprop.errors import UserError
from pitprop.logs.assumptions import Given
from pitprop.logs.diagnosis import Diagnosis as Found
from pitprop.messages import _
from pitprop.telemetry import Epoch, Telemetry, checked

if TYPE_CHECKING:
    import pandas
    from pitprop.addresses import Addresses
    from pitprop.results.results import Results
    from pitprop.results.summary import Summary
    from pitprop.space import Space
    from pitprop.study.record import Record
    from pitprop.study.stored import Known, StoredStudy
    from rich.console import Console

SHOWN = 10
"""Trials in the table that a notebook shows."""


@dataclass(frozen=True, slots=True)
class Best:
    """The trial to take. ``params`` are flat, by dotted name; ``value`` is that of the objective in the space."""

    trial: int
    params: Mapping[str, Any]
    value: float
    folder: Path
    """Where its curve, its logs and its checkpoints are."""


@dataclass(frozen=True)
class Result:
    """A study as it stood when it was searched or opened; it does not change afterwards."""

    space: Space
    where: Addresses = field(repr=False)
    records: Sequence[Record] = field(repr=False)
    target: int = field(repr=False)
    knows: Sequence[Known] = field(default=(), repr=False)

    @property
    def study(self) -> str:
        """The name of the study."""
        return self.space.name

    @property
    def trials(self) -> pandas.DataFrame:
        """All trials, a row each, by number: ``state``, ``value`` (NaN if there is none; of several objectives the first, then
        ``value.METRIC`` of each other and ``front``, whether the trial is on the Pareto front), ``epochs`` trained,
        ``seconds``, ``baseline``, ``excluded``, ``signature`` and ``reason`` of what stopped it, ``error``, and a column
        ``params.NAME`` for each parameter."""
        import pandas
        from pitprop.results.spreadsheet import rows

        index = pandas.Index([record.number for record in self.records], name="trial")
        return pandas.DataFrame(rows(self.records, self.space), index=index)

    @property
    def front(self) -> list[int]:
        """The trials on the Pareto front of several objectives, the best in the first of them first; the best trial of one."""
        return [record.number for record in self.summary.best]

    @property
    def best(self) -> Best | None:
        """The best trial but for baselines: the winner of a confirmation, or as the search ranks them; None if none ended.

        Of several objectives it is the one on the `front` that is best in the first of them."""
        found = self._results.best_trial
        if found is None or not found.values:
            return None
        return Best(found.number, dict(found.params), found.values[0], Path(found.folder))

    @property
    def verdicts(self) -> Mapping[int, Sequence[Verdict]]:
        """What signatures and gates said, by trial, of those trials of which they said anything."""
        return {record.number: record.verdicts for record in self.records if record.verdicts}

    @property
    def summary(self) -> Summary:
        """Counts, the best trials, why others were stopped, and the lead over each baseline."""
        return self._results.summary

    @cached_property
    def _results(self) -> Results:
        from pitprop.results.results import Results

        return Results(self.space, self.where, self.records, self.target, knows=self.knows)

    @property
    def report(self) -> Path:
        """The HTML report; it is written first if the study has none yet, which takes some seconds."""
        from pitprop.cli.training import publish

        path = self.where.folder(self.study) / "report.html"
        return path if path.exists() else publish.write(self._results)[0]

    def __repr__(self) -> str:
        best, metric = self.best, self.space.objective.metric
        said = f"best {metric} {best.value:.4g} in trial {best.trial}" if best else "no trial has completed"
        return f"<pitprop.Result {self.study}: {len(self.records)} trials, {said}>"

    def _repr_html_(self) -> str:
        """For notebooks: the best configuration, and the trials in their order of rank."""
        best, metric = self.best, self.space.objective.metric
        said = [f"<p><b>{html.escape(self.study)}</b>: {html.escape(self.space.question)}</p>"]
        if best is not None:
            words = ", ".join(f"{name} = {_short(value)}" for name, value in best.params.items())
            said.append(f"<p>{html.escape(f'Best {metric} {best.value:.4g} in trial {best.trial}: {words}')}</p>")
        table = self.trials.drop(columns=["reason", "seconds"]).dropna(axis="columns", how="all")
        if "value" in table:
            table = table.sort_values("value", ascending=self.space.objective.goal == "minimize", kind="stable")
        said.append(table.head(SHOWN).to_html(border=0, float_format="{:.4g}".format, na_rep=""))
        reasons = [f"<li>{html.escape(f'{one.signature}, {len(one.trials)} trials')}</li>" for one in self.summary.pruned]
        said += ["<p>Stopped early:</p><ul>", *reasons, "</ul>"] if reasons else []
        return "\n".join(said)


class Diagnosis(Found):
    """A `pitprop.logs.diagnosis.Diagnosis` that a terminal and a notebook show as ``pitprop diagnose`` does."""

    __slots__ = ()

    def __str__(self) -> str:
        return self._recorded().export_text().strip()

    def _repr_html_(self) -> str:
        return self._recorded().export_html(inline_styles=True, code_format="<pre>{code}</pre>")

    def _recorded(self) -> Console:
        from pitprop.views.terminal.diagnosis_table import print_diagnosis
        from rich.console import Console

        console = Console(record=True, file=io.StringIO(), width=110, force_jupyter=False)
        print_diagnosis(console, self, self.facts.checkpoint)
        return console


def search(
    space: str | Path | Mapping[str, Any] | Space,
    *,
    trials: int | None = None,
    runs: str | Path | None = None,
    timeout: float | None = None,
    workers: int | None = None,
    seed: int | None = None,
    inline: bool = False,
    report: bool = True,
    quiet: bool = False,
    worker_logs: bool = False,
    code_changed: bool = False,
) -> Result:
    """Searches a space, or resumes its search; the same as the command ``pitprop search``, with the same files and database.

    ``space`` is a name, the path of a YAML file, the content of such a file as a mapping (with a further key ``name``, for its
    study), or a loaded `Space`. ``trials`` is how many there are to be in all, baselines and finished ones included;
    ``timeout`` is in seconds; ``runs`` is the folder of studies, by default ``runs`` here. What is None is as the space says.
    ``inline`` trains in this process and one trial after the other, where a debugger works; otherwise Ray starts ``workers``
    processes. A ``report`` is written at the end, and ``quiet`` prints nothing. ``code_changed`` trains on though the trainer's
    code has changed since trials were trained by it.

    `pitprop.errors.UserError` says in a sentence what is wrong, such as a space that cannot be read (then it is a ``ValueError``
    too). Ctrl-C ends the trainings, keeps what is finished, and raises ``KeyboardInterrupt``; the same call resumes the search.
    """
    _check(trials=trials, workers=workers)
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise UserError(_("seed is {seed!r}; it takes a whole number of at least 0").format(seed=seed))
    if timeout is not None and not timeout > 0:
        raise UserError(_("timeout is {timeout!r}; it takes a number of seconds above 0").format(timeout=timeout))
    if not inline and "ray" in sys.modules and sys.modules["ray"].is_initialized():
        raise UserError(_("Ray is running in this process already: call ray.shutdown() first, or search with inline=True"))
    loaded, where, _stored = _found(space, runs)
    options = RunOptions(workers, seed, timeout, inline, report, worker_logs, code_changed, exits=False)

    from pitprop.cli.training import train  # after `_found`, which silences a warning on import
    from pitprop.results.baselines import looked_up
    from rich.console import Console

    loaded = looked_up(loaded if seed is None else replace(loaded, seed=seed), where, ask=True)

    # A notebook's kernel asks for colours as if it were a terminal, and shows a live table as garbage.
    console = Console(quiet=quiet, force_jupyter=False, force_terminal=sys.stdout.isatty())
    with _as_before():
        code, results = train.searched(loaded, where, options, None if trials is None else Trials(trials), console)
    if code:
        raise KeyboardInterrupt(f"{loaded.name} was interrupted: what is finished is kept, and the same call resumes the search")
    return Result(loaded, where, tuple(results.records), results.target, results.knows)


def open_study(space: str | Path | Mapping[str, Any] | Space, *, runs: str | Path | None = None) -> Result:
    """The study of a space as it stands, also while a search is running; nothing is trained or written.

    ``space`` is what `search` takes, or the name of a study that was searched from a mapping; ``runs`` is the folder of studies,
    by default ``runs`` here. `pitprop.errors.UserError` if there is no such space, or no study of it yet.
    """
    loaded, where, stored = _found(space, runs)

    from pitprop.results.opening import results_of
    from pitprop.study.stored import read_study

    found = results_of(loaded, where, stored or read_study(where, loaded.name))
    return Result(found.space, where, tuple(found.records), found.target, found.knows)


def diagnose(path: str | Path, **facts: Any) -> Diagnosis:
    """Judges one training by its logs, as ``pitprop diagnose`` does: is it dead, since when could that be known, what to change.

    ``path`` is a log, or the folder of one training. ``facts`` say what the log may lack: ``metric`` and ``maximize`` of the
    objective, ``epochs`` of the whole training, ``labels`` (validation samples by class) or ``classes``, ``batch`` (samples),
    ``loss`` (cross_entropy, supcon, ntxent, clip), ``chance_loss``, ``chance_score``, ``checkpoint`` (scores of what training
    started from), ``gates`` (`Gate`), ``format``, ``pattern`` and ``names`` of the log. `pitprop.errors.UserError` if there is
    nothing to judge.
    """
    from pitprop.logs.diagnosis import diagnose as read
    from pitprop.logs.sources import trainings

    known = {one.name for one in fields(Given)}
    if unknown := sorted(facts.keys() - known):
        raise UserError(
            _("diagnose takes no {unknown!r}: it takes {known}").format(unknown=unknown[0], known=", ".join(sorted(known)))
        )
    logs = trainings(Path(path), facts.get("format"))
    if len(logs) > 1:
        raise UserError(
            _("{path} holds {n} trainings, diagnose takes one: {logs}").format(
                path=path, n=len(logs), logs=", ".join(list(logs)[:5])
            )
        )
    (name, files), given = next(iter(logs.items())), Given(**facts)
    found = read(files, given, name)
    return Diagnosis(**{one.name: getattr(found, one.name) for one in fields(found)})


def judge(
    epochs: Iterable[Epoch | Mapping[str, Any]], facts: Facts, signatures: Iterable[Signature | str] | None = None
) -> list[Verdict]:
    """What the last of ``epochs`` shows, given those before it: the verdicts, those that end a training first; [] if all is well.

    An epoch is an `Epoch`, or a mapping of metric names to numbers; its key ``step`` counts finished epochs from 1; without it
    the place in the list does. Names are those of the metric vocabulary, and usual ones (``val_loss``). ``signatures`` are names
    or `Signature`, by default all. ``ValueError`` for an unknown signature or threshold.
    """
    return detect.judge(_telemetry(epochs), facts, _signatures(signatures))


def replay(
    epochs: Iterable[Epoch | Mapping[str, Any]], facts: Facts, signatures: Iterable[Signature | str] | None = None
) -> list[Verdict]:
    """For each signature its first verdict, at the epoch at which a search gives it; oldest first. Arguments as for `judge`."""
    return detect.replay(_telemetry(epochs), facts, _signatures(signatures))


def _found(
    source: str | Path | Mapping[str, Any] | Space, runs: str | Path | None
) -> tuple[Space, Addresses, StoredStudy | None]:
    """The space, where its study is, and the study if it was read on the way."""
    with warnings.catch_warnings():  # tqdm, which Optuna imports, warns in every notebook that lacks ipywidgets
        warnings.filterwarnings("ignore", message="IProgress not found")
        import optuna  # noqa: F401
    from pitprop import space as spaces
    from pitprop.addresses import addresses
    from pitprop.study.source import find_space

    where = addresses(None if runs is None else str(runs))
    if isinstance(source, spaces.Space):
        return source, where, None
    if isinstance(source, Mapping):
        source = _written(source, where.runs)
    space, stored = find_space(str(source), where)
    return space, where, stored


def _written(rows: Mapping[str, Any], runs: Path) -> Path:
    """The file of a space that was given as a mapping; paths in it go from the current folder, not from that of the file."""
    from pitprop import space as spaces

    given = dict(rows)
    if str(given.get("trainer", "")).endswith(".py"):
        given["trainer"] = str(Path(given["trainer"]).resolve())
    if given.get("trainer") == "command" and isinstance(given.get("options"), Mapping):
        given["options"] = {**given["options"], "cwd": str(Path(given["options"].get("cwd") or ".").resolve())}
    found = spaces.load(given)  # which says all that is wrong with it, before a file is written
    runs.mkdir(parents=True, exist_ok=True)
    path = runs / f"{found.name}.yaml"
    path.write_text(found.text, encoding="utf-8")
    return path


@contextmanager
def _as_before() -> Iterator[None]:
    """Leaves the environment, the file mask and the handling of Ctrl-C as they were: a notebook goes on after a search."""
    from pitprop.addresses import PRIVATE

    environment, mask = dict(os.environ), os.umask(PRIVATE)
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        os.umask(mask)
        os.environ.clear()
        os.environ.update(environment)
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGINT, handler)


def _check(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise UserError(_("{name} is {count!r}; it takes a whole number of at least 1").format(name=name, count=count))


def _telemetry(epochs: Iterable[Epoch | Mapping[str, Any]]) -> Telemetry:
    from pitprop.logs.names import Names

    names = Names()

    def read(step: int, row: Mapping[str, Any]) -> Epoch:
        return checked(row.get("step", step), {names(name, "val") or name: row[name] for name in row if name != "step"}, least=0)

    return Telemetry(one if isinstance(one, Epoch) else read(step, one) for step, one in enumerate(epochs, 1))


def _signatures(given: Iterable[Signature | str] | None) -> list[Signature]:
    return detect.defaults() if given is None else [one if isinstance(one, Signature) else Signature(one) for one in given]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
