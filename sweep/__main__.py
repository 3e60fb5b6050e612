"""`python -m sweep`, and the console command `few-shot-sweep`."""

import os
import signal
import sys
from contextlib import suppress

from sweep.hiding import hidden_modules

__all__ = ["start"]


def start() -> None:
    """Run the command that was typed, and end the process with its exit code."""
    if hidden := hidden_modules():
        sys.stderr.write(f"{hidden}\n")
        sys.exit(2)
    import logging

    from sweep.cli.commands import main

    code = main()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # all is done: it ends at once, and by its own exit code
    logging.shutdown()
    for output in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more, or it is closed
            output.flush()
    # Ray's and MLflow's exit handlers wait for servers that may be gone. All that must be kept is on disk.
    os._exit(code)


if __name__ == "__main__":
    start()
