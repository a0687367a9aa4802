"""A worker in an actor of Ray, on a node that may or may not see the driver's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pitprop.messages import Message
from pitprop.trainer import Change, Context, Epochs
from pitprop.workers.files.filesystem import StorageError
from pitprop.workers.files.home import ByRay, Home
from pitprop.workers.files.mirror import Mirror
from pitprop.workers.worker import Cause, Failure, Worker


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker answers to an advance, and what is to be ``said`` of where its files went."""

    outcome: Epochs | Failure
    said: Sequence[Message] = ()

    def heard(self, told: set[str], tell: Callable[[Message], object]) -> Epochs | Failure:
        """The outcome; what is said is told once, whichever worker says it first: ``told`` are the templates that were."""
        for said in self.said:
            if said.template not in told:
                told.add(said.template)
                tell(said)
        return self.outcome


class Remote(Worker):
    """``home`` is the study's folder, and ``folder`` the actor that serves it; None where all workers are on its machine."""

    def __init__(self, location: str, context: Context, file: str, home: Home | None = None, folder: Any = None) -> None:
        away = home is not None and not home.here()
        self._mirror = Mirror(home, ByRay(folder)) if home is not None and away else None
        super().__init__(location, context, self._here(file))

    def move(self, file: str, home: Home | None = None, folder: Any = None) -> None:
        """As `Worker.move`; the file may be another study's."""
        if self._mirror is not None and home is not None:
            self._mirror.move(home, ByRay(folder))
        super().move(self._here(file))

    def leave(self) -> None:
        """Ends what it trains, and leaves nothing on this node."""
        self.close()
        if self._mirror is not None:
            self._mirror.close()

    def answer(self, change: Change) -> Answer:
        """As `Worker.advance`, wherever the files are."""
        mirror = self._mirror
        if mirror is None:
            return Answer(self.advance(change))
        before = self._epochs.keys() | {start.lane for start in change.started}
        try:
            change = replace(change, started=[mirror.bring(start) for start in change.started])
        except StorageError as error:
            self.close()
            return Answer(Failure(str(error), Cause.CHECKPOINT))
        outcome = self.advance(change)
        epochs = {} if isinstance(outcome, Failure) else outcome
        said = mirror.keep(epochs, left=bool(before - epochs.keys()))
        if isinstance(outcome, Failure) and outcome.cause is Cause.DISK:  # the node's own: the others have theirs
            self.leave()
            outcome = replace(outcome, cause=Cause.UNFIT)
        return Answer(outcome, said)

    def _here(self, file: str) -> str:
        return self._mirror.path(file) if self._mirror is not None else file
