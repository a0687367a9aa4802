"""`import pitprop`: what it costs, what it offers, and that a search from Python is the search of the command."""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pitprop
import pytest
from conftest import TOLD, TOY
from pitprop.errors import UserError
from pitprop.space import Space
from pitprop.trainer import Change, Context, Lane, Start
from pitprop.workers.worker import Failure, Worker

ROOT = Path(__file__).parents[1]
TREE = {
    "name": "tree",
    "question": "Which speed?",
    "trainer": str(TOY),
    "objective": {"metric": "val/macro_f1"},
    "epochs": 8,
    "trials": 4,
    "params": {"dead": {"choice": [False, True]}, "speed": {"float": [0.05, 1.0]}},
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_mlflow: None) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_package_imports_none_of_its_modules_and_no_library() -> None:
    code = "import __future__, sys, typing; before = {*sys.modules}; import pitprop; print(*sorted({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pitprop"]


def test_a_report_outside_of_a_search_loads_nothing_but_its_own_module() -> None:
    code = "import sys, pitprop; pitprop.report(1, loss=0.5); print(*(m for m in sys.modules if m.startswith('pitprop')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pitprop", "pitprop.reporting"]


@pytest.mark.parametrize("name", pitprop.__all__)
def test_a_public_name_is_documented_and_no_module_takes_its_place(name: str) -> None:
    found = getattr(pitprop, name)
    assert name in dir(pitprop)
    assert name == "__version__" or found.__doc__
    assert isinstance(found, ModuleType) == (importlib.util.find_spec(f"pitprop.{name}") is not None)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'serach'"):
        _ = pitprop.serach  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="it has huggingface, lightning, optuna, tune"):
        _ = pitprop.adapters.keras  # type: ignore[attr-defined]
    assert pitprop.adapters.optuna.CollapsePruner.__name__ == "CollapsePruner"


def test_a_search_from_python_finds_what_the_command_finds(
    write_space: Callable[..., Path], request: pytest.FixtureRequest
) -> None:
    path = write_space()
    said = request.getfixturevalue("pitprop")("search", path, "--inline", "--json").json
    result = pitprop.search(path, runs="others", inline=True, report=False, quiet=True)
    assert result.best is not None
    assert [result.best.trial, [result.best.value]] == [said["best"][0]["trial"], said["best"][0]["values"]]
    assert len(result.trials) == said["target"] == 6


def test_a_mapping_a_path_and_a_space_are_one_search(write_space: Callable[..., Path], toy: Callable[..., Space]) -> None:
    rows = {**TREE, "trials": 6, "name": "toy"}
    one, two, three = (
        pitprop.search(given, runs=f"runs {number}", inline=True, report=False, quiet=True).trials.drop(columns="seconds")
        for number, given in enumerate((rows, str(write_space()), toy()))
    )
    assert one.equals(two)
    assert one.equals(three)


def test_the_trials_are_a_frame_with_a_row_each_and_the_verdicts_of_those_that_were_stopped() -> None:
    result = pitprop.search(TREE, trials=8, inline=True, report=False, quiet=True)
    frame = result.trials
    assert list(frame.index) == list(range(8))
    assert {"state", "value", "epochs", "seconds", "signature", "reason", "params.speed", "params.dead"} <= set(frame.columns)
    stopped = frame[frame.state == "PRUNED"]
    assert len(stopped)
    assert set(stopped.index) <= set(result.verdicts)
    assert all(result.verdicts[number][0].signature == stopped.signature[number] for number in stopped.index)
    assert result.best is not None
    assert frame.value[result.best.trial] == result.best.value == frame[frame.state == "COMPLETE"].value.max()
    assert result.summary.states["PRUNED"] == len(stopped)


def test_a_search_goes_on_and_a_study_is_opened_by_the_name_of_its_mapping() -> None:
    first = pitprop.search(TREE, trials=2, inline=True, report=False, quiet=True)
    again = pitprop.search(TREE, trials=5, inline=True, report=False, quiet=True)
    opened = pitprop.open_study("tree")
    assert len(first.records) == 2
    assert again.records[:2] == first.records
    assert opened.records == again.records
    assert opened.target == 5


def test_a_notebook_shows_a_result_as_html_and_a_console_as_a_line() -> None:
    result = pitprop.search({**TREE, "question": "Is <b> safe?"}, inline=True, report=False, quiet=True)
    shown = result._repr_html_()
    assert "Is &lt;b&gt; safe?" in shown
    assert "<table" in shown
    assert "params.speed" in shown
    assert repr(result).startswith("<pitprop.Result tree: 4 trials, best val/macro_f1 0.")
    assert result.report.read_text().startswith("<!")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # those of the kernel's client
