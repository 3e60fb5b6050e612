"""The datasets of a sweep as MLflow's inputs of a run: what they are, where they lie, and what they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweep.addresses import redacted
from sweep.records.sweep import DataRecord, SweepRecord

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

__all__ = ["dataset_inputs"]


def dataset_inputs(sweep: SweepRecord) -> list[DatasetInput]:
    """The datasets of a sweep, in the order of their records; those of records that hold no digest are left out."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    context = InputTag("mlflow.data.context", "training")
    found = []
    for record in (each for each in sweep.data.values() if each.digest):
        config = sweep.spec.get("datasets", {}).get(record.name, {})
        kind, source = _source(record.name, config)
        dataset = Dataset(
            name=record.name,
            digest=record.digest,
            source_type=kind,
            source=json.dumps(source, ensure_ascii=False),
            schema=json.dumps(_schema(record.columns), ensure_ascii=False),
            profile=json.dumps(_profile(record), ensure_ascii=False),
        )
        found.append(DatasetInput(dataset, [context]))
    return found


def _source(name: str, config: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """The kind of source, as MLflow calls it, and its address."""
    if config.get("hub"):
        revision = {"revision": config["revision"]} if config.get("revision") else {}
        return "hf", {"path": config["hub"], **revision}
    return "local", {"uri": redacted(str(config.get("path") or f"{name} (part of few-shot-sweep)"))}


def _schema(columns: Sequence[str]) -> Mapping[str, Any]:
    return {"mlflow_colspec": [{"type": "string", "name": name, "required": True} for name in columns]}


def _profile(record: DataRecord) -> Mapping[str, int]:
    rows = {
        "num_rows": record.pool if record.folds else record.pool + record.test,
        "pool_rows": record.pool,
        "test_rows": record.test,
    }
    return {**rows, "classes": len(record.class_names)}
