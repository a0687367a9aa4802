"""Preflight: what no hyperparameter can mend, found before the first trial of a search.

A trainer that has a function ``preflight(params, context)`` measures what a training starts from, as an `Epoch` of step 0 in the
names of `search.telemetry`. The checks are pure functions of that epoch; where a signature watches for the same, it is asked.

``checks``, ``data``, ``model``, ``finding``
    the checks and what they find: pure.
``inspection``
    runs a trainer's ``preflight`` with the parameters of a first trial.
``page``
    what a person reads of it.
"""

from search.preflight.checks import judge
from search.preflight.finding import Finding
from search.preflight.inspection import Unfit, inspect, refuse
from search.preflight.page import print_findings, print_outcome

__all__ = ["Finding", "Unfit", "inspect", "judge", "print_findings", "print_outcome", "refuse"]
