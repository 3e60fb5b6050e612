"""Ray jobs of a cluster: a sweep's driver is a job on the head, so that the machine that started it may disconnect."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import ClusterError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

__all__ = ["ConnectionLostError", "Follower", "Job", "Jobs", "check_token"]

_PERIOD = 1.0  # seconds between two requests for a job's output
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")  # Ray's statuses of jobs that have ended


class ConnectionLostError(ClusterError):
    """The head no longer answers. The connection may come back."""


@dataclass(frozen=True, slots=True)
class Job:
    """A Ray job that is the driver of a sweep, or trains its winner.

    id: Ray's submission id.
    spec: digest of the bundle that it was started with.
    """

    id: str
    spec: str


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one cluster.

    client: Ray's client, connected through a tunnel to the cluster's dashboard.

    Methods raise ClusterError if the cluster refuses, and ConnectionLostError if it no longer answers.
    """

    client: JobSubmissionClient

    @classmethod
    def at(cls, port: int) -> Jobs:
        """The jobs of the cluster behind a local port. Raises ClusterError if it does not accept the token."""
        check_token()
        try:
            from ray.job_submission import JobSubmissionClient

            return cls(JobSubmissionClient(f"http://127.0.0.1:{port}"))
        except ImportError as error:
            raise ClusterError(
                f"sweeps are submitted with Ray's own client, which is not installed ({error}); "
                "pip install 'few-shot-sweep[cluster]'"
            ) from error
        except Exception as error:  # of several libraries below: HTTP, authentication, versions
            raise _refused(error) from error

    def running(self, sweep: str) -> Job | None:
        """The driver of a sweep that is running or pending; None if there is none."""
        with _answering():
            for details in self.client.list_jobs():
                metadata = details.metadata or {}
                if metadata.get("sweep") == sweep and str(details.status) not in _ENDED and details.submission_id:
                    return Job(details.submission_id, metadata.get("spec", ""))
        return None

    def submit(self, sweep: str, spec: str, entrypoint: str) -> Job:
        """Start a driver.

        sweep: name of the sweep, or what else the job does, in words.
        spec: digest of its bundle, or of its options.
        entrypoint: the shell command.
        """
        wanted = f"{sweep.replace(' ', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
        metadata = {"sweep": sweep, "spec": spec}
        with _answering():
            job_id = self.client.submit_job(entrypoint=entrypoint, submission_id=wanted, metadata=metadata)
            return Job(job_id, spec)

    def state(self, job: Job) -> tuple[str, int | None, bool]:
        """A job's whole output, its exit code (None unless it has ended by itself), and whether it has ended."""
        with _answering():
            details = self.client.get_job_info(job.id)  # before the output, which is then whole if the job has ended
            return self.client.get_job_logs(job.id), details.driver_exit_code, str(details.status) in _ENDED


@dataclass(slots=True)
class Follower:
    """Prints the output of a job as it appears.

    job: the job.
    show: prints a text.
    printed: number of characters printed so far, so that a new connection continues where one was lost.
    heard: when the head answered last, by the monotonic clock.
    """

    job: Job
    show: Callable[[str], None]
    printed: int = 0
    heard: float = field(default_factory=time.monotonic)

    def follow(self, jobs: Jobs) -> int | None:
        """Print whole lines until the job has ended. Returns its exit code; None if it was ended from outside."""
        while True:
            output, code, ended = jobs.state(self.job)
            self.heard = time.monotonic()
            complete = len(output) if ended else output.rfind("\n") + 1
            if complete > self.printed:
                self.show(output[self.printed : complete].rstrip("\n"))
                self.printed = complete
            if ended:
                return code
            time.sleep(_PERIOD)


def check_token() -> None:
    """Let Ray's client use the cluster's token. Raises ClusterError if this machine has none."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    place = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if os.environ["RAY_AUTH_MODE"] == "token" and not os.environ.get("RAY_AUTH_TOKEN") and not place.is_file():
        raise ClusterError(
            f"a cluster answers only to those who have its token; there is none at {place}; put it there or into "
            "RAY_AUTH_TOKEN; for a new cluster, `ray get-auth-token --generate` makes one before `ray up`"
        )


@contextmanager
def _answering() -> Iterator[None]:
    """Raise ConnectionLostError for a lost connection, and ClusterError for a refusal."""
    import requests

    try:
        yield
    except requests.RequestException as error:
        raise ConnectionLostError(
            f"a command needs its connection to the head of the cluster, which was lost ({str(error)[:300]}); a sweep "
            "or training that has begun there continues, and the same command follows it again"
        ) from error
    except RuntimeError as error:
        raise _refused(error) from error


def _refused(error: Exception) -> ClusterError:
    if isinstance(error, ConnectionError):  # the head is there, for its SSH has answered
        return ClusterError(
            "Ray must run on the head of the cluster; it does not answer there, as after a restart of the machine; "
            "`ray up` with the cluster's file starts it again"
        )
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ClusterError(
        f"the cluster must answer and take the token; received: {lines[0][:300]}; the token of this machine must be "
        "the one with which the cluster was started (`ray up` copies it), and Ray of the same version"
    )
