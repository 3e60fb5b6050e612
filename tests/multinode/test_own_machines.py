"""cluster/onprem.yaml for real: `ray up`, a sweep during which a machine is lost, and what strangers see of it all."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]
import pytest

from sweep.ledger.stored import read_stored
from sweep.records.results import SweepResults
from tests.multinode.installed import require_machines
from tests.multinode.namespaces import Machine
from tests.multinode.own_machines import FILE, OwnMachines, drivers, knock, ports, processes, trainings
from tests.multinode.port_probe import HEALTH, STATISTICS, Answers, Nature, nature
from tests.services.waiting import TIME_LIMIT, wait_until
from tests.sweeps.results_table import table
from tests.sweeps.tiny_task import TinyTask

GPU1 = "10.77.0.12"
LONG = "--set name=long --set protocol.steps=1000000"


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep that lost a machine with its trials. answers: what all ports of each machine said in its middle. leaks:
    the processes that showed the token then."""

    results: SweepResults
    answers: Mapping[str, Mapping[int, Answers]]
    leaks: list[psutil.Process]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMachines]:
    """After `ray up`, and an undisturbed sweep on the laptop: not at once, because machines that share two cores with a
    sweep do not start in the time that Ray leaves them. At the end, `ray down` leaves nothing of Ray on the head."""
    require_machines()
    with OwnMachines.opened(tmp_path_factory.mktemp("machines")) as machines:
        write_task(machines.laptop)
        machines.up()
        machines.laptop.run("python -m sweep run spec.yaml --dir undisturbed")
        yield machines
        machines.down()
        assert not [each for each in processes("gcs_server") if each.is_running()]


@pytest.fixture(scope="module")
def swept(cluster: OwnMachines) -> Swept:
    """It is begun from the laptop."""
    with begun(cluster.laptop, "--set resources.gpu=0.5") as sweep:
        wait_until(lambda: sweep.poll() is not None or len(halted()) == 4)
        answers = knock_everywhere(cluster)
        leaks = [each for each in processes("") if shows(each, cluster.token)]
        lose_gpu1()
        output, _ = sweep.communicate(timeout=TIME_LIMIT)
    assert sweep.returncode == 0, output
    assert "Traceback" not in output
    return Swept(results(cluster.head, "sweeps"), answers, leaks)


@contextmanager
def begun(laptop: Machine, settings: str) -> Iterator[subprocess.Popen[str]]:
    """The command that begins a sweep on the cluster, or follows it."""
    sweep = laptop.start(f"exec python -m sweep run spec.yaml --cluster {FILE} {settings}")
    assert sweep.stdout is not None
    try:
        yield sweep
    finally:
        sweep.kill()
        sweep.wait()
        sweep.stdout.close()


