"""TLS by the commands of cluster/README.md, as they stand there: a sweep runs with it, and nobody listens in."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent

import pytest
import yaml

from sweep.ledger.stored import read_stored
from tests.multinode.files import CLUSTER
from tests.multinode.installed import environment, require_machines
from tests.multinode.namespaces import Computer, Machine, Network
from tests.multinode.own_machines import knock, ports
from tests.sweeps.tiny_task import TinyTask
from trainable.outcomes import Outcome

HEAD, GPU = "10.77.0.11", "10.77.0.12"
TOKEN = "c0ffee" * 10
START = "ray start --num-gpus=0 --object-store-memory=104857600"

# Ends the greeting as soon as the port has shown who it is; says who vouches for it.
GREET = """
import pathlib, socket, ssl, sys
from tests.services.waiting import TIME_LIMIT
tls = pathlib.Path.home() / "tls"
context = ssl.create_default_context(cafile=tls / "ca.crt")
context.load_cert_chain(tls / "own.crt", tls / "own.key")
context.set_alpn_protocols(["h2"])
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as line:
    with context.wrap_socket(line, server_hostname=sys.argv[1]) as port:
        print(dict(pair for (pair,) in port.getpeercert()["issuer"])["commonName"])
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """authority: the command that makes one, in ~/tls of the laptop. setup: the commands for each machine."""

    authority: str
    setup: Sequence[str]

    @classmethod
    def read(cls) -> Recipe:
        text = (CLUSTER / "README.md").read_text(encoding="utf-8")
        section = text.partition("### TLS\n")[2].partition("\n### ")[0]
        (authority,) = re.findall(r"`(openssl req -x509 [^`]+)`", section)
        (block,) = re.findall(r"```yaml\n(.+?)```", section, flags=re.DOTALL)
        return cls(authority, yaml.safe_load(dedent(block)))


@dataclass(frozen=True, slots=True)
class TlsCluster:
    """A head without CPUs, and a machine on which trials run."""

    head: Machine
    gpu: Machine

    def start(self) -> None:
        self.head.run(f"{START} --head --port=6379 --num-cpus=0 --include-dashboard=false")
        self.gpu.run(f"{START} --address={HEAD}:6379 --num-cpus=1")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsCluster]:
    require_machines()
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    folder, recipe = tmp_path_factory.mktemp("tls"), Recipe.read()
    (folder / "laptop").mkdir()
    subprocess.run(shlex.split(recipe.authority), cwd=folder / "laptop", check=True, capture_output=True)
    with Network.opened(folder) as network:
        made = TlsCluster(*(booted(network, name, address, recipe) for name, address in (("head", HEAD), ("gpu", GPU))))
        made.start()
        yield made


def booted(network: Network, name: str, address: str, recipe: Recipe) -> Machine:
    """A machine as the launcher leaves it: files copied, commands run, the environment of the latter in every shell."""
    computer = Computer(name, (f"{address}/24",), environment=environment(RAY_AUTH_MODE="token"))
    machine = network.boot(computer)
    shutil.copytree(network.folder / "laptop", machine.home / "tls")
    (machine.home / ".ray").mkdir()
    (machine.home / ".ray" / "auth_token").write_text(TOKEN)
    (machine.home / ".ray" / "auth_token").chmod(0o600)
    for command in recipe.setup:
        machine.run(command)
    with (machine.home / ".bashrc").open("a") as file:
        file.write(". ~/.sweep-environment\n")
    return machine


def test_a_sweep_runs_with_certificates(cluster: TlsCluster) -> None:
    home = cluster.head.home
    task = TinyTask(home)
    task.write()
    task.write_spec(
        home / "spec.yaml",
        "toy",
        compare={"dataset": ["films"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        datasets={"films": {"path": "films.csv"}},
        trial={"encoder": "./encoder", "embedding": "mean", "max_length": 16},
        protocol={"replicates": 1, "evaluations": 2, "steps": 8, "validation": 20},
        budget={"trials_per_cell": 1},
        confirm={"draws": 1, "reseeded": 0},
    )
    cluster.head.run(f"python -m sweep run spec.yaml --address {HEAD}:6379")
    results = read_stored("toy", home / "sweeps")[1].results()
    assert [(each.outcome, each.attempts) for each in results.trials] == [(Outcome.COMPLETED, 1)] * 2
    assert [len(each.replicates) for each in results.confirmations] == [1, 1]


def test_the_port_shows_a_certificate_of_the_authority_for_its_address(cluster: TlsCluster) -> None:
    (cluster.gpu.home / "greet.py").write_text(GREET)
    (issuer,) = cluster.gpu.run(f"python greet.py {HEAD} 6379").splitlines()
    assert issuer == "few-shot-sweep"


def test_the_token_alone_opens_nothing(cluster: TlsCluster) -> None:
    open_ports = ports(cluster.head)
    assert 6379 in open_ports
    for port, answers in knock(cluster.gpu, HEAD, open_ports).items():
        answered = [name for name, answer in answers["right"].items() if answer == "OK"]
        assert not answered, f"port {port} answers without a certificate: {answered}"


def test_the_authority_and_the_keys_are_their_owners(cluster: TlsCluster) -> None:
    for machine in (cluster.head, cluster.gpu):
        for key in ("ca.key", "own.key"):
            assert (machine.home / "tls" / key).stat().st_mode & 0o077 == 0, key
