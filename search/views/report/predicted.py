"""What was predicted, by epoch: how a training that collapsed looks beside one that did not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pitprop.telemetry import Telemetry, columns
from pitprop.views.report.document import Figure
from pitprop.views.report.material import Material
from pitprop.views.report.svg import ACCENT, FAINT, SOFT, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

EPOCHS = 120
"""So many of them are drawn."""
CLASSES = 6
"""The classes that get a pattern of their own; the others are drawn as one."""
LEVELS = 4
"""Up to so many classes have their true counts drawn."""
RARE = 0.1
"""Where all but one class make up less than this share, only the top of the counts is drawn."""
PATTERNS = ((FAINT, ""), ("none", "////"), (SOFT, ""), ("none", "xxxx"), (FAINT, "----"), ("none", "||||"), ("none", ""))


def figures(m: Material) -> list[Figure]:
    """What the best trial and a stopped one predicted: the first that fell to the signature which stopped most."""
    reasons = [(reason.signature, n) for reason in m.summary.pruned for n in reason.trials if _counted(m.curves[n])]
    cause, lost = reasons[0] if reasons else ("", None)
    best = m.best.number if m.best is not None and _counted(m.curves[m.best.number]) else None
    shown = {best: "best", lost: cause} if best != lost else {best: "best"}
    pictures = [_predicted(m.curves[n], f"trial {n}, {title}", m.space.epochs) for n, title in shown.items() if n is not None]
    if not pictures:
        return []
    caption = m.words.say("predicted caption" if len(pictures) > 1 else "predicted caption one", name=m.name(cause))
    return [Figure("predicted", tuple(pictures), m.words.paragraph([caption, m.words.say("predicted dashes")]))]


def _counted(curve: Telemetry) -> bool:
    return any(columns(epoch, "val/predicted/") for epoch in curve)


def _predicted(curve: Telemetry, title: str, budget: int) -> str:
    epochs = [epoch for epoch in curve if columns(epoch, "val/predicted/")]
    every = max(1, math.ceil(len(epochs) / EPOCHS))
    epochs = epochs[::every]
    counts = [columns(epoch, "val/predicted/") for epoch in epochs]
    classes = sorted({name for row in counts for name in row}, key=lambda name: (len(name), name))
    labels = next((found for epoch in epochs if (found := columns(epoch, "val/labels/"))), {})
    classes.sort(key=lambda name: -labels.get(name, 0.0))
    kept, others = classes[:CLASSES], classes[CLASSES:]
    total, first = sum(counts[-1].values()), min(row.get(classes[0], 0.0) for row in counts)
    rest = max(total - first, total - labels.get(classes[0], total))

    def draw(paper: Paper) -> None:
        axes, edges = paper.add_subplot(), [*(epoch.step - 0.5 for epoch in epochs), epochs[-1].step + 0.5]
        bottom = [0.0] * len(epochs)
        groups = {**{name: [name] for name in kept}, **({"others": others} if others else {})}
        for (name, group), (colour, hatch) in zip(groups.items(), PATTERNS, strict=False):
            heights = [sum(row.get(one, 0.0) for one in group) for row in counts]
            top = [below + height for below, height in zip(bottom, heights, strict=True)]
            axes.stairs(
                top, edges, baseline=bottom, fill=True, facecolor=colour, hatch=hatch, edgecolor=SOFT, linewidth=0.5, label=name
            )
            bottom = top
        level = 0.0
        for name in classes[:-1] if labels and len(classes) <= LEVELS else []:
            level += labels.get(name, 0.0)
            axes.axhline(level, color=ACCENT, linestyle="--", linewidth=1.1)
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.set_xlim(0.5, budget + 0.5)
        axes.set_xlabel("epoch")
        if labels and 0 < rest < RARE * total:
            axes.set_ylim(total - 1.5 * rest, total)
        paper.legend(loc="outside lower center", ncols=4, handlelength=1.4, title="predicted class")

    return render(f"predicted {title}", (3.2, 2.6), draw)
