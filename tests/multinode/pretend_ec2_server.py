"""The program of the pretend EC2: moto answers the API, and each machine that it reports as running is booted.

    python -m tests.multinode.pretend_ec2_server FOLDER

It runs beside the bridge of a network. Machines have the addresses that moto gives them; one that is terminated loses
its power at once, as a spot machine may. FOLDER/events.jsonl has a line for each that comes or goes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tests.multinode.namespaces import Computer, Machine, Network

__all__ = ["ADDRESS", "ENDPOINT", "METADATA", "REGION"]

ADDRESS = "172.31.255.254"  # in the network of moto's default VPC, outside its subnets
ENDPOINT = f"http://{ADDRESS}"
METADATA = "169.254.169.254"  # where machines in EC2 ask who they are and what they may
REGION = "us-west-2"

_VENV = Path(sys.prefix)

# What this machine cannot do: install without a package index, and show a GPU. Each call is written down.
_LOG = '#!/bin/sh\necho "$(basename "$0") $*" >> ~/calls.log\n'
_UV = f"""{_LOG}case "$1" in
venv) for last; do :; done; ln -sfn {_VENV} "$last" ;;
pip) echo 'export PYTHONPATH=$HOME/few-shot-sweep' >> ~/.sweep-environment ;; # as --editable does
esac
"""
_PROGRAMS = {"uv": _UV, "pip": _LOG, "nvidia-smi": _LOG}


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """Keeps what runs equal to what the API says that runs. ec2: a client of the API."""

    network: Network
    ec2: Any
    running: dict[str, Machine] = field(default_factory=dict)

    def keep_up(self) -> None:
        """For ever."""
        while True:
            self._step()
            time.sleep(0.2)

    def _step(self) -> None:
        found = self.ec2.describe_instances()["Reservations"]
        wanted = {
            each["InstanceId"]: each
            for reservation in found
            for each in reservation["Instances"]
            if each["State"]["Name"] == "running"
        }
        for number in self.running.keys() - wanted.keys():
            self.running.pop(number).kill()
            self._note("gone", number)
        for number in wanted.keys() - self.running.keys():
            self.running[number] = self._boot(wanted[number])
            self._note("booted", number, type=wanted[number]["InstanceType"], address=wanted[number]["PublicIpAddress"])

    def _boot(self, instance: Mapping[str, Any]) -> Machine:
        (key,) = self.ec2.describe_key_pairs(KeyNames=[instance["KeyName"]], IncludePublicKey=True)["KeyPairs"]
        private, public = instance["PrivateIpAddress"], instance["PublicIpAddress"]
        return self.network.boot(
            Computer(
                instance["InstanceId"],
                (f"{private}/16", f"{public}/32"),
                authorized_keys=key["PublicKey"],
                environment={"AWS_ENDPOINT_URL": ENDPOINT, "AWS_DEFAULT_REGION": REGION},
                programs=_PROGRAMS,
            )
        )

    def _note(self, event: str, number: str, **more: str) -> None:
        with (self.network.folder / "events.jsonl").open("a") as file:
            file.write(json.dumps({"time": time.time(), "event": event, "instance": number, **more}) + "\n")


def correct_moto() -> None:
    """Two answers of moto that are not those of AWS: it starts MinCount machines where AWS starts MaxCount if it can,
    and the machines' metadata know a role only under a path that ends in a slash, which some clients leave away."""
    from moto.ec2.responses.instances import InstanceResponse
    from moto.instance_metadata.responses import InstanceMetadataResponse

    run, answer = InstanceResponse.run_instances, InstanceMetadataResponse.metadata_response

    def run_all(self: Any) -> Any:
        get = self._get_param
        self._get_param = lambda name, *rest, **more: get("MaxCount" if name == "MinCount" else name, *rest, **more)
        return run(self)

    def answer_both(request: Any, url: str, headers: Any) -> Any:
        return answer(request, f"{url}/" if url.endswith("iam/security-credentials") else url, headers)

    replaced: Any = InstanceResponse
    replaced.run_instances = run_all
    replaced = InstanceMetadataResponse
    replaced.metadata_response = staticmethod(answer_both)


def _answering() -> Any:
    """A client of the API, once that answers."""
    session = boto3.Session("testing", "testing", region_name=REGION)
    ec2 = session.client("ec2", endpoint_url=ENDPOINT)
    ec2.describe_vpcs()
    return ec2


def main() -> None:
    """Serve until the process is ended."""
    from moto.server import ThreadedMotoServer

    correct_moto()
    ThreadedMotoServer("0.0.0.0", 80, verbose=False).start()  # noqa: S104  # of a network without a way out
    folder = Path(sys.argv[1])
    hypervisor = Hypervisor(Network(folder), _answering())
    (folder / "ready").touch()
    hypervisor.keep_up()


if __name__ == "__main__":
    main()
