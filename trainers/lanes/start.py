"""What lanes score before their first step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pitprop.trainers.lanes.group import Group
from torch import Tensor


def start(
    group: Group[Any], names: Sequence[str], validate: Callable[[Mapping[str, Tensor], Tensor], Mapping[str, Tensor]]
) -> dict[str, Tensor]:
    """``start/<name>`` (K,) for the lanes with no step behind them, NaN for the others; empty if every lane has one.

    ``validate``, given the views of some lanes and their indices (k,), gives readings (k,) by ``val/<name>``.
    """
    fresh = [index for index, age in enumerate(group.ages) if age == 0]
    if not fresh:
        return {}
    device = group.stack.weights.device
    lanes = torch.tensor(fresh, device=device)
    with torch.no_grad():
        found = validate({name: view.detach()[lanes] for name, view in group.stack.views.items()}, lanes)
    empty = torch.full((len(group.starts),), torch.nan, dtype=torch.float64, device=device)
    return {f"start/{name}": empty.index_copy(0, lanes, found[f"val/{name}"].double()) for name in names}
