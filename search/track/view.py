"""How MLflow's page first shows an experiment: a flat list of trials, the best on top, with the columns that matter.

As it comes, the page folds all trials into the study's run and shows none of their numbers. A shared view, which is a tag on the
experiment that the page's address names, sets that right; `search.track.ui.page` gives the address.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from search.record import Record, StudyCard
from search.story import warnings
from search.track.run import key

TAG = "mlflow.sharedViewState.pitprop"
LIMIT = 6
"""Parameters shown: a table that is wider than the screen hides the reasons."""


def view(card: StudyCard, records: Iterable[Record], baselines: Iterable[str]) -> str:
    """The value of the tag: its columns are the objective, the leads, the epochs, the parameters that vary, the reason, and,
    where there are any, the warnings."""
    varied: dict[str, set[str]] = {}
    said = ["signature", "reason"]
    for record in records:
        if warnings(record) and "warnings" not in said:
            said.append("warnings")
        for name, value in record.params.items():
            varied.setdefault(key(name), set()).add(str(value))
    metrics = ["objective", *(key(f"delta/{name}") for name in baselines), "epochs_spent"]
    params = [name for name, values in varied.items() if len(values) > 1][:LIMIT]
    columns = [
        *(f"metrics.`{name}`" for name in metrics),
        *(f"params.`{name}`" for name in params),
        *(f"tags.`pitprop.{name}`" for name in said),
    ]
    state = {
        "searchFilter": "",
        "orderByKey": "metrics.`objective`",
        "orderByAsc": not card.maximize,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
    }
    return json.dumps(state)
