"""Validates every few epochs, or numbers its reports by steps, as its options say."""

from pathlib import Path

from pitprop.telemetry import Epoch


def train(params, context):
    """Reports a loss at each of ``epochs`` (or those of the budget), times ``stride``, and a score at every ``every`` of them."""
    options = {"every": 1, "stride": 1, "first": 1, "name": "val/score", "epochs": context.epochs} | context.options
    if options.get("memory") and params["x"] > options["memory"]:
        raise MemoryError("CUDA out of memory")
    if options.get("notes"):
        with Path(options["notes"]).open("a") as file:
            file.write(f"{params}\n")
    for count in range(options["first"], options["epochs"] + options["first"]):
        step = count * options["stride"]
        if context.state is not None and step <= context.step:
            continue
        metrics = {"train/loss": params.get("loss", 1.0) / (count + 1)}
        if count % options["every"] == 0:
            metrics[options["name"]] = params["x"] + context.seed / 100 + min(count, options.get("top", 99)) / 100
        elif options.get("none"):
            metrics[options["name"]] = None
        context.state = step
        yield Epoch(step, metrics)
