"""The objective may be absent in an epoch, and the budget may be in steps: what is counted is what was trained."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Said, events, records
from pitprop.detection import reading
from pitprop.detection.facts import Facts
from pitprop.detection.stopping import EarlyStopping
from pitprop.driver.progress import Ended, SearchError
from pitprop.driver.reports import Wanted, misspelt
from pitprop.results.summary import summarise
from pitprop.space import Space, SpaceError
from pitprop.study.record import Record, best_epoch
from pitprop.telemetry import Epoch, Telemetry, file, read, trained

TRAINER = Path(__file__).parent / "toys" / "sparse.py"
Outcome = Callable[[Space, Path], list[tuple[object, ...]]]


@pytest.fixture
def sparse(toy: Callable[..., Space]) -> Callable[..., Space]:
    """A space over the trainer that validates every third epoch of nine."""

    def make(options: dict[str, Any] | None = None, **changes: Any) -> Space:
        return toy(
            **{
                "trainer": str(TRAINER),
                "objective": {"metric": "val/score", "goal": "maximize"},
                "epochs": 9,
                "trials": 3,
                "params": {"x": {"float": [0.0, 1.0]}},
                "options": {"every": 3} | (options or {}),
                **changes,
            }
        )

    return make


def searched(space: Space, folder: Path) -> list[Record]:
    events(space, folder)
    return records(space, folder)


def said(space: Space, found: Sequence[Record]) -> tuple[int, int, int]:
    """Of a study: the epochs saved by stopping trials, left out by early stopping, and the budget."""
    summary = summarise(space, found, len(found))
    return summary.saved, summary.left_out.patience, summary.budget


def test_epochs_without_the_objective_are_gaps_and_count_as_trained(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse()
    found = searched(space, tmp_path)
    assert [(record.state, record.epochs) for record in found] == [("COMPLETE", 9)] * 3
    assert [best_epoch(record, space.objective) for record in found] == [9] * 3
    assert said(space, found) == (0, 0, 27)


@pytest.mark.parametrize(
    "changes", [{"seeds": 2}, {"options": {"every": 9}}, {"options": {"every": 2}}, {"options": {"none": True}}]
)
def test_seeds_and_a_last_epoch_without_validation_make_no_difference(
    sparse: Callable[..., Space], tmp_path: Path, changes: dict[str, Any]
) -> None:
    space = sparse(**changes)
    found = searched(space, tmp_path)
    assert [(record.state, record.epochs) for record in found] == [("COMPLETE", 9 * space.seeds)] * 3
    assert said(space, found)[0] == 0


def test_patience_counts_validations(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"top": 3}, epochs=18, early_stopping={"patience": 2})
    found = searched(space, tmp_path)
    assert [record.epochs for record in found] == [9] * 3  # the best at 3, and none better at 6 and 9
    assert said(space, found) == (0, 27, 54)


def test_a_curve_without_the_metric_is_not_stopped_by_its_absence() -> None:
    rule = EarlyStopping(1, metric="val/score")
    curve = [Epoch(step, {"val/score": 1.0} if step % 4 == 0 else {"train/loss": 1.0}) for step in range(1, 13)]
    assert rule.cut(curve[:7]) is None
    assert rule.cut(curve) == 8
    assert EarlyStopping(1, metric="val/other").cut(curve) is None


def test_a_sparse_search_that_was_killed_ends_as_one_that_was_not(
    sparse: Callable[..., Space], tmp_path: Path, outcome: Outcome
) -> None:
    space = sparse(early_stopping={"patience": 2})
    events(space, tmp_path / "whole")
    for stop in (4, 9, 14):
        events(space, tmp_path / "killed", stop=stop)
    events(space, tmp_path / "killed")
    assert outcome(space, tmp_path / "killed") == outcome(space, tmp_path / "whole")


def test_a_gate_between_two_validations_is_judged_at_the_next(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse(gates=[{"metric": "val/score", "epoch": 4, "at_least": 9}])
    found = searched(space, tmp_path)
    assert [(record.state, record.epochs) for record in found] == [("PRUNED", 6)] * 3
    assert said(space, found) == (9, 0, 27)


def test_a_pruner_ranks_at_validations_only(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse(pruner={"median": {"n_startup_trials": 1}}, trials=6)
    found = searched(space, tmp_path)
    assert "PRUNED" in {record.state for record in found}
    assert all(record.epochs % 3 == 0 for record in found)


def test_answers_from_a_recorded_curve_count_validations_and_epochs(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"top": 3}, params={"x": 0.5}, early_stopping={"patience": {"choice": [1, 2]}}, sampler="grid")
    found = searched(space, tmp_path)
    assert {record.params["early_stopping.patience"]: record.values for record in found} == {1: (0.53, 6.0), 2: (0.53, 9.0)}


def test_an_objective_that_never_comes_fails_its_trial_and_names_what_there_is(
    sparse: Callable[..., Space], tmp_path: Path
) -> None:
    space = sparse(objective={"metric": "val/recall", "goal": "maximize"})
    with pytest.raises(
        SearchError, match=r"first 3 trials failed alike.*'val/recall' is not among.*[iI]t reports train/loss, val/score"
    ):
        events(space, tmp_path)
    assert [record.state for record in records(space, tmp_path)] == ["FAIL"] * 3


def test_a_misspelt_objective_is_found_in_the_first_epochs(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"every": 1}, objective={"metric": "val/scor", "goal": "maximize"}, epochs=500)
    with pytest.raises(SearchError, match=r"'val/scor' is not among .*; did you mean 'val/score'"):
        events(space, tmp_path)
    (record,) = records(space, tmp_path)
    assert (record.state, record.epochs) == ("FAIL", 3)


@pytest.mark.parametrize(
    ("metric", "names", "meant"),
    [
        ("val/acuracy", ["val/accuracy", "train/accuracy"], "val/accuracy"),
        ("val_accuracy", ["val/accuracy"], "val/accuracy"),
        ("val/accuracy", ["train/accuracy", "val/loss"], None),
        ("val/top1", ["val/top5"], None),
        ("val/perplexity", ["val/loss", "val/ppl"], "val/ppl"),
        ("test/accuracy", ["val/accuracy"], None),
        ("val/map", ["val/loss", "val/auc"], None),
    ],
)
def test_only_the_spelling_may_differ_from_what_was_meant(metric: str, names: list[str], meant: str | None) -> None:
    assert misspelt(metric, names) == meant


# Steps


def test_steps_that_jump_past_a_budget_of_epochs_are_an_error_that_names_both(
    sparse: Callable[..., Space], tmp_path: Path
) -> None:
    space = sparse({"stride": 500, "every": 1}, trials=1)
    with pytest.raises(SearchError, match=r"epoch 500 first, and the budget is `epochs: 9`.*write `steps:`"):
        events(space, tmp_path)
    assert [record.state for record in records(space, tmp_path)] == ["FAIL"]


def test_a_second_report_that_jumps_past_the_budget_is_no_silent_end_either(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"stride": 500, "every": 1, "epochs": 4}, trials=1, epochs=600)
    with pytest.raises(SearchError, match=r"epoch 1000 after 500"):
        events(space, tmp_path)


def test_a_validation_a_little_beyond_the_budget_is_the_end(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"stride": 4, "every": 1, "epochs": 5}, epochs=10)
    assert [(record.state, record.epochs) for record in searched(space, tmp_path)] == [("COMPLETE", 12)] * 3


def test_a_budget_in_steps_is_trained_and_counted_in_steps(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"stride": 500, "every": 2, "epochs": 6}, epochs=None, steps=3000)
    found = searched(space, tmp_path)
    assert [(record.state, record.epochs) for record in found] == [("COMPLETE", 3000)] * 3
    assert summarise(space, found, 3).to_json()["steps"] == {"spent": 9000, "budget": 9000, "saved": 0, "patience": 0}


def test_verdicts_and_views_of_a_budget_in_steps_speak_of_steps(
    write_space: Callable[..., Path], pitprop: Callable[..., Said]
) -> None:
    gates = [{"metric": "val/score", "epoch": 1000, "at_least": 5.0}]
    given = {"trainer": str(TRAINER), "objective": {"metric": "val/score"}, "params": {"x": {"float": [0.0, 1.0]}}, "trials": 1}
    space = write_space(**given, options={"stride": 500, "epochs": 6}, epochs=None, steps=3000, gates=gates)
    assert pitprop("search", space, "--inline", report=True).code == 0
    shown = [*(pitprop(*words).out for words in (("status", space, "--full"), ("show", space, "0"), ("show", space)))]
    shown.append(space.parent.joinpath("runs", "toy", "report.md").read_text())
    assert all("at step 1000" in one for one in shown[:2])
    for one in shown:
        assert not re.findall(r".*\bepochs? \d.*", one)
    assert "第 1000 步" in pitprop("show", space, "0", "--lang", "zh").out


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"steps": 100}, "steps: 100 is not allowed beside epochs; a budget is in one of them"),
        ({"epochs": None}, "epochs: is missing; it takes a whole number of at least 1; or give steps"),
        ({"epochs": None, "steps": 0}, "steps: 0 is not allowed"),
    ],
)
def test_a_budget_is_in_epochs_or_in_steps(sparse: Callable[..., Space], changes: dict[str, Any], error: str) -> None:
    with pytest.raises(SpaceError, match=error):
        sparse(**changes)


def test_constraints_name_the_budget_by_its_unit(sparse: Callable[..., Space]) -> None:
    assert sparse(epochs=None, steps=10, constraints=["x < steps / 20"]).violated({"x": 0.6})


def test_epochs_that_are_numbered_from_0_fail_in_a_sentence(sparse: Callable[..., Space], tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"step is 0 .*; steps are whole numbers that count finished epochs, from 1"):
        searched(sparse({"first": 0}), tmp_path)


def test_a_trainer_that_ends_by_itself_has_saved_nothing(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"epochs": 3})
    found = searched(space, tmp_path)
    assert ([record.epochs for record in found], said(space, found)) == ([3] * 3, (0, 0, 27))


def test_a_trial_that_failed_has_saved_nothing(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"memory": 0.6}, trials=8)
    found = searched(space, tmp_path)
    assert {record.state for record in found} == {"COMPLETE", "FAIL"}
    assert said(space, found)[0] == 0


def test_what_was_trained_is_read_off_the_last_step() -> None:
    assert [trained([Epoch(step, {}) for step in steps]) for steps in ([], [1, 2], [5, 10], [0], [0, 1, 2], [0, 500])] == [
        *(0, 2, 10),
        *(1, 3, 500),
    ]


def test_windows_of_signatures_count_validations() -> None:
    every = Telemetry(Epoch(step, {"val/macro_f1": 0.5} if step % 10 == 0 else {"train/loss": 1.0}) for step in range(1, 61))
    steps = Telemetry(Epoch(step, {"val/macro_f1": 0.5}) for step in range(500, 5001, 500))
    assert reading.window(every, Facts(600), 5) == 6
    assert reading.window(steps, Facts(100_000), 5) == 20


def test_the_end_of_a_trial_is_told_in_its_unit(sparse: Callable[..., Space], tmp_path: Path) -> None:
    space = sparse({"stride": 500, "every": 1, "epochs": 2}, epochs=None, steps=1000, trials=1)
    ended = [event for event in events(space, tmp_path) if isinstance(event, Ended)]
    assert [event.record.epochs for event in ended] == [1000]


# Commands

EVERY = """
import sys
epochs, x, every = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
for epoch in range(1, epochs + 1):
    print(f"Epoch {epoch}: loss {1 / epoch:.4f}", flush=True)
    if epoch % every == 0:
        print(f"Epoch {epoch}: val_acc {0.5 + 0.01 * epoch - 0.1 * x:.4f}", flush=True)
