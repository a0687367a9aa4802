"""What is known of chance: stated, read, seen in the curve or learned from the study; the same for everybody who judges."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import events, records
from pitprop import space as spaces
from pitprop import telemetry
from pitprop.adapters.monitor import Watch
from pitprop.detection import learned, levels, life, questions, reading
from pitprop.detection.facts import Facts, Peer
from pitprop.logs.assumptions import Given
from pitprop.logs.diagnosis import diagnose
from pitprop.space import Space
from pitprop.telemetry import Epoch, Telemetry

SCORE, LOSS = Facts(20, "val/accuracy"), Facts(20, "val/loss", maximize=False)


def curve(epochs: int, metric: str, value: Callable[[int], float], **first: float) -> Telemetry:
    """``first`` are readings of the first epoch, with __ for a slash."""
    more = {name.replace("__", "/"): one for name, one in first.items()}
    return Telemetry(Epoch(n, {metric: value(n), **(more if n == 1 else {})}) for n in range(1, epochs + 1))


def study(metric: str, *values: Callable[[int], float]) -> tuple[Peer, ...]:
    return tuple(Peer(n, {"lr": 10.0**-n}, curve(20, metric, value)) for n, value in enumerate(values))


def learns(low: float, high: float) -> Callable[[int], float]:
    return lambda n: high - (high - low) * math.exp(-n / 4)


DEAD = (lambda n: 0.1, lambda n: 0.1 if n % 3 else 0.08)


def test_where_trials_with_different_parameters_stand_is_chance_once_another_is_far_ahead() -> None:
    fallen = curve(8, "val/accuracy", lambda n: 0.05 + 0.006 * n)
    assert levels.known(fallen, replace(SCORE, peers=study("val/accuracy", *DEAD))) is None
    facts = replace(SCORE, peers=study("val/accuracy", *DEAD, learns(0.2, 0.9)))
    assert levels.known(fallen, facts) == pytest.approx(0.1)
    known = levels.known_score(fallen, facts)
    assert known is not None
    assert "0, 1" in str(known.source)


def test_what_a_study_teaches_follows_the_trials_that_still_train() -> None:
    growing = curve(1, "val/accuracy", lambda n: 0.1)
    facts = replace(SCORE, peers=(*study("val/accuracy", *DEAD), Peer(9, {"lr": 1.0}, growing)))
    fallen = curve(8, "val/accuracy", lambda n: 0.05 + 0.006 * n)
    assert (learned.level(facts, "val/accuracy", 1.0), levels.surpassed(fallen, facts)) == (None, 0.1)
    growing.append(Epoch(2, {"val/accuracy": 0.9}))
    fallen.append(Epoch(9, {"val/accuracy": 0.1}))
    assert learned.level(facts, "val/accuracy", 1.0) is not None
    assert levels.surpassed(fallen, facts) == 0.9


def test_a_score_that_begins_far_ahead_of_where_others_began_is_no_guess() -> None:
    others = study("val/return", *(lambda n, k=k: 20 + k + 4 * n for k in range(6)))
    facts = Facts(20, "val/return", peers=others)
    assert levels.begun(curve(8, "val/return", lambda n: 85.0 + n % 2), facts) is None
    assert levels.begun(curve(8, "val/return", lambda n: 22.0 + n % 2), facts) is not None


@pytest.mark.parametrize(
    ("params", "epochs"),
    [({"warmup": 0.3}, 6), ({"warmup.epochs": 4}, 4), ({"warmup_ratio": 0.1}, 2), ({"warmup": 500}, 0), ({"warmup": True}, 0)],
)
def test_a_warm_up_that_is_not_logged_is_read_off_the_parameters(params: dict[str, Any], epochs: float) -> None:
    assert reading.warmup(curve(3, "val/accuracy", lambda n: 0.1), replace(SCORE, params=params)) == epochs
    assert reading.warmup(curve(3, "val/accuracy", lambda n: 0.1), replace(SCORE, params=params, warmup=1.0)) == 1.0


def test_a_baseline_or_target_shows_as_well_what_alive_looks_like() -> None:
    facts = replace(SCORE, peers=study("val/accuracy", *DEAD), seen=(0.8,))
    assert levels.known(curve(8, "val/accuracy", lambda n: 0.05 + 0.006 * n), facts) == pytest.approx(0.1)


def test_the_same_parameters_twice_are_one_trial() -> None:
    twice = tuple(replace(peer, params={"lr": 1.0}) for peer in study("val/accuracy", *DEAD))
    facts = replace(SCORE, peers=(*twice, *study("val/accuracy", learns(0.2, 0.9))))
    assert learned.level(facts, "val/accuracy", 1.0) is None


@pytest.mark.parametrize("seed", range(20))
def test_trials_that_all_converge_to_one_good_value_are_not_chance(seed: int) -> None:
    random.seed(seed)
    came = [learns(random.uniform(0.1, 0.5), 0.9 + random.uniform(-0.01, 0.01)) for _ in range(8)]
    for peers in (study("val/accuracy", *came), study("val/accuracy", *came, *DEAD[:1])):
        for healthy in came:
            level = levels.known(curve(20, "val/accuracy", healthy), replace(SCORE, peers=peers))
            assert level is None or level < 0.3
    fell = [learns(random.uniform(2, 3), 0.5 + random.uniform(-0.01, 0.01)) for _ in range(8)]
    flat = [lambda n: 0.5, lambda n: 0.502]  # as good as they get at their first report
    for healthy in (*fell, *flat):
        facts = replace(LOSS, peers=study("val/loss", *flat, *fell, learns(2.0, 0.2)))
        assert levels.loss(curve(20, "val/loss", healthy), facts, guess=False) is None


def test_a_level_at_which_trials_come_to_rest_far_behind_the_best_is_chance() -> None:
    rests = [lambda n, start=start: 10.9 - (10.9 - start) * math.exp(-n) for start in (-3.0, 2.0, 8.0)]
    psnr, fallen = Facts(20, "val/psnr"), curve(8, "val/psnr", lambda n: 4.0 + 0.1 * n)
    assert levels.known(fallen, replace(psnr, peers=study("val/psnr", *rests))) is None
    assert levels.known(fallen, replace(psnr, peers=study("val/psnr", *rests[:2], learns(5, 18)))) is None
    found = levels.known(fallen, replace(psnr, peers=study("val/psnr", *rests, learns(5, 18))))
    assert found == pytest.approx(10.9, abs=0.1)
    good = study("val/psnr", *[learns(5, high) for high in (16.0, 16.1, 16.2, 18.0)])
    assert levels.known(fallen, replace(psnr, peers=good)) is None, "what good trials come to is no chance"


def test_an_error_rate_above_one_is_in_percent_only_if_that_of_another_trial_is_large() -> None:
    own, facts = curve(8, "val/wer", lambda n: 2.5), Facts(20, "val/wer", maximize=False)
    assert reading.unit(own, replace(facts, peers=study("val/wer", lambda n: 2.4, lambda n: 0.9, lambda n: 0.2))) == 1
    assert reading.unit(own, replace(facts, peers=study("val/wer", lambda n: 100.0, lambda n: 40.0, lambda n: 9.0))) == 100


def test_what_is_stated_comes_before_what_is_reported_and_that_before_what_is_learned() -> None:
    dead, peers = curve(8, "val/loss", lambda n: 2.0), study("val/loss", lambda n: 2.0, lambda n: 2.01, learns(1.9, 0.2))
    facts = replace(LOSS, peers=peers)
    told = curve(8, "val/loss", lambda n: 2.0, chance__loss=2.2)
    assert levels.loss(told, replace(facts, chance_loss=2.5), guess=False) == 2.5
    assert levels.loss(told, facts, guess=False) == 2.2
    assert levels.loss(dead, facts, guess=False) == pytest.approx(2.0, rel=0.01)
    assert levels.loss(dead, LOSS, guess=False) is None


def test_classes_and_a_batch_tell_where_chance_is() -> None:
    near, far = (curve(8, "val/loss", lambda n, start=start: start) for start in (2.4, 0.9))
    read = curve(8, "val/loss", lambda n: 2.4, facts__classes=10)
    assert levels.loss(read, LOSS, guess=False) == math.log(10)
    assert levels.loss(near, replace(LOSS, classes=10), guess=False) == math.log(10)
    assert levels.loss(far, replace(LOSS, classes=10), guess=False) is None, "such a loss is not in nats"
    assert levels.score(curve(3, "val/accuracy", lambda n: 0.1), replace(SCORE, classes=10)) == 0.1
    assert levels.score(curve(3, "val/accuracy", lambda n: 9.0), replace(SCORE, classes=10)) == 10.0
    assert levels.loss(near, replace(LOSS, loss="supcon", batch=32), guess=False) == math.log(31)


def test_a_warm_up_that_is_stated_or_read_lengthens_the_grace() -> None:
    flat = curve(8, "val/loss", lambda n: 2.0)
    read = curve(8, "val/loss", lambda n: 2.0, facts__warmup=9)
    assert reading.grace(flat, LOSS, 0.25) == 5
    assert reading.grace(flat, replace(LOSS, warmup=9), 0.25) == reading.grace(read, LOSS, 0.25) == 11


def test_the_range_makes_a_percent_of_a_share() -> None:
    flat = curve(8, "val/bleu", lambda n: 0.6)
    stated = Facts(20, "val/bleu", range=(0, 100))
    assert (reading.unit(flat, Facts(20, "val/bleu")), reading.unit(flat, stated), reading.reach(flat, stated)) == (
        1,
        100,
        100,
    )
    assert reading.unit(curve(3, "val/accuracy", lambda n: 1.0), replace(SCORE, chance_score=1.5)) == 100


# One function for all who judge


KINDS: dict[str, tuple[str, Callable[[int], str]]] = {
    "nan": ("val/loss", lambda n: f"epoch {n}: val_loss {'nan' if n > 2 else 0.9}"),
    "ten classes": ("val/accuracy", lambda n: f"epoch {n}: val_loss {2.303 + 0.001 * (n % 3)} val_acc {0.1 + 0.001 * (n % 2)}"),
    "absurd": ("val/accuracy", lambda n: f"epoch {n}: val_loss {900 - 7 * (n % 4)}.5 val_acc {0.1 + 0.003 * (n % 2)}"),
    "classes said": ("val/loss", lambda n: f"num_classes=65 epoch {n}: val_loss {4.18 + 0.002 * (n % 3)}"),
    "healthy": ("val/accuracy", lambda n: f"epoch {n}: val_loss {2.3 / n} val_acc {1 - 0.9 / n}"),
}
BUDGET = 20


@pytest.fixture(params=KINDS)
def printed(request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    """The objective and the lines of a training of one kind."""
    metric, line = KINDS[request.param]
    return metric, [line(n) for n in range(1, BUDGET + 1)]


def test_a_log_a_command_a_trainer_and_an_adapter_get_the_same_verdict(printed: tuple[str, list[str]], tmp_path: Path) -> None:
    metric, lines = printed
    (tmp_path / "train.log").write_text("\n".join(lines) + "\n")
    found = diagnose([tmp_path / "train.log"], Given(metric=metric, epochs=BUDGET))
    by_log = (found.ended.signature, found.ended.step) if found.ended is not None else None

    (tmp_path / "prints.py").write_text("import pathlib\nprint(pathlib.Path('train.log').read_text(), end='', flush=True)\n")
    searched = space(tmp_path, "log", metric, trainer="command", options={"command": ["{python}", "prints.py", "{params}"]})
    assert ending(searched, tmp_path) == by_log

    curve = telemetry.read(tmp_path / "log" / "trials" / "0000" / "telemetry.jsonl")
    read = list(found.telemetry[: len(curve)])
    assert [epoch.metrics[metric] for epoch in read] == pytest.approx([epoch.metrics[metric] for epoch in curve], nan_ok=True)

    rows = [dict(epoch.metrics) for epoch in found.telemetry]
    (tmp_path / "own.py").write_text(
        f"from math import nan, inf\nfrom pitprop import Epoch\nROWS = {rows}\n"
        "def train(params, context):\n    for step, row in enumerate(ROWS, 1):\n        yield Epoch(step, row)\n"
    )
    assert ending(space(tmp_path, "own", metric, trainer="own.py"), tmp_path) == by_log

    watch = Watch(BUDGET, metric)
    verdicts = (watch.see(step, row) for step, row in enumerate(rows, 1))
    first = next((verdict for verdict in verdicts if verdict is not None), None)
    assert (None if first is None else (first.signature, first.step)) == by_log


def space(folder: Path, name: str, metric: str, **rows: Any) -> Space:
    text = {
        "question": "Is it the same?",
        "objective": {"metric": metric},
        "epochs": BUDGET,
        "trials": 1,
        "params": {"lr": {"float": [0.1, 0.2]}},
        **rows,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(text))
    return spaces.load(str(folder / f"{name}.yaml"))


def ending(searched: Space, folder: Path) -> tuple[str, int] | None:
    """What ended the one trial of a search, and when."""
    events(searched, folder)
    (record,) = records(searched, folder)
    assert record.error is None
    return None if record.ending is None else (record.ending.signature, record.ending.step)


def test_a_long_warm_up_leaves_a_whole_window_after_it() -> None:
    flat = curve(16, "val/loss", lambda n: 2.0)
    assert reading.grace(flat, replace(LOSS, warmup=9), 0.25, 5) == 14
    assert reading.grace(flat, replace(LOSS, warmup=2), 0.25, 5) == 5, "one that ends within the grace does not"


DROPS = ({"drops": [12, 18]}, {"params": {"optim.milestones": [12, 18]}}, {"drops": [0.6]}, {"params": {"drops": 0.6}})


@pytest.mark.parametrize("told", DROPS)
def test_a_rate_that_is_far_too_high_waits_for_the_step_that_lowers_it(told: dict[str, Any]) -> None:
    hot = curve(11, "val/loss", lambda n: 3.0 + n % 3)
    facts = replace(LOSS, chance_loss=2.3, **told)
    assert reading.drop(hot, facts) == 12
    assert any(sign.name == "cooling" and sign.alive for sign in life.signs(hot, facts, 5))
    assert not any(sign.name == "cooling" for sign in life.signs(hot, replace(LOSS, chance_loss=2.3), 5))
    flat = curve(11, "val/loss", lambda n: 2.3)
    assert not any(sign.name == "cooling" for sign in life.signs(flat, facts, 5)), "a lower rate does not help what stands still"


def test_a_drop_that_a_log_says_counts_and_is_over_a_tenth_of_the_budget_later() -> None:
    log = curve(13, "val/loss", lambda n: 3.0 + n % 3, facts__drop__0=12)
    assert (reading.drop(log, LOSS), reading.drop(curve(14, "val/loss", lambda n: 3.0, facts__drop__0=12), LOSS)) == (12, None)
    assert reading.drop(log, replace(LOSS, drops=[])) is None, "what is stated counts more"


ASKED = [
    ({}, {}, "warmup=5, drops=[30]"),
    ({"params": {"warmup_epochs": 3}}, {}, "drops=[30]"),
    ({"params": {"milestones": [3]}}, {}, "warmup=5"),
    ({"params": {"milestones": [3], "warmup": 2}}, {}, None),
    ({"warmup": 0.0}, {}, None),
    ({"drops": []}, {}, None),
    ({}, {"lr": 0.1}, None),
    ({}, {"facts__warmup": 3.0}, "drops=[30]"),
    ({}, {"facts__warmup": 3.0, "facts__drop__0": 7.0}, None),
]


@pytest.mark.parametrize(("told", "read", "option"), ASKED)
def test_of_a_schedule_what_neither_facts_parameters_nor_log_tell_is_asked_for(
    told: dict[str, Any], read: dict[str, float], option: str | None
) -> None:
    question = questions.schedule(curve(1, "val/loss", lambda n: 2.0, **read), replace(LOSS, **told))
    assert (question and question.option) == option
