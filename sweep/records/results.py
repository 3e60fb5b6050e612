"""All that a report is made of: the records of one sweep, as values, and as one JSON file that travels with its run."""

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
"""Version of the JSON; a reader refuses one that it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResults:
    """The records of a sweep. A report is a function of them alone, wherever they come from: a ledger, or the artifact
    `results.json` of the sweep's MLflow run."""

    sweep: SweepRecord
    trials: tuple[TrialRecord, ...]
    confirmations: tuple[ConfirmationRecord, ...]

    def to_json(self) -> str:
        """One JSON document; `SweepResults.from_json` of it equals this object."""
        data = {
            "format": FORMAT,
            "sweep": _sweep_data(self.sweep),
            "trials": [_trial_data(record) for record in self.trials],
            "confirmations": [_confirmation_data(record) for record in self.confirmations],
        }
        return json.dumps(data, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SweepResults:
        """Raises StoredSweepError for what is no such document."""
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
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StoredSweepError(
                f"the results of a sweep are a JSON document that `python -m sweep` wrote; this one is not ({said}); "
                "take `results.json` from the sweep's run in MLflow, or make the report where its ledger lies"
            ) from error


# Names in the document, by field, where they differ.
_KEYS = {"provenance": "facts", "evaluations": "reports", "evaluation": "report", "discarded": "lost"}


def _data(record: Any, **replaced: Any) -> dict[str, Any]:
    """The fields of a record by their names in the document."""
    values = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "config"} | replaced
    return {_KEYS.get(name, name): value for name, value in values.items()}


def _sweep_data(record: SweepRecord) -> dict[str, Any]:
    return _data(record, data={name: asdict(each) for name, each in record.data.items()})


def _trial_data(record: TrialRecord) -> dict[str, Any]:
    children = [_data(each, evaluation=each.evaluation.to_json()) for each in record.evaluations]
    return _data(record, **_common_data(record), evaluations=children)


def _confirmation_data(record: ConfirmationRecord) -> dict[str, Any]:
    children = [_data(each, evaluation=each.evaluation.to_json()) for each in record.replicates]
    return _data(record, **_common_data(record), replicates=children)


def _common_data(record: TrialRecord | ConfirmationRecord) -> dict[str, Any]:
    return {"config": record.config.flat(), "discarded": [asdict(each) for each in record.discarded]}


def _sweep(data: Mapping[str, Any]) -> SweepRecord:
    known = {name: DataRecord.from_json(each) for name, each in data["data"].items()}
    return SweepRecord(**{**_fields(data), "state": SweepState(data["state"]), "data": known})


def _trial(data: Mapping[str, Any]) -> TrialRecord:
    evaluations = tuple(
        EvaluationRecord(**{**_fields(each), "evaluation": Evaluation.from_json(each["report"])})
        for each in data["reports"]
    )
    return TrialRecord(**{**_common(data), "evaluations": evaluations})


def _confirmation(data: Mapping[str, Any]) -> ConfirmationRecord:
    replicates = tuple(
        ReplicateRecord(time=each["time"], evaluation=Evaluation.from_json(each["report"]))
        for each in data["replicates"]
    )
    return ConfirmationRecord(**{**_common(data), "role": Role(data["role"]), "replicates": replicates})


def _common(data: Mapping[str, Any]) -> dict[str, Any]:
    outcome = Outcome(data["outcome"]) if data["outcome"] else None
    discarded = tuple(DiscardedWork(**each) for each in data.get("lost", ()))  # documents of old do not say
    return {
        **_fields(data),
        "config": TrialConfig.from_flat(data["config"]),
        "outcome": outcome,
        "discarded": discarded,
    }


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a document by the names of fields."""
    names = {key: name for name, key in _KEYS.items()}
    return {names.get(key, key): value for key, value in data.items()}
