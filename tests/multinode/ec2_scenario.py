"""A sweep on a pretend EC2: up, grown to two GPU machines, one of them lost, to the end, and down.

The spec, its sentences and its encoder lie on the laptop alone. Trials are halted while something is waited for that
takes longer than they do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil  # type: ignore[import-untyped]

from sweep.ledger.stored import read_stored
from sweep.records.results import SweepResults
from tests.multinode.pretend_ec2 import PretendEC2
from tests.services.command_line import words
from tests.services.waiting import TIME_LIMIT, wait_until
from tests.sweeps.tiny_task import TinyTask

__all__ = ["EXPERIMENT", "GPU", "LOSSES", "SWEEP", "Observed", "play"]

SWEEP, EXPERIMENT = "films", "cinema"
LOSSES = ("cross_entropy", "soft_triple", "proxy_anchor", "supcon", "triplet")
HEAD, GPU = "m6i.xlarge", "g6.xlarge"  # types of machines in gpu.yaml
_CLUSTER = "--cluster cluster/gpu.yaml"
_HALVES = "--set resources.gpu=0.5 --set budget.concurrency=4"
_SOME = 6  # reports of 40, after which trials are in their midst

# All of the experiment's runs, over MLflow's own interface.
_BROWSE = """
import json, urllib.request
def ask(path, **body):
    request = urllib.request.Request("http://127.0.0.1:5500" + path, json.dumps(body).encode() if body else None)
    request.add_header("Content-Type", "application/json")
    return urllib.request.urlopen(request).read().decode()
