"""Commands that serve a page on the loopback address until they are interrupted: ours, MLflow's and Optuna's."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from pitprop.addresses import Addresses, addresses
from pitprop.cli.context import open_study
from pitprop.cli.options import ServeOptions, StudyOptions
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.results.opening import results_of
from pitprop.study.source import command_line, find_space
from pitprop.study.stored import read_study

OURS = "tags.`pitprop.question` LIKE '%'"
"""MLflow's filter for experiments of searches."""
CONFIRMS = re.compile(r"\.(?:confirm|each)\d")
"""What the name of an experiment has that confirms another, or changes its best trial."""


def watch(options: StudyOptions, port: int, *, browser: bool) -> int:
    """The report of a study, which follows its search while that runs."""
    from pitprop.views.live_page import LivePage

    open_study(options)  # an error is for the terminal, not for the page
    with LivePage(lambda: open_study(options), port) as server:
        print(_("{page} on {address} (Ctrl-C ends it)").format(page=options.space, address=server.address), flush=True)
        if browser:
            webbrowser.open(server.address)
        server.serve_forever()
    return 0


def ui(options: ServeOptions) -> int:
    """MLflow's UI, with a browser on the experiment of the space once it answers."""
    from pitprop.track import GREETING, served, ui_command
    from pitprop.track.sqlite import no_folder_named_by

    where = addresses(options.runs)
    name = _experiment(options.space, where) if options.space is not None else None
    if where.mlflow.startswith("sqlite:") and not (where.runs / "mlflow.db").exists() and "MLFLOW_TRACKING_URI" not in os.environ:
        text = _("there are no runs in {folder} yet: {command}")
        raise UserError(text.format(folder=where.runs, command=command_line("search", "focal_alpha", where)))
    try:
        command = ui_command(where.mlflow, where.artifacts, options.port)
    except ValueError as error:
        raise UserError(str(error)) from error
    address = f"http://127.0.0.1:{options.port}"
    print(_("{page} on {address}, in some seconds (Ctrl-C ends it)").format(page="MLflow UI", address=address), flush=True)
    threading.Thread(target=_browse, args=(address, name, options.browser), daemon=True).start()
    with no_folder_named_by(where.mlflow):
        return _serve(command, served(where.mlflow), GREETING)


def dashboard(options: ServeOptions) -> int:
    """Optuna's dashboard on the study database, which it reads as it is."""
    where = addresses(options.runs)
    if where.study_db.startswith("sqlite:") and not (where.runs / "study.db").exists() and "STUDY_DB" not in os.environ:
        text = _("there is no study in {folder} yet: {command}")
        raise UserError(text.format(folder=where.runs, command=command_line("search", "focal_alpha", where)))
    program = shutil.which("optuna-dashboard", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise UserError(_("optuna-dashboard is not installed: make dashboard installs it, or pip install optuna-dashboard"))
    address = f"http://127.0.0.1:{options.port}"
    print(_("{page} on {address}, in some seconds (Ctrl-C ends it)").format(page="Optuna Dashboard", address=address), flush=True)
    return _serve([program, where.study_db, "--host", "127.0.0.1", "--port", str(options.port)], {})


def _experiment(word: str, where: Addresses) -> str:
    """The MLflow experiment of a space's study; `UserError` if that study was made with a space that means something else."""
    space, stored = find_space(word, where)
    if stored := stored or read_study(where, space.name):
        results_of(space, where, stored)
    return space.name


def _serve(command: Sequence[str], environment: Mapping[str, str], greeting: str = "") -> int:
    """Runs a server until it ends or we do; these are families of processes, and however we end they end with us.

    Of what it writes its errors are shown, save lines that begin with its ``greeting``; all of it where it has none.
    """
    out, err = (subprocess.DEVNULL, subprocess.PIPE) if greeting else (None, None)
    server = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True, stdout=out, stderr=err)
    try:
        for line in server.stderr or ():
            if not line.startswith(greeting.encode()):
                print(line.decode(errors="replace"), end="", file=sys.stderr, flush=True)
        return server.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)


def _browse(address: str, name: str | None, browser: bool) -> None:
    """Says where the trials of the experiment ``name`` are, or of the newest search, when the server answers, and opens that."""
    from pitprop.track import page
    from pitprop.track.exporter import NAME

    asked = f"get-by-name?experiment_name={quote(name)}" if name else f"search?max_results=50&filter={quote(OURS)}"
    for _attempt in range(120):
        try:
            with urllib.request.urlopen(f"{address}/api/2.0/mlflow/experiments/{asked}", timeout=5) as answer:  # nosec B310
                said = json.loads(answer.read())
            found = [said["experiment"]] if name else said.get("experiments", [])
            first = next((one for one in found if name or not CONFIRMS.search(one["name"])), None)
            named = address.replace("127.0.0.1", NAME)
            place = page(named, first["experiment_id"]) if first else f"{named}/#/experiments"
        except urllib.error.HTTPError:
            place = address  # it answers, but knows no such experiment
        except OSError:
            time.sleep(0.5)
            continue
        print(_("The trials: {address}").format(address=place), flush=True)
        if browser:
            webbrowser.open(place)
        return
