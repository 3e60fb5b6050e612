"""A worker that stops while it starts, on real Ray: it is killed, and its trial told to have stalled."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from sweep.execution.start_limit import StartLimit

pytestmark = pytest.mark.slow


@pytest.fixture
def own_ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


class Starting(tune.Trainable):
    """The first of them stops while it starts."""

    def setup(self, config: dict[str, Any]) -> None:
        pid = Path(config["pid"])
        if not pid.exists():
            pid.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)

    def step(self) -> dict[str, Any]:
        return {"done": True}


class Limited(FIFOScheduler):
    """Looks at workers while the first of them is stopped, and at no other: on a busy machine, the second may take
    longer than so short a limit.
    """

    def __init__(self, stopped: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limit = StartLimit(-57.0)  # 3 seconds with what a start may take
        self.stopped, self.lost = stopped, list[bool]()

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        if self.stopped.exists() and not self.lost:
            self.limit.check(tune_controller)
        return None

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self.lost += [self.limit.killed(trial.trial_id), self.limit.killed(trial.trial_id)]


def test_a_worker_that_stops_while_it_starts_is_killed(
    own_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    pid = tmp_path / "pid"
    scheduler = Limited(pid)
    found = tune.run(
        Starting,
        config={"pid": str(pid)},
        num_samples=2,
        scheduler=scheduler,
        max_failures=0,
        raise_on_failed_trial=False,
        storage_path=str(tmp_path / "tune"),
        verbose=0,
    )
    assert sorted(trial.status for trial in found.trials) == ["ERROR", "TERMINATED"]
    assert scheduler.lost == [True, False]
    assert not psutil.pid_exists(int(pid.read_text()))
    assert "has not started within 0.05 minutes" in scheduler.limit.reason
