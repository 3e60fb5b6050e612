"""A sweep's folder is brought home from the head of a cluster, and never at the expense of what was trained at home."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from sweep.errors import ClusterError, FolderError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.stored import find_stored, open_ledger
from sweep.remote.cluster_file import read_cluster_file
from sweep.remote.commands import SWEEPS, checked_name
from sweep.remote.head import Head

__all__ = ["fetch_from"]

_ORIGIN = "fetched-from"  # the file that marks a fetched folder, and names its cluster
_OF_A_MACHINE = {"driver.lock", "stop-request", ".write-test", _ORIGIN}  # not part of the sweep
_BEFORE_A_FETCH = {"report", *_OF_A_MACHINE} - {_ORIGIN}  # what `report --cluster` and a fetch that failed leave


def fetch_from(file: str, sweep: str, root: Path, console: Console) -> None:
    """Copy a sweep's folder from the head to `root`, or update an earlier copy, and push its runs to the local MLflow.

    Raises FolderError if another sweep of that name is in `root`, or the copy has been resumed there, LedgerError while
    a driver runs it there, and ClusterError if the cluster does not have the sweep.
    """
    from sweep.stored import sync_stored

    cluster = read_cluster_file(file)
    directory = SweepDirectory(root / checked_name(sweep))
    _check_origin(directory, cluster.name)
    head = Head(cluster.path)
    if head.execute(f'test -e "{SWEEPS}/{sweep}/spec.yaml"').code:
        raise ClusterError(
            f"only what is on the head can be fetched; there is no sweep {sweep!r} in ~/sweeps of cluster "
            f'{cluster.name}; `ray exec {shlex.quote(str(cluster.path))} "ls sweeps"` names those there are'
        )
    directory.create()
    _bring(head, sweep, directory, cluster.name)
    console.print(f"{sweep}: ledger, spec and report are in {directory.path}", soft_wrap=True)
    spec = find_stored(str(directory.path), root)[1]
    if spec.ledger is not None:
        again = f"`python -m sweep sync {shlex.quote(str(directory.path))}`"
        console.print(f"its ledger is in a database, as the spec says; {again} reads it from there", soft_wrap=True)
        return
    console.print(sync_stored(str(directory.path), root), soft_wrap=True)


def _check_origin(directory: SweepDirectory, cluster: str) -> None:
    """Raises FolderError for a folder that was not fetched from this cluster."""
    origin = directory.path / _ORIGIN
    if origin.is_file() and origin.read_text(encoding="utf-8") == cluster:
        return
    found = {path.name for path in directory.path.iterdir()} if directory.path.is_dir() else set()
    if found - _BEFORE_A_FETCH:
        raise FolderError(
            f"a fetched sweep takes the place of what was fetched before, and of nothing else; {directory.path} did "
            f"not come from cluster {cluster}; choose another place with --dir"
        )


def _bring(head: Head, sweep: str, directory: SweepDirectory, cluster: str) -> None:
    """Copy the folder beside its place, then put all its files there, with the sweep's lock held all the time."""
    with directory.locked(), tempfile.TemporaryDirectory(prefix=f".{sweep}-", dir=directory.path.parent) as scratch:
        fetched = SweepDirectory(Path(scratch))
        with suppress(OSError, shutil.Error):  # so that what is large, and here already, is not sent again
            shutil.copytree(directory.classifiers, fetched.classifiers, copy_function=os.link)
        head.fetch(f"~/sweeps/{sweep}", fetched.path)
        _check_kept(directory, fetched, cluster)
        if not fetched.winners_due.exists():  # the head has kept them since it was fetched before
            directory.winners_due.unlink(missing_ok=True)
        (directory.path / _ORIGIN).write_text(cluster, encoding="utf-8")
        for path in sorted(fetched.path.rglob("*")):
            place = directory.path / path.relative_to(fetched.path)
            if path.is_dir() and not path.is_symlink():
                place.mkdir(exist_ok=True)
            elif path.name not in _OF_A_MACHINE:
                path.replace(place)


def _check_kept(directory: SweepDirectory, fetched: SweepDirectory, cluster: str) -> None:
    """Raises FolderError if trainings are on record here that the fetched ledger lacks."""
    here = _trainings(directory)
    missing = len(here - _trainings(fetched)) if here else 0
    if missing:
        raise FolderError(
            f"a fetch replaces the ledger in {directory.path}, so all that is on record there must be on the cluster "
            f"too; {missing} of its {len(here)} evaluations are not on cluster {cluster}, as after a run that resumed "
            "the sweep here; choose another place with --dir, or move that folder away"
        )


def _trainings(directory: SweepDirectory) -> Set[tuple[str, float]]:
    """All evaluations in the folder's ledger, by trial or confirmation and time. There is none where it has no ledger,
    or another place for it."""
    if not directory.journal.is_file():
        return set()
    spec = find_stored(str(directory.path), directory.path.parent)[1]
    if spec.ledger is not None:
        return set()
    ledger = open_ledger(spec, directory, write=False)
    ledger.read()
    trials = {(trial.key, each.time) for trial in ledger.trials() for each in trial.evaluations}
    return trials | {(record.key, each.time) for record in ledger.confirmations() for each in record.replicates}
