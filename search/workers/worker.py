"""The worker: advances a group of lanes by one epoch at a time. The only place where a trainer's code runs."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from pitprop import imports, trainer
from pitprop.errors import said
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, NotAnEpoch, checked, shown
from pitprop.trainer import Change, Context, Epochs, Lane, Params, Start, Train
from pitprop.workers import checkpoint, deaths
from pitprop.workers.cluster.runtime_env import Moved
from pitprop.workers.files import states
from pitprop.workers.files.best_states import Bests
from pitprop.workers.files.filesystem import StorageError


class Cause(Enum):
    """What broke a group, and so what can be done about it."""

    TRAINER = "an exception, or silence: another attempt does the same, so the trial fails that is the cause of it"
    WORKER_DIED = "the worker is gone: another attempt may help"
    LOST = "its node, or all that Ray ran, is gone: no fault of a trial, and others take it over"
    TOO_MANY_LANES = "the memory is full: fewer lanes at once may fit"
    CHECKPOINT = "none can be read, or not safely: the search stops, and the trials resume later"
    DISK = "no checkpoint can be written: as above, unless the disk is that of one node of several"
    UNFIT = "this machine lacks what the trial needs: the trial fails, unless there are other nodes, where it goes on"


@dataclass(frozen=True, slots=True)
class Failure:
    """A group that could not be advanced: one sentence, and the trainer's traceback if it raised."""

    error: str
    cause: Cause = Cause.TRAINER
    traceback: str = ""


