"""Trains configurations one after another with nothing around them: ``python bare.py trainer|torch FIRST END``.

``trainer`` is the trainer at one lane, ``torch`` the same training as one writes it by hand. Prints when the first training
began and the last one ended, in unix seconds, and the epochs trained.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import workload
from plain import imbalanced, training


def by_hand(params: dict[str, Any]) -> Iterator[training.Epoch]:
    """One trial in plain PyTorch, which reads the data as the trainer does."""
    known = {name: params[name] for name in ("lr", "weight_decay", "focal")}
    return training.train(imbalanced.begin(imbalanced.load(), known, workload.EPOCHS), workload.EPOCHS)


if __name__ == "__main__":
    train = {"trainer": workload.epochs, "torch": by_hand}[sys.argv[1]]
    began = time.time()
    trained = sum(1 for number in range(int(sys.argv[2]), int(sys.argv[3])) for _ in train(workload.configuration(number)))
    print(json.dumps({"began": began, "ended": time.time(), "epochs": trained}))
