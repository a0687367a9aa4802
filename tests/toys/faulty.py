"""A small classifier with the faults that its options name, and a preflight that measures them."""

import os
import signal
from pathlib import Path

import numpy as np
import torch
from pitprop.detection import chance
from pitprop.telemetry import Epoch
from torch.nn.functional import cross_entropy

PARAMS = {"lr": 0.1, "dies": False}
OPTIONS = {"files": [], "sorted": False, "frozen": False, "holes": 0, "only": None, "checkpoint": None}
REPORTS = ("val/accuracy", "val/loss", "val/predicted/", "val/labels/")
CLASSES, ROWS, BATCH = 3, 60, 20


def preflight(params, context):
    """Counts the labels and the files, and sends one batch through the model."""
    if params.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    options = {**OPTIONS, **context.options}
    x, y = _data(options)
    model, batches = _model(options, context.seed), _batches(y, options, context.seed)
    if any(parameter.requires_grad for parameter in model.parameters()) and len(batches):
        cross_entropy(model(x[batches[0]]), y[batches[0]]).backward()
    grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    files = [Path(name) for name in options["files"]]
    counts = y.bincount(minlength=CLASSES).tolist()
    found = {f"train/labels/{label}": float(count) for label, count in enumerate(counts)}
    if sum(counts):
        accuracy, loss = _scores(model, x, y)
        found |= {"start/loss": loss, "start/accuracy": accuracy, "chance/loss": chance.cross_entropy(counts)}
        found["batch/classes"] = float(np.mean([len(y[rows].unique()) for rows in batches]))
    return Epoch(
        0,
        {
            **found,
            "batch/size": float(BATCH),
            "params/total": float(sum(parameter.numel() for parameter in model.parameters())),
            "params/trainable": float(sum(p.numel() for p in model.parameters() if p.requires_grad)),
            "params/with_grad": float(sum(int((grad != 0).sum()) for grad in grads)),
            "inputs/non_finite": float((~x.isfinite()).any(dim=1).sum()),
            "files/missing": float(sum(not file.exists() for file in files)),
            "files/empty": float(sum(file.exists() and not file.stat().st_size for file in files)),
        },
    )


def train(params, context):
    """Trains on its own validation samples, which is enough of a training here."""
    params, options = {**PARAMS, **params}, {**OPTIONS, **context.options}
    (x, y), model = _data(options), _model(options, context.seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=params["lr"])
    for step in range(1, context.epochs + 1):
        for rows in _batches(y, options, context.seed + step):
            optimizer.zero_grad()
            cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        accuracy, loss = _scores(model, x, y)
        with torch.no_grad():
            predicted, labels = model(x).argmax(1).bincount(minlength=CLASSES), y.bincount(minlength=CLASSES)
        counts = {f"val/predicted/{label}": float(predicted[label]) for label in range(CLASSES)}
        counts |= {f"val/labels/{label}": float(labels[label]) for label in range(CLASSES)}
        context.state = {name: value.clone() for name, value in model.state_dict().items()}
        yield Epoch(step, {"val/accuracy": accuracy, "val/loss": loss, **counts})


def _data(options):
    """Three clouds, or what is in the files that can be read."""
    random = torch.Generator().manual_seed(0)
    y = torch.arange(ROWS) % CLASSES if options["only"] is None else torch.full((ROWS,), options["only"])
    x = torch.randn(ROWS, 2, generator=random) + 4 * torch.nn.functional.one_hot(y, CLASSES)[:, :2]
    if options["files"]:
        parts = [np.load(name) for name in options["files"] if Path(name).exists() and Path(name).stat().st_size]
        rows = torch.from_numpy(np.concatenate([np.zeros((0, 3)), *parts]))
        x, y = rows[:, :2].float(), rows[:, 2].long()
    x[: options["holes"]] = torch.nan
    return x, y


def _model(options, seed):
    random = torch.Generator().manual_seed(seed)
    model = torch.nn.utils.skip_init(torch.nn.Linear, 2, CLASSES)
    for parameter in model.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=random) / 10)
    if options["checkpoint"]:
        model.load_state_dict(torch.load(options["checkpoint"]), strict=False)
    return model.requires_grad_(not options["frozen"])


def _batches(y, options, seed):
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    return torch.split(y.argsort() if options["sorted"] else order, BATCH)


def _scores(model, x, y):
    with torch.no_grad():
        logits = model(x)
        return (logits.argmax(1) == y).float().mean().item(), cross_entropy(logits, y).item()