class Worker:
    """Trains the lanes it is given until they are stopped; the same class in a Ray actor and in the driver.

    ``file`` is the checkpoint that it keeps of its lanes, replaced after every epoch.
    """

    def __init__(self, location: str, context: Context, file: str) -> None:
        self._location = location
        self._home = trainer.folder_of(location)
        self._context = context
        self._file = Path(file)
        self._lacking: str | None = None
        self._module: ModuleType | None = None
        self._generator: Generator[Epochs, Change, None] | None = None
        self._epochs: Epochs = {}
        self._folders: dict[Lane, Path] = {}
        self._bests = Bests(context.metric, context.goal)

    def settle(self, code: Moved) -> None:
        """Finds the trainer and its files where they are on this node, to which they have travelled."""
        self._location, self._context = code.found(self._location, self._context)
        self._home, self._lacking = trainer.folder_of(self._location), code.lacking()

    def warm(self) -> str | None:
        """Imports the trainer; what is wrong with it, or with this node, if it does not import."""
        if self._lacking is not None:
            return self._lacking
        try:
            self._module = trainer.load(self._location)
        except (Exception, SystemExit) as error:
            moved = isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in ("search", "trainers")
            wrong = message("trainer {name} does not import: {error}", name=self._location, error=_sentence(error))
            hint = message("pitprop's own modules are imported as pitprop, such as pitprop.telemetry")
            return Message.join([wrong, hint], "; ") if moved else wrong
        return None

    def move(self, file: str) -> None:
        """Ends what it trains, and keeps its checkpoint in another file from now on."""
        self.close()
        self._file = Path(file)

    def watch(self, path: str) -> None:
        """Leaves in the file, from now on, how this process ends (`pitprop.workers.deaths`)."""
        deaths.watch(Path(path))

    def preflight(self, params: Params, seed: int) -> Epoch | Failure | None:
        """What the trainer measures before any training with ``params``, at step 0; None if it has no ``preflight``."""
        imports.use(self._home)
        try:
            self._module = self._module or trainer.load(self._location)
            measure = getattr(self._module, "preflight", None)
            if measure is None:
                return None
            answer = measure(params, replace(self._context, seed=seed, folder=str(self._file.parent)))
        except (Exception, SystemExit) as error:
            cause = Cause.UNFIT if isinstance(error, trainer.Unfit) else Cause.TRAINER
            return Failure(_sentence(error), cause, traceback.format_exc())
        if not isinstance(answer, Epoch):
            kind = type(answer).__name__
            return Failure(
                message("preflight() of trainer {name} gave {kind}, not an Epoch of step 0", name=self._location, kind=kind)
            )
        try:
            return checked(answer.step, answer.metrics, least=0)
        except NotAnEpoch as error:
            return Failure(message("preflight() of trainer {name}: {error}", name=self._location, error=said(error)))

    def advance(self, change: Change) -> Epochs | Failure:
        """Drops and adds lanes, then trains every lane for an epoch. A lane missing in the answer has ended by itself."""
        imports.use(self._home)
        answer = self._advance(change)
        if isinstance(answer, Failure):
            _release()  # only now, as the exception held the tensors of the group
        return answer

    def _advance(self, change: Change) -> Epochs | Failure:
        size = len(self._epochs.keys() - set(change.stopped)) + len(change.started)
        try:
            self._keep(change.stopped)
            change = replace(change, started=[self._restore(start) for start in change.started])
            epochs = self._plain(self._next(change), change)
            ended = self._epochs.keys() - set(change.stopped) - epochs.keys()  # by themselves
            self._bests.leave({lane: self._folders.pop(lane) for lane in ended})
            if epochs:
                checkpoint.write(self._file, epochs, self._context.state, stacked=self._stacked)
                if self._context.state is not None:
                    self._bests.note(epochs, self._file, self._folders)
        except (checkpoint.NotWritten, states.Refused, StorageError) as error:
            self.close()
            return Failure(said(error), Cause.DISK if isinstance(error, checkpoint.NotWritten) else Cause.CHECKPOINT)
        except BaseException as error:  # of the trainer's code, which may raise what it likes; Ctrl-C is for `Inline`
            if hasattr(error, "ray_terminate_msg"):  # by which Ray says that the process has got a SIGTERM
                deaths.say("signal 15 (terminated)")
                raise
            self.close()
            # The lanes of the group continue from this file one after the other, so nothing may be written over it.
            self._file = self._file.with_stem(f"{self._file.stem}+")
            return self._failure(error, size)
        self._epochs = epochs
        return epochs

    def close(self) -> None:
        """Ends the training at hand, so that a trainer's ``finally`` runs."""
        if self._generator is not None:
            imports.use(self._home)
            with suppress(Exception, SystemExit):  # its trials have ended, or have failed for another reason
                self._generator.close()
        self._generator, self._epochs = None, {}
        self._bests.forget()
        imports.use(None)

    def _failure(self, error: BaseException, size: int) -> Failure:
        """What is to be said of an exception in a group of ``size`` lanes."""
        if isinstance(error, NotAnEpoch | states.NotPlain):
            return Failure(said(error))
        if isinstance(error, trainer.Unfit):
            return Failure(_sentence(error), Cause.UNFIT, traceback.format_exc())
        sentence, full = _sentence(error), _out_of_memory(error)
        if full and size == 1:
            here = message("one trial alone does not fit into memory: {error}", error=sentence)
            there = message("one trial alone does not fit into the GPU's memory: {error}", error=sentence)
            sentence = there if self._context.device.startswith("cuda") else here
        cause = Cause.TOO_MANY_LANES if full and size > 1 else Cause.TRAINER
        return Failure(sentence, cause, traceback.format_exc())

    @property
    def _stacked(self) -> bool:
        return hasattr(self._module, "train_lanes")

    def _next(self, change: Change) -> Epochs:
        try:
            if self._generator is not None:
                return self._generator.send(change)
            if not change.started:
                return {}
            self._module = self._module or trainer.load(self._location)
            lanes = self._module.train_lanes if self._stacked else one_lane(self._module.train)
            self._generator = lanes(change.started, self._context)
            return next(self._generator)
        except StopIteration:
            self._generator = None
            return {}

    def _plain(self, answer: Any, change: Change) -> Epochs:
        """What a trainer yielded, in plain numbers. `NotAnEpoch` if it is none, or if a lane's steps do not rise."""
        if not isinstance(answer, Mapping):
            raise NotAnEpoch(
                message("the trainer yielded {given}; train_lanes yields a mapping of lanes to epochs", given=shown(answer))
            )
        last = {lane: epoch.step for lane, epoch in self._epochs.items() if lane not in change.stopped}
        trained = {*last, *(start.lane for start in change.started)}
        epochs = {}
        for lane, given in answer.items():
            if not (hasattr(given, "step") and hasattr(given, "metrics")):
                raise NotAnEpoch(message("the trainer yielded {given}; it yields Epoch(step, metrics)", given=shown(given)))
            if lane not in trained:
                text = message("the trainer yielded an epoch of {lane}, a lane that it does not train", lane=shown(lane))
                raise NotAnEpoch(text)
            epochs[lane] = epoch = checked(given.step, given.metrics)
            if epoch.step <= last.get(lane, 0) and not getattr(self._module, "REPLAYS", False):
                text = message(
                    "step {step} came after step {last}; steps count finished epochs, and rise", step=epoch.step, last=last[lane]
                )
                raise NotAnEpoch(text)
        return epochs

    def _restore(self, start: Start) -> Start:
        self._folders[start.lane] = Path(start.folder)
        if not start.checkpoint:
            return start
        self._bests.restore(start, self._file.parent)
        return replace(start, state=checkpoint.load(Path(start.checkpoint), start.source or start.lane))

    def _keep(self, stopped: Sequence[Lane]) -> None:
        """Leaves the checkpoint of each stopped lane in its trial's folder, to continue from, and that of its best epoch."""
        order, folders = list(self._epochs), {lane: self._folders.pop(lane) for lane in stopped}
        for lane, folder in folders.items():
            if lane in self._epochs and self._context.state is not None:
                state = self._context.state
                state = checkpoint.slice_lane(state, order.index(lane)) if self._stacked else state
                path = checkpoint.path(folder, lane.replica)
                path.parent.mkdir(parents=True, exist_ok=True)  # its trainer may have removed it
                checkpoint.write(path, {lane: self._epochs[lane]}, state, stacked=False)
        self._bests.leave(folders)


