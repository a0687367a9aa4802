"""The MLflow exporter: outside the loop, in a process of its own, never able to stop or slow the search.

``exporter``
    the driver's end: starts the process, sends records, and waits for it at the end; imports nothing heavy.
``__main__``
    the process: reads records from its standard input and tries again while MLflow does not answer.
``store``
    brings the runs of a study up to date with its records, by way of ``experiment``, which talks to mlflow.
``sqlite``
    long curves into a store of our own, in one statement.
``run``
    what the run of a trial says: pure.
``view``
    how MLflow's page is served, where it shows each trial, and how it first shows them.
``note``
    the answer, as the study's run tells it: pure.
``code``
    the commit, the trainer's file and the data that trials were trained with.
``recall``, ``registry``
    processes of their own that ``inquiry`` asks: what a run scored, and a trial as a registered model.
"""

from pitprop.track.exporter import ENVIRONMENT, GREETING, Exporter, served
from pitprop.track.view import page, ui_command

__all__ = ["ENVIRONMENT", "GREETING", "Exporter", "page", "served", "ui_command"]
