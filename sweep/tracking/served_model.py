"""A kept classifier as MLflow loads and serves it. MLflow runs this file by itself, from the model's own folder.

Input: a table with a column `text`, and `text_pair` for pairs. Output: for each row its label and probability.
"""

# What is beside the classifier's folder is all there is where a model is served: nothing of this project.
import importlib.util
import warnings
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
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

    # MLflow takes hints for a schema, of which the model has one already.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return a table with `label` and `probability`. Raises ValueError without a column `text`."""
        if "text" not in model_input.columns:
            found = ", ".join(map(str, model_input.columns))
            raise ValueError(f"texts are read from the column `text`; the request has {found or 'none'}")
        texts = [str(text) for text in model_input["text"]]
        pairs = [str(text) for text in model_input["text_pair"]] if "text_pair" in model_input.columns else None
        probabilities_NC = self.classifier.predict_proba(texts, pairs)
        best_N = probabilities_NC.argmax(dim=1).tolist()
        return pd.DataFrame(
            {
                "label": [self.classifier.labels[place] for place in best_N],
                "probability": [float(row_C[place]) for row_C, place in zip(probabilities_NC, best_N, strict=True)],
            }
        )


set_model(ServedClassifier())
