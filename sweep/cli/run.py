"""The command `run`: a sweep here, or on the cluster of a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from sweep.cli.interrupts import INTERRUPTED, interruptible

__all__ = ["run"]

_KILLED = (
    "the sweep's driver was ended from outside: a process of Ray has died (logs: {logs}), or the "
    "system has killed it, as it does when memory runs out; what is on record is kept, and the same command resumes"
)


def run(options: argparse.Namespace, console: Console) -> int:
    """Run or resume the sweep; the exit code. SIGTERM ends it as cleanly as Ctrl-C does."""
    with interruptible():
        return _there(options, console) if options.cluster else _here(options, console)


def _here(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.last_words import last_words
    from sweep.cli.run_summary import command, print_run_summary
    from sweep.display.progress import Progress
    from sweep.driver import run as drive
    from sweep.execution.private_ray import logs_folder
    from sweep.ledger.directory import SweepDirectory
    from sweep.scheduling.ending import End
    from sweep.spec.reader import load_spec

    spec = load_spec(options.spec, options.set)
    directory = SweepDirectory(Path(options.dir) / spec.name)
    with last_words(f"{_KILLED.format(logs=logs_folder())}: {command(options)}"):
        result = drive(spec, directory, address=options.address, display=Progress(console))
    print_run_summary(console, spec, directory, result, options)
    if result.ending.end is End.INTERRUPTED:
        return INTERRUPTED
    return 0 if result.report is not None else 1  # else a script would copy the report of an earlier run


def _there(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.run_summary import command
    from sweep.remote.commands import run_on

    return run_on(options.cluster, options.spec, options.set, command(options), console)
