"""The report of a search: it says what the study says, in both languages, escapes all of it, and asks nobody for anything."""

from __future__ import annotations

import io
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pitprop import telemetry
from pitprop.addresses import Addresses
from pitprop.detection.detect import Verdict
from pitprop.results.confirmation import Confirmation, Contender
from pitprop.results.statistics import interval, paired
from pitprop.results.summary import summarise
from pitprop.space import Space
from pitprop.study.record import Record
from pitprop.telemetry import Epoch
from pitprop.views.content import Content
from pitprop.views.landscape import LEAST, Axis, deadly, importances
from pitprop.views.report import markdown, write
from pitprop.views.terminal.status import print_status
from rich.console import Console

Toy = Callable[..., Space]

EPOCHS = 8
EVIL = "<script>alert('&')</script> | `x` $y$ [z](http://evil.example) \"q\""
HEADINGS = {
    "en": ["The answer", "Against the baselines", "What to try next", "What stopping early saved", "Curves",
           "What was stopped, and why", "Where it is good, and where it dies", "All trials", "How this was made"],
    "zh": ["结论", "与基线对比", "下一步试什么", "提前停止节省了什么", "曲线", "停止了什么，为什么", "哪里好，哪里会崩溃",
           "全部试验", "报告的来历"],
}  # fmt: skip
SCRIPTS = 3
"""The study's numbers, the library that draws them, and ours."""
VOID = {"meta", "br", "hr", "link", "img", "input"}


