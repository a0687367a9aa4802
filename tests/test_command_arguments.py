"""What a command is given: parameters in every style, templates, the environment; and options that are refused."""

from __future__ import annotations

import ast
import json
import math
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, events, records
from hypothesis import given
from hypothesis import strategies as st
from pitprop import space as spaces
from pitprop.telemetry import Epoch
from pitprop.trainers import command
from pitprop.trainers.commands import flags
from pitprop.trainers.commands.arguments import STYLES, CommandError, known, written
from pitprop.trainers.commands.template import render
from pitprop.workers.worker import Failure, Worker
from test_command import SMALLEST, context, trained

TREE = {"lr": 1e-05, "focal": {"alpha": [0.5, 2.0]}, "amp": True, "ema": False, "clip": None, "name": "a b"}


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("flags", ["--lr", "1e-05", "--focal.alpha", "0.5", "2.0", "--amp", "--name", "a b"]),
        ("equals", ["--lr=1e-05", "--focal.alpha=[0.5, 2.0]", "--amp=True", "--ema=False", "--clip=None", "--name=a b"]),
        ("lightning", ["--lr=1e-05", "--focal.alpha=[0.5, 2.0]", "--amp=true", "--ema=false", "--clip=null", "--name=a b"]),
        ("dotted", ["lr=1e-05", "focal.alpha=[0.5, 2.0]", "amp=true", "ema=false", "clip=null", "name=a b"]),
        (
            "cfg-options",
            ["--cfg-options", "lr=1e-05", "focal.alpha=[0.5, 2.0]", "amp=True", "ema=False", "clip=None", "name=a b"],
        ),
    ],
)
def test_a_style_writes_parameters_as_its_programs_read_them(tmp_path: Path, style: str, expected: list[str]) -> None:
    assert begun(tmp_path, ["{params}"], TREE, style=style) == expected


def begun(folder: Path, words: list[str], params: Mapping[str, Any], **more: Any) -> list[str]:
    """The arguments that a script really gets, after its own name."""
    script = folder / "echo.py"
    script.write_text("import json, sys; print(json.dumps({'val_loss': 0.0, 'epoch': 1})); print(sys.argv[1:], file=sys.stderr)")
    trained(folder, ["{python}", str(script), *words], params, **more)
    found: list[str] = ast.literal_eval((folder / "command-0" / "stderr.log").read_text())
    return found


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ("spread", ["--a", "1", "2"]),
        ("comma", ["--a", "1,2"]),
        ("json", ["--a", "[1, 2]"]),
        ("repeat", ["--a", "1", "--a", "2"]),
    ],
)
def test_lists_are_written_as_the_space_says(tmp_path: Path, lists: str, expected: list[str]) -> None:
    assert begun(tmp_path, ["{params}"], {"a": [1, 2]}, lists=lists) == expected


def test_booleans_are_written_as_the_space_says(tmp_path: Path) -> None:
    assert begun(tmp_path, ["{params}"], {"a": True, "b": False}, booleans="switch") == ["--a", "--no-b"]
    assert begun(tmp_path, ["{params}"], {"a": True, "b": False}, booleans="lower") == ["--a", "true", "--b", "false"]


def test_a_named_parameter_goes_where_it_is_named_and_not_among_the_others(tmp_path: Path) -> None:
    words = ["--rate={lr}", "{{lr}}", "weights=[{w.a},{w.b}]", "{params}", "{seed}/{epochs}"]
    found = begun(tmp_path, words, {"lr": 0.1, "w": {"a": 1.0, "b": 2}, "x": 3}, seed=0)
    assert found == ["--rate=0.1", "{lr}", "weights=[1.0,2]", "--x", "3", "0/9"]


def test_parameters_within_a_shells_line_are_quoted(tmp_path: Path) -> None:
    (tmp_path / "echo.sh").write_text('echo "epoch 1: val loss 0.$#"')
    assert trained(tmp_path, ["bash", "-c", "bash echo.sh {params}"], {"name": "a b; exit 3"})[0].metrics == {"val/loss": 0.2}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.floats(allow_nan=False) | st.integers() | st.booleans()))
def test_a_program_reads_back_what_equals_wrote(params: dict[str, Any]) -> None:
    pairs = [word.removeprefix("--").split("=", 1) for word in written(params, STYLES["equals"])]
    assert {name: eval(value, {"inf": math.inf}) for name, value in pairs} == params


