"""What is read of Ray's log while pip works on a node."""

from __future__ import annotations

import pytest
from pitprop.workers.cluster.installing import Said, read

BEGUN = "INFO pip.py:255 -- Installing python requirements to /tmp/x\nINFO utils.py:76 -- Run cmd[9] ['pip', 'install']\n"
OUTPUT = "INFO utils.py:101 -- Output of cmd[9]: Looking in indexes: https://x\n"
NONE = "ERROR: Could not find a version that satisfies the requirement nope==1 (from versions: none)\n"
GONE = "ERROR: No matching distribution found for nope==1\n"
SILENT = "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Said()),
        ("INFO Cloning virtualenv\n", Said(busy=True)),
        (BEGUN, Said(busy=True)),
        (f"{BEGUN}{OUTPUT}Successfully installed x\n", Said()),
        (f"{BEGUN}{OUTPUT}{NONE}{GONE}", Said(True, NONE.strip(), True)),
        (f"{BEGUN}{OUTPUT}{NONE}{GONE}{BEGUN}", Said(True, NONE.strip(), True)),
        (f"{BEGUN}{OUTPUT}{SILENT}{NONE}{GONE}", Said(True, NONE.strip(), False)),
    ],
)
def test_what_cannot_be_had_is_final_unless_the_index_did_not_answer(text: str, found: Said) -> None:
    assert read(text) == found
