"""What a sampler knows from elsewhere: it is no trial, in no answer, and the same after a kill."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import Said, events, records
from pitprop import space as spaces
from pitprop.errors import UserError
from pitprop.space import Space, SpaceError
from pitprop.study.stored import Known
from pitprop.study.study import opened

Write = Callable[..., Path]
Outcome = Callable[[Space, Path], list[tuple[object, ...]]]
NARROW = {"speed": {"float": [0.3, 1.0]}, "dead": False}
SOON = {"tpe": {"n_startup_trials": 3}}


def searched(write: Write, folder: Path, name: str = "old", **changes: Any) -> Space:
    """A study of twelve trials, to be known by others."""
    space = spaces.load(str(write(name, **{"trials": 12, **changes})))
    events(space, folder)
    return space


def knows(space: Space, folder: Path) -> tuple[Known, ...]:
    with opened(space, f"sqlite:///{folder / 'study.db'}", folder / space.name) as study:
        return study.knows


def rows(path: Path, *lines: list[object]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return path


def inside(space: Space, folder: Path) -> int:
    """How many of the trials of the old study a person would count inside `NARROW`."""
    return sum(r.params["speed"] >= 0.3 and not r.params["dead"] for r in records(space, folder))


def test_a_changed_space_knows_the_trials_of_a_study_that_still_lie_inside_it(write_space: Write, tmp_path: Path) -> None:
    old = searched(write_space, tmp_path)
    new = spaces.load(str(write_space("new", params=NARROW, warm_start={"study": "old"})))
    n = inside(old, tmp_path)
    assert 0 < n < 12
    assert knows(new, tmp_path) == (Known("old", n, 12 - n),)


def test_what_is_known_is_no_trial_of_the_search(write_space: Write, tmp_path: Path) -> None:
    searched(write_space, tmp_path)
    new = spaces.load(str(write_space("new", params=NARROW, warm_start={"study": "old"}, trials=3)))
    events(new, tmp_path)
    assert [record.number for record in records(new, tmp_path)] == [0, 1, 2]


def test_the_sampler_learns_from_what_it_knows(write_space: Write, tmp_path: Path) -> None:
    lines = [[speed / 100, 1 - abs(speed - 62) / 100] for speed in range(10, 100, 2)]
    rows(tmp_path / "old.csv", ["speed", "val/macro_f1"], *lines)
    only = {"params": {"speed": {"float": [0.05, 1.0]}}, "trials": 6}
    taught = spaces.load(str(write_space("taught", **only, warm_start={"csv": "old.csv"})))
    untaught = spaces.load(str(write_space("untaught", **only)))

    def far(space: Space) -> float:
        with opened(space, f"sqlite:///{tmp_path / 'study.db'}", tmp_path / space.name) as study:
            drawn = [float(trial.params["speed"]) for _ in range(6) if (trial := study.ask()) is not None]
        return sum(abs(speed - 0.62) for speed in drawn)

    assert far(taught) < far(untaught) / 2


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 6), ("gp", 2)])  # one proposal of the GP takes a second
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_search_that_is_cut_proposes_as_an_undisturbed_one_though_its_source_goes_on(
    sampler: str, trials: int, write_space: Write, tmp_path: Path, outcome: Outcome
) -> None:
    found = []
    for name, stop in (("whole", None), ("cut", 9)):
        folder = tmp_path / name
        old = searched(write_space, folder)
        given = {"sampler": {sampler: {"n_startup_trials": 3}}, "warm_start": {"study": "old"}, "trials": trials}
        new = spaces.load(str(write_space("new", params=NARROW, **given)))
        events(new, folder, stop=stop)
        if stop:
            events(old, folder, trials=16)
            events(new, folder)
        found.append(outcome(new, folder))
    assert found[0] == found[1]


def test_trials_of_any_optuna_study_are_known_and_the_database_is_as_it_was(write_space: Write, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'theirs.db'}"
    theirs = optuna.create_study(study_name="tuned", storage=url, direction="maximize")
    theirs.optimize(lambda trial: trial.suggest_float("speed", 0.0, 2.0) * trial.suggest_categorical("dead", [True, False]), 20)
    theirs._storage.remove_session()
    new = spaces.load(str(write_space("new", warm_start={"study": "tuned", "storage": url})))
    (known,) = knows(new, tmp_path)
    assert known.trials == sum(0.05 <= trial.params["speed"] <= 1.0 for trial in theirs.trials)
    assert known.trials + known.outside == 20
    assert len(optuna.load_study(study_name="tuned", storage=url).trials) == 20


def test_a_csv_that_export_has_written_is_known_whole(write_space: Write, tmp_path: Path, pitprop: Callable[..., Said]) -> None:
    old = searched(write_space, tmp_path / "runs", params={"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [False, None]}})
    assert pitprop("export", old.path, "--csv", tmp_path / "old.csv").code == 0
    ended = sum(record.values is not None for record in records(old, tmp_path / "runs"))
    new = spaces.load(
        str(
            write_space(
                "new", params={"speed": {"float": [0.05, 1.0]}, "dead": {"choice": [None, False]}}, warm_start={"csv": "old.csv"}
            )
        )
    )
    assert knows(new, tmp_path / "runs") == (Known("old.csv", ended, 0, csv=True),)


def test_a_trial_with_a_parameter_that_the_space_does_not_have_lies_outside(write_space: Write, tmp_path: Path) -> None:
    rows(
        tmp_path / "old.csv",
        ["params_speed", "params_dead", "params_depth", "value"],
        [0.5, "False", 3, 0.7],
        [0.5, "False", "", 0.6],
    )
    new = spaces.load(str(write_space("new", warm_start={"csv": "old.csv"})))
    assert knows(new, tmp_path) == (Known("old.csv", 1, 1, csv=True),)


def test_a_parameter_that_is_new_has_had_the_trainers_default(write_space: Write, tmp_path: Path) -> None:
    searched(write_space, tmp_path, params={"speed": {"float": [0.05, 1.0]}})
    new = spaces.load(str(write_space("new", warm_start={"study": "old"})))
    assert [(one.trials, one.outside) for one in knows(new, tmp_path)] == [(12, 0)]


def test_pages_tell_apart_what_the_sampler_knows(write_space: Write, tmp_path: Path, pitprop: Callable[..., Said]) -> None:
    old = searched(write_space, tmp_path / "runs")
    n = inside(old, tmp_path / "runs")
    said = f"The sampler also knows {n} trials of the study old; {12 - n} lie outside the space."
    path = write_space("new", params=NARROW, trials=2, warm_start={"study": "old"})
    search = pitprop("search", path, "--inline", report=True)
    assert said in search.out
    assert said in pitprop("status", path).out
    assert said in (tmp_path / "runs" / "new" / "report.md").read_text()
    assert pitprop("status", path, "--json").json["trials"]["COMPLETE"] <= 2


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"study": "odl"}, "there is no study 'odl' in that database; did you mean 'old'?"),
        ({"study": "new"}, "'new' is this study itself"),
        ({"study": "old", "storage": "sqlite:///nowhere.db"}, "there is no database"),
        ({"csv": "no.csv"}, "no.csv cannot be read: No such file or directory"),
        ({"csv": "f1.csv"}, "no column 'val/macro_f1' for the objective, nor value; did you mean 'val/macro_f2'?"),
        ({"csv": "sped.csv"}, "no column for the searched parameter speed; did you mean 'sped'?"),
        (
            {"csv": "far.csv"},
            "none of its 2 finished trials lies inside the space: of the first speed: 7 is not within [0.05, 1.0]",
        ),
    ],
)
def test_trials_that_are_nowhere_are_a_sentence(start: dict[str, str], said: str, write_space: Write, tmp_path: Path) -> None:
    searched(write_space, tmp_path, trials=1)
    rows(tmp_path / "f1.csv", ["speed", "dead", "val/macro_f2"], [0.5, False, 0.7])
    rows(tmp_path / "sped.csv", ["sped", "dead", "value"], [0.5, False, 0.7])
    rows(tmp_path / "far.csv", ["speed", "dead", "value"], [7, False, 0.7], [8, False, 0.7])
    new = spaces.load(str(write_space("new", warm_start=start)))
    with pytest.raises(UserError) as error:
        knows(new, tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_scores_of_another_objective_are_refused(write_space: Write, tmp_path: Path) -> None:
    searched(write_space, tmp_path, trials=1, objective={"metric": "val/loss"})
    new = spaces.load(str(write_space("new", warm_start={"study": "old"})))
    with pytest.raises(UserError, match="is to minimize, and this space to maximize: their scores cannot be compared"):
        knows(new, tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"warm_start": {"storage": "sqlite:///a.db"}}, "names no trials"),
        ({"warm_start": {"csv": "a.csv", "storage": "sqlite:///a.db"}}, "is not allowed without study"),
        ({"warm_start": {"csv": "a.csv"}, "sampler": "random"}, "beside the sampler random"),
        ({"warm_start": {"csv": "a.csv"}, "early_stopping": {"patience": {"int": [1, 4]}}}, "this space has 2 objectives"),
    ],
)
def test_a_warm_start_that_teaches_nothing_is_refused(changes: dict[str, Any], said: str, write_space: Write) -> None:
    with pytest.raises(SpaceError, match=said):
        spaces.load(str(write_space(**changes)))
