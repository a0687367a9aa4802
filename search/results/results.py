"""What a study says at one moment: its trials, and what follows from them, each read or computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pitprop.addresses import Addresses
from pitprop.results.summary import Summary, summarise
from pitprop.space import Space
from pitprop.study import remedies
from pitprop.study.record import Record
from pitprop.study.stored import Known

if TYPE_CHECKING:
    from pitprop.results.ablation import Ablation, Effect
    from pitprop.results.confirmation import Confirmation


@dataclass(frozen=True)
class Results:
    """The trials of a study, by number, of ``target`` that there are to be; it does not change while the study goes on."""

    space: Space
    where: Addresses
    records: Sequence[Record]
    target: int
    code_changes: Sequence[str] = ()
    """The files of code that have changed since trials were trained by them."""
    knows: Sequence[Known] = ()
    """What the sampler knows from elsewhere."""

    @cached_property
    def summary(self) -> Summary:
        """Counts, the best trials, why others were stopped, and the lead over each baseline."""
        return summarise(self.space, self.advised, self.target)

    @cached_property
    def advised(self) -> Sequence[Record]:
        """The trials, with remedies in view of the whole study."""
        return remedies.advised(self.space, self.records)

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """What training the best trials again on fresh seeds has shown so far; None if that has not begun."""
        from pitprop.results import confirmation  # scipy takes its time

        return confirmation.read(self.space, self.records, self.where)

    @cached_property
    def ablation(self) -> Ablation | None:
        """What changing one parameter of the trial to take at a time has shown so far; None if that has not begun."""
        from pitprop.results import ablation

        return ablation.read(self.space, self.where, self.best_trial) if self.best_trial is not None else None

    @cached_property
    def estimates(self) -> tuple[Effect, ...]:
        """What the search's own trials let expect of each change of the trial to take, where none was trained."""
        from pitprop.results import surrogate

        if self.best_trial is None or self.ablation is not None:
            return ()
        return surrogate.estimate(self.space, self.records, self.best_trial)

    @cached_property
    def best_trial(self) -> Record | None:
        """The trial to take: the winner of the confirmation, or as the search ranks them while there is none."""
        from pitprop.results import confirmation

        return next(iter(confirmation.best(self.space, self.records, self.confirmation)), None)