"""
STEPS = """
import sys
steps = int(sys.argv[1])
for step in range(100, steps + 1, 100):
    print(f"step {step}: loss {1 / step:.4f}", flush=True)
    if step % 500 == 0:
        print(f"step {step}: val_acc {0.5 + step / 10000:.4f}", flush=True)
"""
REPORTS = """
import sys
import pitprop
for step in range(500, int(sys.argv[1]) + 1, 500):
    pitprop.report(step, train_loss=1 / step, **({"val_accuracy": 0.5 + step / 10000} if step % 1000 == 0 else {}))
"""
UNNUMBERED = """
for value in (0.4, 0.5, 0.6):
    print(f"val_acc {value}", flush=True)
"""


@pytest.fixture
def commanded(toy: Callable[..., Space], tmp_path: Path) -> Callable[..., Space]:
    """A space over a script."""

    def make(script: str, *words: str, **changes: Any) -> Space:
        (tmp_path / "train.py").write_text(script)
        return toy(
            **{
                "trainer": "command",
                "options": {"command": ["{python}", "train.py", *words]},
                "objective": {"metric": "val/accuracy", "goal": "maximize"},
                "params": {"x": {"choice": [0.25, 0.75]}},
                "trials": 2,
                **changes,
            }
        )

    return make


def test_a_command_that_validates_every_third_epoch_has_trained_them_all(commanded: Callable[..., Space], tmp_path: Path) -> None:
    space = commanded(EVERY, "{epochs}", "{x}", "3", epochs=9)
    found = searched(space, tmp_path)
    assert [(record.state, record.epochs) for record in found] == [("COMPLETE", 9)] * 2
    assert said(space, found) == (0, 0, 18)
    curve = read(file(found[0].folder))
    assert [epoch.step for epoch in curve] == [*range(1, 10)]
    assert [epoch.step for epoch in curve if "val/accuracy" in epoch.metrics] == [3, 6, 9]


def test_a_command_that_never_gives_the_objective_fails_with_what_it_gave(
    commanded: Callable[..., Space], tmp_path: Path
) -> None:
    space = commanded(EVERY, "{epochs}", "{x}", "3", epochs=2, objective={"metric": "val/recall", "goal": "maximize"})
    with pytest.raises(SearchError, match=r"without the objective 'val/recall': what came is train/loss"):
        events(space, tmp_path)


def test_a_misspelt_objective_of_a_command_is_found_in_its_first_epochs(commanded: Callable[..., Space], tmp_path: Path) -> None:
    space = commanded(EVERY, "{epochs}", "{x}", "1", epochs=400, objective={"metric": "val/acuracy", "goal": "maximize"})
    with pytest.raises(SearchError, match=r"'val/acuracy' is not among .*; did you mean 'val/accuracy'"):
        events(space, tmp_path)
    assert records(space, tmp_path)[0].epochs < 400


def test_the_first_score_without_the_objective_says_once_which_was_meant(sparse: Callable[..., Space]) -> None:
    wanted = Wanted(sparse(objective={"metric": "test/score", "goal": "maximize"}))
    curve = [Epoch(1, {"train/loss": 1.0}), Epoch(2, {"val/score": 0.5, "val/loss": 1.0}), Epoch(3, {"val/score": 0.5})]
    assert [wanted.take(curve[:count])[1] for count in (1, 2, 3)] == [
        None,
        "the first report with a score has val/loss, val/score, and not the objective test/score: did you mean val/score? "
        "If it never comes, correct objective.metric",
        None,
    ]
    assert wanted.take([Epoch(4, {"test/score": 0.5})]) == (None, None)
    assert wanted.measured


def test_a_score_of_a_test_set_that_a_command_never_reports_ends_the_search_in_its_first_epochs(
    commanded: Callable[..., Space], tmp_path: Path
) -> None:
    space = commanded(EVERY, "{epochs}", "{x}", "1", epochs=400, objective={"metric": "test/accuracy", "goal": "maximize"})
    with pytest.raises(SearchError, match=r"'test/accuracy' is not among .*; did you mean 'val/accuracy'"):
        events(space, tmp_path)
    assert records(space, tmp_path)[0].epochs < 400


@pytest.mark.parametrize(("script", "validated"), [(STEPS, [500, 1000, 1500, 2000]), (REPORTS, [1000, 2000])])
def test_the_budget_of_a_command_may_be_in_steps(
    commanded: Callable[..., Space], tmp_path: Path, script: str, validated: list[int]
) -> None:
    space = commanded(script, "{steps}", "{x}", epochs=None, steps=2000)
    found = searched(space, tmp_path)
    assert [(record.state, record.epochs) for record in found] == [("COMPLETE", 2000)] * 2
    curve = read(file(found[0].folder))
    assert [epoch.step for epoch in curve if "val/accuracy" in epoch.metrics] == validated


def test_a_command_that_reports_steps_under_a_budget_of_epochs_is_told_so(
    commanded: Callable[..., Space], tmp_path: Path
) -> None:
    space = commanded(REPORTS, "2000", "{x}", epochs=20)
    with pytest.raises(SearchError, match=r"epoch (500|1000) first, and the budget is `epochs: 20`"):
        events(space, tmp_path)


def test_a_command_that_names_no_step_has_no_budget_in_steps(commanded: Callable[..., Space], tmp_path: Path) -> None:
    space = commanded(UNNUMBERED, "{x}", epochs=None, steps=2000)
    with pytest.raises(SearchError, match=r"the budget of the space is in steps, and .*stdout.* names none"):
        events(space, tmp_path)
