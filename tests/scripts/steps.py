"""A training that does as it is told: ``python steps.py WORD ...`` goes through the words.

A number is an epoch's validation loss, ``report:LOSS`` the same by `pitprop.reporting`; ``say:TEXT`` prints, ``err:TEXT`` prints
to stderr; ``wait:FILE`` waits for a file; ``raise:TEXT`` raises, ``exit:CODE`` ends, and ``hang`` does not.
"""

import sys
import time
from pathlib import Path

epoch = 0
for word in sys.argv[1:]:
    what, _, rest = word.partition(":")
    if what == "wait":
        while not Path(rest).exists():
            time.sleep(0.01)
    elif what == "say":
        print(rest)
    elif what == "err":
        print(rest, file=sys.stderr)
    elif what == "raise":
        raise RuntimeError(rest)
    elif what == "exit":
        sys.exit(int(rest))
    elif what == "hang":
        time.sleep(600)
    elif what == "report":
        from pitprop.reporting import report

        epoch += 1
        report(epoch, loss=2 * float(rest), **{"val/loss": float(rest)})
    else:
        epoch += 1
        print(f"epoch {epoch}: val loss {what}")
