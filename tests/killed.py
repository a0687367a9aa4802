"""Searches a space in this process and kills it at the n-th write: ``python killed.py SPACE FOLDER N WIDTH``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import optuna
from conftest import events

from search import checkpoint, telemetry
from search import space as spaces

COUNT = 0


def counted(function, after):
    """The function, which kills the process around its n-th call."""

    def call(*arguments, **options):
        global COUNT
        COUNT += 1
        if int(sys.argv[3]) == COUNT and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = function(*arguments, **options)
        if int(sys.argv[3]) == COUNT and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return call


if __name__ == "__main__":
    storage = optuna.storages.RDBStorage
    telemetry.append = counted(telemetry.append, after=False)
    checkpoint.write = counted(checkpoint.write, after=True)
    storage.create_new_trial = counted(storage.create_new_trial, after=True)
    storage.set_trial_state_values = counted(storage.set_trial_state_values, after=False)
    events(spaces.load(sys.argv[1]), Path(sys.argv[2]), width=int(sys.argv[4]))
    print(COUNT)
