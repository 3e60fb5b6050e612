"""Workers that have nothing to do for a moment, on real Ray: they are kept for those that come, but not for long."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from sweep.execution import idle_workers
from sweep.execution.idle_workers import IdleWorkers
from tests.services.waiting import wait_until

pytestmark = pytest.mark.slow

SLOTS = 3


@pytest.fixture(scope="module", autouse=True)
def own_ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=SLOTS, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


class Training(tune.Trainable):
    """Waits for the others of its phase, then takes `seconds`, and says in which process."""

    def setup(self, config: dict[str, Any]) -> None:
        self.seconds, self.phase, self.others = float(config["seconds"]), Path(config["phase"]), int(config["others"])

    def step(self) -> dict[str, Any]:
        self.phase.mkdir(parents=True, exist_ok=True)
        (self.phase / str(os.getpid())).touch()
        wait_until(lambda: len(list(self.phase.iterdir())) >= self.others)
        time.sleep(self.seconds)
        return {"process": os.getpid(), "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True


class InPhases(Searcher):
    """Hands out one phase after the other, each when all of the one before have ended."""

    def __init__(self, folder: Path, *phases: list[float]) -> None:
        super().__init__()
        self.phases = [
            [{"seconds": each, "phase": str(folder / str(number)), "others": len(phase)} for each in phase]
            for number, phase in enumerate(phases)
        ]
        self.running: set[str] = set()
        self.waiting = self.phases.pop(0)

    @property
    def exhausted(self) -> bool:
        return not (self.phases or self.waiting or self.running)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if self.exhausted:
            return Searcher.FINISHED  # type: ignore[return-value]  # a string, whatever Ray's annotation says
        if not self.waiting and not self.running:
            self.waiting = self.phases.pop(0)
        if not self.waiting:
            return None
        self.running.add(trial_id)
        return self.waiting.pop(0)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.running.discard(trial_id)


class Keeping(FIFOScheduler):
    """Remembers how many workers there were at once, each time that Tune asks."""

    def __init__(self, searcher: InPhases) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.idle, self.searcher = IdleWorkers(SLOTS), searcher
        self.workers: list[int] = []

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        controller = getattr(tune_controller, "_tune_controller", tune_controller)
        self.workers.append(len(controller._actor_manager.live_actors))
        self.idle.check(tune_controller, more=not self.searcher.exhausted)
        return None


def run(searcher: InPhases, folder: Path) -> tuple[list[int], Keeping]:
    """The processes of the trials, in their order, and the scheduler."""
    scheduler = Keeping(searcher)
    found = tune.run(
        Training,
        search_alg=searcher,
        scheduler=scheduler,
        num_samples=-1,
        reuse_actors=True,
        resources_per_trial={"cpu": 1},
        storage_path=str(folder),
        verbose=0,
    )
    assert {trial.status for trial in found.trials} == {"TERMINATED"}
    return [trial.last_result["process"] for trial in found.trials], scheduler


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")


def test_those_of_one_phase_serve_the_next(tmp_path: Path) -> None:
    processes, _ = run(InPhases(tmp_path / "phases", [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]), tmp_path / "tune")
    assert len(set(processes[:3])) == 3
    assert len(set(processes)) == 3, "Tune by itself keeps one, and starts two more"


def test_they_are_let_go_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_workers, "KEPT_SECONDS", 1.0)
    processes, scheduler = run(InPhases(tmp_path / "phases", [0.0, 0.0, 6.0], [0.0]), tmp_path / "tune")
    before_last = scheduler.workers[: -scheduler.workers[::-1].index(2)]
    assert max(before_last) == 3
    assert before_last[-1] == 2, "the one that trains, and one that Tune keeps by itself"
    assert processes[3] in processes[:3]
