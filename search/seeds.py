"""Seeds by name: the same key always gives the same seed, in every process and on every machine."""

from __future__ import annotations

import hashlib


def of_training(seed: int, replica: int = 0) -> int:
    """The seed that a trainer gets for one of a trial's seeds.

    NumPy and the scripts that seed it take 32 bits, so of a larger ``seed`` it is the remainder.
    """
    return (seed + replica) % 2**32


def keyed(*key: str | int) -> int:
    """A seed of 64 bits for one purpose, for instance ``keyed(seed, "order", epoch)``.

    It is a blake2b hash of the key, so that seeds of different keys have nothing to do with each other.
    """
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "little")
