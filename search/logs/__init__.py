"""Read the logs of any training, while they grow or when they are finished.

    follower = Follower("work_dirs/x/*/vis_data/scalars.json")     # or a file, or a folder; it need not exist yet
    epochs = Epochs("val/top1")
    while running:
        for epoch in epochs.add(follower.poll()): ...              # a step not above the last: the source went back, see Epochs
    for epoch in epochs.add(follower.end()) + epochs.end(): ...    # what the last, torn line and the last epoch still hold

``Follower(where, format=None, pattern=(), names={}, after=0.0, merge=1)``
    Polls one source. ``where`` is a path or a glob; of several matches, the newest (by time of change, not before ``after``).
    ``format`` is the name of a file in `pitprop.logs.formats`, by default found by content. ``pattern`` holds regular
    expressions with named groups for the text format, such as ``step (?P<step>\\d+): .* val loss (?P<val_loss>\\S+)``.
    ``names`` translates names, or prefixes that end in ``_`` or ``/``, to our vocabulary, before the usual ones are.
    ``merge`` lets one row stand for so many lines of training, for large files. ``facts`` is what the log says of itself.
    ``poll() -> list[Row]`` never waits: [] if there is nothing new. `UserError` for an unknown format or a wrong pattern.

``Epochs(metric=None).add(rows) -> list[Epoch]``
    Joins rows to finished epochs, in which ``metric`` (an objective, in our vocabulary) was read.

The formats are in `pitprop.logs.formats`; one is a file, and adding one changes no other.
"""

from pitprop.logs.epochs import Epochs, Row
from pitprop.logs.follow import Follower

__all__ = ["Epochs", "Follower", "Row"]