def one_lane(train: Train) -> trainer.TrainLanes:
    """A trainer of single trials in the shape of a trainer of lanes: one lane at a time."""

    def train_lanes(lanes: Sequence[Start], context: Context) -> Generator[Epochs, Change, None]:
        waiting = list(lanes)
        while waiting:
            start = waiting.pop(0)
            context.seed, context.folder, context.step, context.state = start.seed, start.folder, start.step, start.state
            training = train(start.params, context)
            try:
                for epoch in training:
                    change = yield {start.lane: epoch}
                    waiting += change.started
                    if start.lane in change.stopped:
                        break
            finally:
                with suppress(Exception, SystemExit):  # which is no fault of the next trial
                    training.close()

    return train_lanes


def _out_of_memory(error: BaseException) -> bool:
    """Whether Python, PyTorch, or a library of CUDA's says that memory is full."""
    # PyTorch's class is known by its name, as not every trainer is of PyTorch. Its CPU allocator has none of its own.
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    worded = any(words in str(error) for words in ("_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: "))
    return isinstance(error, MemoryError) or named or worded


def _release() -> None:
    """Gives back the GPU memory that PyTorch keeps for later: other workers may share the GPU."""
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        status = "" if error.code is None else repr(error.code)[:80]
        return message("the trainer called sys.exit({status}); one that has finished returns", status=status)
    name, text = type(error).__name__, " ".join(str(error).split())
    if not text:
        none = message("{kind}: no message", kind=name)
        return none if isinstance(error, Exception) else message("the trainer raised {kind}", kind=name)
    own = said(error)
    return Message.join([name, own], ": ") if isinstance(own, Message) else f"{name}: {text[:300]}"