page = ask("/")
experiment = json.loads(ask("/api/2.0/mlflow/experiments/get-by-name?experiment_name={experiment}"))["experiment"]
runs = ask("/api/2.0/mlflow/runs/search", experiment_ids=[experiment["experiment_id"]], max_results=1000)
print(json.dumps({{"page": page, "runs": json.loads(runs)["runs"]}}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen of the scenario. alone: the undisturbed sweep of the same spec, on the laptop. before: the ledger
    when a machine was lost. most: GPU machines at once. said: what `run` printed. page, runs: of MLflow, through the
    tunnel. fetched: the folder to which `fetch` brought the sweep. calls: by machine, what it would have installed.
    seconds: how long the steps took. left: machines that run at the end.
    """

    alone: SweepResults
    before: SweepResults
    after: SweepResults
    most: int
    said: str
    page: str
    runs: Sequence[Mapping[str, Any]]
    fetched: Path
    calls: Mapping[str, str]
    seconds: Mapping[str, float]
    left: Sequence[str]


def play(cloud: PretendEC2, *, until_idle: bool) -> Observed:
    """Play it. until_idle: wait until the last GPU machine has been given back before the cluster is ended."""
    scenario = Ec2Scenario(cloud, {})
    scenario.write_task()
    with scenario.alone() as alone:
        with scenario.timed("up"):
            scenario.up()
        output, _ = alone.communicate(timeout=TIME_LIMIT)
        assert alone.returncode == 0, output
    before, most, said = scenario.run_and_lose_a_machine()
    seen = scenario.browse()
    scenario.fetch()
    calls = {each: (cloud.home(each) / "calls.log").read_text() for each in cloud.running(GPU) + cloud.running(HEAD)}
    after = scenario.results()
    if until_idle:
        with scenario.timed("idle"):
            wait_until(lambda: not cloud.running(GPU), 600, "no GPU machine runs")
    with scenario.timed("down"):
        scenario.command(
            "ray down --yes cluster/gpu.yaml 2>&1 | while read -r line; do echo $(date +%T) $line; done > ~/down.log"
        )
    return Observed(
        alone=_read(cloud.laptop.home / "alone" / "sweeps"),
        before=before,
        after=after,
        most=most,
        said=said,
        page=seen["page"],
        runs=seen["runs"],
        fetched=cloud.project / "sweeps",
        calls=calls,
        seconds=scenario.seconds,
        left=cloud.running(GPU) + cloud.running(HEAD),
    )


@dataclass(frozen=True, slots=True)
class Ec2Scenario:
    """Steps of the scenario, in their order."""

    cloud: PretendEC2
    seconds: dict[str, float]

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - begun

    def command(self, command: str) -> str:
        """Run something in the laptop's copy of the project."""
        return self.cloud.laptop.run(f"cd ~/few-shot-sweep && {command}")

    def write_task(self) -> None:
        """Each loss by its published defaults: the trials are the same in whatever order they run."""
        task = TinyTask(self.cloud.laptop.home / "task")
        task.folder.mkdir()
        task.write()
        task.write_spec(
            task.folder / "films.yaml",
            SWEEP,
            datasets={"films": {"path": "films.csv"}},
            compare={"dataset": ["films"], "shots": [4], "loss": list(LOSSES)},
            trial={"encoder": "./encoder", "embedding": "mean", "max_length": 16},
            protocol={"replicates": 4, "evaluations": 2, "steps": 50, "validation": 20},
            budget={"trials_per_cell": 1},
            confirm={"draws": 2},
            tracking={"experiment": EXPERIMENT},
        )

    @contextmanager
    def alone(self) -> Iterator[Popen[str]]:
        """The undisturbed sweep, during all that the launcher waits for."""
        (self.cloud.laptop.home / "alone").mkdir()
        with self.cloud.laptop.start("cd ~/alone && exec python -m sweep run ~/task/films.yaml") as process:
            yield process

    def up(self) -> None:
        self.command("ray get-auth-token --generate > /dev/null && chmod 600 ~/.ray/auth_token")
        self.command("python cluster/aws_account.py cluster/gpu.yaml --ssh-from 172.31.255.2/32")
        self.command("ray up --yes cluster/gpu.yaml")
        assert not self.cloud.running(GPU), "a GPU machine is there before there is a trial"

    def run_and_lose_a_machine(self) -> tuple[SweepResults, int, str]:
        """The ledger at that moment, the GPU machines that there were then, and what the command said."""
        with self.cloud.laptop.start(
            f"cd ~/few-shot-sweep && exec python -m sweep run ~/task/films.yaml {_CLUSTER} {_HALVES}"
        ) as sweep:
            with self.timed("first trial"):
                self._until(sweep, lambda: bool(self._training()), "a trial is trained")
            self._until(sweep, lambda: len(self._halted()) == 2, "two machines train")
            _resume(self._training())
            self._until(sweep, lambda: self._reports() >= _SOME, "trials are in their midst")
            machines = self._halted()
            before, most = self.results(), len(self.cloud.running(GPU))
            _, victim = sorted(machines)
            self.cloud.preempt(victim)
            with self.timed("replacement"):
                self._until(sweep, lambda: len(self._training().keys() - machines.keys()) == 1, "another one trains")
            _resume(self._training())
            output, _ = sweep.communicate(timeout=TIME_LIMIT)
            assert sweep.returncode == 0, output
        return before, most, output

    def browse(self) -> dict[str, Any]:
        """MLflow on the head, through `sweep ui`, which Ctrl-C ends. A shell starts in the background without it."""
        (self.cloud.laptop.home / "browse.py").write_text(_BROWSE.format(experiment=EXPERIMENT))
        script = (
            f"set -m; python -m sweep ui {_CLUSTER} --port 5500 > ~/ui.log 2>&1 & "
            "until grep -q http://127.0.0.1:5500 ~/ui.log; do kill -0 $! || exit 1; sleep 0.1; done; "
            "python ~/browse.py > ~/browse.json && kill -INT -$! && wait $!"
        )
        self.command(script)
        seen: dict[str, Any] = json.loads((self.cloud.laptop.home / "browse.json").read_text(encoding="utf-8"))
        return seen

    def fetch(self) -> None:
        self.command(f"python -m sweep fetch {SWEEP} {_CLUSTER}")

    def results(self) -> SweepResults:
        """As the head's disk has them."""
        return _read(self.cloud.home(self._head) / "sweeps")

    @property
    def _head(self) -> str:
        (head,) = self.cloud.running(HEAD)
        return head

    def _until(self, sweep: Popen[str], condition: Any, what: str) -> None:
        def met() -> bool:
            assert sweep.poll() is None, sweep.communicate()[0]
            return bool(condition())

        wait_until(met, what=what)

    def _reports(self) -> int:
        journal = self.cloud.home(self._head) / "sweeps" / SWEEP / "ledger.journal"
        return journal.read_bytes().count(b'"report/') if journal.exists() else 0

    def _training(self) -> dict[str, list[psutil.Process]]:
        return {each: found for each in self.cloud.running(GPU) if (found := _trainings(self.cloud.processes(each)))}

    def _halted(self) -> dict[str, list[psutil.Process]]:
        """All that train, halted, by machine."""
        found = self._training()
        for processes in found.values():
            for each in processes:
                each.suspend()
        return found


def _trainings(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that train, or will as soon as they are told to: between two calls they bear their class alone."""
    return [each for each in processes if words(each)[:1] in (("ray::Worker.train",), ("ray::Worker",))]


def _resume(machines: Mapping[str, Sequence[psutil.Process]]) -> None:
    for processes in machines.values():
        for each in processes:
            each.resume()


def _read(sweeps: Path) -> SweepResults:
    return read_stored(SWEEP, sweeps)[1].results()