def write_task(laptop: Machine) -> None:
    """A spec, with data and an encoder that only the laptop has. The same trials are tried whatever the order."""
    task = TinyTask(laptop.home)
    task.write()
    task.write_spec(
        laptop.home / "spec.yaml",
        "toy",
        datasets={"films": {"path": "films.csv"}},
        compare={"dataset": ["films"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        search={"encoder_lr": [1.0e-3, 2.0e-3]},
        trial={"encoder": "./encoder", "embedding": "mean", "max_length": 16},
        protocol={"replicates": 2, "evaluations": 2, "steps": 40, "validation": 20},
        budget={"trials_per_cell": 2},
        confirm={"draws": 1, "reseeded": 0},
        resources={"cpu": 1},
    )


def halted() -> list[psutil.Process]:
    """All that train, halted, so that they are in the middle of a trial."""
    found = trainings()
    for each in found:
        each.suspend()
    return found


def knock_everywhere(cluster: OwnMachines) -> Mapping[str, Mapping[int, Answers]]:
    """From the laptop. A halted process does not answer, so drivers are halted while those that train are not."""
    answers = {"head": knock(cluster.laptop, "10.77.0.11", ports(cluster.head))}
    answers["loopback"] = knock(cluster.head, "127.0.0.1", [8265])
    with drivers_halted():
        for each in trainings():
            each.resume()
        for machine, host in zip(cluster.workers, (GPU1, "10.77.0.13"), strict=True):
            answers[machine.computer.name] = knock(cluster.laptop, host, ports(machine))
        halted()
    return answers


@contextmanager
def drivers_halted() -> Iterator[None]:
    found = drivers()
    for each in found:
        each.suspend()
    yield
    for each in found:
        each.resume()


def shows(process: psutil.Process, token: str) -> bool:
    """Whether a process has the token in its command line or its environment."""
    try:
        return token in str(process.cmdline()) or token in str(process.environ())
    except psutil.Error:  # it ended meanwhile
        return False


def lose_gpu1() -> None:
    """Kill its raylet, with which those end that train there, if they are not halted."""
    (raylet,) = processes("raylet", f"--node_ip_address={GPU1}")
    lost = [each for each in trainings() if each.ppid() == raylet.pid]
    assert len(lost) == 2
    for each in (raylet, *lost):
        with suppress(psutil.NoSuchProcess):  # which may have ended with its raylet
            each.kill()
    for each in trainings():
        each.resume()


def results(machine: Machine, folder: str) -> SweepResults:
    return read_stored("toy", machine.home / folder)[1].results()


def test_the_laptop_asks_for_status_and_report(cluster: OwnMachines, swept: Swept) -> None:
    told = cluster.laptop.run(f"python -m sweep status toy --cluster {FILE}")
    assert told.startswith("toy: finished")
    told = cluster.laptop.run(f"python -m sweep report toy --cluster {FILE}")
    assert "copied to sweeps/toy/report/report.html" in told
    assert "films/4/soft_triple" in (cluster.laptop.home / "sweeps/toy/report/report.html").read_text(encoding="utf-8")
    assert len(swept.results.trials) == 4


def test_a_sweep_that_loses_a_machine_is_equal_to_one_that_does_not(cluster: OwnMachines, swept: Swept) -> None:
    assert sorted(record.attempts for record in swept.results.trials) == [1, 1, 2, 2]
    assert table(swept.results) == table(results(cluster.laptop, "undisturbed"))


def test_whoever_began_a_sweep_may_leave_it_come_back_and_stop_it(cluster: OwnMachines, swept: Swept) -> None:
    assert len(swept.results.trials) == 4
    with begun(cluster.laptop, LONG) as first:
        wait_until(lambda: first.poll() is not None or bool(trainings()))
        (command,) = processes("python", "name=long")
        command.send_signal(signal.SIGINT)
        left, _ = first.communicate(timeout=TIME_LIMIT)
    assert first.returncode == 130, left
    assert "left; the sweep continues" in left
    with begun(cluster.laptop, LONG) as second:
        assert second.stdout is not None
        greeting = second.stdout.readline()
        assert greeting.split(";")[0] in left, "another job, or none"
        assert cluster.laptop.run(f"python -m sweep status long --cluster {FILE}").startswith("long: running")
        told = cluster.laptop.run(f"python -m sweep stop long --now --cluster {FILE}")
        assert "it ends at once" in told
        followed, _ = second.communicate(timeout=TIME_LIMIT)
    assert second.returncode == 130, followed
    assert "Traceback" not in left + followed
    assert not trainings()


def test_the_winner_is_trained_on_a_worker_and_comes_to_the_laptop(cluster: OwnMachines, swept: Swept) -> None:
    """With the weights that the laptop itself would give it."""
    assert len(swept.results.trials) == 4
    arm = "--arm=films/4/soft_triple"
    told = cluster.laptop.run(
        f"python -m sweep refit toy {arm} --cluster {FILE} --out model && "
        f"python -m sweep refit toy {arm} --dir undisturbed --out near",
    )
    # The autoscaler has started Ray again on the machine that was lost, if that is half a minute ago.
    assert re.search(r"refit      training on gpu[12]\n", told), told
    assert "films/4/soft_triple: Expected accuracy: " in told
    far, near = (cluster.laptop.home / name for name in ("model", "near"))
    for name in ("classifier.json", "classifier.safetensors", "model.safetensors"):
        assert (far / name).read_bytes() == (near / name).read_bytes(), name
    card = (far / "README.md").read_text(encoding="utf-8")
    assert f"python -m sweep refit toy {arm} --cluster {FILE} --out model\n" in card
    assert not list((cluster.head.home / ".sweep-refits").iterdir())


def of_nature(answers: Mapping[int, Answers]) -> dict[Nature, set[int]]:
    return {kind: {port for port, each in answers.items() if nature(each) is kind} for kind in Nature}


def test_without_the_token_no_port_of_the_head_does_anything(swept: Swept) -> None:
    """MLflow and the dashboard are not there for the network."""
    kinds = of_nature(swept.answers["head"])
    assert not kinds[Nature.OPEN], swept.answers["head"]
    assert kinds[Nature.CLOSED] >= {5000, 8265}
    assert kinds[Nature.FOREIGN] == {22}
    assert kinds[Nature.GUARDED] >= {6379, 8076, 10001, 52365}
    # Ray's own counters, of the autoscaler, of the dashboard and of the machine, are for every Prometheus to read.
    assert kinds[Nature.COUNTERS] >= {44217, 44227}
    assert len(kinds[Nature.COUNTERS]) == 3
    assert swept.answers["head"][6379]["none"][HEALTH] == "OK"  # a bare sign of life


def test_the_dashboard_gives_nothing_but_its_empty_page_without_the_token(swept: Swept) -> None:
    heard = swept.answers["loopback"][8265]
    pages = {path: answer for path, answer in heard["none"].items() if path.startswith("/") and "." not in path}
    assert pages.pop("/") == "200"
    assert set(pages.values()) == {"401"}
    assert {heard["wrong"][path] for path in pages} == {"403"}
    assert heard["right"]["/api/jobs/"] == "200"


@pytest.mark.parametrize("machine", ["gpu1", "gpu2"])
def test_without_the_token_no_port_of_a_worker_does_anything(swept: Swept, machine: str) -> None:
    answers = swept.answers[machine]
    kinds = of_nature(answers)
    assert not kinds[Nature.OPEN], answers
    assert kinds[Nature.FOREIGN] == {22}
    assert kinds[Nature.GUARDED] >= {8076, 52365}
    assert len(kinds[Nature.COUNTERS]) == 1
    trained = [port for port in kinds[Nature.GUARDED] if answers[port]["right"][STATISTICS] == "OK"]
    assert len(trained) == 2, "both trials were there"


def test_the_token_is_where_it_was_put_and_nowhere_else(cluster: OwnMachines, swept: Swept) -> None:
    """Not in Ray's logs and sessions, nor in MLflow, nor with the sweep: whatever lies on any machine is read."""
    machines = (cluster.laptop, cluster.head, *cluster.workers)
    files = [file for machine in machines for file in machine.folder.rglob("*") if file.is_file()]
    found = {file for file in files if cluster.token.encode() in file.read_bytes()}
    assert found == {machine.home / ".ray" / "auth_token" for machine in machines}
    assert [file for file in files if file.name == "gcs_server.out"], "Ray's logs are elsewhere"
    assert [file for file in files if file.name == "mlflow.db"]
    jobs = cluster.head.run("ray job list")
    assert "toy-" in jobs
    assert cluster.token not in jobs
    assert swept.leaks == []
