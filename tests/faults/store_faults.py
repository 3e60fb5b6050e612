"""Faults of the MLflow server and of the ledger's Postgres server. See tests.faults.faults."""

from __future__ import annotations

from random import Random

from tests.faults.fault_run import Scene

__all__ = [
    "cut_sessions",
    "mlflow_broken",
    "mlflow_down",
    "mlflow_gone",
    "mlflow_older",
    "mlflow_slow",
    "restart_postgres",
]


def mlflow_slow(scene: Scene, rng: Random) -> None:
    if _mlflow_is_there(scene):
        scene.strike()
        scene.stage.mlflow.line.delay = lambda path: 5.0
        _let_reports_come(scene, rng.randint(4, 24))
        scene.stage.mlflow.heal()


def mlflow_broken(scene: Scene, rng: Random) -> None:
    """Every answer is a 500."""
    if _mlflow_is_there(scene):
        scene.strike()
        scene.stage.mlflow.line.status = 500
        _let_reports_come(scene, rng.randint(1, 12))
        scene.stage.mlflow.heal()


def mlflow_down(scene: Scene, rng: Random) -> None:
    if _mlflow_is_there(scene):
        scene.strike()
        scene.stage.mlflow.server.kill()
        _let_reports_come(scene, rng.randint(1, 12))
        scene.stage.mlflow.heal()


def mlflow_older(scene: Scene, rng: Random) -> None:
    """The server comes back with its database as it was some reports ago."""
    if not _mlflow_is_there(scene):
        return
    mlflow = scene.stage.mlflow
    copy = scene.folder / "older.db"
    mlflow.save(copy)
    _let_reports_come(scene, rng.randint(1, 8))
    if not scene.running:
        return
    scene.strike()
    mlflow.server.kill()
    mlflow.put_back(copy)
    mlflow.heal()
    scene.behind |= not scene.running


def mlflow_gone(scene: Scene, rng: Random) -> None:
    """Until the sweep has ended. Then `sync` pushes what lacks."""
    if _mlflow_is_there(scene):
        scene.strike()
        scene.behind = True
        scene.stage.mlflow.server.kill()


def cut_sessions(scene: Scene, rng: Random) -> None:
    """All of the driver's, a few times."""
    for _ in range(rng.randint(1, 3)):
        if scene.stage.postgres.cut(f" {scene.driver.process.pid} "):
            scene.strike()
            return
        scene.sleep(rng.uniform(0.0, 0.5))


def restart_postgres(scene: Scene, rng: Random) -> None:
    """As after a crash of the server."""
    scene.strike()
    scene.stage.postgres.kill()
    scene.sleep(rng.uniform(0.0, 8.0))
    scene.stage.postgres.start()


def _mlflow_is_there(scene: Scene) -> bool:
    """Whether an earlier fault has not taken it away for good."""
    return scene.stage.mlflow.server.process is not None


def _let_reports_come(scene: Scene, number: int) -> None:
    """Wait for so many, or for 25 seconds, where a worker has to be started first."""
    wanted = scene.progress + number
    scene.wait(lambda: scene.progress >= wanted, 25.0)
