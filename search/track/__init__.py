"""The MLflow exporter: outside the loop, in a process of its own, never able to stop or slow the search.

``exporter``
    the driver's end: starts the process, sends records, and waits for it at the end; imports nothing heavy.
``__main__``
    the process: reads records from its standard input and tries again while MLflow does not answer.
``store``
    brings the runs of a study up to date with its records; the only importer of mlflow.
``run``
    what the run of a trial says: pure.
``view``
    how MLflow's page first shows them: pure.
``ui``
    the command that shows it all.
"""

from search.track.exporter import ENVIRONMENT, Exporter
from search.track.ui import page, ui_command

__all__ = ["ENVIRONMENT", "Exporter", "page", "ui_command"]
