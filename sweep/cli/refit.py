"""The command `refit`: the winner of a sweep becomes a classifier in a folder."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from rich.console import Console

__all__ = ["refit"]


def refit(options: argparse.Namespace, console: Console) -> int:
    """Train the winner here, on a node of a Ray cluster, or by a job on the cluster of a file; the exit code."""
    if options.cluster:
        from sweep.remote.refit import refit_by

        out, words = Path(options.out), _words(options)
        typed = [
            "python",
            "-m",
            "sweep",
            "refit",
            options.sweep,
            *words,
            "--cluster",
            options.cluster,
            "--out",
            str(out),
        ]
        return refit_by(options.cluster, options.sweep, out, words, shlex.join(typed), console)
    return _refit(options, console)


def _refit(options: argparse.Namespace, console: Console) -> int:
    from sweep.execution.refit_task import refit_at
    from sweep.refitting import Source, here, refit_winner, register_kept
    from trainable.quiet import quiet

    def told(said: str) -> None:
        console.print(f"{'refit':<11}{said}", markup=False, soft_wrap=True)

    source = Source.of_mlflow(options.sweep) if options.mlflow else Source.of_ledger(options.sweep, Path(options.dir))
    with quiet():
        kept = refit_winner(
            source,
            Path(options.out),
            arm=options.arm,
            shots=options.shots,
            onnx=options.onnx,
            called=options.called,
            told=told,
            training=here if options.address is None else refit_at(options.address),
        )
    console.print(f"{kept.winner.arm.cell}: {kept.winner.expected}", soft_wrap=True)
    if options.register is not None:
        with quiet():
            where = register_kept(kept, options.register)
        console.print(f"{'MLflow':<11}{where}", soft_wrap=True)
    if not options.called:  # else the folder goes to who called
        console.print(f"{'classifier':<11}{kept.folder}   (its card: {kept.folder / 'README.md'})", soft_wrap=True)
        words = ["python", "-m", "sweep", "predict", str(kept.folder), "FILE.csv", *kept.winner.columns]
        console.print(f"{'use':<11}{shlex.join(words)}", soft_wrap=True)
    return 0


def _words(options: argparse.Namespace) -> list[str]:
    """The options that choose what is refitted, as they are typed."""
    given = (
        ("--arm", options.arm),
        ("--shots", None if options.shots == "all" else options.shots),
        ("--register", options.register),
    )
    words = [option if value == "" else f"{option}={value}" for option, value in given if value is not None]
    return [*words, *(["--onnx"] if options.onnx else []), *(["--mlflow"] if options.mlflow else [])]
