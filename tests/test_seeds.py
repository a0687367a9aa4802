"""Seeds by key: the same in every process, and different for different keys."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from pitprop.seeds import keyed

keys = st.tuples(st.integers(), st.text(), st.integers())


@given(keys, keys)
def test_a_key_has_one_seed_of_64_bits(one: tuple[int, str, int], other: tuple[int, str, int]) -> None:
    assert keyed(*one) == keyed(*one) < 2**64
    assert (keyed(*one) == keyed(*other)) == (one == other)


def test_a_seed_is_the_same_in_another_process() -> None:
    code = "from pitprop.seeds import keyed; print(keyed(7, 'proposal', 3, 0))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"})
    assert int(found.stdout) == keyed(7, "proposal", 3, 0)
