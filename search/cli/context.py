"""Load a study for a command; print its summary."""

from __future__ import annotations

from dataclasses import replace

from pitprop.addresses import Addresses, addresses
from pitprop.cli.options import StudyOptions
from pitprop.cli.output import print_command, print_json
from pitprop.messages import _, ngettext
from pitprop.results.baselines import looked_up
from pitprop.results.opening import results_of
from pitprop.results.results import Results
from pitprop.space import Space
from pitprop.study.record import State
from pitprop.study.source import Repeat, find_space, next_command, shown_path, space_word
from pitprop.study.stored import read_study
from rich.console import Console


def open_space(options: StudyOptions, seed: int | None = None, *, ask: bool = False) -> tuple[Space, Addresses]:
    """The space that is asked for, with the numbers of its baselines, and where its study is; ``seed`` is in place of its own.

    Only if ``ask`` is True is MLflow asked for numbers that are not known yet. `UserError` if there is no such space.
    """
    where = addresses(options.runs, options.ray)
    space, _stored = find_space(options.space, where)
    return looked_up(space if seed is None else replace(space, seed=seed), where, ask=ask), where


def open_study(options: StudyOptions, seed: int | None = None, *, ask: bool = False) -> Results:
    """The study that is asked for as it stands; as `open_space`, with the seed of the study itself unless one is given.

    `UserError` if there is no study yet, or if it was made with a space that means something else.
    """
    where = addresses(options.runs, options.ray)
    space, stored = find_space(options.space, where)
    return results_of(space, where, stored or read_study(where, space.name), seed, ask=ask)


def conclude(console: Console, results: Results, *, json: bool, repeat: Repeat | None = None, full: bool = False) -> None:
    """The summary, for a person or as ``json`` for a script; ``repeat`` are the flags with which trainings were run.

    Unless it is ``full`` the answer and the next commands take a screen at most.
    """
    from pitprop.views import words
    from pitprop.views.content import Content
    from pitprop.views.terminal.status import print_status

    space, where, summary, sure = results.space, results.where, results.summary, results.confirmation
    repeat = repeat or Repeat()
    if json:
        told = {"confirmation": sure, "by_parameter": results.ablation}
        print_json(summary.to_json() | {name: one.to_json() if one is not None else None for name, one in told.items()})
        return
    content = Content.of(results)
    print_status(console, content, full=full)
    if full:
        folder = shown_path(where.folder(space.name))
        console.print(_("Curves and checkpoints: {folder}").format(folder=folder), style="dim", soft_wrap=True, markup=False)
        if space.path:
            console.print(_("Space: {path}").format(path=space_word(space.path)), style="dim", soft_wrap=True, markup=False)
    if results.code_changes:
        console.print(words.code_changed(results.code_changes), style="yellow", soft_wrap=True, markup=False, highlight=False)
    if (n := len(summary.waiting)) and not summary.states[State.RUNNING]:
        text = ngettext(
            "{n} trial waits for its turn; with more `budget` or time this takes it up:",
            "{n} trials wait for their turn; with more `budget` or time this takes them up:",
            n,
        )
        print_command(console, text.format(n=n), next_command("search", space, where, *repeat.words("search")))
    if content.advice.doubtful is not None:
        given = (str(content.advice.doubtful), *repeat.words("revive"))
        text = _("A rule of your own stopped {trial}, not a verdict; to continue it:")
        if results.records[content.advice.doubtful].collapsed:
            text = _("If you doubt that {trial} was hopeless:")
        command = next_command("revive", space, where, *given)
        print_command(console, text.format(trial=words.trial(content.advice.doubtful)), command)
    if summary.best and sure is None and not content.hopeless:
        confirm = next_command("confirm", space, where, *repeat.words("confirm"))
        print_command(console, _("Is the best really better?"), confirm)
    if not full and (summary.pruned or summary.warned or sure is not None):
        print_command(console, _("Every reason, warning and interval:"), next_command("status", space, where, "--full"))
    print_command(console, _("Open the runs:"), next_command("ui", space, where))
