"""What a person reads: the answer first, then why trials were stopped, and what they were warned of, told once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pitprop import telemetry
from pitprop.addresses import Addresses
from pitprop.detection import signatures
from pitprop.detection.detect import Verdict
from pitprop.driver.progress import Ended, Event, Reported, Rested, Started, Warned
from pitprop.messages import Message, from_json, message
from pitprop.results.summary import Summary, summarise
from pitprop.space import Space
from pitprop.study.record import Record
from pitprop.telemetry import Epoch, Telemetry
from pitprop.trainer import Lane
from pitprop.views import words
from pitprop.views.content import Content
from pitprop.views.terminal.live import Screen
from pitprop.views.terminal.markdown_table import WholeMarkdown
from pitprop.views.terminal.status import print_inactive, print_status
from pitprop.views.terminal.trial_table import print_trial, print_trials
from rich.console import Console

Toy = Callable[..., Space]

EPOCHS = 8
PLATEAU = Verdict("chance_plateau", 3, "park", "no better than 0.5 in epochs 1-3", {}, "raise the learning rate")
NAN = Verdict("non_finite", 3, "prune", "the loss is NaN", {}, "lower the learning rate")


def advice(name: str = "overfit") -> Verdict:
    return Verdict(name, 2, "warn", f"the reason of {name}", {}, f"the remedy of {name}")


def trial(folder: Path, number: int, *verdicts: Verdict, epochs: int = EPOCHS, value: float = 0.5, **more: Any) -> Record:
    """A trial that the first verdict which ends anything ended, else a complete one; with its curve on the disk."""
    home = folder / f"{number:04d}"
    home.mkdir(exist_ok=True)
    ends = any(verdict.ends for verdict in verdicts)
    spent = 3 if ends else epochs
    telemetry.rewrite(home / "telemetry.jsonl", [Epoch(step, {"val/macro_f1": value}) for step in range(1, spent + 1)])
    fields: dict[str, Any] = {
        "state": "PRUNED" if ends else "COMPLETE",
        "params": {"speed": 0.5},
        "values": (value,),
        "baseline": None,
        "verdicts": verdicts,
        "error": None,
        "epochs": spent,
        "folder": str(home),
        "started": 1.0,
        "ended": 2.0,
        "saved": EPOCHS - spent if ends else 0,
    }
    return Record(number, **{**fields, **more})


@pytest.fixture
def parked(tmp_path: Path) -> list[Record]:
    """A complete trial, a pruned one, two that are parked, and one that continues the first of these."""
    return [
        trial(tmp_path, 0, advice(), value=0.6),
        trial(tmp_path, 1, NAN, advice(), value=0.1),
        trial(tmp_path, 2, PLATEAU, advice("bad_start"), value=0.7),
        trial(tmp_path, 3, PLATEAU),
        trial(tmp_path, 4, advice("bad_start"), value=0.7, revives=2),
    ]


def printed(show: Callable[..., None], *what: Any, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width)
    show(console, *what)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def page(space: Space, records: Sequence[Record], width: int = 100, *, full: bool = True) -> str:
    where = Addresses(Path("runs").resolve(), "", "", None)
    content = Content(space, records, summarise(space, records, len(records)), None, where)
    return printed(partial(print_status, full=full), content, width=width)


def joined(text: str) -> str:
    """The text without the breaks of its lines."""
    return " ".join(text.split())


# What counts


def test_a_revived_trial_may_be_the_best_and_stands_for_the_one_it_continues(toy: Toy, parked: list[Record]) -> None:
    summary = summarise(toy(), parked, 5)
    assert [record.number for record in summary.best] == [4]
    assert (summary.parked, summary.revived, summary.revivable) == ((2, 3), {2: 4}, [3])


def test_the_epochs_before_a_revival_are_counted_once(toy: Toy, parked: list[Record]) -> None:
    summary = summarise(toy(), parked, 5)
    assert (summary.spent, summary.budget) == (8 + 3 + 8 + 3, 4 * EPOCHS)


def test_a_parked_trial_whose_revival_failed_can_be_revived_again(toy: Toy, tmp_path: Path) -> None:
    records = [trial(tmp_path, 0, PLATEAU), trial(tmp_path, 1, state="FAIL", values=None, error="it broke", revives=0)]
    assert summarise(toy(), records, 2).revivable == [0]


def test_the_json_tells_what_is_parked_and_what_was_revived(toy: Toy, parked: list[Record]) -> None:
    told = summarise(toy(), parked, 5).to_json()
    assert told["trials"] == {"COMPLETE": 2, "PRUNED": 3, "FAIL": 0, "RUNNING": 0}
    assert (told["parked"], told["revived"]) == ((2, 3), [{"trial": 4, "revives": 2}])
    assert told["best"][0]["revives"] == 2
    assert [(one["signature"], one["trials"], one["parked"]) for one in told["pruned"]] == [
        ("chance_plateau", (2, 3), (2, 3)),
        ("non_finite", (1,), ()),
    ]


def test_warnings_are_told_by_signature_the_most_frequent_first_and_not_again_for_a_revived_trial(
    toy: Toy, parked: list[Record]
) -> None:
    warned = summarise(toy(), parked, 5).to_json()["warned"]
    assert [(one["signature"], one["trials"]) for one in warned] == [("overfit", (0, 1)), ("bad_start", (2,))]
    assert warned[0]["reason"] == "the reason of overfit"
    assert warned[0]["remedy"] == "the remedy of overfit"


# The page


@pytest.mark.parametrize("width", [80, 120])
def test_the_reasons_stand_before_the_warnings_and_the_answer_is_last(toy: Toy, parked: list[Record], width: int) -> None:
    said = page(toy(), parked, width)
    assert max(map(len, said.splitlines())) <= width
    wanted = ["2 complete, 1 pruned, 2 parked (1 revived)", "Pruned or parked", "chance_plateau", "parked: 2 (continued as 4), 3"]
    wanted += ["non_finite", "Warnings", "overfit", "bad_start"]
    wanted += ["Use speed 0.5 (trial 4): val/macro_f1 0.7000", "continues trial 2 from epoch 3"]
    places = [joined(said).index(word) for word in wanted]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [80, 120])
def test_a_search_ends_with_its_answer_in_at_most_twelve_lines(toy: Toy, parked: list[Record], width: int) -> None:
    said = page(toy(), parked, width, full=False)
    assert len(said.splitlines()) <= 12
    assert "stopped by: chance_plateau 2, non_finite 1 warned of: overfit 2, bad_start 1 Use speed 0.5" in joined(said)


def test_a_study_without_parked_trials_does_not_speak_of_them(toy: Toy, tmp_path: Path) -> None:
    said = page(toy(), [trial(tmp_path, 0), trial(tmp_path, 1, NAN)])
    assert "1 complete, 1 pruned" in said
    assert "parked" not in said


def test_many_kinds_of_warnings_are_cut_to_the_most_frequent(toy: Toy, tmp_path: Path) -> None:
    names = [f"advice_{letter}" for letter in "abcdefghijkl"]
    records = [trial(tmp_path, number, *map(advice, names[number:])) for number in range(len(names))]
    said = joined(page(toy(), records, full=False))
    assert "warned of: advice_l 12, advice_k 11, advice_j 10, advice_i 9, 8 more" in said
    assert all(f"the reason of {name}" in joined(page(toy(), records)) for name in names)


def test_the_lists_and_the_story_of_a_trial_say_what_it_continues(toy: Toy, parked: list[Record]) -> None:
    rows = printed(print_trials, parked, toy(), width=200).splitlines()
    assert rows[3].split()[:2] == ["2", "parked"]
    assert rows[5].split()[:2] == ["4", "complete"]
    assert "continues trial 2 from epoch 3; speed 0.5" in rows[5]
    assert "trial 4 of toy: complete after 8 epochs, continues trial 2 from epoch 3\n" in printed(print_trial, parked[4], toy())
    story_of_2 = printed(print_trial, parked[2], toy())
    assert "trial 2 of toy: parked after 3 epochs\n" in story_of_2
    assert "park chance_plateau at epoch 3: no better than 0.5 in epochs 1-3" in story_of_2


def test_what_continues_a_trial_that_left_no_curve_names_it_all_the_same(toy: Toy, tmp_path: Path) -> None:
    assert words.continues(trial(tmp_path, 5, revives=1), toy()) == "continues trial 1"


@pytest.mark.parametrize("width", [80, 120])
def test_signatures_that_cannot_watch_are_told_at_once(toy: Toy, tmp_path: Path, write_space: Any, width: int) -> None:
    (tmp_path / "poor.py").write_text('REPORTS = ("val/macro_f1", "val/loss")\ndef train(params, context):\n    yield\n')
    poor = toy(trainer="poor.py")
    said = joined(printed(print_inactive, poor, width=width))
    lacking = poor.unwatched()
    off = f"{len(dict(lacking))} of {len(signatures.names())} checks are off"
    assert said == f"{off}: the trainer does not report what they need (pitprop list)"
    assert printed(print_inactive, toy(signatures="off")) == ""


def test_a_table_of_the_answer_cuts_no_name_on_a_narrow_terminal() -> None:
    heads = ["configuration", "against", "better by", "95 % interval", "verdict", "detectable"]
    cells = ["trial 26", "weighted_entropy", "+0.0636", "−0.0514 to 0.0759", "no detectable difference", "0.0171"]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * 6, cells))
    for width in (80, 140):
        console = Console(file=StringIO(), width=width)
        console.print(WholeMarkdown(table))
        assert isinstance(console.file, StringIO)
        shown = console.file.getvalue()
        assert set(" ".join([*heads, *cells]).split()) <= set(shown.split())
        assert max(map(len, shown.splitlines())) <= width


# The screen


def lines(space: Space, events: Sequence[Event], before: Sequence[Record] = ()) -> list[str]:
    console = Console(file=StringIO(), width=80)
    with Screen(console, space, 9, list(before)) as screen:
        for event in events:
            screen.show(event)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_only_the_first_warning_of_each_signature_is_shown(toy: Toy) -> None:
    names = ["overfit", "overfit", "bad_start", "overfit", "bad_start"]
    assert lines(toy(), [Warned(number, advice(name)) for number, name in enumerate(names)]) == [
        "warning trial 0, epoch 2: overfit: the reason of overfit",
        "warning trial 2, epoch 2: bad_start: the reason of bad_start",
    ]


def test_a_warning_is_one_line_without_the_life_signs_that_were_looked_for(toy: Toy) -> None:
    dead = message("predicted class {name} for all", name=0)
    found = replace(advice(), reason=Message.join([dead, message("no life sign: {signs}", signs="AUC 0.65")], "; "))
    stored = replace(found, reason=from_json(found.reason.to_json()), signature="other")  # type: ignore[attr-defined]
    long = replace(found, reason="very " * 60, signature="long")
    said = lines(toy(), [Warned(0, found), Warned(0, stored), Warned(1, long)])
    assert said[:2] == [
        "warning trial 0, epoch 2: overfit: predicted class 0 for all",
        "warning trial 0, epoch 2: other: predicted class 0 for all",
    ]
    assert len(said) == 3
    assert len(said[2]) <= words.LONGEST + len("warning trial 0, epoch 2: ")


def test_what_is_trained_after_a_search_stands_beside_the_time_that_is_left(toy: Toy, tmp_path: Path) -> None:
    now = [0.0]
    with Screen(Console(file=StringIO()), toy(), 1, [], then="then confirmation", clock=lambda: now[0]) as screen:
        screen.show(Started(trial(tmp_path, 0, state="RUNNING"), 0))
        for step in range(1, EPOCHS):
            screen.show(Reported(Lane(0, 0), Epoch(step, {})))
            now[0] += 60.0
        assert "left, then confirmation" in screen._standing()[0]
        screen.show(Reported(Lane(0, 0), Epoch(EPOCHS, {})))
        assert screen.left() == 0
        assert " left" not in screen._standing()[0], "no time is left of this, but of what comes then"
        assert "then confirmation" in screen._standing()[0]


def test_the_screen_says_what_is_parked_and_what_is_revived(toy: Toy, parked: list[Record]) -> None:
    said = lines(toy(), [Ended(parked[3]), Started(parked[4], 3), Ended(parked[4])], parked[:3])
    assert said == [
        "trial   3 parked after 3 epochs  chance_plateau: no better than 0.5 in epochs 1-3",
        "trial 4 resumes from epoch 3, where trial 2 stopped",
        "trial   4 complete 0.7000 after 8 epochs  continues trial 2 from epoch 3; speed 0.5",
    ]


def test_the_live_line_counts_what_is_parked_and_warned_of(toy: Toy, parked: list[Record]) -> None:
    console = Console(file=StringIO(), width=140, force_terminal=True, color_system=None, legacy_windows=False)
    with Screen(console, toy(), 9, parked[:2]) as screen:
        screen.show(Warned(2, advice()))
        screen.show(Ended(parked[2]))
        standing = screen._standing()
    assert standing[0].startswith("best 0.6000 (trial 0)")  # trial 2 had 0.7, and collapsed
    assert standing[0].endswith("10 epochs saved")
    assert standing[1] == "pruned 1, parked 1 · 1 warning · non_finite 1, chance_plateau 1"


def test_a_confirmation_is_shown_by_the_names_of_its_trials_and_in_trainings(toy: Toy, tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=80)
    space = replace(toy(), seeds=5)
    again = trial(tmp_path, 0, baseline="trial 13", values=(0.667,))
    with Screen(console, space, 2, [], confirms=True) as screen:
        screen.show(Started(again, 0))
        screen.show(Ended(again))
        assert (screen._bar.tasks[0].completed, screen._bar.tasks[0].total) == (5, 10)
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == "trial 13: 0.6670 on average over 5 fresh seeds\n"


def test_the_numbers_of_what_runs_stay_whole_on_a_narrow_terminal(toy: Toy, tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None, legacy_windows=False)
    with Screen(console, toy(), 9, []) as screen:
        screen.show(Started(trial(tmp_path, 0, state="RUNNING", baseline="long" * 30), 0))
    assert isinstance(console.file, StringIO)
    assert "trial  epoch  val/macro_f1  what" in console.file.getvalue()


def test_a_long_search_says_how_long_it_takes_by_the_epochs_that_are_left(toy: Toy, tmp_path: Path) -> None:
    now = [0.0]
    console, space = Console(file=StringIO(), width=140), replace(toy(), epochs=30)
    with Screen(console, space, 3, [], clock=lambda: now[0]) as screen:
        screen.show(Started(trial(tmp_path, 0, state="RUNNING"), 0))
        for step in range(1, 6):
            screen.show(Reported(Lane(0, 0), Epoch(step, {})))
            now[0] += 900.0  # a quarter of an hour each
        assert screen.left() == pytest.approx((25 + 60) * 900 * 5 / 4), "the first report only starts the clock"
        screen.show(Rested(0))
        assert screen.left() == pytest.approx((25 + 60) * 900 * 5 / 4), "a trial that waits for its turn has epochs left as well"
        screen.show(Started(trial(tmp_path, 1, state="RUNNING"), 0))
        screen.show(Ended(trial(tmp_path, 1, state="PRUNED", epochs=10)))
        assert screen.left() == pytest.approx((25 + 10) * 900 * 5 / 4), "of those to come as many as those took that ended"
    with Screen(console, replace(space, budget=12), 3, [], clock=lambda: now[0]) as screen:
        screen.show(Started(trial(tmp_path, 0, state="RUNNING"), 0))
        for step in range(1, 6):
            screen.show(Reported(Lane(0, 0), Epoch(step, {})))
            now[0] += 900.0
        assert screen.left() == pytest.approx(7 * 900 * 5 / 4)
    assert isinstance(console.file, StringIO)
    said = "at the pace of the first epochs, and if no trial is stopped, about 21.8 h are left"
    assert console.file.getvalue().startswith(said)


def test_a_trial_that_rose_late_is_told_its_flat_start_in_the_unit_of_its_space(toy: Toy) -> None:
    scores = [0.4361] * 5 + [0.5, 0.5494, 0.54]
    curve = Telemetry(Epoch(step, {"val/macro_f1": score}) for step, score in enumerate(scores, 1))
    said = "flat start: val/macro_f1 made less than a tenth of its gain in epochs 1-5"
    assert words.course(curve, toy()) == [said]
    assert words.course(curve, replace(toy(), unit="steps")) == [said.replace("epochs", "steps")]
    assert words.course(curve[:5], toy()) == [], "nothing was gained"


def test_a_summary_of_nothing_says_so(toy: Toy) -> None:
    nothing: Summary = summarise(toy(), [], 6)
    assert nothing.revivable == []
    assert "no trial has completed" in page(toy(), [])
