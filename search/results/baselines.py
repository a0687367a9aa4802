"""Baselines whose numbers stand elsewhere: in a run of MLflow, or in another study."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pitprop import telemetry
from pitprop.addresses import Addresses
from pitprop.detection.stopping import objective
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.space import Baseline, Space
from pitprop.study import ranking
from pitprop.study.source import as_studied, check_meaning, find_space


def looked_up(space: Space, where: Addresses, *, ask: bool = False) -> Space:
    """The space with the numbers of its baselines, as far as they can be had; `UserError` if one cannot that is to be had.

    Numbers of MLflow are kept beside the study. Only where ``ask`` says so is MLflow asked for those that are not there.
    """
    return replace(space, baselines=tuple(_looked_up(space, baseline, where, ask) for baseline in space.baselines))


def _looked_up(space: Space, baseline: Baseline, where: Addresses, ask: bool) -> Baseline:
    if baseline.study is not None:
        values: Mapping[str, float] = _of_study(baseline, baseline.study, where)
        lacking = _("study {study!r} has no completed trial: search it first").format(study=baseline.study)
    elif baseline.run is not None:
        goal = space.objective
        best = {goal.metric: goal.goal} if goal.at == "best" else {}
        values = _of_run(baseline.run, best, where, where.folder(space.name) / "baselines.json", ask)
        lacking = _("MLflow run {run!r} logged no metric").format(run=baseline.run)
    else:
        return baseline
    metric = space.objective.metric
    if ask and metric not in values:
        text = _("it holds {names}, but no {metric!r}")
        held = text.format(names=", ".join(sorted(values)[:8]), metric=metric) if values else lacking
        raise UserError(
            _("baselines.{name}: {held}; correct the baseline, or give its numbers as values").format(
                name=baseline.name, held=held
            )
        )
    return replace(baseline, values=values) if values else baseline


def _of_study(baseline: Baseline, name: str, where: Addresses) -> dict[str, float]:
    """What the best trial of a study scored: every metric in the epoch of its best objective."""
    try:
        other, found = find_space(name, where)
        if found is not None:
            check_meaning(other := as_studied(other, found), found)
    except UserError as error:
        raise UserError(_("baselines.{name}: {error}").format(name=baseline.name, error=error)) from error
    best = ranking.best(other, found.records)[:1] if found is not None else []
    if not best:
        return {}
    curve, metric = telemetry.read(telemetry.file(best[0].folder)), other.objective.metric
    score = objective(telemetry.series(curve, metric), other.objective.at, other.objective.sign > 0)
    there = next((epoch.metrics for epoch in curve if epoch.metrics.get(metric) == score), {})
    return {**{name: value for name, value in there.items() if math.isfinite(value)}, metric: ranking.score(best[0])}


def _of_run(run: str, best: Mapping[str, str], where: Addresses, kept: Path, ask: bool) -> Mapping[str, float]:
    """The latest metrics of an MLflow run, those in ``best`` at their best; from the file ``kept`` if they are in it."""
    known: dict[str, dict[str, float]] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if run not in known and ask:
        from pitprop.track.recall import recall

        known[run] = dict(recall(where.mlflow, run, best))
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return known.get(run, {})
