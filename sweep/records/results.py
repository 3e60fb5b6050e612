"""The results of a sweep: all its records as values, and as the JSON file that is stored with its MLflow run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sweep.errors import StoredSweepError
from sweep.records.confirmation import ConfirmationRecord, ReplicateRecord, Role
from sweep.records.sweep import DataRecord, SweepRecord, SweepState
from sweep.records.trial import DiscardedWork, EvaluationRecord, TrialRecord
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["FORMAT", "SweepResults"]

FORMAT = 1
"""Version of the JSON document; a reader refuses a version that it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResults:
    """All records of a sweep; a report is a function of them alone.

    They come from a ledger, or from the artifact `results.json` of the sweep's MLflow run.

    sweep: the record of the sweep as a whole.
    trials: all trials of all cells.
    confirmations: all confirmations and finalists.
    """

    sweep: SweepRecord
    trials: tuple[TrialRecord, ...]
    confirmations: tuple[ConfirmationRecord, ...]

    def to_json(self) -> str:
        """The JSON document of these results; `SweepResults.from_json` is the inverse."""
        data = {
            "format": FORMAT,
            "sweep": _sweep_data(self.sweep),
            "trials": [_trial_data(record) for record in self.trials],
            "confirmations": [_confirmation_data(record) for record in self.confirmations],
        }
        return json.dumps(data, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SweepResults:
        """The results in a JSON document. Raises StoredSweepError if it is not one that `to_json` wrote."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']} is not {FORMAT}")
            return cls(
                sweep=_sweep(data["sweep"]),
                trials=tuple(map(_trial, data["trials"])),
                confirmations=tuple(map(_confirmation, data["confirmations"])),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StoredSweepError(
                f"the results of a sweep are a JSON document that `python -m sweep` wrote; this one is not "
                f"({problem}); take `results.json` from the sweep's run in MLflow, or make the report where its ledger "
                "is"
            ) from error


# The keys of the document by field name, where they differ: documents of earlier versions must stay readable.
_KEYS = {"provenance": "facts", "evaluations": "reports", "evaluation": "report", "discarded": "lost"}


def _data(record: Any, **replaced: Any) -> dict[str, Any]:
    """The fields of a record by their names in the document."""
    values = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "config"} | replaced
    return {_KEYS.get(name, name): value for name, value in values.items()}


def _sweep_data(record: SweepRecord) -> dict[str, Any]:
    return _data(record, data={name: dataset.to_json() for name, dataset in record.data.items()})


def _trial_data(record: TrialRecord) -> dict[str, Any]:
    evaluations = [_data(child, evaluation=child.evaluation.to_json()) for child in record.evaluations]
    data = _data(record, **_common_data(record), evaluations=evaluations)
    return data if record.origin else {name: value for name, value in data.items() if name != "origin"}


def _confirmation_data(record: ConfirmationRecord) -> dict[str, Any]:
    replicates = [_data(child, evaluation=child.evaluation.to_json()) for child in record.replicates]
    return _data(record, **_common_data(record), replicates=replicates)


def _common_data(record: TrialRecord | ConfirmationRecord) -> dict[str, Any]:
    return {"config": record.config.flat(), "discarded": [asdict(work) for work in record.discarded]}


def _sweep(data: Mapping[str, Any]) -> SweepRecord:
    datasets = {name: DataRecord.from_json(dataset) for name, dataset in data["data"].items()}
    return SweepRecord(**{**_fields(data), "state": SweepState(data["state"]), "data": datasets})


def _trial(data: Mapping[str, Any]) -> TrialRecord:
    evaluations = tuple(
        EvaluationRecord(**{**_fields(child), "evaluation": Evaluation.from_json(child["report"])})
        for child in data["reports"]
    )
    return TrialRecord(**{**_common(data), "evaluations": evaluations})


def _confirmation(data: Mapping[str, Any]) -> ConfirmationRecord:
    replicates = tuple(
        ReplicateRecord(time=child["time"], evaluation=Evaluation.from_json(child["report"]))
        for child in data["replicates"]
    )
    return ConfirmationRecord(**{**_common(data), "role": Role(data["role"]), "replicates": replicates})


def _common(data: Mapping[str, Any]) -> dict[str, Any]:
    outcome = Outcome(data["outcome"]) if data["outcome"] else None
    discarded = tuple(DiscardedWork(**work) for work in data.get("lost", ()))  # missing in documents of old versions
    return {
        **_fields(data),
        "config": TrialConfig.from_flat(data["config"]),
        "outcome": outcome,
        "discarded": discarded,
    }


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a document by field name."""
    names = {key: name for name, key in _KEYS.items()}
    return {names.get(key, key): value for key, value in data.items()}
