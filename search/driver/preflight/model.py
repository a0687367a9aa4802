"""The checks of the model that is to learn: its parameters, its first loss, and the checkpoint that it may come from."""

from __future__ import annotations

import math

from pitprop.detection import signatures
from pitprop.detection.facts import Facts
from pitprop.driver.preflight.finding import Finding, seen, unchecked
from pitprop.telemetry import Epoch, Telemetry, columns


def parameters(epoch: Epoch, facts: Facts) -> Finding:
    """Stops if nothing learns, or a weight is not finite; warns if nearly all is frozen, or a branch receives no gradient."""
    total, trainable, reached = (epoch.metrics.get(f"params/{what}") for what in ("total", "trainable", "with_grad"))
    if trainable is None and reached is None:
        return unchecked("parameters", "params/trainable", "params/with_grad")
    known = ((reached, "with a gradient"), (trainable, "trainable"), (total, "in all"))
    reason = "parameters: " + ", ".join(f"{n:.0f} {what}" for n, what in known if n is not None)
    if broken := epoch.metrics.get("params/non_finite"):
        reason += f", {broken:.0f} are NaN or infinite"
    for name, severity in (("nothing_trains", "stop"), ("non_finite_parameter", "stop"), ("mostly_frozen", "warn")):
        if found := seen(epoch, facts, name):
            return Finding("parameters", severity, reason, found)
    if idle := [branch for branch, norm in columns(epoch, "grad_norm/").items() if norm == 0]:
        remedy = "check that the loss depends on every branch, and that none is detached"
        return Finding("parameters", "warn", f"{reason}; the gradient of {', '.join(idle)} is 0", remedy)
    return Finding("parameters", "ok", reason)


def start(epoch: Epoch, facts: Facts) -> Finding:
    """Warns of a first loss that is not finite, or far from chance (`bad_start`); a checkpoint's may lie as low as it likes."""
    loss, level = epoch.metrics.get("start/loss"), epoch.metrics.get("chance/loss", facts.chance_loss)
    lacking = [name for name, value in (("start/loss", loss), ("chance/loss", level)) if value is None]
    if loss is None or level is None:
        return unchecked("start", *lacking)
    reason = f"the loss before the first step is {loss:.4g}, chance is {level:.4g}"
    if not math.isfinite(loss):
        return Finding("start", "warn", reason, "look at the scale of inputs and weights, and for a logarithm or a division of 0")
    remedy = "" if facts.checkpoint and loss < level else seen(epoch, facts, "bad_start")
    return Finding("start", "warn" if remedy else "ok", reason, remedy)


def checkpoint(epoch: Epoch, facts: Facts) -> Finding:
    """Stops if the model that training starts from does not score what is recorded of it (`checkpoint_mismatch`)."""
    if not facts.checkpoint:
        return Finding("checkpoint", "unchecked", "the space records no score of a checkpoint that training starts from")
    measured = {name: epoch.metrics.get(f"start/{name.removeprefix('val/')}") for name in facts.checkpoint}
    known = {name: value for name, value in measured.items() if value is not None}
    if not known:
        return unchecked("checkpoint", *(f"start/{name.removeprefix('val/')}" for name in measured))
    pairs = (f"{name} is {value:.4f} (the checkpoint's was {facts.checkpoint[name]:.4f})" for name, value in known.items())
    reason = f"before the first step {', '.join(pairs)}"
    remedy = seen(epoch, facts, "checkpoint_mismatch")
    if not all(math.isfinite(value) for value in known.values()):
        remedy = signatures.load("checkpoint_mismatch").remedy(Telemetry([epoch]), facts)  # NaN is no reading to a signature
    return Finding("checkpoint", "stop" if remedy else "ok", reason, remedy)
