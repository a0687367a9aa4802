"""A preflight as it is run: the parameters of a first trial, the trainer's measurement, and whether the search may begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitprop.detection.facts import Facts
from pitprop.driver.preflight.checks import judge
from pitprop.driver.preflight.finding import Finding
from pitprop.errors import UserError
from pitprop.space import Space
from pitprop.trainer import Lane, Start
from pitprop.workers.launch import Launcher
from pitprop.workers.worker import Failure

ATTEMPTS = 100
"""How often parameters that break a constraint of the space are drawn again."""


def inspect(space: Space, launcher: Launcher) -> list[Finding]:
    """What a preflight finds before a search of ``space``; nothing if its trainer has none."""
    answer = launcher.preflight(Start(Lane(0, 0), first(space), space.seed, "."))
    if isinstance(answer, Failure):
        return [Finding("trainer", "stop", answer.error, "mend what the trainer's preflight() stumbles over")]
    return judge(answer, facts(space)) if answer is not None else []


def refuse(findings: Sequence[Finding]) -> None:
    """Raises `Unfit` if a finding stops the search."""
    stops = [finding for finding in findings if finding.severity == "stop"]
    if stops:
        more = f" (and {len(stops) - 1} more: see pitprop preflight)" if len(stops) > 1 else ""
        raise Unfit(f"the search is not begun: {stops[0].reason}; {stops[0].remedy}{more}")


def facts(space: Space) -> Facts:
    """What is known before there is a trial."""
    goal = space.objective
    return Facts(space.epochs, goal.metric, goal.sign > 0, checkpoint=space.checkpoint)


def first(space: Space) -> dict[str, Any]:
    """The parameters of a first trial: the first trained baseline's, else the first point's; what it leaves open is drawn."""
    baseline = next((one for one in space.baselines if one.params is not None), None)
    return space.params({}, baseline) if baseline is not None else space.params(_drawn(space))


def _drawn(space: Space) -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(space.seed))
    drawn: dict[str, Any] = {}
    for _ in range(ATTEMPTS):
        if space.points:
            study.enqueue_trial(dict(space.points[0]))
        trial, drawn = study.ask(), {}
        for leaf in space.active(drawn):
            drawn[leaf.name] = trial._suggest(leaf.name, leaf.distribution)
        if not space.violated(drawn):
            break
    return drawn


class Unfit(UserError):
    """A search that no hyperparameter can save: one sentence."""
