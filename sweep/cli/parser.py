"""The commands and their options, as they are typed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from math import inf, nan
from typing import TypeAlias

from sweep.spec.presets import PRESETS

__all__ = ["command_parser", "parsed"]

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


_SWEEPS = "sweeps"
_ON_HEAD = ("run", "plan", "status", "stop", "refit")  # what finds or puts sweeps on the head of a cluster


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was typed. Ends the process with code 2, as for all misuse, for an option that would count for nothing."""
    parser = command_parser()
    options = parser.parse_args(arguments)
    if said := _without_effect(options):
        parser.error(said)
    return options


def _without_effect(options: argparse.Namespace) -> str:
    """What is said of an option beside another one that it has no effect with; empty where there is none."""
    if getattr(options, "cluster", None):
        if options.command in _ON_HEAD and options.dir != _SWEEPS:
            return (
                "argument --dir: not allowed with argument --cluster: sweeps of a cluster lie in ~/sweeps of its head"
            )
        if options.command == "report" and options.mlflow:
            return "argument --mlflow: not allowed with argument --cluster: its head makes the report of the ledger"
    if options.command == "explain" and options.next is not None and not options.unlabelled:
        return "argument --next: not allowed without argument --unlabelled, of whose texts it is the number"
    return ""


def command_parser() -> argparse.ArgumentParser:
    """The parser of every command and option."""
    parser = argparse.ArgumentParser(
        prog="python -m sweep",
        description="Find out which way of training a classifier works on few labels, and believe the answer.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run_and_plan(commands)
    _add_stored(commands)
    _add_predict(commands)
    commands.add_parser("schema", help="print the JSON schema of specs, for editors")
    return parser


def _add_run_and_plan(commands: _Commands) -> None:
    """The commands on a spec."""
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
    plan.add_argument("--dir", default=_SWEEPS, help="the folder of the sweeps of a warm start (default: ./sweeps)")
    plan.add_argument("--cluster", metavar="FILE", help="plan for the machines of this cluster's file")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--cluster", metavar="FILE", help="run it on the cluster that `ray up FILE` has started")
    where.add_argument("--address", help="the Ray cluster to join (default: RAY_ADDRESS, else Ray on this machine)")
    run.add_argument("--dir", default=_SWEEPS, help="the folder that holds the sweeps (default: ./sweeps)")
    for name in ("--called", "--via"):  # what was typed, and the cluster's file, on the machine of who began it
        run.add_argument(name, default="", help=argparse.SUPPRESS)
    pace = plan.add_mutually_exclusive_group()
    pace.add_argument("--no-timing", action="store_true", help="skip the timed training step")
    pace.add_argument(
        "--training-seconds", type=_positive, metavar="S", help="what one training takes there, instead of the timing"
    )


def _add_predict(commands: _Commands) -> None:
    """The command on a kept classifier."""
    predict = commands.add_parser("predict", help="classify the texts of a file by a kept classifier")
    predict.add_argument("folder", metavar="DIR", help="a folder that `refit` wrote")
    predict.add_argument("file", metavar="FILE", help="csv, tsv, json, jsonl or parquet")
    predict.add_argument("--text", default="text", metavar="COLUMN", help="the column of the texts (default: text)")
    predict.add_argument("--pair", metavar="COLUMN", help="the column of the second texts of pairs")
    predict.add_argument("--id", metavar="COLUMN", help="a column that is copied beside the answers")
    predict.add_argument("--out", metavar="FILE", help="the csv to write (default: beside the file)")
    predict.add_argument(
        "--abstain-below",
        type=_up_to(1),
        default=0.0,
        metavar="P",
        help="leave rows of a lower probability to a person",
    )


def _add_stored(commands: _Commands) -> None:
    """The commands on sweeps that have begun."""
    status = commands.add_parser("status", help="show what a running or finished sweep has found")
    stop = commands.add_parser("stop", help="stop a running sweep, from another terminal or machine; it can be resumed")
    stop.add_argument("--now", action="store_true", help="do not wait for the replicates that run")
    report = commands.add_parser("report", help="write the report of a sweep: a page, its tables and figures")
    report.add_argument("--mlflow", action="store_true", help="make it from the MLflow store alone, without the ledger")
    report.add_argument("--out", metavar="DIR", help="the folder to write (default: `report` in the sweep's folder)")
    ui = commands.add_parser("ui", help="browse the runs in MLflow")
    ui.add_argument("--port", type=_port, help="the port of this machine's loopback (default: 5000; on a cluster: any)")
    sync = commands.add_parser("sync", help="push to MLflow what is missing there")
    fetch = commands.add_parser("fetch", help="bring a sweep from a cluster to this machine, its runs included")
    fetch.add_argument("--cluster", metavar="FILE", required=True, help="the cluster's file")
    refit, explain, check = _add_refit(commands), _add_explain(commands), _add_check(commands)
    export = commands.add_parser("export", help="write a sweep, with all of its ledger, into one JSON file")
    for command in (status, stop, report, ui):
        command.add_argument("--cluster", metavar="FILE", help="on the cluster that `ray up FILE` has started")
    for command in (status, stop, report, refit, explain, check, sync, fetch, export):
        command.add_argument("sweep", metavar="NAME|DIR", help="a sweep's name, or its folder")
    into = commands.add_parser("import", help="take a sweep from such a file into a new ledger")
    into.add_argument("--ledger", metavar="URL", help="a postgresql:// address (default: a journal file in its folder)")
    for command in (export, into):
        command.add_argument("file", metavar="FILE", help="the JSON file")
    for command in (status, stop, report, refit, explain, check, sync, fetch, export, into):
        command.add_argument("--dir", default=_SWEEPS, help="the folder that holds the sweeps (default: ./sweeps)")


def _add_refit(commands: _Commands) -> argparse.ArgumentParser:
    refit = commands.add_parser("refit", help="train the winner on all labelled rows, and keep it as a classifier")
    refit.add_argument("--arm", metavar="CELL", help="which one, as trec/8/soft_triple (default: the only winner)")
    refit.add_argument(
        "--shots", type=_shots, default="all", metavar="N", help="train on a draw of so many instead of all rows"
    )
    refit.add_argument("--out", metavar="DIR", required=True, help="the folder to write")
    refit.add_argument(
        "--register",
        nargs="?",
        const="",
        metavar="NAME",
        help="register it in MLflow too, under this name (default: that of the sweep)",
    )
    refit.add_argument("--onnx", action="store_true", help="write an ONNX file too, for onnxruntime")
    refit.add_argument("--mlflow", action="store_true", help="from the MLflow store alone, without the ledger")
    where = refit.add_mutually_exclusive_group()
    where.add_argument("--cluster", metavar="FILE", help="on the cluster that `ray up FILE` has started")
    where.add_argument("--address", help="train on a node of this Ray cluster (default: in this process)")
    refit.add_argument("--called", default="", help=argparse.SUPPRESS)
    return refit


def _add_explain(commands: _Commands) -> argparse.ArgumentParser:
    explain = commands.add_parser("explain", help="which labels look wrong, where does an arm err, and why?")
    explain.add_argument("--arm", metavar="CELL", help="which one, as trec/8/soft_triple (default: the only winner)")
    explain.add_argument("--out", metavar="DIR", help="the folder to write (default: in the sweep's folder)")
    explain.add_argument("--texts", metavar="FILE", help="explain what it says of these texts too: csv, json, parquet")
    explain.add_argument("--unlabelled", metavar="FILE", help="name the texts of a file that are worth a label")
    explain.add_argument("--next", type=_whole_from(1), metavar="N", help="how many of these to name (default: 20)")
    explain.add_argument(
        "--draws",
        type=_whole_from(0),
        default=2,
        metavar="N",
        help="train so many draws once more, to explain single predictions (default: 2; 0: train nothing)",
    )
    return explain


def _add_check(commands: _Commands) -> argparse.ArgumentParser:
    check = commands.add_parser("check", help="is a sweep's winner at least as good as another's? Ends with 0 or 1")
    check.add_argument("--against", metavar="NAME|DIR", required=True, help="the sweep to compare with")
    check.add_argument(
        "--margin", type=_up_to(100), default=1.0, metavar="POINTS", help="how much worse it may be (default: 1)"
    )
    for option, whose, best in (
        ("--arm", "sweep", "the best ones, each tested at 5 %% divided by how many it is the best of"),
        ("--old-arm", "other sweep", "the best ones"),
    ):
        check.add_argument(option, metavar="CELL", help=f"which arm of the {whose} (default: {best})")
    return check


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"must be a number of more than 0; received {text}")
    return number


def _up_to(most: int) -> Callable[[str], float]:
    """What reads an option that is a number from 0 to `most`."""

    def read(text: str) -> float:
        number = _number(text)
        if not 0 <= number <= most:
            raise argparse.ArgumentTypeError(f"must be from 0 to {most}; received {text}")
        return number

    return read


def _number(text: str) -> float:
    """What a text says, NaN if that is no number."""
    try:
        return float(text)
    except ValueError:
        return nan


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 65535; received {text}")
    return int(text)


def _shots(text: str) -> object:
    """A number of labels as a spec gives it."""
    from trainable.errors import ConfigError  # imported late: most commands have no such option
    from trainable.shots import as_shots

    try:
        return as_shots(int(text) if text.isdecimal() else text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole_from(least: int) -> Callable[[str], int]:
    """What reads an option that is a whole number, `least` or more."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least}; received {text}")
        return int(text)

    return read
