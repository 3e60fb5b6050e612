"""Download of a sweep's results from its MLflow run, to make a report where the ledger is not at hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import TrackingError
from sweep.records.results import SweepResults
from sweep.tracking.runs import ROLE_TAG, SWEEP_ROLE
from sweep.tracking.store import explain, open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["fetch_results"]

_RESULTS = "report/results.json"


def fetch_results(name: str, uri: str) -> SweepResults:
    """The results stored with the MLflow run of the sweep `name`, in whichever experiment its newest run is.

    Raises TrackingError if the store does not answer, has no such sweep, or has no results of it; LedgerError if the
    results cannot be read.
    """
    try:
        client = open_client(uri)
        run = _newest(client, name)
        if not any(artifact.path == _RESULTS for artifact in client.list_artifacts(run.info.run_id, "report")):
            raise TrackingError(
                f"a report is made of the artifact {_RESULTS} of the sweep's run; that of {name!r} has none: a run of "
                "the sweep stores it at its end, and so does `python -m sweep sync NAME` where the ledger is"
            )
        with tempfile.TemporaryDirectory(prefix="sweep-results-") as scratch:
            text = Path(client.download_artifacts(run.info.run_id, _RESULTS, scratch)).read_text(encoding="utf-8")
    except TrackingError:
        raise
    except Exception as error:  # whatever MLflow, its HTTP client or its database raise
        raise TrackingError(explain(error, uri)) from error
    results = SweepResults.from_json(text)
    if results.sweep.name != name:  # it would become a folder
        raise TrackingError(
            f"the results of a sweep must bear its name; those of {name!r} in this MLflow store say "
            f"{results.sweep.name!r}; make the report where the ledger is"
        )
    return results


def _newest(client: MlflowClient, name: str) -> Run:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    quoted = name.replace("'", "")
    wanted = f"tags.`{ROLE_TAG}` = '{SWEEP_ROLE}' AND tags.`sweep.name` = '{quoted}'"
    found = client.search_runs(experiments, wanted, max_results=1, order_by=["attributes.start_time DESC"])
    if not found:
        raise TrackingError(
            f"a sweep is found by the name of its run; there is none named {name!r} in this MLflow store; look at the "
            "names there, or set MLFLOW_TRACKING_URI to another store"
        )
    return found[0]
