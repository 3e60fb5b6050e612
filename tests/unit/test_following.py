"""A driver on a cluster is followed over lost connections, and what is said where the connection stays away."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from sweep.cli.commands import main
from sweep.errors import ClusterError
from sweep.remote import commands, head, jobs
from sweep.remote.commands import followed
from sweep.remote.head import Head, free_port
from sweep.remote.jobs import Follower, Job, Jobs

JOB = Job("toy-1", "digest")


class Client:
    """Ray's, with a job that has ended well, and a connection that is lost for some requests first."""

    def __init__(self, lost: int) -> None:
        self.lost = lost

    def get_job_info(self, job: str) -> SimpleNamespace:
        self.lost -= 1
        if self.lost >= 0:
            raise requests.ConnectionError("connection refused")
        return SimpleNamespace(driver_exit_code=0, status="SUCCEEDED")

    def get_job_logs(self, job: str) -> str:
        return "all of it\n"

    def list_jobs(self) -> list[Any]:
        raise requests.ConnectionError("connection refused")


class NearHead:
    """A head with a tunnel that always opens."""

    @contextmanager
    def tunnel(self, remote: int) -> Iterator[int]:
        yield 1


Follow = Callable[[int], int | None]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Follows the job with a connection that is lost for so many requests. No time is spent on waiting."""

    def follow(lost: int) -> int | None:
        jobs = Jobs(cast(Any, Client(lost)))
        monkeypatch.setattr(Jobs, "at", lambda port: jobs)
        return followed(cast(Head, NearHead()), jobs, Follower(JOB, lambda text: None))

    monkeypatch.setattr(commands, "_PAUSE", 0.0)
    return follow


def test_a_connection_that_comes_back_is_nothing_to_speak_of(follow: Follow) -> None:
    assert follow(3) == 0


def test_of_one_that_stays_away_it_is_said_that_the_sweep_continues(
    follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_RECONNECT_LIMIT", -1.0)
    with pytest.raises(
        ClusterError, match=r"that to job toy-1 did not .*the job continues there, and the same command"
    ):
        follow(100)


def test_time_that_a_quiet_job_was_heard_of_is_none_that_its_connection_was_away(
    follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection was lost and came back, trainings of an hour printed nothing, and at its next loss it was said not
    to have come back within ten minutes."""
    now, answers = [0.0], ["lost", *["RUNNING"] * 9, "lost", "RUNNING", "SUCCEEDED"]

    def answer(self: Client, job: str) -> SimpleNamespace:
        now[0] += 400.0
        if (status := answers.pop(0)) == "lost":
            raise requests.ConnectionError("connection refused")
        return SimpleNamespace(driver_exit_code=0, status=status)

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None)
    monkeypatch.setattr(Client, "get_job_info", answer)
    monkeypatch.setattr(commands, "time", clock)
    monkeypatch.setattr(jobs, "time", clock)
    ran = Jobs(cast(Any, Client(0)))
    monkeypatch.setattr(Jobs, "at", lambda port: ran)
    assert followed(cast(Head, NearHead()), ran, Follower(JOB, lambda text: None, heard=0.0)) == 0
    assert not answers


def test_a_port_that_another_program_has_is_no_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ui --cluster FILE --port 5000` beside an MLflow on this machine named that one's pages as the cluster's."""
    monkeypatch.setattr(head, "_ray", lambda *words: ["sleep", "9"])
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ClusterError, match=rf"127\.0\.0\.1:{port} of this machine is taken.* --port"),
            Head(Path("cluster.yaml")).tunnel(5000, port),
        ):
            pass


def test_one_that_is_lost_before_is_no_fault_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the command line, which took it for a disk that refuses."""
    monkeypatch.setattr(Head, "tunnel", NearHead.tunnel)
    monkeypatch.setattr(Jobs, "at", lambda port: Jobs(cast(Any, Client(0))))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "any")
    file = str(Path(__file__).parents[2] / "cluster" / "gpu.yaml")
    assert main(["refit", "toy", "--out", str(tmp_path / "model"), "--cluster", file]) == 2
    told = capsys.readouterr().err
    assert "connection to the head of the cluster, which was lost (connection refused)" in told
    assert "the same command follows it again" in told
    assert "this machine refuses" not in told


@pytest.mark.lengthy
def test_a_head_without_ray_is_told_from_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart of the machine: SSH answers, and nobody listens at the other end of the tunnel."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(ClusterError, match=r"Ray must run on the head .* `ray up`"):
        Jobs.at(free_port())
