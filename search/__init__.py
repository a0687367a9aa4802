"""pitprop: hyperparameter search that recognises a collapsed training after a few epochs, says why, and stops it.

Search, and look at what was found (docs/python.md)::

    result = pitprop.search("rate.yaml", trials=20)    # the engine of ``pitprop search``; a dict or a `Space` will do too
    result.best.params, result.best.value
    result.trials                                       # a pandas DataFrame, one row a trial
    pitprop.open_study("rate")                          # an earlier search

Report from a training script that ``pitprop search`` starts; elsewhere this does nothing::

    pitprop.report(epoch, train_loss=0.31, val_accuracy=0.82)

Judge a training without a search: from its logs, from numbers, or inside another library::

    print(pitprop.diagnose("runs/17/log.csv"))
    pitprop.judge([{"train/loss": 0.7}, {"train/loss": float("nan")}], pitprop.Facts(budget=20))
    pitprop.adapters.optuna.CollapsePruner(budget=20, metric="val_accuracy")

Ask a server that searches for a team (docs/service.md)::

    with pitprop.Client("http://127.0.0.1:8400") as client:    # the token comes from PITPROP_TOKEN
        search = client.submit("focal_alpha", trials=40)

A name is imported when it is first used: ``import pitprop`` itself takes a millisecond and imports no library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitprop import adapters
    from pitprop.api import Best, Result, diagnose, judge, open_study, replay, search
    from pitprop.detection.detect import Bound as Gate
    from pitprop.detection.detect import Signature, Verdict
    from pitprop.detection.facts import Facts
    from pitprop.reporting import report
    from pitprop.service.clients.client import Client
    from pitprop.space import Space
    from pitprop.space import load as load_space
    from pitprop.telemetry import Epoch, Telemetry

__version__ = "0.1.0"

__all__ = [
    "Best",
    "Client",
    "Epoch",
    "Facts",
    "Gate",
    "Result",
    "Signature",
    "Space",
    "Telemetry",
    "Verdict",
    "__version__",
    "adapters",
    "diagnose",
    "judge",
    "load_space",
    "open_study",
    "replay",
    "report",
    "search",
]

_HOMES = {
    "Client": "service.clients.client:Client",
    "adapters": "adapters",
    "load_space": "space:load",
    "report": "reporting:report",
    **{name: f"api:{name}" for name in ("Best", "Result", "diagnose", "judge", "open_study", "replay", "search")},
    **{name: f"detection.detect:{name}" for name in ("Signature", "Verdict")},
    "Facts": "detection.facts:Facts",
    "Gate": "detection.detect:Bound",
    "Space": "space:Space",
    **{name: f"telemetry:{name}" for name in ("Epoch", "Telemetry")},
}
"""The module of each public name, and what it is called there."""


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pitprop' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _HOMES[name].partition(":")
    home = import_module(f"pitprop.{module}")
    globals()[name] = found = getattr(home, attribute) if attribute else home
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
