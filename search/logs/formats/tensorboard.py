"""TensorBoard's event files: the scalars in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pitprop.errors import UserError
from pitprop.logs.epochs import Row
from pitprop.logs.formats import Traits, Unit
from pitprop.logs.names import SIDES, Names
from pitprop.messages import _

TRAITS = Traits(
    Unit.RECORDS, {"events.out.tfevents.*": 1}, sided=True, judged="The usual; of reinforcement learning `rollout/ep_rew_mean`."
)
FRAME = struct.Struct("<QI")
"""A TFRecord: its length and the checksum of that, then the record, then its own checksum of 4 bytes."""


def recognises(head: bytes, path: Path) -> bool:
    """The first event is its file's version."""
    return ".tfevents." in path.name or b"brain.Event:" in head[:64]


class Reader:
    """Tags name the side (``val/loss``, ``Loss/train``). A record that has not been written to its end is waited for.

    Keras' folders ``train`` and ``validation`` are the sides of one training. Steps are whatever the training gave: those of
    training and of validation may count different things.
    """

    def __init__(self, names: Names, patterns: Sequence[str] = (), merge: int = 1) -> None:
        self._names, self._rest, self._side = names, b"", "train"
        self._event = _proto()

    def under(self, folder: str) -> None:
        """What ``folder`` is called, which may say the side of tags that do not."""
        self._side = SIDES.get(folder.lower(), "train")

    def feed(self, data: bytes) -> Iterator[Row]:
        data, at = self._rest + data, 0
        while at + FRAME.size <= len(data):
            length, _ = FRAME.unpack_from(data, at)
            end = at + FRAME.size + length + 4
            if end > len(data):
                break
            if b"\x2a" in data[at : end - 4]:  # the summary's field; most others are version and graph
                yield from self._rows(self._event.FromString(data[at + FRAME.size : end - 4]))
            at = end
        self._rest = data[at:]

    def _rows(self, event: Any) -> Iterator[Row]:
        found: dict[str, dict[str, float]] = {}
        for value in event.summary.value:
            number = _number(value)
            if number is not None and (ours := self._names(value.tag, self._side)) is not None:
                kind = "val" if ours.startswith("val/") else "train"
                found.setdefault(kind, {})[ours] = number
        for kind, metrics in found.items():
            yield Row(kind, metrics, event.step)


def _number(value: Any) -> float | None:
    """A scalar, as TensorFlow 1 and torch write it, or as TensorFlow 2 does: a tensor of one float."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor") and not value.tensor.tensor_shape.dim:
        tensor = value.tensor
        if tensor.float_val or tensor.double_val:
            return float([*tensor.float_val, *tensor.double_val][0])
        if tensor.dtype == 1 and len(tensor.tensor_content) == 4:
            return float(struct.unpack("<f", tensor.tensor_content)[0])
    return None


def _proto() -> Any:
    try:
        from tensorboardX.proto.event_pb2 import Event
    except ImportError as error:
        raise UserError(_("reading TensorBoard's event files needs tensorboardX: pip install tensorboardX")) from error
    return Event
