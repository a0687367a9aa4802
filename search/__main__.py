"""Begins the command ``pitprop``: what is typed as that, and as ``python -m pitprop``. Ctrl-C ends it in a line."""

import sys

INTERRUPTED = 130


def main() -> int:
    """Runs the command line; its exit code. Nothing is imported before an interrupt is met, nor to tell of it."""
    try:
        from pitprop.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        print("pitprop: interrupted", file=sys.stderr)  # in English: the language in force is not known yet
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
