"""The configuration of a trial, to be used elsewhere: as YAML, as the command that trains it again, as a registered model."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import yaml as pyyaml
from pitprop import trainer
from pitprop.cli.answer import again
from pitprop.space import Space, nested
from pitprop.study.addresses import Addresses
from pitprop.study.record import Record
from pitprop.trainer import Context
from pitprop.workers import checkpoint


def yaml(space: Space, record: Record) -> str:
    """The whole tree of parameters, constants of the space included, as it stands in a space's ``baselines``.

    Comments above it say which trial that is, and where its trained states are.
    """
    score = f"{space.objective.metric} {record.values[0]:.4f}" if record.values else record.state.lower()
    head = f"# {space.name}, trial {record.number}: {score} in {record.epochs} epochs\n{_kept(space, Path(record.folder))}"
    return head + str(pyyaml.safe_dump(nested(record.params), sort_keys=False, allow_unicode=True, default_flow_style=None))


def _kept(space: Space, folder: Path) -> str:
    """Where what was trained is: a command's own files, else the state of each seed after its best epoch, or its last."""
    if space.card.shell:
        return f"# its files: {folder}\n"
    paths = sorted(folder.glob("replica-*.best")) or sorted(folder.glob("replica-*.ckpt"))
    return "".join(f"# its state after epoch {e.step}: {path}\n" for path in paths for e in checkpoint.epochs(path).values())


def command(space: Space, record: Record, options: Namespace) -> str:
    """The command line that trains it again: the trainer's own, in a new folder here, if it has one, else our confirmation."""
    if not space.card.shell:
        return again("confirm", options)
    context = Context(
        space.epochs,
        space.options,
        seed=space.seed,
        folder=str(Path(f"{space.name}-{record.number}").resolve()),
        home=str(space.home),
        metric=space.objective.metric,
        cpus=space.resources.cpus,
        gpus=space.resources.gpus,
    )
    line: str = trainer.load(space.trainer).shell(nested(record.params), context)
    return line


def register(space: Space, record: Record, where: Addresses, name: str) -> str:
    """Makes the trial a version of the model ``name`` in MLflow's registry; what was registered, in a sentence."""
    from pitprop.track.registry import register

    said: str = register(where.mlflow, where.artifacts, space.name, record, name)
    return said