class Reader(HTMLParser):
    """What a browser makes of a page: its headings and text, what it refers to, and whether its tags match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.names: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.links += [value or ""] if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster") else []
            self.links += re.findall(r"url\(([^)]*)\)", value or "") if name in ("style", "clip-path", "fill", "mask") else []
            self.names += [value or ""] if name == "id" else []
            assert not name.startswith("on")
        if tag not in VOID:
            self.open.append(tag)
        self.headings += [""] if tag in ("h1", "h2") else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings[-1] += data


def verdict(name: str, action: str, reason: str = "", step: int = 3, **more: Any) -> Verdict:
    return Verdict(name, step, action, reason or f"the reason of {name}", **{"remedy": f"the remedy of {name}", **more})


def trial(folder: Path, number: int, *verdicts: Verdict, value: float = 0.5, epochs: int = EPOCHS, **more: Any) -> Record:
    """A trial with its curve on the disk: one that the first verdict ended, else a complete one."""
    home = folder / f"{number:04d}"
    home.mkdir(exist_ok=True, parents=True)
    ends = any(one.action != "warn" for one in verdicts)
    spent = 3 if ends else epochs
    counts = {"val/predicted/0": 60.0, "val/predicted/1": 40.0, "val/labels/0": 70.0, "val/labels/1": 30.0}
    rows = [{"val/macro_f1": value - 0.01 * (spent - step), "seconds": 30.0, **counts} for step in range(1, spent + 1)]
    telemetry.rewrite(home / "telemetry.jsonl", [Epoch(step, row) for step, row in enumerate(rows, start=1)])
    fields: dict[str, Any] = {
        "state": "PRUNED" if ends else "COMPLETE",
        "params": {"speed": 0.05 + 0.95 * ((number * 0.618) % 1), "dead": ends},
        "values": (value,),
        "baseline": None,
        "verdicts": tuple(verdicts),
        "error": None,
        "epochs": spent,
        "folder": str(home),
        "started": 1e9 + number,
        "ended": 1e9 + number + 1,
        "saved": EPOCHS - spent if ends else 0,
        "patience": EPOCHS - spent if not ends else 0,
    }
    return Record(number, **{**fields, **more})


COLLAPSE = verdict("constant_prediction", "park", "predicted class 0 for all 100 samples")
NAN = verdict("non_finite", "prune", "the loss is NaN", step=2)
GATE = verdict("gate:val/macro_f1@3", "prune", "val/macro_f1 was 0.1 at epoch 3, the gate asks for at least 0.3")
SETTINGS: dict[str, Any] = {
    "baselines": {"plain": {"params": {"speed": 0.5, "dead": False}}, "paper": {"values": {"val/macro_f1": 0.58}}},
    "gates": [{"metric": "val/macro_f1", "epoch": 3, "at_least": 0.3, "remedy": "look at the features"}],
}


@pytest.fixture
def study(toy: Toy, tmp_path: Path) -> tuple[Space, list[Record]]:
    """One of everything: a baseline, complete, pruned, parked, failed, revived, following and running trials."""
    records = [
        trial(tmp_path, 0, value=0.55, baseline="plain"),
        trial(tmp_path, 1, verdict("bad_start", "warn"), value=0.62),
        trial(tmp_path, 2, COLLAPSE, value=0.41),
        trial(tmp_path, 3, NAN, values=None),
        trial(tmp_path, 4, GATE, value=0.1),
        trial(tmp_path, 5, state="FAIL", values=None, error="RuntimeError: a lemon"),
        trial(tmp_path, 6, value=0.6, revives=2),
        trial(tmp_path, 7, value=0.59, remedy_of=4, cause="gate:val/macro_f1@3"),
        trial(tmp_path, 8, COLLAPSE, value=0.4),
        trial(tmp_path, 9, state="RUNNING", values=None, ended=None),
        trial(tmp_path, 10, COLLAPSE, value=0.4),
    ]
    return toy(**SETTINGS), records


def confirmation(space: Space, records: Sequence[Record], *, shift: float) -> Confirmation:
    """Trials 1 and 6 and the baseline on five seeds, the trials ``shift`` better than it and 0.02 worse than they were."""
    noise = random.Random(0)
    spread = [noise.gauss(0, 0.01) for _ in range(15)]
    scores = [
        tuple(base + one for one in spread[5 * row : 5 * row + 5]) for row, base in enumerate((0.55 + shift, 0.54 + shift, 0.55))
    ]
    trials = tuple(
        Contender(f"trial {n}", n, records[n].params, records[n].values[0], scores[row], (), (interval(scores[row]),))
        for row, n in enumerate((1, 6))
    )  # type: ignore[index]
    leads = paired({one.name: one.scores for one in trials}, scores[2], maximize=True)
    found = {name: {"plain": lead} for name, lead in leads.items()}
    return Confirmation((11, 12, 13, 14, 15), trials, (Contender("plain", None, {}, 0.55, scores[2]),), found)


def written(
    folder: Path, space: Space, records: Sequence[Record], told: Confirmation | None = None, lang: str = "en"
) -> tuple[Reader, str]:
    """The report, read as HTML and as Markdown."""
    paths = write(folder / "out", content(space, records, told), lang=lang)
    assert [path.name for path in paths] == (["report.html", "report.md"] if lang == "en" else ["report.zh.html", "report.zh.md"])
    assert sorted(path.name for path in (folder / "out").iterdir() if lang in path.name or lang == "en") == sorted(
        p.name for p in paths
    )
    return Reader(paths[0].read_text(encoding="utf-8")), paths[1].read_text(encoding="utf-8")


def content(space: Space, records: Sequence[Record], told: Confirmation | None = None) -> Content:
    where = Addresses(Path("runs").resolve(), "", "", None)
    return Content(space, records, summarise(space, records, len(records)), told, where)


def answered(space: Space, records: Sequence[Record], told: Confirmation | None = None) -> str:
    """The part of the report that the answer is, without marks."""
    return part("answer", space, records, told)


def part(name: str, space: Space, records: Sequence[Record], told: Confirmation | None = None) -> str:
    """A section of the report, without marks."""
    whole = markdown.report(content(space, records, told), {})
    found = re.search(rf'^## <a id="{name}"></a>(.*?)(?=^## |\Z)', whole, re.DOTALL | re.MULTILINE)
    assert found is not None
    return re.sub(r"(?<!`)[`*](?!`)|\\(?=\W)", "", found[1])


# The page


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_answer_stands_first_and_the_sections_follow_in_order(
    study: tuple[Space, list[Record]], tmp_path: Path, lang: str
) -> None:
    space, records = study
    page, marked = written(tmp_path, space, [replace(record, remedy_of=None) for record in records], lang=lang)
    assert page.headings[1:] == HEADINGS[lang]
    assert re.findall(r"^## <a [^>]*></a>(.*)$", marked, re.MULTILINE) == HEADINGS[lang]
    assert not page.open


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_trial_that_was_stopped_is_there_with_its_reason_and_remedy(
    study: tuple[Space, list[Record]], tmp_path: Path, lang: str
) -> None:
    page, marked = written(tmp_path, *study, lang=lang)
    for name, numbers, reason in (
        ("constant_prediction", "2", "predicted class 0 for all 100 samples"),
        ("constant_prediction", "8, 10", "predicted class 0 for all 100 samples"),
        ("non_finite", "3", "the loss is NaN"),
        ("gate", "4", "val/macro_f1 was 0.1 at epoch 3, the gate asks for at least 0.3"),
    ):
        assert reason in page.text
        assert reason in marked
        listed = numbers.replace(", ", ", " if lang == "en" else "、")
        assert re.search(rf"^\| {listed} \|.*{reason}", marked, re.MULTILINE)
        assert f"the remedy of {name}" in page.text
    assert "a lemon" in page.text
    assert "a lemon" in marked


def test_the_page_asks_nobody_for_anything_and_names_nothing_twice(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    space, records = study
    page, _ = written(tmp_path, space, records, confirmation(space, records, shift=0.05))
    assert page.links
    assert all(re.fullmatch(r"""["']?#[\w-]+["']?""", link) for link in page.links)
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    assert len(page.names) == len(set(page.names))
    assert {link.strip("\"'")[1:] for link in page.links} <= set(page.names)
    assert page.tags.count("noscript") == 1


def test_what_users_and_errors_wrote_is_text_and_never_markup(toy: Toy, tmp_path: Path) -> None:
    space = toy(
        trainer=str(_free(tmp_path)),
        question=EVIL,
        baselines={EVIL: {"values": {"val/macro_f1": 0.4}}},
        params={"speed": {"choice": [EVIL, "b"]}},
    )
    fields = {"params": {"speed": EVIL}}
    records = [
        trial(tmp_path, 0, **fields),
        trial(tmp_path, 1, verdict("non_finite", "prune", EVIL, remedy=EVIL), **fields),
        trial(tmp_path, 2, state="FAIL", values=None, error=EVIL, params={"speed": "b"}),
        trial(tmp_path, 3, verdict("gate:<b>@2", "warn", EVIL), **fields),
    ]
    page, marked = written(tmp_path, space, records)
    assert "b" not in page.tags
    assert page.tags.count("script") == SCRIPTS
    assert page.text.count(EVIL) >= 5
    assert not page.open
    outside = re.sub(r"```.*?```|`[^`\n]*`", "", re.sub(r"(`{2,}) .*? \1", "", marked), flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<(script|b>)|(?<!\\)\]\(http", outside)


@given(st.text(max_size=40))
def test_any_text_stays_in_its_cell_and_is_no_markup(given: str) -> None:
    md = MarkdownIt("commonmark", {"html": True}).enable("table")
    for kind in (markdown.escaped, markdown.strong, markdown.code):
        table = f"{markdown.head('a', 'b')}\n{markdown.row(kind(given), kind(given))}\n"
        cells = re.findall(r"<td>(.*?)</td>", md.render(table), re.DOTALL)
        assert len(cells) == 2
        assert set(re.findall(r"<(\w+)", cells[0])) <= {"strong", "code"}


def test_the_report_of_five_hundred_trials_stays_small(toy: Toy, tmp_path: Path) -> None:
    noise = random.Random(0)
    kinds = [(), (COLLAPSE,), (NAN,), (GATE,), (), (verdict("overfit", "warn"),)]
    records = []
    for number in range(500):
        said = [replace(one, reason=f"{one.reason}, number {number}, {'and why at length ' * 15}") for one in noise.choice(kinds)]
        records.append(trial(tmp_path, number, *said, value=noise.random()))
    page, marked = written(tmp_path, toy(epochs=100, **SETTINGS), records)
    assert (tmp_path / "out" / "report.html").stat().st_size < 3e6
    assert len(marked) < 1e6
    assert all(f", number {record.number}, " in page.text for record in records if record.state == "PRUNED")


# What a study may lack


def test_a_study_without_an_answer_says_so(toy: Toy, tmp_path: Path) -> None:
    space = toy(**SETTINGS)
    for records in ([], [trial(tmp_path, 0, state="RUNNING", values=None, ended=None)], [trial(tmp_path, 0, NAN, values=None)]):
        page, _ = written(tmp_path, space, records)
        assert "There is no answer yet" in page.text


def test_one_trial_is_a_report(toy: Toy, tmp_path: Path) -> None:
    page, _ = written(tmp_path, toy(), [trial(tmp_path, 0, value=0.5)])
    assert "(trial 0): val/macro_f1 0.5000, the best of 1 trial. It was reached at epoch 8." in page.text
    assert "Too few trials have ended" in page.text


def test_a_trial_without_a_curve_and_one_of_nans_are_a_report(toy: Toy, tmp_path: Path) -> None:
    blank = trial(tmp_path, 1, value=0.4)
    (Path(blank.folder) / "telemetry.jsonl").unlink()
    lost = trial(tmp_path, 2, NAN, values=None)
    telemetry.rewrite(Path(lost.folder) / "telemetry.jsonl", [Epoch(1, {"val/macro_f1": math.nan, "val/predicted/0": 1.0})])
    page, _ = written(tmp_path, toy(), [trial(tmp_path, 0, value=0.5), blank, lost])
    assert "trial 0" in page.text


def test_a_running_search_says_that_it_is_not_over(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    page, _ = written(tmp_path, *study)
    assert "The search is not over: 1 trial has begun and not ended." in page.text


def test_two_objectives_are_answered_by_their_front(toy: Toy, tmp_path: Path) -> None:
    space = toy(early_stopping={"patience": {"int": [1, 8]}}, **SETTINGS)
    pairs = [(0.6, 8.0), (0.55, 4.0), (0.5, 6.0), (0.3, 2.0)]
    records = [
        trial(tmp_path, n, value=pair[0], values=pair, params={"speed": 0.5, "dead": False, "early_stopping.patience": 1 + n})
        for n, pair in enumerate(pairs)
    ]
    page, _ = written(tmp_path, space, records)
    assert "3 trials make up the Pareto front: val/macro_f1 0.3000 to 0.6000, epochs 2 to 8." in page.text
    assert "The answer leads with the best val/macro_f1." in page.text
    assert page.headings[3] == "Pareto front"
    assert "early_stopping:\n  patience: 1" in page.text


# What the answer says


def test_one_value_is_called_a_hint_with_the_command_that_confirms(study: tuple[Space, list[Record]]) -> None:
    told = answered(*study)
    assert told.startswith(
        "The answer\n\nThe search is not over: 1 trial has begun and not ended. Use dead false, speed 0.6371 (trial 1): "
    )
    assert (
        ", the best of 8 trials. It was reached at epoch 8. It is ahead of paper (0.5800) by 0.0400. It is ahead of plain" in told
    )
    assert re.search(r"a hint, not a proof. pitprop confirm \S+toy.yaml trains", told)
    assert "params:\n  speed: " in told
    assert re.search(r"pitprop best \S+toy.yaml --command", told)


LEADS = [
    (0.05, "fresh seeds; better than plain by 0.0"),
    (0.0, "fresh seeds; no detectable difference from plain (one of 0.0"),
    (-0.05, "fresh seeds; worse than plain by 0.0"),
]


@pytest.mark.parametrize(("shift", "word"), LEADS)
def test_a_confirmation_is_believed_and_shows_by_how_much_the_search_flattered(
    study: tuple[Space, list[Record]], shift: float, word: str, tmp_path: Path
) -> None:
    told = answered(*study, confirmation(*study, shift=shift))
    begins = {False: "Use dead", True: "Nothing found is as good as plain: the best of the search, dead"}[shift < 0]
    assert re.search(begins + r" false, speed 0.6371 \(trial 1\)(:|, has) val/macro_f1 0\.\d+ ± 0.0\d+ on 5 fresh seeds; ", told)
    page, _ = written(tmp_path, *study, confirmation(*study, shift=shift))
    assert "The search made trial 1 look better by 0" in page.text
    assert word in told
    assert "hint" not in told


def test_the_answer_is_the_candidate_that_is_best_on_fresh_seeds(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    space, records = study
    told = confirmation(space, records, shift=0.0)
    first, second = told.candidates
    turned = (
        Contender(first.name, 1, first.params, 0.62, second.scores),
        Contender(second.name, 6, second.params, 0.6, first.scores),
    )
    other = Confirmation(told.seeds, turned, told.baselines, told.differences, ties=("trial 1",))
    said = answered(space, records, other)
    assert "(trial 6): val/macro_f1 " in said
    assert "; not distinguishable from trial 1." in said
    page, _ = written(tmp_path, space, records, other)
    assert "The best of the search, trial 1, has" in page.text


def test_a_confirmation_under_way_is_not_yet_believed(study: tuple[Space, list[Record]]) -> None:
    told = confirmation(*study, shift=0.05)
    some = Contender("plain", None, {}, 0.55, ())
    said = answered(*study, Confirmation(told.seeds, told.candidates, (some,), {}))
    assert "It is being confirmed; 2 of 3 configurations have their scores." in said


def test_targets_are_reached_in_the_search_or_confirmed(toy: Toy, tmp_path: Path) -> None:
    space = toy(targets={"low": 0.55, "high": 0.9}, **SETTINGS)
    records = [trial(tmp_path, 0, value=0.5, baseline="plain"), trial(tmp_path, 1, value=0.62)]
    told = answered(space, records)
    assert "Targets: high (0.9000) not reached; low (0.5500) reached in the search by trial 1." in told


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ([4], "Trial 4 has the same score."),
        ([4, 7], "Trials 4 and 7 have the same score."),
        ([2, 4, 7], "Trials 2, 4 and 7 have the same score."),
        ([2, 3, 4, 6, 7], "Trials 2, 3, 4 and 2 more have the same score."),
    ],
)
def test_trials_level_with_the_best_are_told_wherever_the_answer_is(
    toy: Toy, tmp_path: Path, level: list[int], said: str
) -> None:
    found = content(toy(), [trial(tmp_path, n, value=0.62 if n in (1, *level) else 0.5) for n in range(8)])
    assert f"(trial 1): val/macro_f1 0.6200, the best of 8 trials. {said} It was" in answered(found.space, found.records)
    shown = Console(record=True, width=2000, file=io.StringIO())
    print_status(shown, found)
    assert said in shown.export_text()
    assert said in markdown.section(found, "answer")  # which MLflow has


def test_only_what_ranks_with_the_best_is_level_with_it(toy: Toy, tmp_path: Path) -> None:
    collapsed = trial(tmp_path, 1, COLLAPSE, value=0.62)
    beside = trial(tmp_path, 2, value=0.62, baseline="plain"), trial(tmp_path, 3, value=0.62, excluded=True)
    near = trial(tmp_path, 4, value=0.62 - 1e-9)
    assert "the same score" not in answered(toy(**SETTINGS), [trial(tmp_path, 0, value=0.62), collapsed, *beside, near])


def test_a_confirmed_answer_is_not_level_with_what_only_the_search_saw(study: tuple[Space, list[Record]]) -> None:
    space, records = study
    level = [replace(record, values=(0.62,)) if record.values else record for record in records]
    assert "the same score" in answered(space, level)
    assert "the same score" not in answered(space, level, confirmation(space, level, shift=0.05))


def test_nothing_is_recommended_where_every_trial_was_stopped(toy: Toy, tmp_path: Path) -> None:
    lost = verdict("chance_plateau", "park")
    records = [trial(tmp_path, number, lost, value=0.4 + number / 100) for number in range(3)]
    told = part("answer", toy(), records)
    assert "No trial has completed (3 parked), so there is nothing to recommend yet. The best was" in told
    failed = trial(tmp_path, 3, state="FAIL")
    assert "No trial has completed (3 parked, 1 failed), so there is" in part("answer", toy(), [*records, failed])
    assert "Use " not in told
    assert "revive " in part("stopped", toy(), records)
    assert re.search(r"revive \S+ 2 continues one", part("stopped", toy(), records))  # the one with the best score


def test_hours_are_saved_at_each_trials_own_pace(study: tuple[Space, list[Record]]) -> None:
    told = part("costs", *study)
    assert "Stopping 4 trials early saved 20 epochs" in told  # trial 2 was revived, so that nothing was saved by stopping it
    assert "about 10 min" in told


def test_what_to_try_next_draws_on_remedies_edges_and_parked_trials(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    space, records = study
    records[1] = trial(tmp_path, 1, value=0.62, params={"speed": 0.06, "dead": False})
    told = part("advice", space, records)
    assert re.search(r"2. Confirm: pitprop confirm \S+toy.yaml.", told)
    assert "The best speed (0.06) lies within 5 % of the lower end of its range (0.05): widen it downwards." in told
    assert "3 of 11 trials were stopped by constant_prediction: the remedy of constant_prediction." in told
    assert "Fix what made 1 trial fail: RuntimeError: a lemon" in told


@pytest.mark.parametrize(("score", "widens"), [(0.9, True), (0.9999, True), (0.99999, False), (1.0, False)])
def test_no_wider_range_is_advised_for_a_score_that_cannot_be_better(
    score: float, widens: bool, toy: Toy, tmp_path: Path
) -> None:
    records = [trial(tmp_path, n, value=0.5) for n in range(12)]
    records.append(trial(tmp_path, 12, value=score, params={"speed": 0.06, "dead": False}))
    told = part("advice", toy(trials=13), records)
    assert ("widen it downwards" in told) is widens
    assert ("adds twenty" in told) is widens
    assert ("as good as val/macro_f1 can be" in told) is not widens


def test_no_wider_range_is_advised_where_one_inside_is_as_good(toy: Toy, tmp_path: Path) -> None:
    edge = trial(tmp_path, 0, value=0.62, params={"speed": 0.06, "dead": False})
    inside = trial(tmp_path, 1, value=0.62, params={"speed": 0.5, "dead": False})
    assert "widen" in part("advice", toy(), [edge])
    assert "widen" not in part("advice", toy(), [edge, inside])


def test_a_change_that_a_verdict_names_is_told_until_it_has_been_tried(toy: Toy, tmp_path: Path) -> None:
    lost = verdict("non_finite", "prune", change={"speed": 0.1})
    records = [trial(tmp_path, 0), trial(tmp_path, 1, lost, params={"speed": 0.5, "dead": False})]
    assert "Train trial 1 again with speed 0.1, as non_finite advises." in part("advice", toy(), records)
    records.append(trial(tmp_path, 2, remedy_of=1, cause="non_finite"))
    assert "Train trial 1 again" not in part("advice", toy(), records)


def test_follow_up_trials_say_whether_the_remedy_helped(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    page, _ = written(tmp_path, *study)
    assert "Follow-up trials" in page.headings
    assert "1 trial tried the remedy that a verdict or a missed gate named; 1 of 1 is better" in page.text


# Its parts


def test_infinity_is_never_part_of_an_answer(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    space, records = study
    told = confirmation(space, records, shift=0.0)
    few = [replace(one, scores=(0.5,)) for one in (*told.candidates, *told.baselines)]
    leads = paired({one.name: one.scores for one in few[:2]}, few[2].scores, maximize=True)
    found = {name: {"plain": lead} for name, lead in leads.items()}
    told = Confirmation((11,), tuple(few[:2]), (few[2],), found)
    for lang, words in (("en", "no detectable difference from plain (1 seed cannot show one)"), ("zh", "1 个种子")):
        page, marked = written(tmp_path / lang, space, records, told, lang)
        assert words in page.text
        assert not re.search(r"\binf\b|∞", page.text + marked)


def test_a_part_of_the_space_is_deadly_only_if_more_die_there_than_chance_explains(tmp_path: Path) -> None:
    axis = Axis("speed", 0.0, 1.0)

    def records(deaths: Callable[[float], bool]) -> list[Record]:
        return [trial(tmp_path, n, *([NAN] if deaths(n / 40) else []), params={"speed": n / 40}) for n in range(41)]

    part = deadly(axis, records(lambda at: at > 0.7))
    assert part is not None
    assert (part.first, part.last, part.dead, part.others) == (4, 5, 12, 0)
    assert deadly(axis, records(lambda at: round(at * 40) % 2 == 0)) is None
    assert deadly(axis, records(lambda at: False)) is None


@given(st.floats(1e-12, 1e12), st.floats(1e-12, 1e12), st.booleans(), st.floats(0, 1))
def test_an_axis_finds_its_own_values_and_its_ticks_lie_on_it(one: float, other: float, log: bool, at: float) -> None:
    low, high = sorted((one, other))
    axis = Axis("x", low, high, log)
    value = min(max(axis.value(at), low), high)
    found = axis.at(value)
    assert found is not None
    assert 0 <= found <= 1
    assert 0 <= (axis.cell(value) or 0) < axis.cells
    assert all(0 <= place <= 1 for place, _ in axis.ticks())
    assert 1 <= len(axis.ticks()) <= 6


def test_importance_finds_what_matters_and_takes_conditional_parameters(toy: Toy, tmp_path: Path) -> None:
    params = {"a": {"float": [0.0, 1.0]}, "b": {"float": [0.0, 1.0]}, "kind": {"choice": ["x", "y"]},
              "c": {"float": [0.0, 1.0], "when": {"kind": "x"}}}  # fmt: skip
    space, noise = (
        toy(trainer=str(_free(tmp_path)), objective={"metric": "m", "goal": "maximize"}, params=params),
        random.Random(0),
    )
    records = []
    for number in range(60):
        drawn: dict[str, Any] = {"a": noise.random(), "b": noise.random(), "kind": noise.choice("xy")}
        drawn |= {"c": noise.random()} if drawn["kind"] == "x" else {}
        records.append(trial(tmp_path, number, value=-((drawn["a"] - 0.2) ** 2), params=drawn))
    found = importances(space, records)
    assert next(iter(found)) == "a"
    assert set(found) == set(params)
    assert math.isclose(sum(found.values()), 1)
    assert importances(space, records[: LEAST - 1]) == {}


def _free(folder: Path) -> Path:
    """A trainer that takes any parameter and reports any metric."""
    path = folder / "free.py"
    path.write_text("from pitprop.telemetry import Epoch\n\n\ndef train(params, context):\n    yield Epoch(1, {'m': 1.0})\n")
    return path


def test_a_page_is_the_same_whenever_it_is_made(study: tuple[Space, list[Record]], tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, content(*study))[0].read_bytes() for name in ("a", "b"))
    assert first == second
