"""The command line: `python -m sweep run`, and what else can be done with a sweep."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sweep.errors import SpecError, SweepError, SweepFailedError
from sweep.ledger.directory import SweepDirectory
from sweep.spec.reader import PRESETS, load_spec
from trainable.errors import TrainableError

__all__ = ["main"]

INTERRUPTED = 130

_KILLED = (
    "the sweep's driver was ended from outside: a process of Ray has died (logs: /tmp/ray/session_latest/logs), or the "
    "system has killed it, as it does when memory runs out; what is on record is kept, and the same command resumes"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 1 if the sweep failed, 2 for a mistake in what was given, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    # A pipe has no width: long lines are better there than folded ones.
    # Names come from specs and folders: brackets in them are no markup.
    width = None if sys.stdout.isatty() else 200
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    try:
        _check_folder()
        return int(_COMMANDS[options.command](options, console))
    except SweepFailedError as error:
        return _complain(str(error), 1)
    except SpecError as error:
        count = len(error.mistakes)
        return _complain("\n".join(error.mistakes) + f"\n{count} mistake{'s' if count != 1 else ''} in the spec", 2)
    except (SweepError, TrainableError) as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left, as `| head` does; there is nobody to tell
        return 0


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise SweepError("a command needs a folder to run in; the current one was deleted; `cd` to another") from error


def _run(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.last_words import last_words
    from sweep.cli.progress import Progress
    from sweep.cli.run_summary import command, print_run_summary
    from sweep.run import run
    from sweep.scheduling.ending import End

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends a sweep as cleanly as Ctrl-C does
    if options.cluster:
        from sweep.remote.commands import run_on

        return run_on(options.cluster, options.spec, options.set, command(options), console)
    spec = load_spec(options.spec, options.set)
    directory = SweepDirectory(Path(options.dir) / spec.name)
    _log_to(directory)
    with last_words(f"{_KILLED}: {command(options)}"):
        result = run(spec, directory, address=options.address, display=Progress(console))
    print_run_summary(console, spec, directory, result, options)
    return INTERRUPTED if result.ending.end is End.INTERRUPTED else 0


def _plan(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.plan import print_plan
    from sweep.remote.cluster_file import read_cluster_file

    cluster = read_cluster_file(options.cluster) if options.cluster else None
    print_plan(
        console,
        load_spec(options.spec, options.set),
        timed=not options.no_timing,
        cluster=cluster,
        training_seconds=options.training_seconds,
    )
    return 0


def _status(options: argparse.Namespace, console: Console) -> int:
    if options.cluster:
        return _on_cluster(options, console, "status", options.sweep)
    from sweep.cli.cells_table import print_cells
    from sweep.ledger.stored import read_stored
    from sweep.spec.cells import cells

    spec, ledger = read_stored(options.sweep, Path(options.dir))
    print_cells(console, ledger.results(), [cell.key for cell in cells(spec)])
    return 0


def _on_cluster(options: argparse.Namespace, console: Console, *words: str) -> int:
    from sweep.remote.commands import execute_on

    return execute_on(options.cluster, console, *words)


def _report(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.run_summary import print_verdict
    from sweep.report import write_report
    from sweep.stored import report_stored
    from sweep.tracking import fetch_results, tracking_uri

    out = Path(options.out) if options.out else None
    if options.cluster:
        from sweep.remote.commands import report_on

        return report_on(options.cluster, options.sweep, out or Path(options.dir) / options.sweep / "report", console)
    if options.mlflow:
        results = fetch_results(options.sweep, tracking_uri(None))
        report = write_report(results, out or Path(options.dir) / results.sweep.name / "report")
    else:
        report = report_stored(options.sweep, Path(options.dir), out)
    print_verdict(console, report)
    return 0


def _sync(options: argparse.Namespace, console: Console) -> int:
    from sweep.stored import sync_stored

    console.print(sync_stored(options.sweep, Path(options.dir)))
    return 0


def _stop(options: argparse.Namespace, console: Console) -> int:
    if options.cluster:
        return _on_cluster(options, console, "stop", options.sweep, *(["--now"] if options.now else []))
    from sweep.scheduling.stop_requests import Stop
    from sweep.stored import stop_stored

    def told(sentence: str) -> None:
        console.print(sentence, markup=False, soft_wrap=True)

    told(stop_stored(options.sweep, Path(options.dir), Stop.NOW if options.now else Stop.GENTLY, told=told))
    return 0


def _ui(options: argparse.Namespace, console: Console) -> int:
    if options.cluster:
        from sweep.remote.commands import browse_on

        return browse_on(options.cluster, options.port, console)
    from sweep.tracking import tracking_uri
    from sweep.tracking.browse import browse

    return browse(tracking_uri(None), options.port or 5000, console)


def _fetch(options: argparse.Namespace, console: Console) -> int:
    from sweep.remote.commands import fetch_from

    fetch_from(options.cluster, options.sweep, Path(options.dir), console)
    return 0


def _export(options: argparse.Namespace, console: Console) -> int:
    from sweep.ledger.exporter import export_sweep

    console.print(export_sweep(options.sweep, Path(options.dir), Path(options.file)), markup=False, soft_wrap=True)
    return 0


def _import(options: argparse.Namespace, console: Console) -> int:
    from sweep.ledger.importer import import_sweep

    console.print(import_sweep(Path(options.file), Path(options.dir), options.ledger), markup=False, soft_wrap=True)
    return 0


def _schema(options: argparse.Namespace, console: Console) -> int:
    from sweep.spec.reader import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return 0


_COMMANDS = {
    "run": _run,
    "plan": _plan,
    "status": _status,
    "stop": _stop,
    "report": _report,
    "ui": _ui,
    "sync": _sync,
    "fetch": _fetch,
    "export": _export,
    "import": _import,
    "schema": _schema,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sweep",
        description="Find out which way of training a classifier works on few labels, and believe the answer.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a sweep, or resume it")
    plan = commands.add_parser("plan", help="show what a sweep would do and how long it would take")
    for command in (run, plan):
        command.add_argument(
            "spec",
            nargs="?",
            default="quickstart",
            help=f"a YAML file, or a preset: {', '.join(PRESETS)} (default: quickstart)",
        )
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="override a field of the spec"
        )
    plan.add_argument("--cluster", metavar="FILE", help="plan for the machines of this cluster's file")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--cluster", metavar="FILE", help="run it on the cluster that `ray up FILE` has started")
    where.add_argument("--address", help="the Ray cluster to join (default: RAY_ADDRESS, else Ray on this machine)")
    run.add_argument("--dir", default="sweeps", help="the folder that holds the sweeps (default: ./sweeps)")
    for name in ("--called", "--via"):  # what was typed, and the cluster's file, on the machine of who began it
        run.add_argument(name, default="", help=argparse.SUPPRESS)
    pace = plan.add_mutually_exclusive_group()
    pace.add_argument("--no-timing", action="store_true", help="skip the timed training step")
    pace.add_argument(
        "--training-seconds", type=_positive, metavar="S", help="what one training takes there, instead of the timing"
    )
    _add_stored(commands)
    commands.add_parser("schema", help="print the JSON schema of specs, for editors")
    return parser


def _add_stored(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands on sweeps that have begun."""
    status = commands.add_parser("status", help="show what a running or finished sweep has found")
    stop = commands.add_parser("stop", help="stop a running sweep, from another terminal or machine; it can be resumed")
    stop.add_argument("--now", action="store_true", help="do not wait for the replicates that run")
    report = commands.add_parser("report", help="write the report of a sweep: a page, its tables and figures")
    report.add_argument("--mlflow", action="store_true", help="make it from the MLflow store alone, without the ledger")
    report.add_argument("--out", metavar="DIR", help="the folder to write (default: `report` in the sweep's folder)")
    ui = commands.add_parser("ui", help="browse the runs in MLflow")
    ui.add_argument("--port", type=int, help="the port of this machine's loopback (default: 5000; on a cluster: any)")
    sync = commands.add_parser("sync", help="push to MLflow what is missing there")
    fetch = commands.add_parser("fetch", help="bring a sweep from a cluster to this machine, its runs included")
    fetch.add_argument("--cluster", metavar="FILE", required=True, help="the cluster's file")
    export = commands.add_parser("export", help="write a sweep, with all of its ledger, into one JSON file")
    for command in (status, stop, report, ui):
        command.add_argument("--cluster", metavar="FILE", help="on the cluster that `ray up FILE` has started")
    for command in (status, stop, report, sync, fetch, export):
        command.add_argument("sweep", metavar="NAME|DIR", help="a sweep's name, or its folder")
    into = commands.add_parser("import", help="take a sweep from such a file into a new ledger")
    into.add_argument("--ledger", metavar="URL", help="a postgresql:// address (default: a journal file in its folder)")
    for command in (export, into):
        command.add_argument("file", metavar="FILE", help="the JSON file")
    for command in (status, stop, report, sync, fetch, export, into):
        command.add_argument("--dir", default="sweeps", help="the folder that holds the sweeps (default: ./sweeps)")


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0; received {text}")
    return number


def _log_to(directory: SweepDirectory) -> None:
    directory.create()
    logging.raiseExceptions = False  # a log that cannot be written is no news beside the sweep's own
    handler = logging.FileHandler(directory.log, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("sweep")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _complain(message: str, code: int) -> int:
    """Tell what is wrong, without control characters: a file's name or a column's could hold a terminal's commands."""
    shown = "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in message)
    print(shown, file=sys.stderr)  # noqa: T201
    return code
