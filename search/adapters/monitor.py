"""A training that another library runs, judged epoch by epoch: what the adapters share."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from pitprop.detection import metrics, questions
from pitprop.detection.detect import Signature, Verdict, defaults, judge, unwatched
from pitprop.detection.facts import Facts
from pitprop.errors import nearest
from pitprop.logs import names
from pitprop.telemetry import VOCABULARY, Epoch, Telemetry

LOG = logging.getLogger("pitprop")
LACKS: set[str] = set()
"""What this process has said that signatures lack: its trainings report alike."""


class Watch:
    """One training: ``see`` an epoch, and it says whether the training is lost. ``verdict`` is the first that said so.

    ``budget`` is the epochs of a whole training and ``metric`` the objective, whose direction follows its name
    (`pitprop.detection.metrics`) unless you say whether to ``maximize``. ``signatures`` are names or `Signature`, by default all.
    ``names`` translates yours, the longest that fits first, one that ends in ``_`` or ``/`` as a prefix; usual names, such as
    ``valid_loss``, ``mean_accuracy`` or ``episode_reward_mean``, need none. ``facts`` are further fields of `Facts`, such as
    ``labels``. ``ValueError`` for what cannot be meant, here or at the first epoch.
    """

    def __init__(
        self,
        budget: int,
        metric: str,
        maximize: bool | None = None,
        signatures: Sequence[str | Signature] | None = None,
        names: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> None:
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
            raise ValueError(f"budget is the epochs of a whole training, a number of at least 1, not {budget!r}")
        known = {field.name for field in fields(Facts)} | {"signatures", "names"}
        if unknown := sorted(facts.keys() - known):
            raise ValueError(f"there is no option {unknown[0]!r}{_near(unknown[0], known)}")
        self.names, self.spelled = dict(names or {}), metric
        metric = translate(metric, self.names)
        for name, ours in self.names.items():
            if not (ours.endswith("/") or ours == metric or in_vocabulary(ours)):
                raise ValueError(f"names translates {name!r} to {ours!r}, which nothing reads{_near(ours, VOCABULARY)}")
        rises = metrics.rises(metric) if maximize is None else maximize
        self._directed = rises is not None
        self.facts = Facts(budget, metric, rises is not False, **facts)
        given = defaults() if signatures is None else signatures
        self.signatures = [one if isinstance(one, Signature) else Signature(one) for one in given]
        self.telemetry = Telemetry()
        self.verdict: Verdict | None = None
        self._said: set[str] = set()
        self._begun: dict[str, float] = {}
        self.told: set[str] = set()
        """What was said once, of this training or of others with the same options."""

    @property
    def last(self) -> int:
        """The step of the last epoch; -1 before the first."""
        return self.telemetry[-1].step if self.telemetry else -1

    def see(self, step: int, metrics: Mapping[str, Any]) -> Verdict | None:
        """`take` and `judge`."""
        self.take(step, metrics)
        return self.judge()

    def before(self, metrics: Mapping[str, Any]) -> None:
        """Takes what was measured before the first step, which becomes part of the first epoch."""
        given = dict(_numbers(metrics))
        ours = translated(given, self.names, self.spelled)
        found = ((ours[name], value) for name, value in given.items())
        self._begun = {name.replace("val/", "start/", 1): value for name, value in found if name.startswith("val/")}

    def read(self, step: int, metrics: Mapping[str, Any]) -> Epoch:
        """What was reported after ``step`` epochs, by your names, flat or nested; what is no number is left out."""
        given = dict(_numbers(metrics))
        ours = translated(given, self.names, self.spelled)
        numbers = {ours[name]: value for name, value in given.items()}
        if not self.telemetry:
            self._check(step, numbers)
        return Epoch(step, {name: n for name, n in numbers.items() if name == self.facts.metric or in_vocabulary(name)})

    def take(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Adds an epoch, as `read`. A second report of one adds to the first.

        A training that went back to a checkpoint forgets what came after it.
        """
        epoch = self.read(step, metrics)
        if self._begun and not self.telemetry:
            epoch = Epoch(step, {**self._begun, **epoch.metrics})
        if step <= self.last:
            before = next((old.metrics for old in self.telemetry if old.step == step), {})
            epoch = Epoch(step, {**before, **epoch.metrics})
            self.telemetry = Telemetry(old for old in self.telemetry if old.step < step)
        self.telemetry.append(epoch)

    def follow(self, epochs: Mapping[int, Mapping[str, Any]]) -> None:
        """Takes those of a training's ``epochs``, by step, that come after the last; ``ValueError`` if it has none."""
        if not epochs:
            raise ValueError("no epoch reached the signatures: tell each to `report` of the adapter, not to the trial alone")
        for step in sorted(epochs):
            if step > self.last:
                self.take(step, epochs[step])

    def judge(self) -> Verdict | None:
        """What ends the training at its last epoch, if anything does. The first verdict of each signature is logged."""
        verdicts = judge(self.telemetry, self.facts, self.signatures)
        for verdict in verdicts:
            if verdict.signature not in self._said:
                self._said.add(verdict.signature)
                LOG.warning("%s at epoch %d: %s; %s", verdict.signature, verdict.step, verdict.reason, verdict.remedy)
        ending = next((verdict for verdict in verdicts if verdict.ends), None)
        self.verdict = self.verdict or ending
        return ending

    def _check(self, step: int, numbers: Mapping[str, float]) -> None:
        """``ValueError`` if the first epoch shows that nothing could ever be judged; the log says what will not be."""
        metric, told = self.facts.metric, ", ".join(numbers) or "none"
        if metric not in numbers:
            near = _near(metric, numbers) or "; name one of them in `metric`, or translate it in `names`"
            raise ValueError(f"the objective {metric!r} is not among the numbers of epoch {step} ({told}){near}")
        if not self._directed:
            raise ValueError(f"the name of the objective {metric!r} does not tell whether more of it is better: say maximize")
        lacking = unwatched(numbers, self.signatures)
        if len(lacking) == len(self.signatures):
            needs = ", ".join(sorted({read for reads in lacking.values() for read in reads})) or "a signature"
            raise ValueError(f"no signature can judge by the numbers of epoch {step} ({told}): each needs some of {needs}")
        for name in numbers:
            if not in_vocabulary(name) and (near := _near(name, VOCABULARY.keys() - numbers.keys(), 0.8)):
                LOG.warning("no signature reads %r%s Then translate it in `names`", name, near)
        told = ", ".join(f"{name} needs {' and '.join(reads)}" for name, reads in lacking.items())
        if told and told not in LACKS:
            LACKS.add(told)
            LOG.info("not watched: %s", told)
        self._ask(Telemetry([Epoch(step, dict(numbers))]))

    def _ask(self, first: Telemetry) -> None:
        """Asks once for what nobody has told of trainings with these options: where chance is, when the rate rises and falls."""
        for question in (questions.chance(first, self.facts), questions.schedule(first, self.facts)):
            if question is not None and question.option not in self.told:
                self.told.add(question.option)
                LOG.warning("%s: say %s among the adapter's options, %s", question.lacks, question.option, question.answer)


