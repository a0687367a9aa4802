"""Non-finite loss: a loss of validation is NaN or infinite, or one of training or the gradient is in several reports."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pitprop.detection import metrics
from pitprop.detection.facts import Facts
from pitprop.detection.remedies import advice
from pitprop.detection.remedies.advice import Advice
from pitprop.messages import N_, Message, message
from pitprop.telemetry import Epoch, Telemetry

READS = ("val/*loss* or train/*loss* or val/*ppl or val/*xent or grad_norm",)
KIND = "hard"
ELSEWHERE = "Keras TerminateOnNaN, Lightning, SageMaker, AUTOTRAINER, DeepDiagnosis"
EXPONENTIALS = ("ppl", "perplexity")
"""What overflows where the loss is only large: infinite is no proof of it, NaN is."""
STEPS = 5
"""Reports in a row in which the gradient has to be non-finite: steps that are skipped under AMP are normal."""
MEANS = frozenset(["mse", "rmse", "nmse", "nrmse", "mae", "mase", "mape", "smape", "wape", "error", "r2", "r2score"])
MEANS |= frozenset(["psnr", "snr", "sdr", "elbo", "likelihood", "loglik"])
"""Words for means of outputs over samples."""
ONCE = N_("{name} is {value} at epoch {last}")
SEEN = N_("{name} is {value} in {patience} consecutive reports, epochs {first} to {last}")


def detect(telemetry: Telemetry, facts: Facts, *, patience: int = 2) -> Message | None:
    """At once for the validation loss; ``patience`` reports for that of training, where one bad step is normal under AMP.

    And for any other loss, by its name (cross entropy, perplexity, one of several), where the whole one is not reported; and for
    the gradient, where the training loss reaches no new minimum. A score may be undefined, and does not count; but where no loss
    is reported an error or a likelihood does, which is finite as long as the outputs are.
    """
    if not telemetry:
        return None
    last = telemetry[-1]
    if not math.isfinite(loss := last.metrics.get("val/loss", 0.0)):
        return message("validation loss is {loss} at epoch {step}", loss=loss, step=last.step)
    reported = _reports(telemetry, "train/loss", patience)
    if reported and not any(math.isfinite(epoch.metrics["train/loss"]) for epoch in reported):
        if patience == 1:
            return message("training loss is {loss} at epoch {step}", loss=last.metrics["train/loss"], step=last.step)
        return message(
            "training loss is {loss} in {patience} consecutive reports, epochs {first} to {last}",
            **{"loss": reported[-1].metrics["train/loss"], "patience": patience},
            **{"first": reported[0].step, "last": reported[-1].step},
        )
    for name, count in sorted(_others(telemetry, facts, patience), key=lambda one: one[0] != facts.metric):
        reported = _reports(telemetry, name, count)
        if reported and all(_broken(name, epoch.metrics[name]) for epoch in reported):
            said = {"name": name, "value": last.metrics[name], "patience": count}
            return message(SEEN if count > 1 else ONCE, **said, first=reported[0].step, last=last.step)
    return None


def _others(telemetry: Telemetry, facts: Facts, patience: int) -> Iterator[tuple[str, int]]:
    """The other losses that the last epoch reports as non-finite, and the gradient, with how often they have to be."""
    last, losses = telemetry[-1].metrics, telemetry.column("train/loss").values
    for name, value in last.items():
        side = name.partition("/")[0]
        if math.isfinite(value) or f"{side}/loss" in last:
            continue
        if side == "grad_norm":
            count = STEPS * patience // 2
            if len(losses) <= count or min(losses[-count:]) >= min(losses[:-count]):
                yield name, count
        elif side in ("val", "train") and metrics.of(name).family == "loss":
            yield name, patience
        elif name == facts.metric and MEANS & {*metrics.split(name)} and not (losses or telemetry.column("val/loss").values):
            yield name, STEPS


def _reports(telemetry: Telemetry, name: str, count: int) -> list[Epoch]:
    """The last ``count`` epochs that report ``name``; none if there are fewer."""
    found = [epoch for epoch in telemetry[-3 * count :] if name in epoch.metrics][-count:]
    return found if len(found) == count else []


def _broken(name: str, value: float) -> bool:
    return math.isnan(value) or (math.isinf(value) and not name.endswith(EXPONENTIALS))


def remedy(telemetry: Telemetry, facts: Facts) -> Sequence[Advice | None]:
    exact = Advice(message("compute in float32 or bfloat16, and raise the optimizer's epsilon"))
    return advice.lower_rate(telemetry, facts), advice.clip(facts), advice.warm_up(facts), exact
