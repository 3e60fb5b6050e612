"""The experiment that receives a sweep's runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import TrackingError
from sweep.tracking.database import file_of
from sweep.tracking.pages import KIND, KIND_TAG, is_undecided

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["find_experiment"]


def find_experiment(client: MlflowClient, name: str) -> str:
    """The id of the experiment of that name, which is created where the store has none.

    Raises TrackingError if it is deleted, and whatever MLflow raises if the store refuses it or does not answer.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            place = _beside_file(client.tracking_uri, name)
            return str(client.create_experiment(name, artifact_location=place, tags={KIND_TAG: KIND}))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another sweep may have been faster
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"an experiment that receives runs must not be deleted; {name!r} is; bring it back with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}`, or name another one in "
            "`tracking.experiment`"
        )
    if is_undecided(found.tags.get(KIND_TAG)):
        client.set_experiment_tag(found.experiment_id, KIND_TAG, KIND)
    return str(found.experiment_id)


def _beside_file(uri: str, name: str) -> str | None:
    """Where the artifacts of a store in a SQLite file lie: beside it. None for the place that MLflow takes, which is
    `mlruns` in the current folder for such a file too, whoever works there."""
    import sqlalchemy

    file = file_of(sqlalchemy.make_url(uri)) if uri.startswith("sqlite") else None
    folder = None if file is None else file.absolute().parent
    return None if folder in (None, Path.cwd()) else str(folder / "mlruns" / re.sub(r"[^\w.-]+", "-", name))
