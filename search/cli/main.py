"""The command ``pitprop``: runs one of its subcommands, and says in a sentence what went wrong."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from types import FrameType

from pitprop import messages
from pitprop.__main__ import INTERRUPTED
from pitprop.addresses import PRIVATE
from pitprop.cli import commands  # noqa: F401  (which has those of this machine)
from pitprop.cli.command import COMMANDS, Command
from pitprop.cli.parser import Parser, formatted, parsed, version
from pitprop.cli.server import asking, operating  # noqa: F401  (which have those of a server)
from pitprop.errors import UserError
from pitprop.messages import _


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code: 0 done, 1 an error, 2 wrong usage, 130 interrupted, 143 terminated.

    Of ``diagnose`` 1 is a training that is dead, and 2 an error, or one that could not be judged.
    """
    given = parsed(_parser(), arguments)
    called = COMMANDS[given.command]
    if isinstance(sys.stdout, TextIOWrapper):  # where the terminal takes ASCII alone, größe is gr\xf6\xdfe
        sys.stdout.reconfigure(errors="backslashreplace")
    messages.set_language(given.lang)
    signal.signal(signal.SIGTERM, _terminate)
    mask = os.umask(PRIVATE)
    resume = "; " + _("what was finished is kept, and the same command resumes from there") if called.trains else ""
    try:
        return _run(called, given)
    except KeyboardInterrupt:
        if called.trains:
            print("pitprop: " + _("interrupted") + resume, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if (sentence := _sentence(error)) is None:
            raise
        print(f"pitprop: {sentence}{'' if isinstance(error, UserError) else resume}", file=sys.stderr)
        return called.error
    finally:
        os.umask(mask)


def _run(called: Command, given: Namespace) -> int:
    """Runs a command; whoever follows its events is told that it runs, and how it ended: else it was killed."""
    path: Path | None = getattr(given, "events", None)
    if path is None:
        return called.run(given)
    if given.start is None:
        return _followed(called, given, path)
    from pitprop.service.running import fencing

    with fencing.kept_to(given.start, Path(given.runs)):
        return _followed(called, given, path)


def _followed(called: Command, given: Namespace, path: Path) -> int:
    from pitprop.driver import journal

    journal.write(path, "joined", {"pid": os.getpid()})
    left: dict[str, str | int] = {"how": "interrupted"}
    try:
        code = called.run(given)
        left = {"how": "interrupted" if code == INTERRUPTED else "ended", "code": code}
        return code
    except Exception as error:
        said = _sentence(error)
        how, kind = "bug" if said is None else "error", type(_first(error)).__name__
        left = {"how": how, "class": kind, "said": _message(error) or said or str(error)}
        raise
    finally:
        journal.write(path, "left", left)


def _message(error: Exception) -> messages.Message | None:
    """What is told of an error in the language of who reads it, if it is told so."""
    said = error.args[0] if isinstance(error, UserError) and error.args else None
    return said if isinstance(said, messages.Message) else None


def _first(error: BaseException) -> BaseException:
    """The error of ours that another was made of: what opens a study says `StudyError`, and why may pass."""
    while isinstance(error.__cause__, UserError):
        error = error.__cause__
    return error


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _sentence(error: Exception) -> str | None:
    """What a user is told of an error that is not a bug of ours; None if it is one."""
    if isinstance(error, UserError):
        return str(messages.localized(error.args[0])) if error.args else str(error)
    if isinstance(error, ModuleNotFoundError) and not (error.name or "pitprop").startswith("pitprop"):
        text = _("{python} has no {name}, which pitprop needs: pip install pitprop for it, or start another Python (PATH)")
        return text.format(python=sys.executable, name=error.name)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{where}"
    if type(error).__module__.split(".")[0] in ("sqlalchemy", "sqlite3") or type(error).__name__ == "StorageInternalError":
        cause = error.__cause__ or error
        return _("the study database failed ({reason})").format(reason=str(getattr(cause, "orig", cause)).splitlines()[0])
    return None


def _parser() -> Parser:
    parser = Parser(prog="pitprop", description="Search hyperparameters; stop collapsed trainings, and say why.")
    version(parser)
    added = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, one in COMMANDS.items():
        command = added.add_parser(name, **formatted(name, one.summary))
        for flags in one.flags:
            flags(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
