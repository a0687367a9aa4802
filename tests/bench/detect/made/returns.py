"""Policies in small environments: returns by evaluation, without a loss."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.bench.detect.made.lanes import Array, Recipe

Curve = Iterator[Array]


def corridor(recipe: Recipe, seed: int, epochs: int, cells: int = 7, steps: int = 24) -> Curve:
    """A reward of 10 at the far end, found by chance: returns of 0 until then. REINFORCE on a table, ``lr`` scaled by 30."""
    random, runs, episodes = np.random.default_rng(seed), len(recipe.lr), 8
    table = random.normal(size=(runs, cells, 2)) * recipe.gain[:, None, None] * 0.5
    for epoch in range(epochs):
        for part in range(12):
            returns, gradient = _walk(table, random, episodes, steps)
            advantage = returns - returns.mean(1, keepdims=True)
            rate = 30 * recipe.rate((epoch + part / 12) / epochs)
            table += rate[:, None, None] * np.einsum("re,reck->rck", advantage, gradient) / episodes
            table = np.clip(table, -1e6, 1e6)
        yield _walk(table, random, 40, steps)[0].mean(1)


def _walk(table: Array, random: np.random.Generator, episodes: int, steps: int) -> tuple[Array, Array]:
    """Returns of (runs, episodes) and the gradient of their log probability of (runs, episodes, cells, actions)."""
    runs, cells, _ = table.shape
    lane = np.arange(runs)[:, None]
    at, returns = np.zeros((runs, episodes), int), np.zeros((runs, episodes))
    gradient = np.zeros((runs, episodes, cells, 2))
    for _ in range(steps):
        here = table[lane, at]
        right = 1 / (1 + np.exp(np.clip(here[..., 0] - here[..., 1], -50, 50)))
        go = random.random(right.shape) < right
        rows = lane, np.arange(episodes)[None], at
        gradient[(*rows, 1)] += go - right
        gradient[(*rows, 0)] -= go - right
        at = np.clip(at + np.where(go, 1, -1), 0, cells - 1)
        done = at == cells - 1
        returns += 10.0 * done
        at[done] = 0
    return returns, gradient


def pole(recipe: Recipe, seed: int, epochs: int) -> Curve:
    """A pole to balance, at most 100 steps of 1 each. REINFORCE on a linear policy."""
    random, runs = np.random.default_rng(seed), len(recipe.lr)
    weights = random.normal(size=(runs, 4)) * 0.1 * recipe.gain[:, None]
    for epoch in range(epochs):
        for part in range(5):
            returns, gradient = _balance(weights, random, 10)
            advantage = (returns - returns.mean(1, keepdims=True)) / (returns.std(1, keepdims=True) + 1)
            rate = recipe.rate((epoch + part / 5) / epochs)
            weights += rate[:, None] * (advantage[..., None] * gradient).mean(1)
            weights = np.clip(weights, -1e6, 1e6)
        yield _balance(weights, random, 20)[0].mean(1)


def _balance(weights: Array, random: np.random.Generator, episodes: int) -> tuple[Array, Array]:
    """The cart and pole of Barto, Sutton and Anderson (1983)."""
    runs = len(weights)
    state = random.uniform(-0.05, 0.05, (runs, episodes, 4))
    alive, returns, gradient = np.ones((runs, episodes), bool), np.zeros((runs, episodes)), np.zeros((runs, episodes, 4))
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip((state * weights[:, None]).sum(2), -50, 50)))
        push = random.random(p.shape) < p
        gradient += np.where(alive, push - p, 0)[..., None] * state
        x, v, angle, spin = np.moveaxis(state, 2, 0)
        force, sin, cos = np.where(push, 10.0, -10.0), np.sin(angle), np.cos(angle)
        a = (force + 0.05 * spin**2 * sin) / 1.1
        turn = (9.8 * sin - cos * a) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        pull = a - 0.05 * turn * cos / 1.1
        state = np.stack([x + 0.02 * v, v + 0.02 * pull, angle + 0.02 * spin, spin + 0.02 * turn], 2)
        returns += alive
        alive &= (np.abs(state[..., 0]) < 2.4) & (np.abs(state[..., 2]) < 0.21)
        state = np.where(alive[..., None], state, 0)
    return returns, gradient


def maze(recipe: Recipe, seed: int, epochs: int, side: int = 5) -> Curve:
    """-1 a step until the exit of a square is found, at worst -60. Learned by Q-values on a table."""
    random, runs = np.random.default_rng(seed), len(recipe.lr)
    values, lane = np.zeros((runs, side * side, 4)), np.arange(runs)
    for epoch in range(epochs):
        for part in range(8):
            rate = np.minimum(recipe.rate((epoch + part / 8) / epochs), 1.9)
            _search(values, random, lane, rate, explore=0.2)
        yield np.mean([_search(values, random, lane, None, explore=0.1) for _ in range(10)], axis=0)


def _search(values: Array, random: np.random.Generator, lane: Array, rate: Array | None, explore: float) -> Array:
    side = round(values.shape[1] ** 0.5)
    moves = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
    at, alive, returns = np.zeros(len(lane), int), np.ones(len(lane), bool), np.zeros(len(lane))
    for _ in range(60):
        greedy = (values[lane, at] + 1e-6 * random.random((len(lane), 4))).argmax(1)
        action = np.where(random.random(len(lane)) < explore, random.integers(0, 4, len(lane)), greedy)
        place = np.clip(np.stack([at // side, at % side], 1) + moves[action], 0, side - 1)
        to = place[:, 0] * side + place[:, 1]
        out = to == side * side - 1
        if rate is not None:
            aim = -1 + np.where(out, 0, 0.98 * values[lane, to].max(1))
            step = np.where(alive, rate * (aim - values[lane, at, action]), 0)
            values[lane, at, action] = np.clip(values[lane, at, action] + step, -1e6, 1e6)
        returns -= alive
        alive, at = alive & ~out, to
    return returns
