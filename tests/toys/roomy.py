"""A trainer of lanes whose memory holds so many of them: one more raises MemoryError, once ``from`` epochs are trained."""

from pathlib import Path

from pitprop.telemetry import Epoch

PARAMS = {"speed": 0.3, "size": 1}
OPTIONS = {"room": 3, "from": 0, "tally": None}
WIDTH = 8


def train_lanes(lanes, context):
    """Yields sums that a lane which began anew would not reach, and notes how many lanes were trained as one."""
    options = {**OPTIONS, **context.options}
    living = [(start, start.step, start.state["total"] if start.state else 0.0) for start in lanes]
    while living:
        size = sum(start.params.get("size", 1) for start, _, _ in living)
        if size > options["room"] and max(step for _, step, _ in living) >= options["from"]:
            raise MemoryError(f"{size} do not fit into {options['room']}")
        living = [(start, step + 1, total + start.params.get("speed", 0.3) / (step + 1)) for start, step, total in living]
        if options["tally"]:
            with Path(options["tally"]).open("a") as file:
                file.write(f"{len(living)}\n")
        context.state = {"total": [total for _, _, total in living]}
        change = yield {start.lane: Epoch(step, {"val/macro_f1": total}) for start, step, total in living}
        living = [one for one in living if one[0].lane not in change.stopped]
        living += [(start, start.step, start.state["total"] if start.state else 0.0) for start in change.started]
