"""A kept classifier in MLflow's model registry, from which it can be loaded and served."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import TrackingError
from sweep.tracking.experiments import find_experiment
from sweep.tracking.store import explain, open_client, unhurried

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["ALIAS", "register"]

ALIAS = "winner"
"""The alias of the version that was registered last."""

_ADDRESS = "MLFLOW_TRACKING_URI"
_SERVED = Path(__file__).with_name("served_model.py")
_NEEDED = ("mlflow", "torch", "transformers", "safetensors", "tokenizers", "pandas")


def register(
    folder: Path, name: str, *, uri: str, parent: str | None, experiment: str, pairs: bool, card: str
) -> tuple[str, int]:
    """Store the classifier in `folder` as a new version of the registered model `name`, in a run of its own below the
    sweep's run `parent`, if this store has it; the name as the registry allows it, and the number of the version.

    experiment: of the run, if the sweep has none in this store, as where another one was its store.
    pairs: whether it classifies pairs of texts.
    card: what the version's description says.

    Raises TrackingError if the store refuses it or does not answer.
    """
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # what it created, in its own words
        warnings.simplefilter("ignore")  # of what MLflow says of its own types when it is imported
        return _registered(folder, name, uri=uri, parent=parent, experiment=experiment, pairs=pairs, card=card)


def _registered(
    folder: Path, name: str, *, uri: str, parent: str | None, experiment: str, pairs: bool, card: str
) -> tuple[str, int]:
    import mlflow
    import pandas as pd  # type: ignore[import-untyped]
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    allowed = re.sub(r"[/:]+", "-", name)
    columns = ["text", *(["text_pair"] if pairs else [])]
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, column) for column in columns]),
        outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(DataType.double, "probability")]),
    )
    try:
        client = open_client(uri)
        owner = _experiment_of(client, parent)
        tags = {"sweep.role": "refit", **({"mlflow.parentRunId": parent} if parent and owner else {})}
        owner = owner or find_experiment(client, experiment)
        with (
            _current_store(uri),
            unhurried(),
            mlflow.start_run(experiment_id=owner, run_name=f"refit {allowed}", tags=tags, log_system_metrics=False),
        ):
            model = mlflow.pyfunc.log_model(
                name="classifier",
                python_model=str(_SERVED),
                artifacts={"classifier": str(folder)},
                signature=signature,
                input_example=pd.DataFrame({column: ["an example"] for column in columns}),
                pip_requirements=[f"{package}=={_released(package)}" for package in _NEEDED],
                registered_model_name=allowed,
            )
        number = int(model.registered_model_version)
        client.set_registered_model_alias(allowed, ALIAS, str(number))
        client.update_model_version(allowed, str(number), card)
    except Exception as error:  # whatever MLflow, its database or its HTTP client raise
        raise TrackingError(explain(error, uri)) from error
    return allowed, number


def _experiment_of(client: MlflowClient, run: str | None) -> str:
    """The experiment of a sweep's run; empty where the store has no such run, as after a change of the store."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_run(run).info.experiment_id) if run else ""
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return ""


def _released(package: str) -> str:
    """The version of a package as registries have it: without what names a build, as `+cpu` of torch, which is in no
    registry."""
    return version(package).partition("+")[0]


@contextmanager
def _current_store(uri: str) -> Iterator[None]:
    """Let MLflow's functions write to a store, and then where the caller's program has them write: they know it by the
    environment too, which other sweeps of the program, and what it starts, would follow."""
    import mlflow

    before = os.environ.get(_ADDRESS)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # MLflow's own way back
        if before is not None:
            os.environ[_ADDRESS] = before
