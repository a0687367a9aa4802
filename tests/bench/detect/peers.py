"""What others stop by, from their published rules and defaults, each reading one report where it would read one step or epoch.

A rule sees only what the recorded telemetry holds of its inputs; where its training accuracy was not recorded, the validation
metric stands in for it. A rule is a function of the run that says where it would have stopped it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from pitprop.telemetry import reports, series

from tests.bench.detect.curves import Run
from tests.bench.detect.figures import Stop


@dataclass(frozen=True, slots=True)
class Peer:
    """``reads`` are the metrics without which it has nothing to say; ``accuracy`` is a score that is no loss."""

    rule: Callable[[Run], Stop | None]
    reads: tuple[str, ...]

    def applies(self, run: Run) -> bool:
        accuracy = run.facts.metric != "val/loss"
        return all(accuracy if name == "accuracy" else reports(run.epochs, name) for name in self.reads)


def terminate_on_nan(run: Run) -> Stop | None:
    """Keras ``TerminateOnNaN``: the loss of a batch is NaN or infinite."""
    return next((Stop(step, "NaN") for step, broken in enumerate(run.broken, 1) if broken), None)


def early_stopping(run: Run, patience: int) -> Stop | None:
    """Keras ``EarlyStopping``: ``val_loss`` has not fallen below its best (``min_delta=0``) for ``patience`` epochs."""
    best, wait = math.nan, 0
    for step, loss in enumerate(series(run.epochs, "val/loss"), 1):
        wait += 1
        if step == 1 or loss < best:
            best, wait = loss, 0
        elif wait >= patience:
            return Stop(step, "patience")
    return None


def autotrainer(run: Run) -> Stop | None:
    """AUTOTRAINER (Zhang et al., ICSE 2021): a check every 3 epochs for a loss that is NaN or above 1e3, for zero gradients
    (gamma .7) and, from .3 of the epochs on, for oscillation (zeta .03, eta .2) and slow convergence (delta .01, Theta .7).

    As in its code, slow convergence is a suspicion, on which the next check acts; without it, the check at half of the epochs
    does. The ratio of the first layer's gradient to the last one's (beta 1 to 3) was not recorded.
    """
    gap, half, suspicion = 3, True, False
    train, valid = _accuracy(run)
    losses = list(zip(series(run.epochs, "train/loss"), series(run.epochs, "val/loss"), strict=True))
    zeros = series(run.epochs, "zero_gradients")
    for index in range(0, len(run.epochs), gap):
        if any(not loss < 1e3 for pair in losses[: index + 1] for loss in pair):
            return Stop(index + 1, "loss")
        look = suspicion or (half and index >= 0.5 * len(run.epochs))
        half = half and index < 0.5 * len(run.epochs)
        if index + 1 < 0.3 * len(run.epochs) - gap:
            continue
        seen, tested = train[: index + 1], valid[: index + 1]
        low = max(seen) < 0.7 and max(tested) < 0.7
        slow = _largest_rise(seen) < 0.01 and _largest_rise(tested) < 0.01
        if look and (low or slow) and max(zeros[: index + 1]) >= 0.7:
            return Stop(index + 1, "zero gradients")
        if look and low and slow:
            return Stop(index + 1, "not converging")
        if look and _swings(seen, 0.03) >= 0.2 * len(seen):
            return Stop(index + 1, "oscillation")
        suspicion = suspicion or slow
    return None


def deep_diagnosis(run: Run) -> Stop | None:
    """DeepDiagnosis (Wardat et al., ICSE 2022): a loss, accuracy or gradient that is not a number, an accuracy or gradient of 0,
    a loss or a step of the weights that is the same 5 times, an accuracy that is the same 20 times, 70 % of a layer dead.

    Saturation (beyond -5 and 5) and the gradients and tensors layer by layer were not recorded.
    """
    loss, (accuracy, _) = series(run.epochs, "train/loss"), _accuracy(run)
    gradient, dormant = series(run.epochs, "grad_norm"), series(run.epochs, "dormant/hidden")
    moved, has_gradient = series(run.epochs, "update_ratio"), reports(run.epochs, "grad_norm")
    for end in range(1, len(run.epochs) + 1):
        invalid = not math.isfinite(loss[end - 1]) or not math.isfinite(accuracy[end - 1]) or accuracy[end - 1] == 0
        if invalid or (has_gradient and not 0 < gradient[end - 1] < math.inf):
            return Stop(end, "numerical error")
        if dormant[end - 1] >= 0.7:
            return Stop(end, "dead node")
        if end % 5 == 0 and (_frozen(loss[end - 5 : end]) or _frozen(moved[end - 5 : end])):
            return Stop(end, "unchanged")
        if end % 20 == 0 and _frozen(accuracy[end - 20 : end]):
            return Stop(end, "accuracy not increasing")
    return None


def sagemaker(run: Run) -> Stop | None:
    """SageMaker Debugger's ``LossNotDecreasing`` (every 10 reports the validation loss, which it looks for first, has to be 0.1 %
    lower than 10 reports before) and ``ExplodingTensor`` (a loss or gradient is NaN or infinite), with their defaults."""
    loss, tensors = series(run.epochs, "val/loss"), [series(run.epochs, name) for name in ("train/loss", "grad_norm")]
    tensors = [values for values in tensors if not all(math.isnan(value) for value in values)] + [loss]
    for index in range(len(run.epochs)):
        if run.broken[index] or not all(math.isfinite(values[index]) for values in tensors):
            return Stop(index + 1, "exploding tensor")
        if index and index % 10 == 0 and loss[index - 10] - loss[index] < 0.001 * abs(loss[index - 10]):
            return Stop(index + 1, "loss not decreasing")
    return None


PEERS: Mapping[str, Peer] = {
    "TerminateOnNaN": Peer(terminate_on_nan, ("train/loss",)),
    "EarlyStopping, patience 5": Peer(partial(early_stopping, patience=5), ("val/loss",)),
    "EarlyStopping, patience 10": Peer(partial(early_stopping, patience=10), ("val/loss",)),
    "AUTOTRAINER": Peer(autotrainer, ("train/loss", "val/loss", "accuracy")),
    "DeepDiagnosis": Peer(deep_diagnosis, ("train/loss", "accuracy")),
    "SageMaker, loss and tensors": Peer(sagemaker, ("val/loss",)),
}


def _accuracy(run: Run) -> tuple[Sequence[float], Sequence[float]]:
    """Training and validation accuracy; 0 where there is none."""
    train = series(run.epochs, run.facts.metric.replace("val/", "train/"))
    valid = [0.0 if math.isnan(score) else score for score in run.scores]
    return (valid if all(math.isnan(value) for value in train) else train), valid


def _largest_rise(values: Sequence[float]) -> float:
    return max((after - before for before, after in pairwise(values)), default=0.0)


def _swings(values: Sequence[float], height: float) -> int:
    """How many of the pairs of the n-th local maximum and the n-th local minimum are ``height`` apart."""
    inner = list(zip(values, values[1:], values[2:], strict=False))
    high = [middle for before, middle, after in inner if middle >= before and middle >= after]
    low = [middle for before, middle, after in inner if middle <= before and middle <= after]
    return sum(top - bottom >= height for top, bottom in zip(high, low, strict=False))


def _frozen(values: Sequence[float]) -> bool:
    return min(values) == max(values)
