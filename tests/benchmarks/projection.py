"""What an MLflow store shows of a sweep, and the differences between two stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sweep.tracking.runs import run_key
from sweep.tracking.store import open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["ShownRun", "differences", "projection"]

PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """A run as MLflow shows it.

    name: the run's name.
    status: MLflow's, such as FINISHED.
    nested: whether it is a child of the sweep's run.
    started: milliseconds since the epoch.
    ended: the same, or None.
    tags: all but the parent's id.
    params: parameters by name.
    points: step, value and time of every point, by metric.
    artifacts: paths of all files.
    """

    name: str
    status: str
    nested: bool
    started: int
    ended: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Mapping[str, tuple[tuple[int, float, int], ...]]
    artifacts: tuple[str, ...]


def projection(uri: str, experiment: str) -> dict[str, ShownRun]:
    """Return the runs of the only sweep in an experiment, by role and key."""
    client = open_client(uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None, f"no experiment {experiment} in {uri}"
    runs = {_name(run): run for run in client.search_runs([found.experiment_id], max_results=50_000)}
    parent = runs["sweep"].info.run_id
    return {name: _shown(client, run, parent) for name, run in runs.items()}


def differences(first: Mapping[str, ShownRun], second: Mapping[str, ShownRun]) -> list[str]:
    """Return a line for each field that differs between runs of the same name, and each run of one store only."""
    found = [f"{name}: only in the first" for name in first.keys() - second.keys()]
    found += [f"{name}: only in the second" for name in second.keys() - first.keys()]
    for name in first.keys() & second.keys():
        found += [f"{name}: {difference}" for difference in _unequal(asdict(first[name]), asdict(second[name]))]
    return sorted(found)


def _unequal(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key in sorted({*first, *second}):
        ours, theirs = first.get(key), second.get(key)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from _unequal(ours, theirs, f"{key}/")
        elif ours != theirs:
            yield f"{prefix}{key} is {ours!r} and {theirs!r}"


def _name(run: Run) -> str:
    role, key = run_key(run.data.tags)
    return role if key is None else f"{role} {key}"


def _shown(client: MlflowClient, run: Run, parent: str) -> ShownRun:
    points = {
        name: tuple(sorted((point.step, point.value, point.timestamp) for point in _history(client, run, name)))
        for name in run.data.metrics
    }
    return ShownRun(
        name=run.info.run_name,
        status=run.info.status,
        nested=run.data.tags.get(PARENT) == parent,
        started=run.info.start_time,
        ended=run.info.end_time,
        tags={name: value for name, value in run.data.tags.items() if name != PARENT},
        params=dict(run.data.params),
        points=points,
        artifacts=tuple(_files(client, run.info.run_id)),
    )


def _history(client: MlflowClient, run: Run, name: str) -> list[Any]:
    return list(client.get_metric_history(run.info.run_id, name))


def _files(client: MlflowClient, run: str, folder: str | None = None) -> Iterator[str]:
    for artifact in client.list_artifacts(run, folder):
        if artifact.is_dir:
            yield from _files(client, run, artifact.path)
        else:
            yield artifact.path
