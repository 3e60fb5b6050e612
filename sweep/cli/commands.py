"""The command line: `python -m sweep run`, and what else can be done with a sweep."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from sweep.cli.interrupts import INTERRUPTED, interruptible
from sweep.cli.parser import parsed
from sweep.display.lossy_output import LossyOutput
from sweep.errors import SpecError, SweepError, SweepFailedError
from trainable.errors import TrainableError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 1 if the sweep failed, 2 for a mistake in what was given, 130 after Ctrl-C."""
    options = parsed(arguments)  # before anything is imported that takes time
    from sweep.display.console import CommandConsole
    from trainable.plugins import check_plugins

    output = LossyOutput(sys.stdout) if options.command == "run" else sys.stdout  # a sweep needs no reader
    console = CommandConsole(cast(TextIO, output))
    try:
        _check_folder()
        check_plugins()
        code = int(_COMMANDS[options.command](options, console))
        output.flush()
        return code
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left, as `| head` does; there is nobody to tell
        return 0
    except (SweepError, TrainableError, OSError, KeyboardInterrupt) as error:
        return _complain(*_told(error))


def _told(error: BaseException) -> tuple[str, int]:
    """What is told of an error that ends a command, and the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, SpecError):
        count = len(error.mistakes)
        return "\n".join(error.mistakes) + f"\n{count} mistake{'s' if count != 1 else ''} in the spec", 2
    if isinstance(error, SweepError | TrainableError):
        return str(error), 1 if isinstance(error, SweepFailedError) else 2
    rule = "a command must be able to read its files and to write what it says"
    return f"{rule}; this machine refuses: {error}; make room or allow it, and give the command again", 2


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise SweepError("a command needs a folder to run in; the current one was deleted; `cd` to another") from error


def _run(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.run import run

    return run(options, console)


def _plan(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.plan import print_plan
    from sweep.remote.cluster_file import read_cluster_file
    from sweep.spec.reader import load_spec

    cluster = read_cluster_file(options.cluster) if options.cluster else None
    print_plan(
        console,
        load_spec(options.spec, options.set),
        timed=not options.no_timing,
        root=Path(options.dir),
        cluster=cluster,
        training_seconds=options.training_seconds,
    )
    return 0


def _status(options: argparse.Namespace, console: Console) -> int:
    if options.cluster:
        return _on_cluster(options, console, "status", options.sweep)
    from sweep.display.cells_table import print_cells
    from sweep.ledger.stored import find_stored, read_stored
    from sweep.spec.cells import cells
    from sweep.stored import is_abandoned

    spec, ledger = read_stored(options.sweep, Path(options.dir))
    print_cells(console, ledger.results(), [cell.key for cell in cells(spec)])
    if is_abandoned(ledger, find_stored(options.sweep, Path(options.dir))[0]):
        why = "it was killed, or runs on another machine"
        console.print(f"note: no driver holds this folder: {why}; the command that began it resumes it", soft_wrap=True)
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


def _refit(options: argparse.Namespace, console: Console) -> int:
    from sweep.cli.refit import refit

    return refit(options, console)


def _predict(options: argparse.Namespace, console: Console) -> int:
    from sweep.refitting import answer

    file = Path(options.file)
    out = Path(options.out) if options.out else file.parent / f"{file.stem}.answers.csv"
    columns = {"text": options.text, "pair": options.pair, "id_column": options.id}
    said = answer(Path(options.folder), file, out, **columns, abstain_below=options.abstain_below)
    console.print(said, soft_wrap=True)
    return 0


def _explain(options: argparse.Namespace, console: Console) -> int:
    from sweep.explain import explain_stored
    from trainable.quiet import quiet

    def told(said: str) -> None:
        console.print(f"{'explain':<11}{said}", markup=False, soft_wrap=True)

    with quiet():
        explanation = explain_stored(
            options.sweep,
            Path(options.dir),
            arm=options.arm,
            out=Path(options.out) if options.out else None,
            texts=Path(options.texts) if options.texts else None,
            unlabelled=Path(options.unlabelled) if options.unlabelled else None,
            most=options.next or 20,
            draws=options.draws,
            told=told,
        )
    console.print(f"{explanation.cell}: {explanation.sentence}", soft_wrap=True)
    console.print(f"{'page':<11}{explanation.page}   (beside it: doubtful_labels.csv and more)", soft_wrap=True)
    if not options.out:
        again = shlex.join(["python", "-m", "sweep", "sync", options.sweep])
        console.print(f"{'MLflow':<11}{again}   (brings it there, with the texts that it shows)", soft_wrap=True)
    return 0


def _check(options: argparse.Namespace, console: Console) -> int:
    from sweep.check import check_stored

    checks = check_stored(
        options.sweep,
        options.against,
        Path(options.dir),
        margin=options.margin,
        arm=options.arm,
        old_arm=options.old_arm,
    )
    for each in checks:
        console.print(each.sentence, soft_wrap=True)
    passed = all(each.passed for each in checks)
    console.print("passed" if passed else f"failed: {sum(not each.passed for each in checks)} of {len(checks)}")
    return 0 if passed else 1


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

    with interruptible(closed=True):
        return browse(tracking_uri(None), options.port or 5000, console)


def _fetch(options: argparse.Namespace, console: Console) -> int:
    from sweep.remote.fetching import fetch_from

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
    "refit": _refit,
    "explain": _explain,
    "predict": _predict,
    "check": _check,
    "sync": _sync,
    "fetch": _fetch,
    "export": _export,
    "import": _import,
    "schema": _schema,
}


def _complain(message: str, code: int) -> int:
    """Tell what is wrong, without control characters: a file's name or a column's could hold a terminal's commands."""
    shown = "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in message)
    print(shown, file=sys.stderr)  # noqa: T201
    return code
