"""What is printed when a run of a sweep has ended: the result, where to look, how to resume or extend it."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sweep.addresses import redacted
from sweep.display.cells_table import print_cells
from sweep.display.formats import durations
from sweep.driver import RunResult
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.records.spent import spent
from sweep.records.trial import TrialRecord
from sweep.scheduling.budget import Limit, LimitKind
from sweep.scheduling.ending import End
from sweep.spec.cells import Cell
from sweep.spec.model import SweepSpec
from sweep.verdict import sentences
from trainable.recipes import RECIPES
from trainable.shots import order

if TYPE_CHECKING:
    from sweep.report import ReportFiles
    from sweep.verdict import Arm, Verdict

__all__ = ["command", "print_run_summary", "print_verdict"]


def print_run_summary(
    console: Console, spec: SweepSpec, directory: SweepDirectory, result: RunResult, options: argparse.Namespace
) -> None:
    """Print the table of cells, and the commands that a person may want next."""
    console.print()
    order = [cell.key for cell in result.cells]
    print_cells(console, result.ledger.results(), order)
    console.print()
    if result.report is not None:
        print_verdict(console, result.report, _there("report", spec, options), result.notes)
    else:
        _print_notes(console, result.notes)
        if result.ending.end is not End.INTERRUPTED:
            again = f"`python -m sweep report {shlex.quote(str(directory.path))}` tries again"
            console.print(f"{'report':<11}could not be written, see {directory.log}; {again}")
    if result.ending.end is End.FINISHED and not result.trained:
        console.print(f"The sweep {spec.name} was finished before: nothing was trained.")
    for label, text in (_used(result.ledger), *_directions(spec, directory, result, options)):
        console.print(f"{label:<11}{text}")


def print_verdict(console: Console, report: ReportFiles, place: str = "", notes: Sequence[str] = ()) -> None:
    """What won, one sentence a comparison, and where the whole report lies, or `place` instead.

    notes: what a person should know beside what weakens the verdict.
    """
    whole = not console.is_terminal  # a pipe gets whole lines, a person whole words
    for sentence in sentences(report.verdict):
        console.print(f"{sentence}\n", markup=False, soft_wrap=whole)
    _print_notes(console, (*report.verdict.warnings, *notes))
    console.print(f"{'report':<11}{place or report.page}", markup=False, soft_wrap=True)


def _print_notes(console: Console, notes: Sequence[str]) -> None:
    for note in notes:
        console.print(f"note: {note}", style="dim", markup=False, soft_wrap=not console.is_terminal)


def _used(ledger: Ledger) -> tuple[str, str]:
    seconds = spent(ledger.trials(), ledger.confirmations())
    parts = {"search": seconds.search, "confirmation": seconds.confirmation, "discarded": seconds.discarded}
    whole, shown = durations(list(parts.values()))
    told = ", ".join(f"{each} {name}" for each, name in zip(shown, parts, strict=True) if parts[name])
    return "used", f"{whole} of workers, training and scoring ({told or 'nothing yet'})"


def _directions(
    spec: SweepSpec, directory: SweepDirectory, result: RunResult, options: argparse.Namespace
) -> list[tuple[str, str]]:
    lines = [
        ("scores", "best scores are means of the validation metric, by which they were chosen, so they flatter"),
        (
            "MLflow",
            f"{_there('ui', spec, options) or _browse(result.tracking_uri)}   (experiment {spec.tracking.experiment}, "
            f"run {spec.name})",
        ),
        *([("page", page)] if (page := _page(result.tracking_uri, result.projection.page)) else []),
        ("folder", f"{_there('fetch', spec, options) or directory.path}   (ledger, resolved spec, log)"),
    ]
    if options.via:
        lines.append(("cluster", f"its head stays, and costs, until `ray down {shlex.quote(options.via)}`"))
    if result.projection.missing or result.projection.problem:
        lines.append(
            (
                "sync",
                f"{result.projection}; `python -m sweep sync {shlex.quote(str(directory.path))}` pushes the rest",
            )
        )
    again = options.called or command(options)
    match result.ending.end:
        case End.FINISHED:
            if number := _larger(spec.budget.trials_per_cell, result.cells, result.ledger.trials()):
                lines.append(("extend", _extended(again, number)))
            if spec.explain and directory.explained():
                lines.append(("explain", f"{directory.explanations}   (a page for each comparison)"))
            if not options.via and result.report is not None:
                lines += [("keep", text) for text in _keep(spec, directory, result.report.verdict)]
        case End.OUT_OF_BUDGET:
            lines.append(("resume", f"{again}   ({result.ending.limit} is used up{_raise(result.ending.limit)})"))
        case End.INTERRUPTED:
            lines.append(("resume", f"{again}   (it was interrupted; every finished replicate is kept)"))
    return lines


def _larger(budget: int, cells: Sequence[Cell], trials: Sequence[TrialRecord]) -> int | None:
    """Twice the trials that a cell may have, or has by an earlier budget; None where no cell has that many
    configurations left to try."""
    had = Counter(trial.cell for trial in trials)
    number = 2 * max(budget, *had.values(), 0)
    return number if any(cell.trials(number) > had[cell.key] for cell in cells) else None


def _extended(command: str, trials: int) -> str:
    """The command with so many trials a cell, instead of the number that it gives itself."""
    words, field = shlex.split(command), "budget.trials_per_cell="
    for index in [index for index, word in enumerate(words) if word.startswith(field)][::-1]:
        del words[index - 1 : index + 1]  # with the `--set` before it
    return shlex.join([*words, "--set", f"{field}{trials}"])


def _keep(spec: SweepSpec, directory: SweepDirectory, found: Verdict) -> Iterator[str]:
    """The command that keeps the winner of the only comparison, or of the first dataset's with the most labels, since
    what is kept trains on all of them, and of several such the best; where no classifier can be kept of it, the best
    one of which one can. A sweep in another folder than the default is named by it."""
    best = [(each, each.best) for each in found.comparisons if each.best is not None]
    if not best:
        return
    first = [(each, arm) for each, arm in best if each.dataset == best[0][0].dataset]
    comparison, winner = max(first, key=lambda known: (order(known[0].shots), _mean(known[1])))
    arms = [arm for arm in comparison.arms if arm.summary is not None and _can_be_kept(arm)]
    if not arms:
        return
    kept = winner if winner in arms else max(arms, key=_mean)
    named = ["--arm", kept.cell] if len(best) > 1 or kept is not winner else []
    words = [_program("python"), "-m", "sweep", "refit", directory.called, *named, "--out", f"{spec.name}-model"]
    which = f"the winner{f' of {comparison.title}' if len(best) > 1 else ''}" if kept is winner else "the best to keep"
    yield f"{shlex.join(words)}   ({which} as a classifier)"


def _mean(arm: Arm) -> float:
    return arm.summary.mean if arm.summary else 0.0


def _can_be_kept(arm: Arm) -> bool:
    return arm.winner is not None and RECIPES[arm.winner.config.recipe.name].keep is not None


def _there(action: str, spec: SweepSpec, options: argparse.Namespace) -> str:
    """The command that brings it to whoever began the sweep from another machine; empty for one that sits at this."""
    if not options.via:
        return ""
    return shlex.join(
        ["python", "-m", "sweep", action, *([] if action == "ui" else [spec.name]), "--cluster", options.via]
    )


def _raise(limit: Limit | None) -> str:
    """The hours are counted anew by each run; what the whole sweep may use has to be raised."""
    return "" if limit is not None and limit.kind is LimitKind.HOURS else ": raise it with --set"


def _browse(uri: str) -> str:
    if not uri.startswith(("sqlite:", "postgresql")):
        return redacted(uri)
    place = "" if uri == "sqlite:///mlflow.db" else f" --backend-store-uri {shlex.quote(redacted(uri))}"
    return f"{shlex.quote(_program('mlflow'))} ui{place}"


def _page(uri: str, place: str) -> str:
    """The address of the sweep's run; empty where it is not known."""
    served = redacted(uri).rstrip("/") if uri.startswith(("http:", "https:")) else "http://127.0.0.1:5000"
    return f"{served}{place}" if place else ""


def _program(name: str) -> str:
    """How a person can call a program of this environment: by its name where the shell finds it, else by its path."""
    own = Path(sys.executable).parent / name
    found = shutil.which(name)
    if found is not None and own.exists() and Path(found).samefile(own):
        return name
    near = os.path.relpath(own)
    return str(own) if near.startswith("..") else near


def command(options: argparse.Namespace) -> str:
    """What was typed to run the sweep, as it may be typed again."""
    console_command = Path(sys.argv[0]).name == "few-shot-sweep"
    words = [_program("few-shot-sweep")] if console_command else [_program("python"), "-m", "sweep"]
    words += ["run", *([options.spec] if options.spec != "quickstart" else [])]
    for override in options.set:
        words += ["--set", override]
    if options.dir != "sweeps":
        words += ["--dir", options.dir]
    if options.address:
        words += ["--address", options.address]
    if options.cluster:
        words += ["--cluster", options.cluster]
    return shlex.join(words)