class Watches(dict[Any, Watch]):
    """The watches over several trainings with the same options."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        self._options, self._told = options, set[str]()
        Watch(**options)  # what cannot be meant is an error before anything runs

    def over(self, training: Hashable, **further: Any) -> Watch:
        """The watch over this training, begun with ``further`` options if there is none yet."""
        if training not in self:
            self[training] = Watch(**{**self._options, **further})
            self[training].told = self._told
        return self[training]


def translate(name: str, given: Mapping[str, str]) -> str:
    """``name`` in the vocabulary: as ``given``, else as is usual; itself where nothing tells. Of no side, it is of validation."""
    fits = [one for one in given if name == one or (one.endswith(("_", "/")) and name.startswith(one))]
    if longest := max(fits, key=len, default=""):
        return given[longest] + name[len(longest) :]
    nested = re.sub(r"^(val|train)_(?=\w+/)", r"\1/", name)  # val_predicted/0
    if in_vocabulary(nested) or not (names.sided(name) or names.tells(name)):
        return nested
    return names.custom(name, "val") or name


def translated(found: Iterable[str], given: Mapping[str, str], objective: str) -> dict[str, str]:
    """The same of all names of an epoch: one of no side is of training where another is of validation by its name."""
    ours = {name: translate(name, given) for name in found}
    plain = {one for name, one in ours.items() if name in (one, objective) or name in given or names.sided(name)}
    loose = [name for name, one in ours.items() if one in plain and name != one and name not in (*given, objective)]
    for name in loose:
        if not names.sided(name):
            ours[name] = names.custom(name, "train") or name
    return ours


def in_vocabulary(name: str) -> bool:
    return any(name == one or (one.endswith("/") and name.startswith(one)) for one in VOCABULARY)


def _numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in a tree, by flat name: Python's, and the scalars of numpy and torch."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif hasattr(value, "__float__") and not isinstance(value, bool):
            try:
                yield f"{prefix}{name}", float(value.item() if hasattr(value, "item") else value)
            except (TypeError, ValueError, RuntimeError):  # an array of several
                continue


def _near(name: str, known: Collection[str], likeness: float = 0.6) -> str:
    near = nearest(name, known, likeness)
    return f": did you mean {near!r}?" if near else ""
