"""A kept classifier as MLflow loads it: the same answers whatever the recipe, no pickle, and no warning."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweep.tracking import registry
from sweep.tracking.registry import register
from tests.unit.test_refitting import KEPT, config
from trainable.config import DatasetConfig
from trainable.datasets import load
from trainable.refitting import refit

KINDS = (
    "frozen, svm",
    "label_names",
    "cross_entropy, own head",
    "soft_triple",
    "supcon alone",
    "mixture",
    "setfit",
    "metric_then_head",
)
"""Each recipe, and three losses."""


@pytest.mark.lengthy
def test_it_is_defined_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: F401  # whose own import warns

        warnings.simplefilter("error")
        runpy.run_path(str(registry._SERVED))


def test_it_asks_for_versions_that_registries_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment made for the model had to have `torch==2.13.0+cpu`, which PyPI has not."""
    monkeypatch.setattr(registry, "version", {"torch": "2.13.0+cpu", "pandas": "3.0.1"}.__getitem__)
    assert [registry._released(package) for package in ("torch", "pandas")] == ["2.13.0", "3.0.1"]


@pytest.mark.lengthy
def test_a_sweep_of_another_store_has_no_run_here() -> None:
    """It was said that the next attempt recreates the run, which none did."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST

    class Store:
        code = RESOURCE_DOES_NOT_EXIST

        def get_run(self, run: str) -> SimpleNamespace:
            if run == "here":
                return SimpleNamespace(info=SimpleNamespace(experiment_id="7"))
            raise MlflowException("no such run", self.code)

    store: Any = Store()
    assert [registry._experiment_of(store, run) for run in ("here", "elsewhere", None)] == ["7", "", ""]
    store.code = PERMISSION_DENIED
    with pytest.raises(MlflowException):
        registry._experiment_of(store, "elsewhere")


@pytest.mark.lengthy
def test_a_column_that_stands_twice_is_refused() -> None:
    """As after a merge of two tables: neither of them is the one that is meant."""
    import pandas as pd  # type: ignore[import-untyped]
    from mlflow.exceptions import MlflowException

    texts = runpy.run_path(str(registry._SERVED))["_texts"]
    with pytest.raises(MlflowException, match="columns must have different names; the request has `text` twice"):
        texts(pd.DataFrame([["a", "b"]], columns=["text", "text"]), "text")


def test_answers_join_the_rows_that_they_are_of() -> None:
    """Of a shuffled or filtered table, pandas would else give each row the answer of another one."""
    import pandas as pd
    import torch

    class Lengths:
        labels, paired = ("short", "long"), False

        def predict_proba(self, texts: list[str], pairs: None) -> torch.Tensor:
            return torch.tensor([[len(text) < 3, len(text) >= 3] for text in texts], dtype=torch.float).reshape(-1, 2)

    served = runpy.run_path(str(registry._SERVED))["ServedClassifier"]()
    served.classifier = Lengths()
    table = pd.DataFrame({"text": ["a", "bbbb", "cc"]}, index=[2, 0, 1])
    joined = table.join(served.predict(None, table))
    assert joined["label"].tolist() == ["short", "long", "short"]
    assert served.predict(None, table[:0]).empty


@pytest.mark.slow
def test_it_answers_as_the_classifier_whatever_the_recipe(
    toy_csv: Path, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    import pandas as pd

    monkeypatch.chdir(tmp_path)  # where a new store keeps its files
    uri, data = f"sqlite:///{tmp_path}/mlflow.db", DatasetConfig(name="toy", path=str(toy_csv))
    texts = [*load(data).test.texts[:6], ""]
    for number, kind in enumerate(KINDS):
        kept = refit(config(data, tiny_bert, **KEPT[kind]), shots=8).classifier
        kept.save(tmp_path / str(number))
        name, version = register(
            tmp_path / str(number),
            f"kind-{number}",
            uri=uri,
            parent=[None, "0" * 32][number % 2],  # the run of a sweep that had another store
            experiment="kinds",
            pairs=False,
            card=kind,
        )
        assert version == 1
        answered = mlflow.pyfunc.load_model(f"models:/{name}@winner").predict(pd.DataFrame({"text": texts}))
        assert answered["label"].tolist() == kept.predict(texts), kind
        wanted = kept.predict_proba(texts).amax(dim=1).tolist()
        assert answered["probability"].tolist() == pytest.approx(wanted, abs=1e-5), kind
    stored = [path for path in (tmp_path / "mlruns").rglob("*") if path.is_file()]
    assert len([path for path in stored if path.name == "classifier.safetensors"]) == len(KINDS)
    assert not [path for path in stored if path.name == "requirements.txt" and "+" in path.read_text()]
    assert not [path for path in stored if path.suffix in (".pkl", ".pickle", ".joblib", ".bin")]
