"""The checks of what a model is to learn from: files, inputs, labels and batches."""

from __future__ import annotations

import math

from pitprop.detection import chance
from pitprop.detection.facts import Facts
from pitprop.driver.preflight.finding import Finding, seen, unchecked
from pitprop.telemetry import Epoch, columns

LARGEST = 0.9
"""The largest share of a class without a warning. No model learned a data set of 550 samples of one class, 10 and 8 of others."""
MIXED = 0.5
"""The share of the classes that drawing at random gives below which batches are worth a warning."""


def files(epoch: Epoch, facts: Facts) -> Finding:
    """Warns of files that are missing or empty, as a trainer that comes this far does without; stops if no sample is left."""
    missing, empty = (epoch.metrics.get(f"files/{what}") for what in ("missing", "empty"))
    if missing is None and empty is None:
        return unchecked("files", "files/missing", "files/empty")
    reason = f"data files: {missing or 0:.0f} missing, {empty or 0:.0f} empty"
    if not missing and not empty:
        return Finding("files", "ok", reason)
    remedy = "restore the files, or take them out of the list that names them"
    return Finding("files", "stop" if _samples(epoch) == 0 else "warn", reason, remedy)


def inputs(epoch: Epoch, facts: Facts) -> Finding:
    """Warns of inputs that are NaN or infinite, which a model may mask; stops if all are, or if the model passes them on."""
    broken, loss = epoch.metrics.get("inputs/non_finite"), epoch.metrics.get("start/loss", 0.0)
    if broken is None:
        return unchecked("inputs", "inputs/non_finite")
    samples = _samples(epoch)
    reason = f"{broken:.0f} of {f'{samples:.0f} ' if samples else 'the '}training inputs are NaN or infinite"
    if not broken:
        return Finding("inputs", "ok", reason)
    lost = not math.isfinite(loss) or (samples is not None and broken >= samples)
    reason += f", and the loss before the first step is {loss:g}" if not math.isfinite(loss) else ""
    return Finding("inputs", "stop" if lost else "warn", reason, "drop these samples, fill in their values, or mask them")


def labels(epoch: Epoch, facts: Facts) -> Finding:
    """Stops for training samples of one class or none; warns of a class that holds nearly all, or that one side lacks."""
    counts = columns(epoch, "train/labels/")
    held, total = [c for c, n in counts.items() if n > 0], sum(counts.values())
    if not counts:
        return unchecked("labels", "train/labels/<class>")
    if len(held) < 2:
        reason = f"all {total:.0f} training samples are of class {held[0]}" if held else "there are no training samples"
        return Finding("labels", "stop", reason, "look at how labels are read and how the samples are split")
    largest = max(held, key=counts.__getitem__)
    share = counts[largest] / total
    reason = f"class {largest}, the largest of {len(held)}, holds {share:.1%} of {total:.0f} training samples"
    if share > LARGEST:
        return Finding("labels", "warn", reason, "weight the classes, oversample the rare ones, or collect more of them")
    known = columns(epoch, "val/labels/")
    lacking = [c for c in counts.keys() | known.keys() if not counts.get(c) or (known and not known.get(c))]
    if lacking:
        reason = f"{reason}; training or validation lacks class {', '.join(sorted(lacking))}"
        return Finding("labels", "warn", reason, "split the samples so that both sides hold every class")
    return Finding("labels", "ok", reason)


def batches(epoch: Epoch, facts: Facts) -> Finding:
    """Stops for batches that hardly mix classes (`single_class_batches`); warns where random drawing gives twice as many."""
    mean = epoch.metrics.get("batch/classes")
    if mean is None:
        return unchecked("batches", "batch/classes")
    counts = columns(epoch, "train/labels/") or columns(epoch, "val/labels/") or facts.labels
    size, expected = epoch.metrics.get("batch/size", facts.batch), 0.0
    if size and sum(counts.values()) > 0:
        expected = chance.classes_in_batch(list(counts.values()), round(size))
    against = f", drawing {size:.0f} at random gives {expected:.2f}" if expected else ""
    reason = f"batches hold {mean:.2f} classes on average{against}"
    if size is not None and size < 2:
        return Finding("batches", "ok", f"{reason}, as those of one sample do")
    if remedy := seen(epoch, facts, "single_class_batches"):
        return Finding("batches", "stop", reason, remedy)
    if mean < MIXED * expected:
        return Finding("batches", "warn", reason, "shuffle the samples, or draw each batch from several classes")
    return Finding("batches", "ok", reason)


def _samples(epoch: Epoch) -> float | None:
    """The number of training samples, if the trainer counts their labels."""
    counts = columns(epoch, "train/labels/")
    return sum(counts.values()) if counts else None
