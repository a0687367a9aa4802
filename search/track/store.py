"""The runs of a study, brought up to date with its records: an experiment a space, a parent run a study, a child run a trial.

What MLflow holds is read once; from then on only what differs is written, so that exporting twice changes nothing. A run's
status is written last: one that has its final status lacks nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pitprop.study import ranking
from pitprop.study.record import WORDS, Record, State, StudyCard
from pitprop.track import trial_run as say
from pitprop.track.code import Code
from pitprop.track.experiment import Experiment, Held, is_refusal
from pitprop.track.note import note
from pitprop.track.view import Kept, public, views

STUDY, TRIAL, STATE, EPOCHS, SPACE, REASON = (
    f"pitprop.{word}" for word in ("study", "trial", "state", "epochs", "space", "reason")
)
NOTE, SOURCE, PINNED = "mlflow.note.content", "mlflow.source.name", "pitprop.pinned"
_FLEETING = (NOTE, "pitprop.signature", REASON, "pitprop.remedy", "pitprop.warnings", "pitprop.excluded")
_log = logging.getLogger("pitprop.track")


@contextmanager
def _refusals_logged(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_refusal(error):
            raise
        _log.warning("MLflow refused %s: %s", what, error)


class Store:
    """Opens the store at ``uri``, with ``artifacts`` for a folder. Whatever MLflow or its database raises comes through.

    ``code`` is what trains now, None if nothing does: runs that begin from now on say so. ``folder`` is that of the study, for a
    note of where a server keeps it.
    ``stale`` are the trials whose runs are behind, ``refused`` those that MLflow answered it would not take.
    """

    def __init__(self, uri: str, artifacts: Path, card: StudyCard, code: Code | None = None, folder: Path | None = None) -> None:
        self._card, self._code = card, code
        self._server, self._folder = public(uri), folder if uri.startswith("http") else None
        self._facts = {"metric": card.objective.metric, "goal": card.objective.goal}
        question = {NOTE: card.question, "pitprop.question": card.question}
        self._experiment = Experiment(uri, artifacts, card.name, question)
        self._parent: Held | None = None
        self._runs: dict[int, list[Held]] = {}
        self._records: dict[int, Record] = {}
        self._best: tuple[int, ...] | None = None
        self._answer = ""
        self.stale: set[int] = set()
        self.refused: set[int] = set()
        for run in self._experiment.runs():
            if run.tags.get(STUDY) == card.name and TRIAL in run.tags:
                self._runs.setdefault(int(run.tags[TRIAL]), []).append(run)
            elif run.tags.get(STUDY) == card.name and self._facts.items() <= {**self._facts, **run.params}.items():
                self._parent = self._parent or run

    def export(self, records: Iterable[Record], told: Callable[[], None] = lambda: None) -> None:
        """Brings the runs of ``records`` up to date, and all runs when a baseline became known.

        If it raises, the rest stays in ``stale``, and the next call goes on with that; ``told`` is called before and after each
        trial, and may raise to break off.
        """
        known = say.known_baselines(self._records.values(), self._card)
        for record in records:
            self._records[record.number] = record
            self.stale.add(record.number)
        baselines = say.known_baselines(self._records.values(), self._card)
        if baselines != known:
            self.stale.update(self._records)
        self._note()
        told()
        for number in sorted(self.stale):
            self.refused.add(number)  # until it is taken
            with _refusals_logged(f"trial {number}"):
                self._export(self._records[number], baselines)
                self.refused.discard(number)
            self.stale.discard(number)
            told()
        self._note()
        with _refusals_logged("the study's run"):
            self._summarise(baselines)

    def _note(self) -> None:
        """Says beside the study where a server has the runs of its trials."""
        if self._folder is not None:
            runs = [(number, run.id, run.started) for number, held in self._runs.items() for run in held]
            with suppress(OSError):
                Kept(self._server, self._experiment.id, runs).write(self._folder)

    def conclude(
        self, best: Sequence[int] | None = None, answer: str = "", files: Iterable[Path] = (), studies: Iterable[str] = ()
    ) -> None:
        """Says on the study's run which trials are the ``best`` (None: the best value), begins its note with the ``answer``, and
        adds ``files`` to its artifacts. In the answer each of ``studies`` that is an experiment here becomes a link."""
        self._best, self._answer = None if best is None else tuple(best), answer
        for name in studies:
            if where := self._experiment.address_of(name):
                self._answer = self._answer.replace(f"`{name}`", f"[{name}]({where})")
        with _refusals_logged("the study's run"):
            self._summarise(say.known_baselines(self._records.values(), self._card))
            for path in files:
                if self._parent and path.is_file():
                    self._experiment.attach(self._parent, path)
                else:
                    _log.warning("not attached: %s", path)

    def close(self, reason: str = "") -> None:
        """Ends the runs that are still RUNNING as KILLED, with the reason, and then the parent run."""
        ours = [run for record in self._records.values() if (run := self._find(record))]
        running = [run for run in ours if run.status == "RUNNING"]
        if running:
            reason = reason or "the search was interrupted; the same command resumes it"
        for run in running:
            with _refusals_logged(run.name):
                self._experiment.write(run, {REASON: reason})
                self._experiment.end(run, "KILLED", time.time())
        if self._parent and self._parent.status == "RUNNING":
            counts = Counter(record.word for record in self._records.values())
            measures = {f"trials/{name}": float(counts[name]) for name in WORDS}
            tags = {STATE: "interrupted", REASON: reason} if reason else {STATE: "finished"}
            with _refusals_logged("the study's run"):
                self._experiment.write(self._parent, tags, measures=measures)
                self._experiment.end(self._parent, "KILLED" if reason else "FINISHED", time.time())
        self._experiment.settle()

    def _export(self, record: Record, baselines: Mapping[str, float]) -> None:
        measures, tags = say.measures(record, self._card, baselines), say.tags(record, self._address(record.revives))
        run, status = self._find(record), say.status(record)
        if run and run.status == status != "RUNNING" and run.tags.get(STATE) == record.word:
            self._experiment.write(run, tags, measures=measures)
            self._experiment.drop(run, set(_FLEETING) - tags.keys())
            return
        run = self._open(run, record, tags)
        points, steps = say.curves(record, [int(step) for step in run.tags.get(EPOCHS, "").split()])
        if steps:
            tags[EPOCHS] = " ".join(map(str, steps))
        self._experiment.write(run, tags, say.params(record), measures, points)
        self._experiment.drop(run, set(_FLEETING) - tags.keys())
        if record.state != State.RUNNING:
            for path in sorted(Path(record.folder).glob("telemetry*.jsonl")):
                self._experiment.attach(run, path)
            if record.verdicts:
                verdicts = [verdict.to_json() for verdict in record.verdicts]
                self._experiment.attach_text(run, "verdict.json", json.dumps(verdicts, indent=2, default=str))
            self._experiment.end(run, status, record.ended or time.time())

    def _open(self, run: Held | None, record: Record, tags: Mapping[str, str]) -> Held:
        """The trial's run, RUNNING under a RUNNING parent."""
        parent = self._open_parent(record)
        if run:
            self._experiment.reopen(run, say.title(record))
            return run
        keys = {
            STUDY: self._card.name,
            TRIAL: str(record.number),
            "mlflow.parentRunId": parent.id,
            SOURCE: "pitprop",
        }
        code = self._code if self._code and self._code.since <= record.started else None
        run = self._experiment.create(say.title(record), record.started, {**keys, **tags, **(code.tags if code else {})})
        if code and code.data:
            self._experiment.feed(run, code.data)
        self._runs.setdefault(record.number, []).append(run)
        return run

    def _open_parent(self, record: Record) -> Held:
        """The study's own run, RUNNING, with the space beside it."""
        card, parent = self._card, self._parent
        digest = hashlib.sha256(card.space_yaml.encode()).hexdigest()[:12]
        if parent is None:
            parent = self._parent = self._experiment.create(card.name, record.started, {STUDY: card.name, SOURCE: "pitprop"})
        if parent.status != "RUNNING" or parent.tags.get(SPACE) != digest:
            self._experiment.reopen(parent, parent.name)
            if parent.tags.get(SPACE) != digest:
                self._experiment.attach_text(parent, "space.yaml", card.space_yaml)
            self._experiment.write(parent, {STATE: "running", SPACE: digest}, self._facts)
            self._experiment.drop(parent, [REASON])
            if self._code:
                self._experiment.write(parent, self._code.tags)
        return parent

    def _summarise(self, baselines: Mapping[str, float]) -> None:
        """The answer so far on the parent run, and on the experiment its views."""
        if not self._parent:
            return
        records = [self._records[number] for number in sorted(self._records)]
        best = tuple(r.number for r in ranking.best(self._card, records)) if self._best is None else self._best
        values = [r.values[0] for r in records if r.number in best[:1] and r.values]
        held = self._parent.metrics.get("best")  # by a search before this one, whose records may be on their way
        if held is not None and self._best is None and not any(record.excluded for record in records):
            values.append(held)
        first = self._card.objective.best(values)
        stands = {} if first is None else {"best": values[first]}
        stands |= {say.key(f"baseline/{name}"): value for name, value in baselines.items()}
        answer = {NOTE: note(self._card, records, best, baselines, self._address, self._answer)}
        self._experiment.write(self._parent, answer, measures={name: say.stored(value) for name, value in stands.items()})
        for name, view in views(self._card, records, baselines).items():
            self._experiment.label(name, view)
        self._pin(best)

    def _pin(self, best: Sequence[int]) -> None:
        """Marks the runs of the best trials, and no others any more."""
        for runs in self._runs.values():
            for run in (run for run in runs if run.tags.get(PINNED) == "best" and int(run.tags[TRIAL]) not in best):
                self._experiment.drop(run, [PINNED])
        for run in filter(None, (self._find(self._records[number]) for number in best if number in self._records)):
            self._experiment.write(run, {PINNED: "best"})

    def _address(self, number: int | None) -> str:
        """Where MLflow's page shows the trial of this number, as a link from within the page; empty if it has no run."""
        record = None if number is None else self._records.get(number)
        run = record and self._find(record)
        return f"#/experiments/{self._experiment.id}/runs/{run.id}?workflowType=machine_learning" if run else ""

    def _find(self, record: Record) -> Held | None:
        """The trial's run. Its start tells it from a trial of another study of this name, which was deleted or is elsewhere."""
        runs = self._runs.get(record.number, [])
        return next((run for run in runs if abs(run.started - record.started * 1000) < 1000), None)
