"""Reports one odd thing in its second epoch, as its parameter says, or ends in an odd way."""

import ctypes
import math
import os
import shutil
import signal
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
from pitprop.telemetry import Epoch

PARAMS = {"what": "nothing"}
REPORTS = ("val/score", "extra")

NUMBERS = {
    "none": None,
    "nan": math.nan,
    "infinity": -math.inf,
    "numpy float32": np.float32(0.5),
    "numpy int64": np.int64(3),
    "numpy bool": np.bool_(True),
    "array of one": np.array([0.5]),
    "array without axes": np.array(0.5),
    "tensor": torch.tensor(0.5, requires_grad=True),
    "tensor of one": torch.tensor([[0.5]]),
    "boolean": True,
    "decimal": Decimal("0.5"),
    "fraction": Fraction(1, 2),
    "large": 1.7e308,
}
"""Metrics that are numbers."""
NO_NUMBERS = {
    "400 digits": 10**400,
    "5000 digits": 10**5000,
    "large decimal": Decimal("1e400"),
    "text": "hello",
    "numeral": "0.5",
    "numpy text": np.array("0.5"),
    "list": [0.5],
    "dict": {"a": 0.5},
    "array of two": np.array([0.5, 0.5]),
    "tensor of two": torch.tensor([0.5, 0.5]),
    "complex": 1j,
    "object": object(),
}
"""Metrics that are none."""
NAMES = {"number as name": 5, "no name": "", "None as name": None, "line break as name": "a\nb", "surrogate as name": "\udcff"}
STEPS = {
    "text": "2",
    "two": torch.tensor([2, 3]),
    "half": 1.5,
    "none": None,
    "nan": math.nan,
    "zero": 0,
    "boolean": True,
    "huge": 10**400,
    "again": 1,
}
GOOD_STEPS = {"float": 2.0, "numpy": np.int64(2), "tensor": torch.tensor(2)}


def train(params, context):
    what = params["what"]
    for step in range(context.step + 1, context.epochs + 1):
        metrics, at = {"val/score": 0.5 + 0.01 * step}, step
        context.state = step
        if step == 2:
            end(what, context)
            metrics |= {"extra": {**NUMBERS, **NO_NUMBERS}[what]} if what in NUMBERS or what in NO_NUMBERS else {}
            metrics |= {NAMES[what]: 1.0} if what in NAMES else {}
            metrics |= {"step": 7.0} if what == "step as name" else {}
            metrics |= {f"m/{index}": float(index) for index in range(10_000)} if what == "many" else {}
            at = {f"step {name}": value for name, value in {**STEPS, **GOOD_STEPS}.items()}.get(what, step)
        if what == "nothing at all":
            return
        if what == "infinite score" or (what == "infinite once" and step == 2):
            metrics["val/score"] = math.inf
        yield {"val/score": 0.5} if what == "no epoch" and step == 2 else Epoch(at, metrics)


def end(what, context):
    """Ends, or harms its process, in some of the ways in which code can."""
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "base exception":
        raise BaseException("the base is gone")
    if what == "generator exit":
        raise GeneratorExit
    if what.startswith("sys.exit "):
        sys.exit(int(what.split()[1]))
    if what.startswith("os._exit "):
        os._exit(int(what.split()[1]))
    if what == "exit in a thread":
        thread = threading.Thread(target=sys.exit, args=(3,))
        thread.start()
        thread.join()
    if what == "segmentation fault":
        ctypes.string_at(0)
    if what == "abort":
        os.abort()
    if what in ("SIGKILL", "SIGTERM"):
        os.kill(os.getpid(), getattr(signal, what))
    if what == "memory":
        bytearray(10**15)
    if what == "recursion":
        end(what, context)
    if what == "no pickle":
        context.state = lambda: 0
    if what == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        ctypes.CDLL(None).sleep(1000)
    if what == "hang with the lock":
        ctypes.PyDLL(None).sleep(1000)
    if what == "closed output":
        os.close(1)
        os.close(2)
        sys.stdout.close()
    if what == "other directory":
        os.chdir("/")
    if what == "folder removed":
        shutil.rmtree(context.folder)
