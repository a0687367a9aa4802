"""Translate the metric names of other libraries to our vocabulary."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pitprop.telemetry import VOCABULARY

SIDES = {"train": "train", "training": "train", "test": "val", "dev": "val"} | dict.fromkeys(
    ("val", "valid", "validation", "eval", "evaluation"), "val"
)
"""The words for the data that a reading is of."""
SCORES = {
    "macro_f1": ("f1_macro", "f1_macro_cli", "macro_f1_score"),
    "accuracy": ("acc", "categorical_accuracy", "sparse_categorical_accuracy", "binary_accuracy"),
    "top1": ("acc_top1", "top1_acc", "accuracy_top1", "acc1", "acc_1"),
    "top5": ("acc_top5", "top5_acc", "accuracy_top5", "acc5", "acc_5"),
    "mean1": ("acc_mean1",),
    "auc": ("roc_auc", "auroc", "auc_roc"),
    "loss": ("total_loss", "loss_total", "nll_loss", "avg_loss", "average_loss"),
}
"""Our word for a reading, and others'."""
WORDS = {theirs: word for word, others in SCORES.items() for theirs in others}
ALONE = {
    "lr": ("lr", "learning_rate", "current_learning_rate"),
    "grad_norm": ("grad_norm", "gradient_norm", "gnorm", "total_grad_norm", "total_gradient_norm_before_clipping"),
    "seconds": ("seconds", "epoch_time", "epoch_seconds"),
}
"""Readings that are of no side."""
LONE = {theirs: ours for ours, others in ALONE.items() for theirs in others}
COUNTS = {
    **dict.fromkeys(("prediction_distribution", "predicted_distribution", "predicted_counts", "predictions"), "val/predicted/"),
    **dict.fromkeys(("label_distribution", "label_counts", "true_distribution"), "val/labels/"),
}
"""Printed dictionaries of counts by class."""
OURS = tuple(name for name in VOCABULARY if name.endswith("/"))
IDLE = re.compile(
    r"(data_)?time|eta|memory|mfu|iter(ation)?s?|steps?|epochs?|global_step|created_at|total_flos|best_metric|best_.*|"
    r".*(_per_second|_runtime|_ms|_secs)|wall(_time)?|elapsed|runtime|timestamp|max_.*|min_.*|seed"
)
"""What stands in logs and says nothing of how a training goes."""
BRANCH = re.compile(r"acc/(?P<branch>.+)_(?P<score>top1|top5)")
"""mmaction's names for the branches of one model."""


class Names:
    """Translates names, by what the user says and then by custom; each is worked out once."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.given = dict(given or {})
        self._known: dict[tuple[str, str], str | None] = {}

    def __call__(self, name: str, kind: str) -> str | None:
        """What a row of ``kind`` calls ``name``, in our vocabulary; None for what does not matter."""
        key = name, kind
        if key not in self._known:
            self._known[key] = self._given(name) or custom(name, kind)
        return self._known[key]

    def _given(self, name: str) -> str | None:
        fits = [one for one in self.given if name == one or (one.endswith(("_", "/")) and name.startswith(one))]
        longest = max(fits, key=len, default="")
        return self.given[longest] + name[len(longest) :] if longest else None


def custom(name: str, kind: str) -> str | None:
    """What ``name`` usually means. A name of no side is of the row's: training for ``train`` and ``epoch``."""
    if name in VOCABULARY or name.startswith(OURS):
        return name
    if branch := BRANCH.fullmatch(name):
        return f"val/{branch['branch']}/{branch['score']}"
    words = [word for word in re.split(r"[^A-Za-z0-9:]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) if word]
    sides = [SIDES[word] for word in words if word in SIDES]
    if len(words) > 1 and words[-1] in ("step", "epoch"):
        words = words[:-1]
    base = "_".join(word for word in words if word not in SIDES)
    lone = LONE.get(base) or ("lr" if base.startswith(("lr_", "learning_rate_")) else None)
    if lone:
        return lone
    if not base or IDLE.fullmatch(base):
        return None
    side = sides[0] if sides else "val" if kind in ("val", "part") else "train"
    return f"{side}/{WORDS.get(base, base)}"
