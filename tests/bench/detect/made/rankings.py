"""Tasks of which is nearer: items for a user, edges of a graph, and nodes that few labels tell."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tests.bench.detect.made.lanes import Params
from tests.bench.detect.made.plans import Plan, fed
from tests.bench.detect.made.tasks import Measured, Task

USERS, ITEMS, SIZE = 100, 120, 8


def recommend(recipe: Plan, seed: int, metric: str = "val/recall@20", pairs: bool = True) -> Task:
    """Items for users, two towers of embeddings: by pairs of an item and one that was not taken, or among those of the batch.

    Where ``swapped`` is 1 the two of a pair are exchanged, a slip that trains towards the worst order. Chance is a random one.
    """
    g = torch.Generator().manual_seed(seed)
    seen, asked = _taken(g)
    users, items = torch.arange(USERS).repeat_interleave(11), seen.flatten()
    known = torch.zeros(USERS, ITEMS).scatter(1, seen, 1.0)
    std, heat = recipe.of("std", 2, 0.1), recipe.of("temperature", 2, 0.1)
    params = {k: std * torch.randn(len(recipe.lr), c, SIZE, generator=g) for k, c in (("u", USERS), ("i", ITEMS))}
    params = {k: v.requires_grad_() for k, v in params.items()} | {"b": torch.zeros(len(recipe.lr), ITEMS, requires_grad=True)}
    lane = torch.arange(len(recipe.lr))[:, None]
    swap = 1 - 2 * recipe.of("swapped", 1)

    def scores(p: Params) -> Tensor:
        if pairs:
            return p["u"] @ p["i"].transpose(1, 2) + p["b"][:, None]
        return functional.normalize(p["u"], dim=2) @ functional.normalize(p["i"], dim=2).transpose(1, 2) / heat + p["b"][:, None]

    def paired(p: Params, rows: Tensor) -> Tensor:
        u, a = users[rows], items[rows]
        b = (a * 7919 + rows * 104729 + 13) % ITEMS
        first, second = (
            (p["u"][lane, u] * p["i"][lane, i]).sum(2) + p["b"][lane, i]
            for i in (a, torch.where(known[u, b] > 0, (b + 41) % ITEMS, b))
        )
        return functional.softplus(-swap * (first - second))

    def batched(p: Params, rows: Tensor) -> Tensor:
        u, i = functional.normalize(p["u"][lane, users[rows]], dim=2), functional.normalize(p["i"][lane, items[rows]], dim=2)
        logits = u @ i.transpose(1, 2) / heat + p["b"][lane, items[rows]][:, None]
        return -logits.log_softmax(2).diagonal(dim1=1, dim2=2)

    def validate(p: Params) -> Measured:
        rows = torch.arange(0, len(users), 5).expand(len(recipe.lr), -1)
        return found(metric, scores(p), known, asked), each(p, rows).mean(1)

    chance = float(found(metric, torch.rand(60, USERS, ITEMS, generator=g), known, asked).mean())
    each, level = (paired, math.log(2)) if pairs else (batched, math.log(64))
    return Task(metric, params, fed(recipe, len(users), 64, seed, each), validate, chance, level, True)


def _taken(g: torch.Generator) -> tuple[Tensor, Tensor]:
    """The items that each user took, those to learn from and those that are asked for; some are taken by many."""
    taste = torch.randn(USERS, 4, generator=g) @ torch.randn(4, ITEMS, generator=g) + 0.7 * torch.randn(ITEMS, generator=g)
    taken = (2.0 * taste + 2.0 * torch.randn(taste.shape, generator=g)).topk(14, dim=1).indices
    taken = taken.gather(1, torch.rand(taken.shape, generator=g).argsort(1))
    return taken[:, :11], taken[:, 11:]


def found(metric: str, scores: Tensor, known: Tensor, asked: Tensor) -> Tensor:
    """Recall, NDCG, hits or reciprocal ranks of the items asked for, among those that are not known."""
    name, _, cut = metric.removeprefix("val/").partition("@")
    order = scores.masked_fill(known > 0, -math.inf).argsort(2, descending=True)
    places = order.argsort(2).gather(2, asked.expand(len(scores), -1, -1)).float()
    fine = scores.isfinite().all(2).all(1)
    inside = (places < int(cut or scores.shape[2])).float()
    best = 1 / torch.arange(2, asked.shape[1] + 2).log2()
    values = {
        "recall": inside.mean(2),
        "hit_rate": inside.amax(2),
        "ndcg": (inside / (places + 2).log2()).sum(2) / best.sum(),
        "mrr": 1 / (places.amin(2) + 1),
    }
    return torch.where(fine, values[name].mean(1), math.nan)


def edges(recipe: Plan, seed: int, metric: str = "val/auc", nodes: int = 150) -> Task:
    """Edges between unlike groups of a graph, by two layers that average over ``reach`` steps: with many all nodes are alike."""
    g = torch.Generator().manual_seed(seed)
    group = torch.arange(nodes) % 6
    near, features = _graph(group, (group[:, None] ^ 1) == group, g, 0.6, (0.4, 0.005))
    pairs = near.triu(1).nonzero()
    pairs = pairs[torch.randperm(len(pairs), generator=g)]
    free = (near + torch.eye(nodes) == 0).triu(1).nonzero()
    free = free[torch.randperm(len(free), generator=g)]
    cut = len(pairs) * 3 // 4
    kept = torch.zeros(nodes, nodes)
    kept[pairs[:cut, 0], pairs[:cut, 1]] = kept[pairs[:cut, 1], pairs[:cut, 0]] = 1
    net, params = _averaged(recipe, kept, features, 12, g)
    params["m"] = (torch.randn(len(recipe.lr), 12, 12, generator=g) / 12).requires_grad_()

    def logits(p: Params, at: Tensor) -> Tensor:
        z = net(p)
        a, b = (z.gather(1, at[..., k].expand(len(z), -1)[..., None].expand(-1, -1, 12)) for k in (0, 1))
        return ((a @ p["m"]) * b).sum(2) + ((b @ p["m"]) * a).sum(2)

    both, is_edge = torch.cat([pairs[:cut], free[:cut]]), (torch.arange(2 * cut) < cut).float()
    held = torch.cat([pairs[cut:], free[-(len(pairs) - cut) :]])
    truth = (torch.arange(len(held)) < len(pairs) - cut).float()

    def loss(p: Params, rows: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(logits(p, both[rows]), is_edge[rows], reduction="none")

    def validate(p: Params) -> Measured:
        out = logits(p, held)
        losses = functional.binary_cross_entropy_with_logits(out, truth.expand_as(out), reduction="none").mean(1)
        return _separated(metric, out, truth), losses

    sampled = fed(recipe, 2 * cut, 64, seed, loss)
    return Task(metric, params, sampled, validate, 0.5 if metric != "val/hits@10" else 10 / (len(held) // 2), math.log(2), True)


def _separated(metric: str, out: Tensor, truth: Tensor) -> Tensor:
    good, bad, fine = out[:, truth > 0], out[:, truth == 0], out.isfinite().all(1)
    if metric == "val/hits@10":
        score = (good > bad.topk(10, dim=1).values[:, -1:]).float().mean(1)
    elif metric == "val/ap":
        hits = truth.expand_as(out).gather(1, out.argsort(1, descending=True))
        score = (hits.cumsum(1) / torch.arange(1, len(truth) + 1) * hits).sum(1) / hits.sum(1)
    else:
        more, same = good[:, :, None] > bad[:, None], good[:, :, None] == bad[:, None]
        score = (more.float() + 0.5 * same.float()).mean((1, 2))
    return torch.where(fine, score, math.nan)


def labelled(recipe: Plan, seed: int, nodes: int = 160, count: int = 5) -> Task:
    """Groups of unequal size in a graph, four labels each: accuracy in percent, of which the largest group is chance."""
    g = torch.Generator().manual_seed(seed)
    group = torch.multinomial(torch.tensor([0.36, 0.2, 0.18, 0.14, 0.12]), nodes, replacement=True, generator=g)
    near, features = _graph(group, group[:, None] == group, g)
    net, params = _averaged(recipe, near, features, count, g)
    told = torch.cat([(group == c).nonzero()[:4, 0] for c in range(count)])
    rest = torch.tensor(sorted({*range(nodes)} - {*told.tolist()}))

    def loss(p: Params, rows: Tensor) -> Tensor:
        logs = net(p).log_softmax(2)
        at = told[rows]
        return -logs.gather(1, at[..., None].expand(-1, -1, count)).gather(2, group[at][..., None])[..., 0]

    def validate(p: Params) -> Measured:
        out = net(p)[:, rest]
        entropy = -out.log_softmax(2).gather(2, group[rest].expand(len(out), -1)[..., None])[..., 0].mean(1)
        return 100 * (out.argmax(2) == group[rest]).float().mean(1), entropy

    chance = 100 * float(torch.bincount(group[rest]).max() / len(rest))
    return Task("val/node_acc", params, fed(recipe, len(told), len(told), seed, loss), validate, chance, None, True, count)


def _graph(
    group: Tensor, joined: Tensor, g: torch.Generator, noise: float = 1.0, often: tuple[float, float] = (0.25, 0.02)
) -> tuple[Tensor, Tensor]:
    """Edges where two groups are joined, some at random, and features that tell the group in part."""
    nodes = len(group)
    drawn = torch.rand(nodes, nodes, generator=g) < torch.where(joined, *often)
    near = drawn.triu(1).float()
    features = torch.randn(int(group.max()) + 1, 10, generator=g)[group] + noise * torch.randn(nodes, 10, generator=g)
    return near + near.T, features


def _averaged(
    recipe: Plan, near: Tensor, features: Tensor, width: int, g: torch.Generator
) -> tuple[Callable[[Params], Tensor], Params]:
    """A net of two layers over neighbours' means, and its parameters."""
    own = near + torch.eye(len(near))
    mean = own / own.sum(1, keepdim=True)
    spread = torch.stack([torch.linalg.matrix_power(mean, int(reach)) for reach in recipe.more["reach"]])
    runs, gain = len(recipe.lr), torch.as_tensor(recipe.gain, dtype=torch.float32).view(-1, 1, 1)
    shapes = {"w1": (10, 24), "w2": (24, width)}
    params = {k: (gain * torch.randn(runs, *s, generator=g) * math.sqrt(2 / s[0])).requires_grad_() for k, s in shapes.items()}
    drop, moved = recipe.of("drop", 2), spread @ features

    def net(p: Params) -> Tensor:
        h = (moved @ p["w1"]).relu()
        if torch.is_grad_enabled():
            h = h * (torch.rand(h.shape, generator=g) >= drop) / (1 - drop).clamp(min=1e-3)
        return spread @ h @ p["w2"]

    return net, params