def test_a_notebook_runs_a_search_and_shows_its_table(tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    v4 = nbformat.v4
    (tmp_path / "search.py").write_text("MINE = 1\n")
    cells = [f"import pitprop, search\nsearch.MINE\nspace = {TREE!r}", "pitprop.search(space, inline=True, report=False)"]
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    shown = [output for output in notebook.cells[1].outputs if output.output_type == "execute_result"]
    assert "<table" in shown[0].data["text/html"]
    bars = [output.data["text/html"] for output in notebook.cells[1].outputs if output.output_type == "display_data"]
    assert ["tree: 4 / 4" in bar for bar in bars] == [True]
    printed = "".join(output.text for output in notebook.cells[1].outputs if output.output_type == "stream")
    assert "trial" in printed
    assert "ipywidgets" not in printed
    assert "\x1b" not in printed


def test_an_interrupted_search_keeps_what_is_finished_and_the_process_as_it_was(tmp_path: Path) -> None:
    space = {**TREE, "name": "cut", "trainer": str(TOLD), "objective": {"metric": "score"}, "params": {"base": {"float": [0, 1]}}}
    cut = {**space, "options": {"interrupt": ["0002", 3]}}
    handler, environment = signal.getsignal(signal.SIGINT), dict(os.environ)
    with pytest.raises(KeyboardInterrupt, match="the same call resumes"):
        pitprop.search(cut, inline=True, report=False, quiet=True)
    assert signal.getsignal(signal.SIGINT) is handler
    assert dict(os.environ) == environment
    assert list(pitprop.open_study(cut).trials.state) == ["COMPLETE", "COMPLETE", "RUNNING"]
    assert list(pitprop.search(cut, inline=True, report=False, quiet=True).trials.state) == ["COMPLETE"] * 4


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: pitprop.search({**TREE, "name": None}), "name: is missing; a space without a file takes a name for its study"),
        (lambda: pitprop.search({**TREE, "trils": 3}, inline=True), "did you mean 'trials'"),
        (lambda: pitprop.search("focal_alhpa"), "did you mean 'focal_alpha'"),
        (lambda: pitprop.search(TREE, trials=0), "trials is 0; it takes a whole number of at least 1"),
        (lambda: pitprop.search(TREE, timeout=-1), "timeout is -1; it takes a number of seconds above 0"),
        (lambda: pitprop.open_study(TREE), "there is no study of 'tree'"),
        (lambda: pitprop.diagnose("nowhere.log"), "there is no file or folder nowhere.log"),
        (lambda: pitprop.diagnose("nowhere.log", epoch=3), "diagnose takes no 'epoch'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        call()


def test_epochs_are_judged_as_objects_and_as_plain_mappings_alike() -> None:
    losses = [0.7, 0.69, math.nan, math.nan]
    facts = pitprop.Facts(budget=20, metric="val/loss", maximize=False)
    objects = [pitprop.Epoch(step, {"train/loss": loss, "val/loss": loss}) for step, loss in enumerate(losses, 1)]
    rows = [{"train_loss": loss, "val_loss": loss} for loss in losses]
    found = pitprop.judge(rows, facts)
    assert [verdict.signature for verdict in found if verdict.ends] == ["non_finite"]
    assert str(found) == str(pitprop.judge(objects, facts))
    (first,) = pitprop.replay(rows, facts, ["non_finite"])
    assert first.step == 3
    assert pitprop.judge(rows[:2], facts, [pitprop.Signature("explosion")]) == []


def test_a_diagnosis_reads_as_the_command_prints_it() -> None:
    found = pitprop.diagnose(ROOT / "tests" / "logs" / "nanogpt_lr_30.0.log")
    assert found.dead
    assert str(found).startswith("dead")
    assert found._repr_html_().startswith("<pre>")


def test_trainers_of_two_folders_import_their_own_modules_of_one_name(tmp_path: Path) -> None:
    for name, number in (("one", 1.0), ("two", 2.0)):
        folder = tmp_path / name
        (folder / "parts").mkdir(parents=True)
        (folder / "parts" / "deep.py").write_text(f"NUMBER = {number}\n")
        (folder / "helper.py").write_text("from parts.deep import NUMBER\n")
        (folder / "late.py").write_text("from parts import deep\nclass State:\n    value = deep.NUMBER\n")
        body = (
            "from pitprop import Epoch\nimport helper\ndef train(params, context):\n    for step in (1, 2):\n"
            "        from late import State\n        context.state = State.value\n"
            "        yield Epoch(step, {'early': helper.NUMBER, 'late': State.value})\n"
        )
        (folder / "same.py").write_text(body)
    before = {*sys.modules}, [*sys.path]
    workers = [Worker(str(tmp_path / name / "same.py"), Context(2), str(tmp_path / f"{name}.ckpt")) for name in ("one", "two")]
    start = Change(started=[Start(Lane(0, 0), {}, 0, str(tmp_path))])
    for change in (start, Change()):  # one epoch each, in turn
        for worker, number in zip(workers, (1.0, 2.0), strict=True):
            answer = worker.advance(change)
            assert not isinstance(answer, Failure), answer.traceback
            assert answer[Lane(0, 0)].metrics == {"early": number, "late": number}
    for worker in workers:
        worker.close()
    assert not {"helper", "late", "parts", "parts.deep"} & set(sys.modules)
    assert sys.path == before[1]
