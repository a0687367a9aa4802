"""What the example programs beside this file train on: scikit-learn's digits, and a small network."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits


def data() -> tuple[torch.utils.data.TensorDataset, torch.utils.data.TensorDataset]:
    """Training and validation samples: pixels from 0 to 1, and digits."""
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    rows = torch.utils.data.TensorDataset(torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y))
    return tuple(torch.utils.data.random_split(rows, [1200, 597]))


def network(hidden: int = 32) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))
