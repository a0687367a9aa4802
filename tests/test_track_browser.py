"""MLflow's own pages, in a real browser: what a person sees of a study there."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import CHROMIUM, Browser
from pitprop.track import ENVIRONMENT, Exporter, page, served, ui_command
from pitprop.track.exporter import NAME
from test_track import CARD, PARKED, VERDICT, closed_port, runs, trial

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on the PATH"),
]
Look = Callable[[str], str]


@pytest.fixture
def server(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of MLflow's UI on a small study with a report."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    report = tmp_path / "report.html"
    report.write_text("<h1>The report of a small study</h1>")
    records = [
        trial(tmp_path, 0, baseline="model_1", value=0.6),
        trial(tmp_path, 1, value=0.7),
        trial(tmp_path, 2, "PRUNED", None, verdicts=(VERDICT,)),
        trial(tmp_path, 3, "PRUNED", None, verdicts=(PARKED,)),
    ]
    with Exporter(uri, tmp_path / "artifacts", CARD, tmp_path / "track.log") as exporter:
        for record in records:
            exporter.send(replace(record, params={"lr": 0.1**record.number, "loss.alpha": [0.5, float(record.number)]}))
        exporter.attach([report])
        exporter.conclude([1], "Confirm trial 1 next.")
        assert exporter.finish(600) == f"4 trials are in MLflow at {uri}"
    port = closed_port()
    command = ui_command(uri, tmp_path / "artifacts", port)
    with (tmp_path / "ui.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **served(uri)}, stdout=log, stderr=log, start_new_session=True)
    try:
        _await(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(120)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            select.select([], [], [], 0.2)
    raise AssertionError("MLflow's server did not start")


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """The text of a page's document once it has settled, in a window of 1600 by 1400."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1600,1400"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"

    def at(address: str) -> str:
        command = [str(CHROMIUM), *flags, profile, "--virtual-time-budget=30000", "--dump-dom", address]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return at


def test_a_person_finds_the_trials_the_charts_the_answer_and_the_report(server: str, uri: str, look: Look) -> None:
    found = runs(uri)
    experiment = found[""].info.experiment_id
    here = f"{server}/#/experiments/{experiment}/runs"
    shown = look(page(server, experiment))
    for words in ("0001", "baseline model_1", "0002 pruned: constant_", "Trials, best first", "objective"):
        assert words in shown
    assert shown.index(">0001<") < shown.index(">baseline model_1<")

    charts = look(f"{page(server, experiment)}&compareRunsMode=CHART")
    assert "Parallel Coordinates" in charts
    assert "Showing all runs" in charts

    pinned = look(page(server, experiment).replace("=pitprop", "=pitprop-pinned"))
    assert ">0001<" in pinned
    assert ">baseline model_1<" in pinned
    assert "constant_prediction" not in pinned

    ids, of = (quote(json.dumps(one)) for one in ([found[n].info.run_id for n in ("0", "1", "2")], [experiment]))
    compared = look(f"{server}/#/compare-runs?runs={ids}&experiments={of}")
    assert "Comparing 3 Runs" in compared
    assert "Parallel Coordinates" in compared

    answer = look(f"{here}/{found[''].info.run_id}?workflowType=machine_learning")
    assert f'href="#/experiments/{experiment}/runs/{found["1"].info.run_id}?workflowType=machine_learning"' in answer
    assert VERDICT.reason in look(f"{here}/{found['2'].info.run_id}?workflowType=machine_learning")


def test_the_report_opens_among_the_artifacts_of_the_study(server: str, uri: str, look: Look) -> None:
    parent = runs(uri)[""].info
    shown = look(f"{server}/#/experiments/{parent.experiment_id}/runs/{parent.run_id}/artifacts/report.html")
    assert "report.html" in shown
    assert "<iframe" in shown
    with urllib.request.urlopen(f"{server}/get-artifact?path=report.html&run_uuid={parent.run_id}", timeout=60) as answer:
        assert b"The report of a small study" in answer.read()


@pytest.mark.parametrize("width", [1400, 1920])
def test_nothing_of_a_trial_is_right_of_the_fold_and_no_assistant_covers_it(
    server: str, uri: str, tmp_path: Path, width: int
) -> None:
    experiment = runs(uri)[""].info.experiment_id
    with Browser(tmp_path / "window", width, 900) as browser:
        browser.open(page(server.replace("127.0.0.1", NAME), experiment))
        named = "one => !one.children.length && one.textContent === 'pitprop.reason'"
        head = f"[...document.querySelectorAll('*')].filter({named}).at(-1)"
        assert browser.wait(f"{head}?.getBoundingClientRect().right") < width - 40
        shown = browser.wait("document.body.innerText.includes('0003 parked') && document.body.innerText")
        assert "Assistant" not in shown
        assert shown.index("objective") < shown.index("loss.alpha") < shown.index("pitprop.reason")
        browser.picture(tmp_path / f"runs-{width}.png")
    with urllib.request.urlopen(f"{server}/api/2.0/mlflow/experiments/search?max_results=9", timeout=60) as answer:
        assert b"Default" not in answer.read()
