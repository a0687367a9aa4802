"""The checks of a preflight: pure functions of what a trainer measured before any training.

A finding stops a search if no value of a hyperparameter fixes it, and else warns. Every reason quotes what was measured. Where a
signature watches for the same, it is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pitprop.detection import chance, signatures
from pitprop.detection.detect import remedies
from pitprop.detection.facts import Facts
from pitprop.detection.remedies.advice import words
from pitprop.messages import Message, message
from pitprop.telemetry import Epoch, Telemetry, columns

LARGEST = 0.9
"""The largest share of a class without a warning. No model learned a data set of 550 samples of one class, 10 and 8 of others."""
MIXED = 0.5
"""The share of the classes that drawing at random gives below which batches are worth a warning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``severity`` is stop, warn, ok, or unchecked where the trainer does not report what it takes."""

    check: str
    severity: str
    reason: str
    remedy: str = ""


def judge(epoch: Epoch, facts: Facts) -> list[Finding]:
    """What every check finds in the epoch of step 0, in the order of a training: data, batches, model, scores.

    Where a count is NaN nothing is known; a score that is NaN is known to be none.
    """
    known = {name: value for name, value in epoch.metrics.items() if name.startswith("start/") or math.isfinite(value)}
    checks = (files, inputs, labels, batches, parameters, start, checkpoint)
    return [check(Epoch(epoch.step, known), facts) for check in checks]


# Data


def files(epoch: Epoch, facts: Facts) -> Finding:
    """Warns of files that are missing or empty, as a trainer that comes this far does without; stops if no sample is left."""
    missing, empty = (epoch.metrics.get(f"files/{what}") for what in ("missing", "empty"))
    if missing is None and empty is None:
        return unchecked("files", "files/missing", "files/empty")
    reason = message("data files: {missing:.0f} missing, {empty:.0f} empty", missing=missing or 0, empty=empty or 0)
    if not missing and not empty:
        return Finding("files", "ok", reason)
    remedy = message("restore the files, or take them out of the list that names them")
    return Finding("files", "stop" if _samples(epoch) == 0 else "warn", reason, remedy)


def inputs(epoch: Epoch, facts: Facts) -> Finding:
    """Warns of inputs that are NaN or infinite, which a model may mask; stops if all are, or if the model passes them on."""
    broken, loss = epoch.metrics.get("inputs/non_finite"), epoch.metrics.get("start/loss", 0.0)
    if broken is None:
        return unchecked("inputs", "inputs/non_finite")
    samples = _samples(epoch)
    reason = message("{n:.0f} of the training inputs are NaN or infinite", n=broken)
    if samples:
        reason = message("{n:.0f} of {all:.0f} training inputs are NaN or infinite", n=broken, all=samples)
    if not broken:
        return Finding("inputs", "ok", reason)
    lost = not math.isfinite(loss) or (samples is not None and broken >= samples)
    if not math.isfinite(loss):
        reason = message("{inputs}, and the loss before the first step is {loss:g}", inputs=reason, loss=loss)
    remedy = message("drop these samples, fill in their values, or mask them")
    return Finding("inputs", "stop" if lost else "warn", reason, remedy)


def labels(epoch: Epoch, facts: Facts) -> Finding:
    """Stops for training samples of one class or none; warns of a class that holds nearly all, or that one side lacks."""
    counts = columns(epoch, "train/labels/")
    held, total = [c for c, n in counts.items() if n > 0], sum(counts.values())
    if not counts:
        return unchecked("labels", "train/labels/<class>")
    if len(held) < 2:
        reason = message("there are no training samples")
        if held:
            reason = message("all {n:.0f} training samples are of class {name}", n=total, name=held[0])
        return Finding("labels", "stop", reason, message("look at how labels are read and how the samples are split"))
    largest = max(held, key=counts.__getitem__)
    share = counts[largest] / total
    said = {"name": largest, "classes": len(held), "share": share, "n": total}
    reason = message("class {name}, the largest of {classes}, holds {share:.1%} of {n:.0f} training samples", **said)
    if share > LARGEST:
        remedy = message("weight the classes, oversample the rare ones, or collect more of them")
        return Finding("labels", "warn", reason, remedy)
    known = columns(epoch, "val/labels/")
    lacking = [c for c in counts.keys() | known.keys() if not counts.get(c) or (known and not known.get(c))]
    if lacking:
        names = ", ".join(sorted(lacking))
        reason = message("{labels}; training or validation lacks class {names}", labels=reason, names=names)
        return Finding("labels", "warn", reason, message("split the samples so that both sides hold every class"))
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
    reason = message("batches hold {mean:.2f} classes on average", mean=mean)
    if expected:
        said = {"batches": reason, "size": size, "expected": expected}
        reason = message("{batches}, drawing {size:.0f} at random gives {expected:.2f}", **said)
    if size is not None and size < 2:
        return Finding("batches", "ok", message("{batches}, as those of one sample do", batches=reason))
    if remedy := seen(epoch, facts, "single_class_batches"):
        return Finding("batches", "stop", reason, remedy)
    if mean < MIXED * expected:
        return Finding("batches", "warn", reason, message("shuffle the samples, or draw each batch from several classes"))
    return Finding("batches", "ok", reason)


def _samples(epoch: Epoch) -> float | None:
    """The number of training samples, if the trainer counts their labels."""
    counts = columns(epoch, "train/labels/")
    return sum(counts.values()) if counts else None


# The model


def parameters(epoch: Epoch, facts: Facts) -> Finding:
    """Stops if nothing learns, or a weight is not finite; warns if nearly all is frozen, or a branch receives no gradient."""
    total, trainable, reached = (epoch.metrics.get(f"params/{what}") for what in ("total", "trainable", "with_grad"))
    if trainable is None and reached is None:
        return unchecked("parameters", "params/trainable", "params/with_grad")
    known = [
        None if reached is None else message("{n:.0f} with a gradient", n=reached),
        None if trainable is None else message("{n:.0f} trainable", n=trainable),
        None if total is None else message("{n:.0f} in all", n=total),
    ]
    if broken := epoch.metrics.get("params/non_finite"):
        known.append(message("{n:.0f} are NaN or infinite", n=broken))
    reason = message("parameters: {counts}", counts=Message.join(one for one in known if one is not None))
    for name, severity in (("nothing_trains", "stop"), ("non_finite_parameter", "stop"), ("mostly_frozen", "warn")):
        if found := seen(epoch, facts, name):
            return Finding("parameters", severity, reason, found)
    if idle := [branch for branch, norm in columns(epoch, "grad_norm/").items() if norm == 0]:
        remedy = message("check that the loss depends on every branch, and that none is detached")
        reason = message("{parameters}; the gradient of {names} is 0", parameters=reason, names=", ".join(idle))
        return Finding("parameters", "warn", reason, remedy)
    return Finding("parameters", "ok", reason)


def start(epoch: Epoch, facts: Facts) -> Finding:
    """Warns of a first loss that is not finite, or far from chance (`bad_start`); a checkpoint's may lie as low as it likes."""
    loss, level = epoch.metrics.get("start/loss"), epoch.metrics.get("chance/loss", facts.chance_loss)
    lacking = [name for name, value in (("start/loss", loss), ("chance/loss", level)) if value is None]
    if loss is None or level is None:
        return unchecked("start", *lacking)
    reason = message("the loss before the first step is {loss:.4g}, chance is {level:.4g}", loss=loss, level=level)
    if not math.isfinite(loss):
        remedy = message("look at the scale of inputs and weights, and for a logarithm or a division of 0")
        return Finding("start", "warn", reason, remedy)
    advised = "" if facts.checkpoint and loss < level else seen(epoch, facts, "bad_start")
    return Finding("start", "warn" if advised else "ok", reason, advised)


