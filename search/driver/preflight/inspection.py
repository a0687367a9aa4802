"""A preflight: what no hyperparameter can fix, found before the first trial of a search.

A trainer that has a function ``preflight(params, context)`` measures what a training starts from, as an `Epoch` of step 0 in the
names of `pitprop.telemetry`, with the parameters of a first trial. `pitprop.driver.preflight.findings` judges it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pitprop.detection import questions
from pitprop.driver.preflight.findings import Finding, judge
from pitprop.errors import UserError
from pitprop.messages import Message, message
from pitprop.seeds import of_training
from pitprop.space import Space
from pitprop.telemetry import Telemetry
from pitprop.trainer import Lane, Start
from pitprop.workers.worker import Failure

if TYPE_CHECKING:
    from pitprop.workers.launch import Launcher

COMMAND = "pitprop.trainers.command"
TELLING = {"chance/", "chance/loss", "val/labels/"}
"""Reports that tell where chance is."""
NEVER = message("stopped late, or not at all")


class Unfit(UserError):
    """A search that no hyperparameter can save: one sentence."""


def inspect(space: Space, launcher: Launcher) -> list[Finding]:
    """What a preflight finds before a search of ``space``; nothing if its trainer has none.

    `pitprop.study.memory.TooNarrow` if no parameters hold the constraints of the space.
    """
    answer = launcher.preflight(Start(Lane(0, 0), first(space), of_training(space.seed), "."))
    if isinstance(answer, Failure):
        return [Finding("trainer", "stop", answer.error, message("correct that, and check with `pitprop preflight`"))]
    found = judge(answer, space.known_of()) if answer is not None else []
    asked = _asked(space, Telemetry([answer] if answer is not None else []))
    if space.trainer != COMMAND or answer is None:
        return [*found, *asked]
    reason = message("it can be started: its program is there, and every parameter has its place")
    started = Finding("command", "ok", reason)
    return [started, *(one for one in found if one.severity != "unchecked"), *asked]  # of a training itself it can see nothing


def _asked(space: Space, measured: Telemetry) -> list[Finding]:
    """The questions where chance is, and when the learning rate rises and falls.

    Not where something tells it that is there before a training, or a report of the trainer will. What it reports of a rate only
    a script keeps to itself.
    """
    facts, found = space.known_of(flat={**space.constants, **{leaf.name: 0.0 for leaf in space.leaves}}), list[Finding]()
    question = questions.chance(measured, facts)
    if question is not None and not TELLING & {*(space.card.reports or ())}:
        later = message("stopped late, or not at all, unless their logs tell") if space.card.reports is None else NEVER
        reason = message("{lacks}: trainings that stay there are {later}", lacks=question.lacks, later=later)
        found.append(Finding("chance", "warn", reason, _answer(question)))
    question = questions.schedule(measured, facts)
    if question is not None and space.trainer == COMMAND:
        spared = message("one that learns only then may be stopped before, unless its log tells")
        reason = message("{lacks}: {spared}", lacks=question.lacks, spared=spared)
        found.append(Finding("schedule", "warn", reason, _answer(question)))
    return found


def _answer(question: questions.Question) -> Message:
    return message("say in the space `{facts}`, {answer}", facts=question.facts, answer=question.answer)


def refuse(findings: Sequence[Finding], command: str) -> None:
    """Raises `Unfit` if a finding stops the search; ``command`` is the command line that shows all findings."""
    stops = [finding for finding in findings if finding.severity == "stop"]
    if stops:
        said = {"reason": stops[0].reason, "remedy": stops[0].remedy}
        if len(stops) == 1:
            raise Unfit(message("the search is not begun: {reason}; {remedy}", **said))
        more = {"n": len(stops) - 1, "command": command}
        raise Unfit(message("the search is not begun: {reason}; {remedy} (and {n} more: {command})", **said, **more))


def first(space: Space) -> dict[str, Any]:
    """The parameters of the first trial of a search: of the first trained baseline, the first point, or a proposal."""
    from pitprop.study.memory import Memory

    known = Memory(space).add_next()
    assert known is not None, "a study without trials has not had them all"
    baseline = next((one for one in space.baselines if one.name == known.user_attrs.get("baseline")), None)
    return space.params(known.user_attrs.get("values", known.params), baseline)
