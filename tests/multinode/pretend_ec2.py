"""A pretend EC2, and somebody's laptop beside it: `ray up` with an ordinary file of `type: aws`, without AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.multinode.installed import ROOT, environment
from tests.multinode.namespaces import Computer, Machine, Network
from tests.multinode.pretend_ec2_server import ADDRESS, ENDPOINT, METADATA, REGION
from tests.services.waiting import wait_until

__all__ = ["Event", "PretendEC2"]

_LAPTOP = "172.31.255.2/16"
_CREDENTIALS = "[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n"


@dataclass(frozen=True, slots=True)
class Event:
    """A machine is booted or gone. time: seconds since the epoch. type, address: of one that is booted."""

    time: float
    event: str
    instance: str
    type: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class PretendEC2:
    """The cloud and the laptop, whose folder ~/few-shot-sweep is a copy of this project."""

    network: Network
    laptop: Machine

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[PretendEC2]:
        """A cloud without machines, in an existing folder."""
        with Network.opened(folder, f"{ADDRESS}/16", f"{METADATA}/32") as network, _served(network):
            yield cls(network, _laptop(network))

    def events(self) -> list[Event]:
        """All so far, in order."""
        log = self.network.folder / "events.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [Event(**json.loads(line)) for line in lines]

    def running(self, kind: str) -> list[str]:
        """The machines of a type that run, the oldest first."""
        events = self.events()
        gone = {each.instance for each in events if each.event == "gone"}
        return [each.instance for each in events if each.type == kind and each.instance not in gone]

    def home(self, instance: str) -> Path:
        """The user's on a machine, as seen from here."""
        return self.network.folder / instance / "home" / "ubuntu"

    @property
    def project(self) -> Path:
        """The laptop's copy, as seen from here."""
        return self.laptop.home / "few-shot-sweep"

    def processes(self, instance: str) -> list[psutil.Process]:
        """Those that Ray has started on a machine to work there."""
        found = []
        for raylet in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if raylet.name() == "raylet" and raylet.environ().get("RAY_CLOUD_INSTANCE_ID") == instance:
                    found += raylet.children()
        return found

    def preempt(self, instance: str) -> None:
        """Take a machine away, as AWS takes those of the spot market."""
        call = f"boto3.client('ec2').terminate_instances(InstanceIds=['{instance}'])"
        self.laptop.run(f'python -c "import boto3; {call}"')


@contextmanager
def _served(network: Network) -> Iterator[None]:
    command = [*network.enter, sys.executable, "-m", "tests.multinode.pretend_ec2_server", str(network.folder)]
    log = network.folder / "server.log"
    with log.open("wb") as output:
        # By PYTHONPATH, since a process that enters namespaces leaves its folder.
        server = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        ready = network.folder / "ready"
        wait_until(lambda: ready.exists() or server.poll() is not None, what="the pretend EC2 answers")
        assert ready.exists(), log.read_text(encoding="utf-8")
        yield
    finally:
        server.kill()
        server.wait()


def _laptop(network: Network) -> Machine:
    shell = environment(PYTHONPATH="/home/me/few-shot-sweep", AWS_ENDPOINT_URL=ENDPOINT, AWS_DEFAULT_REGION=REGION)
    laptop = network.boot(Computer("laptop", (_LAPTOP,), user="me", environment=shell))
    (laptop.home / ".aws").mkdir()
    (laptop.home / ".aws" / "credentials").write_text(_CREDENTIALS)
    copy = ["rsync", "--archive", "--filter=:- .gitignore", "--exclude=.git", f"{ROOT}/"]
    subprocess.run([*copy, str(laptop.home / "few-shot-sweep")], check=True)
    return laptop
