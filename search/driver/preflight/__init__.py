"""Preflight: what no hyperparameter can mend, found before the first trial of a search.

A trainer that has a function ``preflight(params, context)`` measures what a training starts from, as an `Epoch` of step 0 in the
names of `pitprop.telemetry`. The checks are pure functions of that epoch; where a signature watches for the same, it is asked.

``checks``, ``data``, ``model``, ``finding``
    the checks and what they find: pure.
``inspection``
    runs a trainer's ``preflight`` with the parameters of a first trial.
"""

from pitprop.driver.preflight.checks import judge
from pitprop.driver.preflight.finding import Finding
from pitprop.driver.preflight.inspection import Unfit, inspect, refuse

__all__ = ["Finding", "Unfit", "inspect", "judge", "refuse"]
