"""A winner that is trained once more on a cluster, by a job on its head, and whose folder comes back."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sweep.errors import ClusterError
from sweep.refitting import check_folder, write_folder
from sweep.remote.cluster_file import read_cluster_file
from sweep.remote.commands import DASHBOARD_PORT, SWEEPS, checked_name, followed
from sweep.remote.head import Head
from sweep.remote.jobs import Follower, Job, Jobs, check_token

__all__ = ["refit_by"]

_REFITS = ".sweep-refits"  # in the home on the head, and not in the folder of sweeps, of which copies are kept


def refit_by(file: str, sweep: str, out: Path, words: Sequence[str], called: str, console: Console) -> int:
    """Train the winner of a sweep on the cluster, or follow the job that does, and bring the folder to `out`. Returns
    the exit code.

    file: the cluster's file.
    words: the options that choose what is trained.
    called: the command as it was typed here, for the model card.

    Raises ClusterError for the cluster, FolderError for a folder that holds something else.
    """
    check_folder(out)
    check_token()
    cluster = read_cluster_file(file)
    head, name = Head(cluster.path), checked_name(sweep)
    with head.tunnel(DASHBOARD_PORT) as port:
        jobs = Jobs.at(port)
        job = _job(jobs, name, words, called)
        console.print(f"{name}: job {job.id} on cluster {cluster.name}; Ctrl-C leaves it alone", soft_wrap=True)
        code = followed(head, jobs, Follower(job, lambda text: console.out(text, highlight=False)))
    if code is None:
        raise ClusterError(
            f"a training must end by itself; that of {name} was ended from outside (`ray job logs {job.id}` "
            "on the head says more); run the same command again"
        )
    if code == 0:
        _fetch(head, name, out)
        console.print(f"{'classifier':<11}{out}   (its card: {out / 'README.md'})", soft_wrap=True)
        pair = " --pair COLUMN" if json.loads((out / "classifier.json").read_text("utf-8"))["paired"] else ""
        console.print(f"{'use':<11}python -m sweep predict {shlex.quote(str(out))} FILE.csv{pair}", soft_wrap=True)
    return code


def _job(jobs: Jobs, name: str, words: Sequence[str], called: str) -> Job:
    """The job that trains it, or a new one. Raises ClusterError if one runs with other options."""
    known = f"refit of {name}"  # no sweep's name has a space
    digest = hashlib.sha256(shlex.join(words).encode()).hexdigest()[:16]
    job = jobs.running(known)
    if job is None:
        place = f'--address auto --dir "{SWEEPS}" --out "$HOME/{_REFITS}/{name}" --called {shlex.quote(called)}'
        return jobs.submit(known, digest, f"python -m sweep refit {shlex.join([name, *words])} {place}")
    if job.spec != digest:
        raise ClusterError(
            f"one winner of a sweep is trained at a time; job {job.id} trains another one of {name}: wait for it, or "
            f"end it by `ray job stop {job.id}` on the head"
        )
    return job


def _fetch(head: Head, name: str, out: Path) -> None:
    place = f"{_REFITS}/{name}"

    def fill(scratch: Path) -> None:
        scratch.mkdir()
        head.fetch(f"~/{place}", scratch)

    write_folder(fill, out)
    head.execute(f'rm -r "$HOME/{place}"')
