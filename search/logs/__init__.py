"""Logs of other people's trainings, read while they grow or when they are done.

    follower = Follower("work_dirs/x/*/vis_data/scalars.json")     # or a file, or a folder; it need not exist yet
    epochs = Epochs("val/top1")
    while running:
        for epoch in epochs.add(follower.poll()): ...              # a step that is not above the last: it went back, see Epochs
    for epoch in epochs.add(follower.end()) + epochs.end(): ...    # what the last, torn line and the last epoch still hold

``Follower(where, format=None, pattern=(), names={}, after=0.0, merge=1)``
    Polls one source. ``where`` is a path or a glob; of several matches, the newest (by time of change, not before ``after``).
    ``format`` is the name of a file in `pitprop.logs.formats`, by default found by content. ``pattern`` holds regular
    expressions with named groups for the text format, such as ``step (?P<step>\\d+): .* val loss (?P<val_loss>\\S+)``.
    ``names`` translates names, or prefixes that end in ``_`` or ``/``, to our vocabulary, before the usual ones are.
    ``merge`` lets one row stand for so many lines of training, for large files. ``facts`` is what the log says of itself.
    ``poll() -> list[Row]`` never waits: [] if there is nothing new. `UserError` for what cannot be meant.

``Epochs(metric=None).add(rows) -> list[Epoch]``
    Joins rows to finished epochs, in which ``metric`` (an objective, in our vocabulary) was read.

A format is a module with a docstring, ``UNIT`` (what a reader is fed: ``"lines"``, whole ones; ``"records"``, bytes cut
anywhere; or ``"document"``, the whole file, whenever it changed), ``recognises(head, path)`` and ``Reader(names, patterns)``
with ``feed(data) -> Iterator[Row]``. One of them says ``FALLBACK = True``: it is asked last.
"""

from pitprop.logs.epochs import Epochs
from pitprop.logs.follow import Follower
from pitprop.logs.row import Row

__all__ = ["Epochs", "Follower", "Row"]
