"""Where the records of a sweep come from whose winner is trained: its ledger, or its run in MLflow alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from sweep.errors import StoredSweepError
from sweep.ledger.provenance import data_records
from sweep.ledger.stored import check_unchanged, find_stored, open_ledger
from sweep.records.results import SweepResults
from sweep.spec.cells import cells
from sweep.spec.model import SweepSpec
from sweep.tracking import fetch_results, tracking_uri
from trainable.inputs import forget_inputs

__all__ = ["Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records of a sweep.

    spec: its resolved spec.
    results: all its records.
    check: raises SweepError or TrainableError if the inputs of a cell, given by its key, are not those of the sweep.
    uri: the MLflow store to which a classifier of it belongs.
    called: what a command calls the sweep here. options: what it needs beside that to find it.
    """

    spec: SweepSpec
    results: SweepResults
    check: Callable[[str], None]
    uri: str
    called: str
    options: tuple[str, ...] = ()

    @classmethod
    def of_ledger(cls, name: str, root: Path) -> Source:
        """The sweep of that name, or in that folder. Raises StoredSweepError if there is none."""
        forget_inputs()
        directory, spec = find_stored(name, root)
        ledger = open_ledger(spec, directory, write=False)
        ledger.read()
        return cls(
            spec=spec,
            results=ledger.results(),
            check=partial(check_unchanged, spec, ledger),
            uri=tracking_uri(spec.tracking.uri),
            called=directory.called,
        )

    @classmethod
    def of_mlflow(cls, name: str) -> Source:
        """The sweep of that name in the MLflow store of the environment, whose data must still lie where it read them.

        Raises TrackingError if the store has no such sweep, StoredSweepError if its spec cannot be read.
        """
        forget_inputs()
        uri = tracking_uri(None)
        results = fetch_results(name, uri)
        try:
            spec = SweepSpec.recorded(dict(results.sweep.spec))
        except ValidationError as error:
            first = str(error).strip().splitlines()[0]
            raise StoredSweepError(
                f"the spec of a sweep must be readable here; that of {name!r} in MLflow is not: {first}; refit it with "
                "the version, and the packages, that ran it"
            ) from error
        check = partial(_check_data, spec, results)
        return cls(spec=spec, results=results, check=check, uri=uri, called=name, options=("--mlflow",))


def _check_data(spec: SweepSpec, results: SweepResults, key: str) -> None:
    """Raise StoredSweepError if texts or labels are not those of the sweep. MLflow does not know what its encoders
    consisted of."""
    for name, found in data_records([cell for cell in cells(spec) if cell.key == key]).items():
        known = results.sweep.data.get(name)
        if known is not None and known.digest and known.digest != found.digest:
            raise StoredSweepError(
                f"a winner is trained on the data of its sweep; texts or labels of {name!r} have changed since: bring "
                "those of then back, or run the sweep anew under another name"
            )
