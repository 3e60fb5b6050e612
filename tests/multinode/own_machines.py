"""Machines as they stand in an institute, and a laptop, for cluster/onprem.yaml: a head and two with a GPU each.

The GPUs are mere numbers. What a machine would fetch from the internet lies in place already.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import yaml

from tests.multinode.files import read
from tests.multinode.installed import ROOT, environment
from tests.multinode.namespaces import Computer, Machine, Network
from tests.multinode.port_probe import Answers
from tests.services.command_line import words
from tests.services.waiting import wait_until

__all__ = ["FILE", "OwnMachines", "drivers", "knock", "ports", "processes", "trainings"]

FILE = "onprem.yaml"  # in the laptop's home
_ADDRESSES = {"laptop": "10.77.0.9", "head": "10.77.0.11", "gpu1": "10.77.0.12", "gpu2": "10.77.0.13"}
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DONE = "#!/bin/sh\n"  # a program that succeeds
_JOINED_WITHIN = 420.0  # seconds; `ray start` gives up after 30, and a slow machine needs more than one attempt


@dataclass(frozen=True, slots=True)
class OwnMachines:
    """Use `opened`. token: that of the cluster, which only the laptop has before `ray up`."""

    laptop: Machine
    head: Machine
    workers: tuple[Machine, Machine]
    token: str

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[OwnMachines]:
        """New ones that run; they are no cluster yet."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
        with Network.opened(folder) as network:
            laptop = network.boot(Computer("laptop", (f"{_ADDRESSES['laptop']}/24",), environment=environment()))
            head, *workers = (_booted(network, name, folder / "key.pub") for name in ("head", "gpu1", "gpu2"))
            machines = cls(laptop, head, (workers[0], workers[1]), secrets.token_hex(32))
            machines._furnish_laptop(folder / "key")
            yield machines

    def up(self) -> None:
        """`ray up`, and wait until the machines with GPUs are there. If they do not come, the error has what the head
        says of them."""
        self.laptop.run(f"cd {ROOT} && ray up ~/{FILE} --yes --no-config-cache")
        try:
            wait_until(self._is_whole, _JOINED_WITHIN, "both machines with GPUs are in the cluster", period=2.0)
        except AssertionError as error:
            error.add_note(self.head.run("ray status; tail -n 200 /tmp/ray/session_latest/logs/monitor.log"))
            raise

    def _is_whole(self) -> bool:
        return "/2.0 GPU" in self.head.run("ray status")

    def down(self) -> None:
        """`ray down`."""
        self.laptop.run(f"ray down ~/{FILE} --yes")

    def _furnish_laptop(self, key: Path) -> None:
        """What its user has made ready: an SSH key, a token, and the values of onprem.yaml that are to be looked at."""
        home = self.laptop.home
        config = read(FILE)
        config["provider"] |= {"head_ip": _ADDRESSES["head"], "worker_ips": [_ADDRESSES["gpu1"], _ADDRESSES["gpu2"]]}
        config["head_setup_commands"] = ["echo 'export SWEEP_STORE=~/store' >> ~/.sweep-environment"]
        (home / FILE).write_text(yaml.safe_dump(config, sort_keys=False))
        (home / ".ray").mkdir()
        for place, secret in ((".ssh/id_ed25519", key.read_text()), (".ray/auth_token", self.token)):
            (home / place).write_text(secret)
            (home / place).chmod(0o600)


def ports(machine: Machine) -> Sequence[int]:
    """All TCP ports on which a machine listens."""
    sockets = machine.run("ss --no-header --listening --tcp --numeric").splitlines()
    return sorted({int(line.split()[3].rpartition(":")[2]) for line in sockets})


def knock(client: Machine, host: str, ports: Sequence[int]) -> Mapping[int, Answers]:
    """What a machine that has the token hears from ports of a host with it, without it, and with a wrong one."""
    words = " ".join(map(str, ports))
    command = f"python -m tests.multinode.port_probe {host} {words} < ~/.ray/auth_token"
    answers = json.loads(client.run(command))
    return {int(port): each for port, each in answers.items()}


def trainings() -> list[psutil.Process]:
    """Those that train, or will as soon as they are told to. Ray starts one elsewhere that is lost before that."""
    return [each for each, (title, *_) in _commands() if title.startswith("ray::Worker") and "__init__" not in title]


def drivers() -> list[psutil.Process]:
    """Those of sweeps on the head."""
    return processes("python", "--address")


def processes(program: str, word: str = "") -> list[psutil.Process]:
    """Those of all machines whose command begins with the path or title of this program, and has the word, if any."""
    every = [(each, title) for each, (title, *rest) in _commands() if not word or word in rest]
    return [each for each, title in every if title.endswith(f"/{program}") or title.startswith(program)]


def _commands() -> Iterator[tuple[psutil.Process, Sequence[str]]]:
    """All processes that have not ended, with the words of their command lines."""
    every = ((each, words(each)) for each in psutil.Process().children(recursive=True))
    return ((each, command) for each, command in every if command)


def _booted(network: Network, name: str, key: Path) -> Machine:
    """A machine on which `uv` has nothing left to do and `nvidia-smi` succeeds. Its code is what comes by SSH."""
    shell = environment(PATH=f"/home/ubuntu/.local/bin:{_SYSTEM_PATH}", PYTHONPATH="/home/ubuntu/few-shot-sweep")
    if name != "head":
        shell["RAY_OVERRIDE_RESOURCES"] = json.dumps({"GPU": 1})
    computer = Computer(
        name,
        (f"{_ADDRESSES[name]}/24",),
        authorized_keys=key.read_text(),
        environment=shell,
        programs=dict.fromkeys(("uv", "nvidia-smi"), _DONE),
    )
    machine = network.boot(computer)
    (machine.home / ".few-shot-sweep").mkdir()
    (machine.home / ".few-shot-sweep" / "venv").symlink_to(sys.prefix)
    return machine
