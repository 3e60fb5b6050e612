"""A kept classifier as MLflow loads and serves it. MLflow runs this file by itself, from the model's own folder.

Input: a table with a column `text`, and `text_pair` for pairs. Output: for each row its label and probability, under
the row's own name in the index, by which pandas joins tables.
"""

# What is beside the classifier's folder is all there is where a model is served: nothing of this project.
import importlib.util
import warnings
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
from mlflow.exceptions import MlflowException
from mlflow.models import set_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what MLflow says of its own types when it is imported
    from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

__all__ = ["ServedClassifier"]


class ServedClassifier(PythonModel):
    """A classifier that answers tables."""

    def load_context(self, context: Any) -> None:
        """Read the classifier, by the code that lies in its folder."""
        folder = context.artifacts["classifier"]
        spec = importlib.util.spec_from_file_location("kept_classifier", f"{folder}/classifier.py")
        assert spec is not None, "classifier.py is part of the folder"
        assert spec.loader is not None, "it is a file"
        module = importlib.util.module_from_spec(spec)
        import sys

        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        self.classifier = module.Classifier.load(folder)

    # Of this hint MLflow makes no schema, and does not ask for one either.
    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a table with `label` and `probability`. Raises MlflowException, which the server answers with status
        400 and its words, for a request without a column `text` or with anything but texts in it."""
        texts = _texts(model_input, "text")
        pairs = _texts(model_input, "text_pair") if self.classifier.paired else None
        try:
            probabilities_NC = self.classifier.predict_proba(texts, pairs)
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        best_N = probabilities_NC.argmax(dim=1).tolist()
        return pd.DataFrame(
            {
                "label": [self.classifier.labels[place] for place in best_N],
                "probability": [float(row_C[place]) for row_C, place in zip(probabilities_NC, best_N, strict=True)],
            },
            index=model_input.index,
        )


def _texts(table: pd.DataFrame, column: str) -> list[str]:
    """The texts of a column. A number or nothing in the place of a text has no class, though its spelling would."""
    if column not in table.columns:
        found = ", ".join(map(str, table.columns))
        raise MlflowException.invalid_parameter_value(
            f"texts are read from the column `{column}`; the request has {found or 'none'}"
        )
    if list(table.columns).count(column) > 1:
        raise MlflowException.invalid_parameter_value(
            f"columns must have different names; the request has `{column}` twice"
        )
    texts: list[str] = table[column].tolist()
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise MlflowException.invalid_parameter_value(
                f"the column `{column}` must hold a text in every row; received {ascii(text)[:80]} in row {row}"
            )
    return texts


set_model(ServedClassifier())
