"""The records of a sweep, taken from its MLflow run alone: what a report is made of where no ledger is."""

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
    """The results that the last run of the sweep `name` left with its MLflow run, whatever the experiment.

    Raises TrackingError if the store does not answer, or holds no such sweep, or no results of it; LedgerError if what
    it holds cannot be read.
    """
    try:
        client = open_client(uri)
        run = _newest(client, name)
        if not any(each.path == _RESULTS for each in client.list_artifacts(run.info.run_id, "report")):
            raise TrackingError(
                f"a report is made of the artifact {_RESULTS} of the sweep's run; that of {name!r} has none: a run of "
                "the sweep that ends leaves it, and so does `python -m sweep sync` where the ledger lies"
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
            f"{results.sweep.name!r}; make the report where the ledger lies"
        )
    return results


def _newest(client: MlflowClient, name: str) -> Run:
    experiments = [each.experiment_id for each in client.search_experiments()]
    quoted = name.replace("'", "")
    wanted = f"tags.`{ROLE_TAG}` = '{SWEEP_ROLE}' AND tags.`sweep.name` = '{quoted}'"
    found = client.search_runs(experiments, wanted, max_results=1, order_by=["attributes.start_time DESC"])
    if not found:
        raise TrackingError(
            f"a sweep is found by the name of its run; there is none named {name!r} in this MLflow store; look at the "
            "names there, or set MLFLOW_TRACKING_URI to another store"
        )
    return found[0]
