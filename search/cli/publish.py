"""What a study shows to others: the page that people read, and MLflow's copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pitprop.results.summary import summarise
from pitprop.space import Space
from pitprop.study.addresses import Addresses
from pitprop.study.record import Record, StudyCard
from pitprop.track import Exporter
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from pitprop.results.confirmation import Confirmation, Contender


def exporter(space: Space, where: Addresses, *, trains: bool = True) -> Exporter:
    """What sends the trials of the study of ``space`` to MLflow, with the code that trains them if any are trained now."""
    metric = space.objective.metric
    recorded = {b.name: b.values[metric] for b in space.baselines if b.values is not None and metric in b.values}
    yaml = Path(space.path).read_text(encoding="utf-8")
    card = StudyCard(space.name, space.question, space.objective, yaml, recorded, space.searches_stopping)
    return Exporter(
        where.mlflow,
        where.artifacts,
        card,
        where.folder(space.name) / "track.log",
        trainer=space.trainer if trains else None,
        options=space.options,
        home=Path(space.path).parent,
    )


def write(space: Space, records: Sequence[Record], target: int, where: Addresses, lang: str = "en") -> tuple[Path, Path]:
    """Writes the report of a study into its folder, as HTML and as Markdown."""
    from pitprop.results import confirmation
    from pitprop.views import report  # matplotlib and scipy are seconds to import

    found = confirmation.read(space, records, where)
    return report.write(where.folder(space.name), space, records, summarise(space, records, target), found, lang=lang)


def attach(mlflow: Exporter, space: Space, records: Sequence[Record], target: int, where: Addresses) -> Path:
    """Writes the report, and has MLflow take it with the answer; the page."""
    from pitprop.results import confirmation

    paths, summary = write(space, records, target, where), summarise(space, records, target)
    found = confirmation.read(space, records, where)
    winner = found.winner.trial if found is not None and found.winner is not None else None
    best = [record.number for record in summary.best] if winner is None else [winner]
    words = [_said(found, one) for one in found.candidates if one.scores] if found is not None else []
    mlflow.attach(paths)
    mlflow.conclude(best, "\n\n".join(words))
    return paths[0]


def _said(found: Confirmation, one: Contender) -> str:
    """What the confirmation shows of a candidate, in Markdown."""
    name = f"**Take {one.name}**" if one == found.winner else one.name
    return f"{name}: {found.answer(one)}"


def finish(
    mlflow: Exporter, console: Console, space: Space, records: Sequence[Record], target: int, where: Addresses, *, report: bool
) -> None:
    """Writes the ``report``, if it is wanted, and waits until MLflow has that and everything else."""
    lines = []
    if report:
        with console.status("writing the report"):
            lines = [f"The report: {attach(mlflow, space, records, target, where)}"]
    with console.status("exporting to MLflow"):
        lines.insert(0, mlflow.finish())
    for line in lines:
        console.print(f"[dim]{escape(line)}[/]", highlight=False, soft_wrap=True)
