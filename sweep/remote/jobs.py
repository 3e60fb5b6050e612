"""The Ray jobs of a cluster: a sweep's driver is one, so that it lives on the head and whoever began it may leave."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import ClusterError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

__all__ = ["Follower", "Job", "Jobs", "check_token"]

_PERIOD = 1.0  # seconds between two looks at a job's output
_OVER = ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass(frozen=True, slots=True)
class Job:
    """A driver of a sweep. spec: the digest of what it was given."""

    id: str
    sweep: str
    spec: str


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one cluster, through the port of a tunnel to its dashboard. Its methods raise ClusterError where the
    cluster refuses, and ConnectionError where it no longer answers."""

    client: JobSubmissionClient

    @classmethod
    def at(cls, port: int) -> Jobs:
        """Raises ClusterError if what answers there is no cluster, or does not take the token."""
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
        """The driver of this sweep that runs, or waits to."""
        with _answering():
            for details in self.client.list_jobs():
                about = details.metadata or {}
                if about.get("sweep") == sweep and str(details.status) not in _OVER and details.submission_id:
                    return Job(details.submission_id, sweep, about.get("spec", ""))
        return None

    def submit(self, sweep: str, spec: str, entrypoint: str) -> Job:
        """Start a driver by a line of shell."""
        wanted = f"{sweep}-{time.strftime('%Y%m%d-%H%M%S')}"
        about = {"sweep": sweep, "spec": spec}
        with _answering():
            return Job(self.client.submit_job(entrypoint=entrypoint, submission_id=wanted, metadata=about), sweep, spec)

    def state(self, job: Job) -> tuple[str, int | None, bool]:
        """All that a job has printed, the exit code if it has ended by itself, and whether it has ended."""
        with _answering():
            details = self.client.get_job_info(job.id)  # before the output, which is then whole if the job has ended
            return self.client.get_job_logs(job.id), details.driver_exit_code, str(details.status) in _OVER


@dataclass(slots=True)
class Follower:
    """Says what a job prints. said: characters said so far, so that another connection goes on where one was lost."""

    job: Job
    say: Callable[[str], None]
    said: int = 0

    def follow(self, jobs: Jobs) -> int | None:
        """Until the job has ended; its exit code, None if it was ended from outside."""
        while True:
            output, code, over = jobs.state(self.job)
            whole = len(output) if over else output.rfind("\n") + 1
            if whole > self.said:
                self.say(output[self.said : whole].rstrip("\n"))
                self.said = whole
            if over:
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
    """Tell a lost connection, which may come back, from a refusal."""
    import requests

    try:
        yield
    except requests.RequestException as error:
        raise ConnectionError(str(error)) from error
    except RuntimeError as error:
        raise _refused(error) from error


def _refused(error: Exception) -> ClusterError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ClusterError(
        f"the cluster must answer and take the token; received: {lines[0][:300]}; the token of this machine must be "
        "the one with which the cluster was started (`ray up` copies it), and Ray of the same version"
    )
