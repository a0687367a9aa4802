"""Why a command failed, in one sentence that is the same for every trial which fails so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pitprop.messages import message
from pitprop.trainers.commands.arguments import flat

TAIL = 200
"""Lines at the end of stderr among which the reason is looked for."""
REASON = re.compile(r"^(\[rank\d+\]:\s*)?([\w.]*(Error|Exception|Interrupt|Exit)\b\S*(:|$))|\berror: |^Error: ")
RELAYED = re.compile(r"ChildFailedError|CalledProcessError|ProcessRaisedException")
"""What launchers such as torchrun say when it was their child that failed."""
REJECTED = re.compile(r"(?:unrecognized arguments|no such option|unknown (?:config )?key)[:\s]*(-*[\w.\-]+)", re.I)
SIGNALS = {
    137: message("KILL, often because memory ran out"),
    139: message("SEGV, a crash in native code"),
    134: "ABRT",
    143: "TERM",
    130: "INT",
}


def tail(path: Path, count: int = TAIL) -> list[str]:
    """The last lines of a file that are not blank."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 100 * count - 10_000))
        text = file.read().decode("utf-8", "replace")
    return [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()][-count:]


def sentence(code: int, folder: Path, params: Mapping[str, Any]) -> str:
    """What the exit code and the last lines of stderr say; without the trial's own values, which are no part of the reason."""
    lines = tail(folder / "stderr.log") or tail(folder / "stdout.log")
    rejected = next((match[1] for line in reversed(lines) if (match := REJECTED.search(line))), None)
    if rejected is not None:
        flag = rejected.partition("=")[0]
        return message(
            "the script rejects {flag} (exit code {code}): name the parameter as it does, or change options.style",
            flag=repr(flag),
            code=code,
        )
    reasons = [line for line in lines if REASON.search(line) and not RELAYED.search(line)]
    why = reasons[-1] if reasons and ":" in reasons[-1] else " | ".join(lines[-3:])
    for name, value in flat(params):
        if isinstance(value, float):
            why = why.replace(repr(value), f"{{{name}}}")
    why = why.replace(str(folder), "{folder}")[-220:] or message("it said nothing on stderr")
    if code > 128:
        return message("the command was ended by signal {signal}: {why}", signal=SIGNALS.get(code, str(code - 128)), why=why)
    return message("the command ended with exit code {code}: {why}", code=code, why=why)
