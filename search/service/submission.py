"""A request to search, held against the operator's catalogue: the search to queue, or everything that is wrong with it.

It is the parsed space that is checked, never its text, and a trainer is looked up only once the catalogue has its name: looking
for a module can run code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitprop import messages
from pitprop import space as spaces
from pitprop.errors import UserError, hint, shown
from pitprop.messages import _
from pitprop.service.bodies import Submit
from pitprop.service.catalogue import COMMAND, Catalogue
from pitprop.service.database.ledger import Entry
from pitprop.service.inventory import Validation
from pitprop.service.notices import targets
from pitprop.space import Space, SpaceError
from pitprop.space.schema import yaml_text
from pitprop.space.schema.document import Document
from pitprop.space.schema.kinds import Problems

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Of which an id is made: none is taken for another."""
UPLOAD = "upload:"
"""Before the name of an uploaded file, where a space takes a path."""
FILES = ("data", "checkpoint", "cache")
"""Options of trainers that are paths, whatever stands in them."""
WORDS = ("pretrained",)
"""Values of these that are none."""
# fmt: off
SECTIONS = frozenset([
    "question", "trainer", "objective", "objectives", "epochs", "steps", "facts", "options", "params", "trials", "seeds",
    "seed", "trial_timeout", "timeout", "budget", "constraints", "points", "baselines", "signatures", "early_stopping",
    "gates", "sampler", "pruner", "scheduler", "resources", "stall", "retries", "revive", "targets", "stop_when", "remedies",
    "confirm",
])
# fmt: on
"""What a submitted space may have. What a later version adds may read or run something, so it is not among them by itself."""
PLACES = ("options", "params", "points", "baselines", "gates")
"""Where a space may hold text that a trainer takes."""
ARGUMENTS = ("command", "style", "lists", "booleans", "names")
"""Options of a command that a submitted space may give."""


