"""A trainer's state as bytes, which run nothing when they are read: numbers, text, containers, tensors and arrays, no objects.

A pickle can name any function, and loading it calls that function, so whoever may write a checkpoint could run code in a search.
Here tensors and arrays are written as their bytes, and what is read may name nothing but the containers in `NAMED`.
"""

from __future__ import annotations

import pickle  # nosec B403
import sys
from collections import Counter, OrderedDict, defaultdict
from importlib import import_module
from typing import IO, Any

from pitprop.errors import UserError
from pitprop.messages import _, message

CONTAINERS = {("collections", kind.__name__): kind for kind in (OrderedDict, Counter, defaultdict)}
NAMED: dict[tuple[str, str], type] = {
    **CONTAINERS,
    **{("builtins", kind.__name__): kind for kind in (int, float, list, dict, set, tuple, complex)},
}
"""What a checkpoint may name; `int` and the like are what a `defaultdict` makes."""
TAKEN = message("numbers, text, bytes, None, lists, tuples, dicts, sets, PyTorch tensors and NumPy arrays")


class NotPlain(TypeError):
    """A trainer set a state that a checkpoint cannot hold: one sentence."""


class Refused(UserError):
    """What was to be read names something that may run code: one sentence."""


def dump(state: Any, file: IO[bytes]) -> None:
    """Writes a state; `NotPlain` if it holds anything but plain data."""
    _Writer(file, protocol=pickle.HIGHEST_PROTOCOL).dump(state)


def load(file: IO[bytes]) -> Any:
    """The state that `dump` wrote; `Refused` if it is something else. A tensor whose device is not here is on the CPU."""
    return _Reader(file).load()


class _Writer(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if torch is not None and isinstance(obj, torch.Tensor):
            if obj.layout != torch.strided or obj.is_quantized:
                raise NotPlain(
                    message(
                        "context.state holds a tensor that is sparse or quantized: store it as a dense one ({taken})", taken=TAKEN
                    )
                )
            flat = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            kind = str(obj.dtype).removeprefix("torch.")
            return "tensor", kind, tuple(obj.shape), flat.numpy().tobytes(), str(obj.device), obj.requires_grad
        if numpy is not None and isinstance(obj, numpy.ndarray | numpy.generic):
            if obj.dtype.hasobject or obj.dtype.names:
                raise NotPlain(
                    message(
                        "context.state holds a NumPy array of {kind}: store arrays of numbers or of text ({taken})",
                        kind=str(obj.dtype),
                        taken=TAKEN,
                    )
                )
            return "array", obj.dtype.str, obj.shape, obj.tobytes(), isinstance(obj, numpy.generic)
        return None

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) in CONTAINERS.values() or (isinstance(obj, type) and obj in NAMED.values()) or type(obj) is complex:
            return NotImplemented
        if isinstance(obj, tuple) and type(obj).__name__ == "Size":  # PyTorch's, of which a tuple does as well
            return tuple, (list(obj),)
        kind = type(obj)
        name = f"{kind.__module__}.{kind.__qualname__}"
        raise NotPlain(
            message(
                "context.state holds a value of type {kind}, and a checkpoint takes {taken}: "
                "store what it is made of, such as its state_dict()",
                kind=name,
                taken=TAKEN,
            )
        )


class _Reader(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        what, kind, shape, data, *rest = pid
        if what == "array":
            numpy = import_module("numpy")
            found = numpy.frombuffer(data, numpy.dtype(kind)).reshape(shape)
            return found[()] if rest[0] else found.copy()
        torch = import_module("torch")  # by name, as only trainers depend on PyTorch; this one does, or it had no tensors
        raw = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        found = raw.view(getattr(torch, kind)).reshape(shape)
        device, requires_grad = rest
        here = device if torch.device(device).type != "cuda" or torch.cuda.is_available() else "cpu"
        return found.to(here).requires_grad_(requires_grad)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMED:
            raise Refused(
                _(
                    "it names {module}.{name}, which is not loaded since that may run code: it was written by an "
                    "older version of pitprop, or by another program"
                ).format(module=module, name=name)
            )
        return NAMED[module, name]