VALUES = st.recursive(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**62), 2**62)
    | st.booleans()
    | st.text("ab \"'\\{}#:,", max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    ".yaml": ("a: {x}\nb: [1, {x}]\nc: '{x}'\n", yaml.safe_load),
    ".json": ('{"a": {x}, "b": [1, {x}], "c": "{x}"}', json.loads),
    ".toml": ("a = {x}\nb = [1, {x}]\nc = '{x}'\n", tomllib.loads),
    ".py": ("dict(a={x},\n     b=[1, {x}], c='{x}')", lambda text: eval(text, {"dict": dict})),
}


@pytest.mark.parametrize("suffix", READERS)
@given(value=VALUES)
def test_a_template_holds_a_value_as_its_language_writes_it(suffix: str, value: Any) -> None:
    template, read = READERS[suffix]
    assert read(render(template, {"x": value}, {}, suffix)) == {"a": value, "b": [1, value], "c": value}


def test_a_template_takes_words_all_parameters_and_leaves_other_braces(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text(
        "out: runs/{folder}\nmodel: {params}\nlr: {lr}\nother: '{unknown}'\nname: {kind}-large\n"
    )
    found = begun(tmp_path, ["{config}"], {"lr": 0.1, "kind": "a", "w": {"b": [1, None]}}, template="train.yaml")
    assert found == [str(tmp_path / "command-0" / "train.yaml")]
    folder = str(tmp_path / "command-0")
    expected = {"out": f"runs/{folder}", "model": {"w": {"b": [1, None]}}, "lr": 0.1, "other": "{unknown}", "name": "a-large"}
    assert yaml.safe_load(Path(found[0]).read_text()) == expected


def environment(folder: Path, **more: Any) -> dict[str, str]:
    code = "import json, os, sys; json.dump(dict(os.environ), sys.stderr); print('epoch 1: val loss 1')"
    trained(folder, [sys.executable, "-c", code], **more)
    found: dict[str, str] = json.loads((folder / "command-0" / "stderr.log").read_text())
    return found


def test_the_environment_keeps_a_command_to_its_trials_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
    wide = environment(tmp_path, cpus=4.0, gpus=2.0)
    assert (wide["CUDA_VISIBLE_DEVICES"], wide["OMP_NUM_THREADS"]) == ("2,5", "2")
    assert environment(tmp_path, gpus=0.25)["CUDA_VISIBLE_DEVICES"] == "2"
    none = environment(tmp_path, cpus=3.0)
    assert (none["CUDA_VISIBLE_DEVICES"], none["OMP_NUM_THREADS"]) == ("", "3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert environment(tmp_path, gpus=2.0)["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_the_space_adds_to_the_environment(tmp_path: Path) -> None:
    params = {"lr": 0.1, "focal": {"alpha": [1.0, 2.0]}, "amp": True}
    found = environment(tmp_path, params=params, style="env", env={"RATE": "{lr}", "OMP_NUM_THREADS": 7, "PLACE": "{folder}/x"})
    assert (found["RATE"], found["OMP_NUM_THREADS"], found["PLACE"]) == ("0.1", "7", f"{tmp_path}/command-0/x")
    assert (found["FOCAL_ALPHA"], found["AMP"]) == ("1.0,2.0", "true")
    assert "LR" not in found


def test_a_command_runs_beside_the_space_unless_told_otherwise(tmp_path: Path) -> None:
    where = [sys.executable, "-c", "import os; print(os.getcwd(), file=open(2, 'w')); print('epoch 1: val loss 1')"]
    (tmp_path / "sub").mkdir()
    for cwd, expected in ((".", tmp_path), ("sub", tmp_path / "sub"), ("{folder}", tmp_path / "command-0")):
        trained(tmp_path, where, cwd=cwd)
        assert (tmp_path / "command-0" / "stderr.log").read_text().strip() == str(expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"command": "python train.py"}, "must be a list of arguments, not 'python train.py'; there is no shell"),
        ({"command": []}, "options.command is missing: it takes a list"),
        ({"command": ["nowhere-at-all", "{params}"]}, "the command 'nowhere-at-all' is not found"),
        ({"command": ["{python}", "nowhere.py", "{lr}"]}, "the script 'nowhere.py' is not in"),
        ({"command": ["{python}", "{lrr}"]}, r"names {lrr}, which is no parameter .*; did you mean 'lr'\?"),
        ({"command": ["{python}"]}, r"the parameter 'lr' does not reach the command: write {params} or {lr}"),
        ({"style": "flag"}, "options.style 'flag' is not allowed; did you mean flags"),
        ({"lists": "commas"}, "options.lists 'commas' is not allowed; did you mean comma"),
        ({"cwd": "nowhere"}, "options.cwd '.*nowhere' is no folder"),
        ({"env": ["A=1"]}, "options.env must be a mapping"),
        ({"template": "config.ini"}, "options.template 'config.ini' is none of .yaml"),
        ({"template": "nowhere.yaml"}, "nowhere.yaml' cannot be read: No such file"),
        ({"metrics": []}, "options.metrics must be a list of sources"),
        ({"metrics": [{"from": "stdout", "pattern": 5}]}, r"options.metrics\[0\].pattern must be a regular expression"),
        ({"metrics": [{"from": "stdout", "format": 7}]}, r"options.metrics\[0\].format must be a text such as csv, not 7"),
        ({"names": {"a": [1]}}, r"options.names.a must be a text, not \[1\]"),
        ({"env": {"A": {"b": 1}}}, "options.env.A must be a text"),
        ({"metrics": [{"format": "csv"}]}, "says not where metrics come from"),
        ({"metrics": [{"from": "stdout", "patterns": "x"}]}, r"unknown key 'patterns'; did you mean 'pattern'\?"),
        ({"metrics": [{"from": "metrics.csv"}]}, "'metrics.csv' is one file for all trials; put it under {folder}"),
        ({"metrics": [{"from": "stdout", "format": "cvs"}]}, "there is no log format 'cvs'; did you mean 'csv'"),
        ({"resume": ["--resume"]}, "options.resume goes with options.checkpoint"),
        ({"grace": "10s"}, "options.grace '10s' is not a number of seconds"),
    ],
)
def test_what_is_wrong_with_the_options_is_said_in_one_sentence_before_the_first_trial(
    tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    words = options.get("command", [*SMALLEST, "--lr={lr}"])
    worker = Worker("pitprop.trainers.command", context(tmp_path, words, **options), str(tmp_path / "x.ckpt"))
    answer = worker.preflight({"lr": 0.1}, 0)
    assert isinstance(answer, Failure)
    assert re.search(sentence, answer.error), answer.error
    assert "\n" not in answer.error


def test_all_that_is_wrong_with_the_options_of_a_space_is_said_at_once(write_space: Callable[..., Path]) -> None:
    options = {"command": [], "style": "flag", "lists": "commas", "grace": -1, "metrics": [{"form": "x"}], "chekpoint": "a"}
    with pytest.raises(spaces.SpaceError) as told:
        spaces.load(str(write_space(trainer="command", options=options, objective={"metric": "val/loss"})))
    lines = str(told.value).splitlines()
    keys = ("chekpoint", "command", "style", "grace", "lists", "metrics[0]")
    assert [line.split(": ")[1] for line in lines] == [f"options.{key}" for key in keys]


PARSER = """
import argparse
parser = argparse.ArgumentParser()
group = parser.add_argument_group("training")
group.add_argument("--lr", "--rate", type=float)
group.add_argument("--ema", action=argparse.BooleanOptionalAction)
print(parser.parse_args())
"""


@pytest.mark.parametrize(
    ("script", "words", "refused"),
    [
        (PARSER, ["--lr", "0.1", "--no-ema"], ""),
        (PARSER, ["--ra=0.1"], ""),
        (PARSER, ["--lrr", "-1"], "train.py takes no flag --lrr; did you mean --lr?"),
        (PARSER.replace("parse_args", "parse_known_args"), ["--lrr", "0.1"], ""),
        (PARSER.replace("group = ", "add_more(parser)\ngroup = "), ["--lrr", "0.1"], ""),
        (PARSER + "def other(name): parser.add_argument(name)\n", ["--lrr", "0.1"], ""),
        (PARSER + "add = parser.add_argument\nadd('--' + 'lrr')\n", ["--lrr", "0.1"], ""),
        (PARSER + "for name in ['--lrr']: print(name)\n", ["--lrr", "0.1"], ""),
        (PARSER + "import beside\n", ["--lrr", "0.1"], ""),
        ("import fire\n", ["--lrr", "0.1"], ""),
        ("not Python", ["--lrr", "0.1"], ""),
    ],
)
def test_flags_that_a_script_does_not_take_are_told_where_its_text_leaves_no_doubt(
    tmp_path: Path, script: str, words: list[str], refused: str
) -> None:
    (tmp_path / "train.py").write_text(script)
    (tmp_path / "beside.py").write_text("RATE = '--lrr'\n")
    assert flags.refused(tmp_path / "train.py", words) == ([refused] if refused else [])


@pytest.mark.parametrize(
    ("words", "more", "sentence"),
    [
        (["{python}", "-u", "nowhere.py", "{lr}"], {}, "the script 'nowhere.py' is not in"),
        (["{python}", "-u", "train.py", "{params}"], {"style": "flags", "names": {"a": "val/loss"}}, "takes no flag --lr"),
        (["{python}", "train.py", "{lr}"], {"metrics": [{"from": "{folder}/log.csv"}]}, "which the command is not told"),
        (["{python}", "train.py", "{lr}", "{folder}"], {"metrics": [{"from": "{folder}/log.csv"}]}, None),
        (["{python}", "train.py", "{lr}"], {"metrics": [{"from": "{folder}/a.csv"}], "env": {"OUT": "{folder}"}}, None),
    ],
)
def test_a_preflight_looks_at_the_script_and_at_where_metrics_come_from(
    tmp_path: Path, words: list[str], more: dict[str, Any], sentence: str | None
) -> None:
    (tmp_path / "train.py").write_text(PARSER.replace("--lr", "--other"))
    worker = Worker("pitprop.trainers.command", context(tmp_path, words, **more), str(tmp_path / "x.ckpt"))
    answer = worker.preflight({"lr": 0.1}, 0)
    assert (sentence in answer.error if sentence else False) if isinstance(answer, Failure) else sentence is None, answer


def videos(folder: Path, *, labels: Sequence[str], sizes: Mapping[str, int]) -> Path:
    """A script with its list of videos with labelled events, and a skeleton file of each size."""
    (folder / "train.py").write_text(PARSER)
    (folder / "skeletons").mkdir()
    for name, size in sizes.items():
        (folder / "skeletons" / f"{name}.npz").write_bytes(b"x" * size)
    rows = [{"video": name, "events": [{"frame": 1, "label": label} for label in labels]} for name in (*sizes, "lost")]
    (folder / "train.json").write_text(json.dumps(rows))
    return folder


def test_a_preflight_counts_the_labels_and_the_files_of_a_script_that_its_space_names(tmp_path: Path) -> None:
    videos(tmp_path, labels=["serve", "serve", "none"], sizes={"a": 5000, "b": 4000, "c": 6000, "header": 12, "nothing": 0})
    data = [{"files": "train.json", "label": "label", "needs": "skeletons/{video}.npz"}]
    words = ["{python}", "train.py", "{lr}"]
    answer = Worker("pitprop.trainers.command", context(tmp_path, words, data=data), str(tmp_path / "x.ckpt")).preflight(
        {"lr": 1}, 0
    )
    assert isinstance(answer, Epoch), answer
    assert answer.metrics == {
        "files/missing": 1.0,
        "files/empty": 2.0,
        "train/labels/serve": 12.0,
        "train/labels/none": 6.0,
    }


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (["*.npy"], "options.data: *.npy is no file in"),
        ([{"files": "train.json", "label": "class"}], "no 'class' is in train.json; it has frame, label, video"),
        ([{"files": "train.py", "label": "class"}], "is no readable JSON"),
        ([{"file": "train.json"}], "options.data[0] takes a path or a glob"),
        ([{"files": "train.json", "lable": "label"}], "has an unknown key 'lable'"),
    ],
)
def test_what_is_wrong_with_the_data_that_a_space_names_is_one_sentence(tmp_path: Path, data: list[Any], sentence: str) -> None:
    videos(tmp_path, labels=["serve"], sizes={"a": 10})
    given = context(tmp_path, ["{python}", "train.py", "{lr}"], data=data)
    answer = Worker("pitprop.trainers.command", given, str(tmp_path / "x.ckpt")).preflight({"lr": 1}, 0)
    assert isinstance(answer, Failure)
    assert sentence in answer.error


def test_the_five_minutes_of_the_docs_are_true(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, language in (("train.py", "python"), ("rate.yaml", "yaml")):
        (tmp_path / name).write_text(re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)[0])
    space = spaces.load(str(tmp_path / "rate.yaml"))
    events(space, tmp_path)
    found = records(space, tmp_path)
    assert len(found) == 6
    for record in found:
        if record.params["lr"] >= 1:
            assert (record.state, record.epochs, record.verdicts[0].signature) == ("PRUNED", 1, "non_finite")
        else:  # a rate at which the loss falls by a hundredth in eight epochs hardly trains at all
            assert record.word == ("complete" if record.params["lr"] > 0.01 else "parked")


def test_every_option_and_style_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [option for option in command.OPTIONS if f"`{option}" not in page and f"\n{option}:" not in page] == []
    assert [style for style in STYLES if f"\n| {style} " not in page] == []


def test_a_place_for_a_configuration_file_without_a_template_says_where_to_name_it() -> None:
    with pytest.raises(CommandError, match=r"say which in options\.template"):
        known("config", {"seed": 0}, "options.command")
