"""A distributed sweep over few-shot fine-tuning losses, with a record that nothing can take away.

The functions and classes named below are there after `import sweep`. Each is loaded when it is used first, so that the
import takes no time.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.api.classifier import Classifier, refit
    from sweep.api.estimator import FewShotClassifier
    from sweep.api.result import Result, read
    from sweep.api.running import run
    from sweep.errors import SweepError
    from trainable.errors import TrainableError

__all__ = ["Classifier", "FewShotClassifier", "Result", "SweepError", "TrainableError", "read", "refit", "run"]

_HOMES = {
    "Classifier": "sweep.api.classifier",
    "FewShotClassifier": "sweep.api.estimator",
    "Result": "sweep.api.result",
    "SweepError": "sweep.errors",
    "TrainableError": "trainable.errors",
    "read": "sweep.api.result",
    "refit": "sweep.api.classifier",
    "run": "sweep.api.running",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, in a notebook without widgets
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
