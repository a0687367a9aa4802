"""Values within a script on a command's line: whatever they are, they arrive as they are, or are refused, and are never run."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pitprop.trainers.commands.arguments import STYLES, CommandError
from pitprop.trainers.commands.quoting import fill_all
from pitprop.trainers.commands.template import render

EVIL = [
    "$(touch pwned)",
    "a'; touch pwned; '",
    '"; touch pwned; "',
    "`touch pwned`",
    "x\ntouch pwned",
    "; touch pwned #",
    "') or __import__('os').system('touch pwned') or ('",
    '{__import__("os").system("touch pwned")}',
    "a[$(touch pwned)]",
    "\\",
    "",
    "größe 日本 *",
    "!x ~ $HOME ${X} \\$(touch pwned)",
]
SHOW = f"{sys.executable} show.py"
SHELLS = [shell for shell in ("bash", "sh", "dash", "zsh") if shutil.which(shell)]


def run(folder: Path, command: list[str], params: dict[str, Any], **words: Any) -> str:
    """What the command prints, given the parameters; that nothing of them was run is checked."""
    (folder / "show.py").write_text("import sys; print(sys.argv[1:])")
    arguments, variables = fill_all(command, {**params, **words}, params, STYLES["flags"], "options.command")
    done = subprocess.run(arguments, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    assert not (folder / "pwned").exists()
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("value", EVIL)
def test_a_shell_gets_a_value_as_it_is_wherever_it_stands(tmp_path: Path, shell: str, value: str) -> None:
    script = (
        f'{SHOW} name={{name}} \'{{name}}\' "{{name}}" \'a {{name}} b\' "$(printf %s. "{{name}}")" {{params}} # it\'s {{name}}'
    )
    found = ast.literal_eval(run(tmp_path, [shell, "-c", script], {"name": value}))
    named = f"--name={value}" if value.startswith("-") else value
    assert found == [f"name={value}", value, value, f"a {value} b", f"{value}.", "--name", named]


@pytest.mark.parametrize(
    "before",
    [
        ["bash", "-c"],
        ["bash", "-ec"],
        ["env", "bash", "-c"],
        ["/bin/bash", "-l", "-c"],
        ["bash", "-o", "pipefail", "-c"],
        ["nice", "sh", "-c"],
    ],
)
@pytest.mark.parametrize("value", EVIL[:3])
def test_a_shell_is_known_in_every_way_of_starting_it(tmp_path: Path, before: list[str], value: str) -> None:
    assert ast.literal_eval(run(tmp_path, [*before, f"{SHOW} {{name}}"], {"name": value})) == [value]


TWICE = [
    "eval 'echo {name}'",
    "eval echo {name}",
    "bash -c 'echo {name}'",
    'bash -c "echo {name}"',
    "ssh host echo {name}",
    "(( {name} > 1 ))",
    "[[ {name} -gt 1 ]]",
    "python3 -c 'print(\"{name}\")'",
    "awk 'BEGIN {print \"{name}\"}'",
    "echo x | xargs sh -c 'echo {name}'",
]
OTHERS = [
    ["perl", "-e", "print '{name}'"],
    ["ssh", "host", "echo {name}"],
    ["awk", "{name}"],
    ["node", "-e", "{name}"],
    ["python", "-cprint('{name}')"],
    ["fish", "-c", "echo {name}"],
    ["env", "-S", "bash -c {name}"],
]


@pytest.mark.parametrize("script", TWICE)
@pytest.mark.parametrize("value", EVIL[:3])
def test_a_value_that_would_be_parsed_a_second_time_is_refused_and_a_plain_one_is_not(script: str, value: str) -> None:
    with pytest.raises(CommandError, match=r"options.command: \{name\} would put the value .* into a script that parses it"):
        fill_all(["bash", "-c", script], {"name": value}, {}, STYLES["flags"], "options.command")
    filled, variables = fill_all(["bash", "-c", script], {"name": "resnet-50"}, {}, STYLES["flags"], "options.command")
    assert (filled[-1], variables) == (script.replace("{name}", "resnet-50"), {})


@pytest.mark.parametrize("command", OTHERS)
def test_other_interpreters_get_plain_words_only(command: list[str]) -> None:
    with pytest.raises(CommandError, match="into a script that parses it"):
        fill_all(command, {"name": "a b"}, {}, STYLES["flags"], "options.command")
    fill_all(command, {"name": "0.001"}, {}, STYLES["flags"], "options.command")


@pytest.mark.parametrize("value", EVIL)
def test_python_code_gets_a_value_as_a_literal_or_as_text(tmp_path: Path, value: str) -> None:
    code = "x = {name}\nprint([x, '{name}', 'a {name} b', f'{{x}}:{name}', \"\"\"{name}\"\"\", {lr}])  # it's {name}"
    found = ast.literal_eval(run(tmp_path, ["{python}", "-c", code], {"name": value, "lr": -1e-5}, python=sys.executable))
    assert found == [value, value, f"a {value} b", f"{value}:{value}", value, -1e-5]


def test_what_stands_behind_a_script_is_an_argument_as_elsewhere(tmp_path: Path) -> None:
    command = ["bash", "-c", f'{SHOW} "$@"', "bash", "{name}", "{params}"]
    assert ast.literal_eval(run(tmp_path, command, {"name": "$(touch pwned)"})) == ["$(touch pwned)", "--name", "$(touch pwned)"]
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "-c", "{name}"]
    assert ast.literal_eval(run(tmp_path, command, {"name": "a b"})) == ["-c", "a b"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))))
def test_any_text_reaches_a_script_within_a_shells_line(tmp_path: Path, value: str) -> None:
    found = run(tmp_path, ["bash", "-c", "printf '%s' {name}; printf '%s' \"{name}\"; printf '%s' '{name}'"], {"name": value})
    assert found.replace("\r\n", "\n") == (3 * value).replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("value", [-4.457632838894099e-05, -0.00091, -3, -1e-300, -1e22, 5e-05, "-x", "--lr", "-1e-5 "])
def test_a_value_that_begins_with_a_minus_reaches_argparse(tmp_path: Path, value: Any) -> None:
    kind = "str" if isinstance(value, str) else "float"
    (tmp_path / "t.py").write_text(
        f"import argparse\np = argparse.ArgumentParser()\np.add_argument('--x', type={kind})\n"
        "p.add_argument('--y', nargs='+', type=float)\n"
        "p.add_argument('z', nargs='?', type=float)\nf = p.parse_args()\nprint([f.x, f.y, f.z])\n"
    )
    params = {"x": value} if isinstance(value, str) else {"x": value, "y": [value, 0.5]}
    wanted = [value, params.get("y"), None]
    assert ast.literal_eval(run(tmp_path, [sys.executable, "t.py", "{params}"], params)) == wanted
    assert ast.literal_eval(run(tmp_path, [sys.executable, "t.py", "--x", "{x}"], {"x": value})) == [value, None, None]
    if not isinstance(value, str):
        assert ast.literal_eval(run(tmp_path, [sys.executable, "t.py", "{x}"], {"x": value})) == [None, None, value]


@pytest.mark.parametrize("value", EVIL)
def test_a_value_within_text_of_a_python_template_stays_text(value: str) -> None:
    filled = render("a = 'runs/{name}'\nb = \"x-{name}\"\nc = {name}\nd = '{name}'\n", {"name": value}, {}, ".py")
    found: dict[str, Any] = {}
    exec(filled, found)
    assert [found[key] for key in "abcd"] == [f"runs/{value}", f"x-{value}", value, value]


@pytest.mark.parametrize("line", ["a = f'runs/{name}'", "a = 1 + {name}", "a = x_{name}"])
def test_a_value_that_would_be_code_in_a_python_template_is_refused(line: str) -> None:
    with pytest.raises(CommandError, match=r"would be code in the template|no Python once it is filled"):
        render(line, {"name": "{print(1)} or print(2)"}, {}, ".py")
