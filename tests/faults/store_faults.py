"""Faults of the MLflow server and of the ledger's Postgres server. See tests.faults.faults."""

from __future__ import annotations

from random import Random

from tests.faults.fault_run import FaultRun

__all__ = [
    "cut_sessions",
    "mlflow_broken",
    "mlflow_down",
    "mlflow_gone",
    "mlflow_older",
    "mlflow_slow",
    "restart_postgres",
]


def mlflow_slow(run: FaultRun, rng: Random) -> None:
    if _mlflow_is_there(run):
        run.strike()
        run.services.mlflow.line.delay = lambda path: 5.0
        _let_reports_come(run, rng.randint(4, 24))
        run.services.mlflow.heal()


def mlflow_broken(run: FaultRun, rng: Random) -> None:
    """Every answer is a 500."""
    if _mlflow_is_there(run):
        run.strike()
        run.services.mlflow.line.status = 500
        _let_reports_come(run, rng.randint(1, 12))
        run.services.mlflow.heal()


def mlflow_down(run: FaultRun, rng: Random) -> None:
    if _mlflow_is_there(run):
        run.strike()
        run.services.mlflow.server.kill()
        _let_reports_come(run, rng.randint(1, 12))
        run.services.mlflow.heal()


def mlflow_older(run: FaultRun, rng: Random) -> None:
    """The server comes back with its database as it was some reports ago."""
    if not _mlflow_is_there(run):
        return
    mlflow = run.services.mlflow
    copy = run.folder / "older.db"
    mlflow.save(copy)
    _let_reports_come(run, rng.randint(1, 8))
    if not run.running:
        return
    run.strike()
    mlflow.server.kill()
    mlflow.put_back(copy)
    mlflow.heal()
    run.behind |= not run.running


def mlflow_gone(run: FaultRun, rng: Random) -> None:
    """Until the sweep has ended. Then `sync` pushes what lacks."""
    if _mlflow_is_there(run):
        run.strike()
        run.behind = True
        run.services.mlflow.server.kill()


def cut_sessions(run: FaultRun, rng: Random) -> None:
    """All of the driver's, a few times."""
    for _ in range(rng.randint(1, 3)):
        if run.services.postgres.cut(f" {run.driver.process.pid} "):
            run.strike()
            return
        run.sleep(rng.uniform(0.0, 0.5))


def restart_postgres(run: FaultRun, rng: Random) -> None:
    """As after a crash of the server."""
    run.strike()
    run.services.postgres.kill()
    run.sleep(rng.uniform(0.0, 8.0))
    run.services.postgres.start()


def _mlflow_is_there(run: FaultRun) -> bool:
    """Whether an earlier fault has not taken it away for good."""
    return run.services.mlflow.server.process is not None


def _let_reports_come(run: FaultRun, number: int) -> None:
    """Wait for so many, or for 25 seconds, where a worker has to be started first."""
    wanted = run.progress + number
    run.wait(lambda: run.progress >= wanted, 25.0)
