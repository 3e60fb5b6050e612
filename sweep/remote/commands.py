"""The commands of `python -m sweep` with `--cluster FILE`, carried out on the head of a cluster.

The sweep's folder there is `~/sweeps/NAME`. Its driver is a Ray job, which continues when this machine is switched off.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from sweep.addresses import redacted
from sweep.errors import ClusterError, StoredSweepError
from sweep.remote.bundle import Bundle, pack
from sweep.remote.cluster_file import fit_to_cluster, read_cluster_file
from sweep.remote.head import Head
from sweep.remote.jobs import ConnectionLostError, Follower, Job, Jobs, check_token
from sweep.spec.model import SweepSpec
from sweep.spec.reader import load_spec
from sweep.tracking.pages import PAGES

__all__ = [
    "DASHBOARD_PORT",
    "SWEEPS",
    "browse_on",
    "checked_name",
    "execute_on",
    "followed",
    "report_on",
    "run_on",
]

DASHBOARD_PORT, MLFLOW_PORT = 8265, 5000  # on the loopback of the head
SWEEPS = "$HOME/sweeps"
_INPUTS = "sweeps/.inputs"  # inside the folder of sweeps, so that the copies of the head's disk include them
_RECONNECT_LIMIT = 600.0  # seconds for a lost connection to come back
_PAUSE = 5.0  # seconds between two tries


def run_on(file: str, source: str, overrides: Sequence[str], called: str, console: Console) -> int:
    """Run a sweep on the cluster, or follow the one that runs there. Returns its exit code.

    file: the cluster's file.
    source, overrides: the spec, as for `load_spec`.
    called: the command as it was typed here, for the driver's advice on how to resume.

    Raises SpecError for the spec, ClusterError for the cluster.
    """
    cluster = read_cluster_file(file)
    check_token()
    spec = fit_to_cluster(load_spec(source, overrides), cluster)
    head = Head(cluster.path)
    with head.tunnel(DASHBOARD_PORT) as port:
        jobs = Jobs.at(port)
        job = _driver(head, jobs, spec, ["--called", redacted(called), "--via", file])
        console.print(f"{spec.name}: job {job.id} on cluster {cluster.name}; Ctrl-C leaves it alone", soft_wrap=True)
        follower = Follower(job, lambda text: console.out(text, highlight=False))
        try:
            code = followed(head, jobs, follower)
        except KeyboardInterrupt:
            stop = f"python -m sweep stop {spec.name} --cluster {shlex.quote(file)}"
            console.print(
                f"left; the sweep continues: the same command follows it again, `{stop}` ends it", soft_wrap=True
            )
            raise
    if code is None:
        raise ClusterError(
            f"a driver must end by itself; that of {spec.name} was ended from outside (`ray job logs {job.id}` on the "
            "head says more); the same command resumes the sweep"
        )
    return code


def execute_on(file: str, console: Console, *words: str) -> int:
    """Run a command of `python -m sweep` on the head and print its output. Returns its exit code."""
    result = Head(read_cluster_file(file).path).execute(f'python -m sweep {shlex.join(words)} --dir "{SWEEPS}"')
    console.out(result.output, highlight=False)
    return result.code


def report_on(file: str, sweep: str, out: Path, console: Console) -> int:
    """Write a sweep's report on the head and copy it to the folder `out`. Returns the exit code."""
    code = execute_on(file, console, "report", checked_name(sweep))
    if code == 0:
        out.mkdir(parents=True, exist_ok=True)
        Head(read_cluster_file(file).path).fetch(f"~/sweeps/{sweep}/report", out)
        console.print(f"copied to {out / 'report.html'}", soft_wrap=True)
    return code


def browse_on(file: str, port: int | None, console: Console) -> int:
    """Keep a tunnel to the cluster's MLflow open until Ctrl-C. Returns the exit code."""
    cluster = read_cluster_file(file)
    with suppress(KeyboardInterrupt), Head(cluster.path).tunnel(MLFLOW_PORT, port) as local:
        console.print(f"MLflow of {cluster.name}: http://127.0.0.1:{local}{PAGES} (until Ctrl-C)", soft_wrap=True)
        while True:
            time.sleep(3600)
    return 0


def _driver(head: Head, jobs: Jobs, spec: SweepSpec, caller: Sequence[str]) -> Job:
    """The job that runs this sweep, or a new one. Raises ClusterError if a job runs it with another spec."""
    with tempfile.TemporaryDirectory(prefix="sweep-bundle-") as scratch:
        bundle = pack(spec, Path(scratch))
        job = jobs.running(spec.name)
        if job is None:
            return _submitted(head, jobs, spec, bundle, caller)
    if job.spec != bundle.digest:
        raise ClusterError(
            f"one driver may run a sweep at a time; {spec.name} runs as job {job.id}, with another spec than this; "
            f"stop it first with `python -m sweep stop {spec.name} --cluster {shlex.quote(str(head.path))}`, or give "
            "this sweep another name (`--set name=...`)"
        )
    return job


def _submitted(head: Head, jobs: Jobs, spec: SweepSpec, bundle: Bundle, caller: Sequence[str]) -> Job:
    if head.execute(f"mkdir -p ~/{_INPUTS}").code:
        raise ClusterError(f"specs are copied to ~/{_INPUTS} of the head, which cannot be made; check its disk")
    head.send(bundle.folder, f"~/{_INPUTS}")
    file = shlex.quote(bundle.spec)
    line = f'python -m sweep run "$HOME/{_INPUTS}"/{file} --address auto --dir "{SWEEPS}" {shlex.join(caller)}'
    return jobs.submit(spec.name, bundle.digest, line)


def followed(head: Head, jobs: Jobs, follower: Follower) -> int | None:
    """Follow a driver to its end, reconnecting if the connection is lost.

    Returns its exit code; None if it was ended from outside. Raises ClusterError if the connection does not come back.
    """
    with suppress(ConnectionLostError):
        return follower.follow(jobs)
    while True:
        try:
            with head.tunnel(DASHBOARD_PORT) as port:
                return follower.follow(Jobs.at(port))
        except ClusterError as error:
            if time.monotonic() > follower.heard + _RECONNECT_LIMIT:
                raise ClusterError(
                    f"a lost connection to the head must come back within {_RECONNECT_LIMIT / 60:.0f} minutes; that to "
                    f"job {follower.job.id} did not ({error}); as long as the head lives, the job continues "
                    "there, and the same command follows it again"
                ) from error
            time.sleep(_PAUSE)


def checked_name(sweep: str) -> str:
    """The name of a sweep. Raises StoredSweepError for a path, since folders here are not those of the head."""
    if not sweep or Path(sweep).name != sweep or sweep.startswith("."):
        raise StoredSweepError(f"a sweep on a cluster is called by its name; received {sweep!r}; leave the folder out")
    return sweep