def checkpoint(epoch: Epoch, facts: Facts) -> Finding:
    """Stops if the model that training starts from does not score what is recorded of it (`checkpoint_mismatch`)."""
    if not facts.checkpoint:
        reason = message("the space records no score of a checkpoint that training starts from")
        return Finding("checkpoint", "unchecked", reason)
    measured = {name: epoch.metrics.get(f"start/{name.removeprefix('val/')}") for name in facts.checkpoint}
    known = {name: value for name, value in measured.items() if value is not None}
    if not known:
        return unchecked("checkpoint", *(f"start/{name.removeprefix('val/')}" for name in measured))
    pairs = (
        message(
            "{name} is {value:.4f} (the checkpoint's was {recorded:.4f})",
            **{"name": name, "value": value, "recorded": facts.checkpoint[name]},
        )
        for name, value in known.items()
    )
    reason = message("before the first step {scores}", scores=Message.join(pairs))
    remedy = seen(epoch, facts, "checkpoint_mismatch")
    if not all(math.isfinite(value) for value in known.values()):
        remedy = words(remedies("checkpoint_mismatch", Telemetry([epoch]), facts))  # NaN is no reading to a signature
    return Finding("checkpoint", "stop" if remedy else "ok", reason, remedy)


def seen(epoch: Epoch, facts: Facts, name: str) -> str:
    """The remedy of a signature, if it sees in this one epoch what it watches for."""
    module, telemetry = signatures.load(name), Telemetry([epoch])
    return words(remedies(name, telemetry, facts)) if module.detect(telemetry, facts, patience=1) else ""


def unchecked(check: str, *names: str) -> Finding:
    reason = message("the trainer's preflight does not report {name}", name=names[0])
    for name in names[1:]:
        reason = message("{one} or {other}", one=reason, other=name)
    return Finding(check, "unchecked", reason)