class Refused(UserError):
    """What was asked for cannot be done: `problems`, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Checked:
    """A space that may run: ``text`` is what is searched, ``sent`` what was sent, ``source`` the file of one of the catalogue."""

    space: Space
    text: str
    sent: str
    source: str = ""


def new_id() -> str:
    """An id that nobody has, and nobody guesses."""
    return "".join(secrets.choice(LETTERS) for _letter in range(12))


def digest(request: Submit) -> str:
    """What tells a request from another one."""
    return hashlib.sha256(json.dumps(request.model_dump(), sort_keys=True).encode()).hexdigest()


def submitted(request: Submit, catalogue: Catalogue, owner: str, uploads: Path, now: float, key: str | None = None) -> Entry:
    """The search that is asked for; `Refused` with everything that is wrong."""
    checked = _of_catalogue(request.space, catalogue) if request.space is not None else sent(request, catalogue, uploads)
    space, limits = checked.space, catalogue.limits
    trials = request.trials or space.trials
    problems = [*_beyond(space, trials, request, catalogue), *targets.problems(request.notify, catalogue.notices)]
    if problems:
        raise Refused(problems)
    resources = space.resources
    wants = request.workers or resources.most_workers or _fitting(space, catalogue)
    timeout = request.timeout or space.timeout
    overrides: dict[str, Any] = {name: getattr(request, name) for name in ("trials", "seed", "workers", "timeout")}
    overrides["notify"] = list(request.notify) or None
    ident, name = new_id(), request.name or space.name
    return Entry(
        id=ident,
        owner=owner,
        name=name,
        study=f"{name}-{ident}",
        question=space.question,
        space=checked.text,
        trials=trials,
        wants=1 if catalogue.inline else max(1, min(wants, _fitting(space, catalogue), trials * space.seeds)),
        created=now,
        source=checked.source,
        overrides={key: value for key, value in overrides.items() if value is not None}
        | {"timeout": min(timeout or limits.timeout, limits.timeout)},
        priority=request.priority,
        cpus=resources.cpus,
        gpus=resources.gpus,
        language=messages.language(),
        request_key=key,
        request_digest=digest(request),
    )


def validated(text: str, name: str, catalogue: Catalogue, uploads: Path) -> Validation:
    """What is wrong with a space, all of it."""
    try:
        request = Submit.model_construct(space=None, yaml=text, name=name, trials=None, timeout=None, workers=None, seed=None)
        space = sent(request, catalogue, uploads).space
        problems = [*_beyond(space, space.trials, request, catalogue)]
    except Refused as error:
        return Validation(problems=error.problems)
    parameters = [leaf.name for leaf in space.leaves]
    return Validation(problems=problems, question=space.question, trials=space.trials, parameters=parameters)


def _of_catalogue(name: str, catalogue: Catalogue) -> Checked:
    path = catalogue.spaces.get(name)
    if path is None:
        text = _("there is no space {name} in the catalogue")
        raise Refused([text.format(name=repr(name)) + hint(name, catalogue.spaces)])
    try:
        space = spaces.load(str(path))
    except SpaceError as error:
        raise Refused(str(error).splitlines()) from error
    return Checked(space, space.text, space.text, "" if path.parent == yaml_text.FOLDER else str(path))


def sent(request: Submit, catalogue: Catalogue, uploads: Path) -> Checked:
    """The space that was sent as YAML; `Refused` with everything that is wrong with it, and that the catalogue does not allow."""
    text, name = request.yaml or "", request.name or "space"
    problems = Problems("space")
    if len(text.encode()) > yaml_text.BYTES:
        raise Refused([_("space: is larger than the {size} KiB that a space may have").format(size=yaml_text.BYTES // 1024)])
    rows = yaml_text.parse(text, problems)
    if rows is None or problems.lines:
        raise Refused(problems.lines)
    policy = _Policy(catalogue, uploads, problems)
    allowed = policy.applied(rows)
    if not policy.knows_trainer:
        raise Refused(problems.lines)
    try:
        space = spaces.load(allowed, name)
    except SpaceError as error:
        said = [line.replace(f"{name}: ", "space: ", 1) for line in str(error).splitlines()]
        raise Refused([*problems.lines, *said]) from error
    if problems.lines:
        raise Refused(problems.lines)
    return Checked(space, text if allowed == rows else space.text, text)


def _fitting(space: Space, catalogue: Catalogue) -> int:
    """How many workers of the space the machine or cluster holds."""
    by_gpus = catalogue.gpus / space.resources.gpus if space.resources.gpus else float("inf")
    return int(min(catalogue.cpus / space.resources.cpus, by_gpus) + 1e-9)


def _beyond(space: Space, trials: int, request: Submit, catalogue: Catalogue) -> Iterator[str]:
    """What is asked for beyond the limits, a sentence each."""
    limits = catalogue.limits
    if trials * space.seeds > limits.trials:
        text = _("trials: {given} trainings are more than the {limit} that a search may have here: give fewer trials or seeds")
        yield text.format(given=trials * space.seeds, limit=limits.trials)
    if space.epochs > limits.epochs:
        text = _("{unit}: {given} is more than the {limit} that a trial may have here: give fewer")
        yield text.format(unit=space.unit, given=space.epochs, limit=limits.epochs)
    if (request.timeout or 0) > limits.timeout:
        text = _("timeout: {given:g} s are more than the {limit:g} s that a search may take here: give fewer")
        yield text.format(given=request.timeout, limit=limits.timeout)
    if not _fitting(space, catalogue):
        text = _("resources: a worker of {cpus:g} CPUs and {gpus:g} GPUs does not fit into {all_cpus:g} and {all_gpus:g} here")
        resources = space.resources
        yield text.format(cpus=resources.cpus, gpus=resources.gpus, all_cpus=catalogue.cpus, all_gpus=catalogue.gpus)
    if space.confirm is not None and space.confirm.top * space.confirm.seeds > limits.trials:
        text = _("confirm: {given} trainings are more than the {limit} that a search may have here: give fewer")
        yield text.format(given=space.confirm.top * space.confirm.seeds, limit=limits.trials)


class _Policy:
    """Finds what a submitted space names beyond the catalogue, and puts the places of uploads and commands into it."""

    def __init__(self, catalogue: Catalogue, uploads: Path, problems: Problems) -> None:
        self._catalogue, self._uploads, self._problems = catalogue, uploads, problems
        self.knows_trainer = False

    def applied(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """The space as it may run, with what it may not noted as problems."""
        found = dict(rows)
        self._sections(found)
        self._trainer(found)
        self._named_studies(found)
        for place in PLACES:
            if place in found and not (place == "options" and found.get("trainer") == COMMAND):
                found[place] = self._value(found[place], place)
        return found

    def _trainer(self, rows: dict[str, Any]) -> None:
        name, known = rows.get("trainer"), self._catalogue.trainers
        if name == COMMAND and self._catalogue.commands:
            self.knows_trainer = True
            rows["options"] = self._command(rows.get("options"))
        elif isinstance(name, str) and name in known:
            self.knows_trainer = True
            rows["trainer"] = name if known[name].startswith("pitprop.trainers.") else known[name]
        else:
            said = _("{trainer} is not a trainer that a submitted space may name here").format(trainer=shown(name))
            more = ""
            if name == COMMAND:
                more = _("; the operator allows commands by `pitprop serve --catalogue FILE` with `commands:`")
            elif isinstance(name, str) and (name.endswith(".py") or "/" in name):
                more = _("; the operator allows files of trainers by `pitprop serve --catalogue FILE` with `trainers:`")
            self._problems.add("trainer", said + hint(str(name), known) + more)

    def _command(self, options: Any) -> Any:
        """The options of a command whose first word is a name of the catalogue's; the operator says what it stands for."""
        given = options if isinstance(options, Mapping) else {}
        for key in given:
            if key not in ARGUMENTS:
                said = _("is not allowed in a submitted space; a command takes {known} here")
                self._problems.add(f"options.{key}", said.format(known=", ".join(ARGUMENTS)))
        words = given.get("command")
        first = words[0] if isinstance(words, list) and words else None
        command = self._catalogue.commands.get(first) if isinstance(first, str) else None
        if command is None or not isinstance(words, list):
            said = _("begins with the name of a command of the catalogue, not with {word}").format(word=shown(first))
            self._problems.add("options.command", said + hint(str(first), self._catalogue.commands))
            return options
        rest = [self._value(word, f"options.command[{place}]") for place, word in enumerate(words[1:], 1)]
        return {**given, "command": [*command.command, *rest], "cwd": command.cwd}

    def _sections(self, rows: Mapping[str, Any]) -> None:
        """Notes the sections that a space of the operator's may have, and a submitted one may not."""
        for key in (one.name for one in dataclasses.fields(Document) if one.name not in SECTIONS):
            if key in rows:
                said = _("is not allowed in a submitted space: it would read or install what is not the submitter's to choose")
                self._problems.add(key, said)

    def _named_studies(self, rows: Mapping[str, Any]) -> None:
        """Notes other studies and runs that baselines would read: they are somebody's."""
        baselines = rows.get("baselines")
        said = _("is not allowed in a submitted space: it would read what may be somebody else's")
        for name, row in baselines.items() if isinstance(baselines, Mapping) else ():
            for key in ("study", "mlflow"):
                if isinstance(row, Mapping) and row.get(key) is not None:
                    self._problems.add(f"baselines.{name}.{key}", said)

    def _value(self, value: Any, place: str) -> Any:
        if isinstance(value, Mapping):
            return {key: self._value(one, f"{place}.{key}") for key, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, f"{place}[{index}]") for index, one in enumerate(value)]
        return self._text(value, place) if isinstance(value, str) else value

    def _text(self, value: str, place: str) -> str:
        """A text as it may stand there: an upload by its path, no other path outside of the folders that are allowed."""
        key = place.rpartition(".")[2]
        if _is_metric(place):
            return value
        if value.startswith(UPLOAD):
            return self._upload(value.removeprefix(UPLOAD), place)
        takes_path = place.startswith("options.") and key in FILES and value not in WORDS
        if not takes_path and not _is_path(value):
            return value
        if self._is_within(value):
            return value
        text = _("{value} is a path, and a submitted space may name only uploaded files here, as upload:NAME")
        self._problems.add(place, text.format(value=shown(value)))
        return value

    def _is_within(self, value: str) -> bool:
        """Whether the path lies in a folder that the operator allows, wherever its links lead."""
        if not value.startswith("/") or "\0" in value:
            return False
        return any(Path(value).resolve().is_relative_to(folder) for folder in self._catalogue.folders)

    def _upload(self, name: str, place: str) -> str:
        known = sorted(one.name for one in self._uploads.iterdir()) if self._uploads.is_dir() else []
        if name in known:
            return str(self._uploads / name)
        self._problems.add(place, _("there is no uploaded file {name}").format(name=repr(name)) + hint(name, known))
        return name


def _is_path(value: str) -> bool:
    return any(sign in value for sign in ("/", "\\", "\0")) or value.startswith("~") or value in (".", "..")


def _is_metric(place: str) -> bool:
    """Whether a metric or a word for people stands there, which may have a slash."""
    parts = place.replace("[", ".").split(".")
    return parts[0] == "gates" and parts[-1] in ("metric", "remedy", "baseline")
