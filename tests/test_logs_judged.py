"""What happens to a log on its way, or how it is written, changes no verdict: it is the same, or "cannot judge"."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pitprop.logs.diagnosis import Diagnosis, Given, diagnose

LENGTH = 24
NOISE = (
    "Saving checkpoint to out/model.pt",
    "/usr/lib/python3/site-packages/x.py:123: UserWarning: this is slow. Use y instead",
    "GPU memory: 12.3 GiB of 40 GiB",
    "=" * 60,
    "iVBORw0KGgo" * 900,
    "",
)
Curve = Callable[[int, random.Random], float]
TRAININGS: Mapping[str, tuple[str, Mapping[str, Curve]]] = {
    "learns": (
        "alive",
        {
            "train_loss": lambda t, r: 0.4 + 1.9 * math.exp(-t / 5) + r.gauss(0, 0.01),
            "val_loss": lambda t, r: 0.5 + 1.8 * math.exp(-t / 5) + r.gauss(0, 0.01),
            "val_acc": lambda t, r: 0.9 - 0.8 * math.exp(-t / 5) + r.gauss(0, 0.004),
        },
    ),
    "at chance": (
        "dead",
        {
            "train_loss": lambda _, r: 2.3026 + r.gauss(0, 0.001),
            "val_loss": lambda _, r: 2.3027 + r.gauss(0, 0.001),
            "val_acc": lambda _, r: 0.1 + r.gauss(0, 0.002),
        },
    ),
    "NaN": (
        "dead",
        {
            "train_loss": lambda t, r: 2.0 + r.gauss(0, 0.01) if t < 9 else math.nan,
            "val_loss": lambda t, _: 2.1 if t < 9 else math.nan,
            "val_acc": lambda t, r: 0.3 + r.gauss(0, 0.01) if t < 9 else 0.1,
        },
    ),
    "perfect": (
        "alive",
        {
            "train_loss": lambda t, _: 0.6 * 0.7**t,
            "val_loss": lambda t, _: 0.7 * 0.75**t,
            "val_acc": lambda t, _: min(1.0, 0.7 + 0.1 * t),
        },
    ),
}
RENAMED: Mapping[str, Mapping[str, str]] = {
    "keras": {"train_loss": "loss", "val_loss": "val_loss", "val_acc": "val_accuracy"},
    "words": {"train_loss": "Train Loss", "val_loss": "Valid Loss", "val_acc": "Valid Accuracy"},
    "slashes": {"train_loss": "train/loss", "val_loss": "eval/loss", "val_acc": "eval/accuracy"},
    "camels": {"train_loss": "trainLoss", "val_loss": "validLoss", "val_acc": "validAcc"},
}


def rows(training: str, scale: float = 1.0) -> list[dict[str, float]]:
    """What each epoch reads, of scores times ``scale``."""
    chance = random.Random(training)
    return [
        {name: read(t, chance) * (scale if name == "val_acc" else 1) for name, read in TRAININGS[training][1].items()}
        for t in range(1, LENGTH + 1)
    ]


def table(found: list[dict[str, float]], names: Mapping[str, str]) -> str:
    lines = [",".join(["epoch", *(names.get(name, name) for name in found[0])])]
    lines += [",".join([str(n), *(f"{value:.6g}" for value in row.values())]) for n, row in enumerate(found, 1)]
    return "\n".join([*lines, ""])


def printed(found: list[dict[str, float]], names: Mapping[str, str]) -> str:
    lines = (
        f"Epoch {n}/{LENGTH} - " + " - ".join(f"{names.get(name, name)}: {value:.6g}" for name, value in row.items())
        for n, row in enumerate(found, 1)
    )
    return "\n".join([*lines, ""])


def objects(found: list[dict[str, float]], names: Mapping[str, str]) -> str:
    lines = (
        json.dumps({"epoch": n, **{names.get(name, name): value for name, value in row.items()}})
        for n, row in enumerate(found, 1)
    )
    return "\n".join([*lines, ""])


FORMS = {"log.csv": table, "train.log": printed, "log.jsonl": objects}


def judged(name: str, text: str) -> Diagnosis:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(text.encode())
        return diagnose([path])


def answer(found: Diagnosis) -> str:
    return "dead" if found.dead else "alive" if found.alive else "cannot judge"


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", RENAMED)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_names_formats_and_percent_change_no_verdict(training: str, form: str, names: str, scale: float) -> None:
    found = judged(form, FORMS[form](rows(training, scale), RENAMED[names]))
    assert (answer(found), found.facts.metric) == (TRAININGS[training][0], "val/accuracy")


@settings(max_examples=60, deadline=None)
@given(
    training=st.sampled_from(sorted(TRAININGS)),
    form=st.sampled_from(sorted(FORMS)),
    share=st.floats(0.1, 1),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_a_log_that_is_cut_anywhere_gives_the_same_verdict_or_none(training: str, form: str, share: float, ends: str) -> None:
    text = FORMS[form](rows(training), {}).replace("\n", ends)
    cut = text[: max(text.index("\n") + 60, int(share * len(text)))]
    early = {"alive"} if training == "NaN" else set()  # before it came
    assert answer(judged(form, cut)) in {TRAININGS[training][0], "cannot judge", *early}


@settings(max_examples=40, deadline=None)
@given(
    training=st.sampled_from(sorted(TRAININGS)),
    form=st.sampled_from(["train.log", "log.jsonl"]),
    where=st.lists(st.tuples(st.integers(1, LENGTH), st.sampled_from(NOISE)), max_size=12),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_what_else_is_printed_and_how_lines_end_changes_no_verdict(
    training: str, form: str, where: list[tuple[int, str]], ends: str
) -> None:
    lines = FORMS[form](rows(training), {}).split("\n")
    for at, noise in sorted(where, reverse=True):
        lines.insert(at, noise)
    assert answer(judged(form, ends.join(lines))) == TRAININGS[training][0]


@pytest.mark.parametrize(
    ("metric", "length"),  # the long ones, which take seconds, of one score and of one loss
    [*product(["val_psnr", "val_mae", "val_loss", "reward"], [8, 30]), ("val_mae", 200), ("reward", 200)],
)
def test_noise_is_never_dead_and_hardly_ever_alive(metric: str, length: int) -> None:
    answers = []
    for seed in range(20):
        chance = random.Random(seed)
        lines = [f"{n},{12 * (1 + chance.gauss(0, 0.03)):.5f}" for n in range(1, length + 1)]
        answers.append(answer(judged("log.csv", "\n".join([f"epoch,{metric}", *lines, ""]))))
    assert "dead" not in answers
    assert answers.count("alive") < 2


@pytest.mark.parametrize(("level", "answer"), [(0.1, "dead"), (0.3, "cannot judge")])
def test_a_training_that_lost_all_it_had_learned_is_not_alive(level: float, answer: str, tmp_path: Path) -> None:
    """It is dead where its end is seen to be chance: a loss of ln 10 with a tenth of all classes right."""
    stands = 2.3026 if level == 0.1 else 2.0
    rows = [f"{t},{0.4 + 1.7 * 0.7**t if t < 15 else stands},{0.9 - 0.7 * 0.7**t if t < 15 else level - 0.1 * (level > 0.1)}"
            for t in range(40)]  # fmt: skip
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["epoch,val_loss,val_acc", *rows, ""]))
    found = diagnose([path])
    assert ("dead" if found.dead else "alive" if found.alive else "cannot judge") == answer


def test_a_training_that_only_overfits_is_alive(tmp_path: Path) -> None:
    rows = [f"{t},{2 * 0.8**t},{0.5 + 1.8 * 0.6**t + 0.04 * t},{0.7 - 0.6 * 0.6**t}" for t in range(40)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["epoch,train_loss,val_loss,val_acc", *rows, ""]))
    assert diagnose([path]).alive
    assert diagnose([path], Given(metric="val/loss")).alive


def test_losses_of_a_gan_that_are_named_by_letters_alone_judge_nothing() -> None:
    line = "(epoch: {n}, iters: 100, time: 0.2, data: 0.1) D_A: 0.30 G_A: 0.40 cycle_A: {cycle:.2f} idt_A: 0.50\n"
    found = judged("loss_log.txt", "".join(line.format(n=n, cycle=2 - n / 10) for n in range(1, 13)))
    assert (answer(found), found.facts.metric) == ("cannot judge", "")


def test_a_return_that_rose_and_fell_back_is_not_told_as_one_that_never_rose() -> None:
    rows = "".join(f"{n * 2048},{20 + n * 10 if n < 15 else 9 + n % 3}\n" for n in range(1, 31))
    assert "fallen back" in str(judged("progress.csv", f"step,rollout/ep_rew_mean\n{rows}").unjudged)
