"""A training is called alive on evidence only, and dead not on a guess that its readings speak against."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

from pitprop.logs.diagnosis import Diagnosis, diagnose

Curve = Callable[[int], float]


def judged(folder: Path, head: str = "", epochs: int = 30, **curves: Curve) -> Diagnosis:
    path = folder / "train.log"
    lines = (
        " ".join([f"Epoch {n}/{epochs}:", *(f"{name}: {read(n):.5g}" for name, read in curves.items())]) for n in range(epochs)
    )
    path.write_text("\n".join([*([head] if head else []), *lines, ""]))
    return diagnose([path])


def noisy(level: float, scatter: float) -> Curve:
    chance = random.Random(0)
    return lambda _: level + chance.gauss(0, scatter)


def open_for(found: Diagnosis, reason: str) -> bool:
    return not found.dead and not found.alive and reason in str(found.unjudged)


def test_a_training_that_learns_by_heart_is_not_called_alive(tmp_path: Path) -> None:
    found = judged(
        tmp_path,
        train_loss=lambda n: 2 * 0.85**n,
        val_loss=lambda n: 2.4 + 0.15 * n,
        val_acc=noisy(0.1, 0.005),
    )
    assert open_for(found, "by heart")


def test_a_loss_of_validation_that_only_rises_is_not_called_alive(tmp_path: Path) -> None:
    assert open_for(judged(tmp_path, train_loss=lambda n: 1.4 * 0.95**n, val_loss=lambda n: 2.2 * 1.4**n), "by heart")


def test_a_loss_that_comes_down_from_an_explosion_to_chance_is_not_called_alive(tmp_path: Path) -> None:
    loss = noisy(0, 0.01)
    found = judged(
        tmp_path,
        train_loss=lambda n: 2.31 + 13 * math.exp(-n) + loss(n),
        val_loss=lambda n: 2.31 + math.exp(-n) + loss(n),
        val_acc=noisy(0.098, 0.008),
    )
    assert not found.alive


def test_a_language_model_that_is_worse_than_a_guess_among_its_words_is_not_called_alive(tmp_path: Path) -> None:
    assert open_for(judged(tmp_path, head="vocab 21", val_loss=lambda n: 7 + 30 * 0.7**n), "ln 21")


def test_an_error_that_fell_a_little_at_once_is_not_called_alive(tmp_path: Path) -> None:
    noise = noisy(0, 0.0001)
    assert open_for(judged(tmp_path, val_mse=lambda n: 0.0736 + 0.007 * 0.1**n + noise(n)), "constant prediction")


def test_an_f1_of_0_beside_a_falling_loss_may_follow(tmp_path: Path) -> None:
    found = judged(tmp_path, epochs=25, train_loss=lambda n: 0.5 * 0.95**n, val_loss=lambda n: 0.5 * 0.95**n, val_f1=lambda _: 0)
    assert not found.alive
    assert "no training that learns" not in str(found.unjudged)


def test_a_model_that_was_trained_before_is_not_called_dead_for_its_slow_gain(tmp_path: Path) -> None:
    found = judged(
        tmp_path,
        train_loss=lambda n: 2.816 - 0.003 * n,
        val_loss=lambda n: 2.787 - 0.002 * n,
        val_ppl=lambda n: math.exp(2.787 - 0.002 * n),
    )
    assert not found.dead
    scatter = noisy(0, 0.05)
    found = judged(tmp_path, train_loss=noisy(2.81, 0.01), val_ppl=lambda n: 16.4 - 0.005 * n + scatter(n))
    assert open_for(found, "--chance-loss")
