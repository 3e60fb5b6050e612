"""X and y of an estimator of texts, read or refused in words: texts or pairs of texts, and their labels.

Shapes: N texts, C classes.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]

from trainable.dataset_config import DatasetConfig
from trainable.datasets.classes import equally_spelled
from trainable.datasets.table import Table, part_of

__all__ = [
    "check_known",
    "check_learned",
    "check_several",
    "check_targets",
    "class_names",
    "labels_of",
    "texts_and_pairs",
    "warn_of_order",
]


def texts_and_pairs(X: Any) -> tuple[list[str], list[str] | None]:
    """The N texts, and the second texts of pairs. Raises ValueError for anything else."""
    from trainable.classifier import listed  # late: it loads tensors

    columns = _columns(X)
    for column in columns:
        wrong = [(place, each) for place, each in enumerate(column) if not isinstance(each, str)]
        if wrong:
            place, value = wrong[0]
            raise ValueError(
                f"X must hold texts; received {type(value).__name__} in row {place}, the first of {len(wrong)}: "
                f"{str(value)[:80]!r}; leave such rows out, or give their texts"
            )
    texts = [listed([str(each) for each in column]) for column in columns]
    if not texts[0]:
        raise ValueError("X must hold texts; found array with 0 sample(s) while a minimum of 1 is required")
    return texts[0], texts[1] if len(texts) > 1 else None


def _columns(X: Any) -> list[list[Any]]:
    """One column of values, or two. Raises ValueError where X has another shape."""
    if type(X).__module__.partition(".")[0] == "pyarrow":  # whose arrays of texts make no array of numpy
        X = X.to_pandas()
    if isinstance(X, str | Mapping | Set) or not hasattr(X, "__iter__") or getattr(X, "ndim", 1) == 0:
        raise ValueError(f"X must be a list of texts; received {type(X).__name__}: give one text as a list too")
    rows = X.to_numpy() if hasattr(X, "to_numpy") else X if isinstance(X, np.ndarray) else list(X)
    if isinstance(rows, list) and rows and all(isinstance(row, tuple | list) and len(row) == 2 for row in rows):
        rows = np.array(rows, dtype=object)
    shape: tuple[int, ...] = rows.shape if isinstance(rows, np.ndarray) else (len(rows),)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] not in (1, 2)):
        raise ValueError(f"X must be texts in one column, or pairs of texts in two; received the shape {shape}")
    return [list(rows)] if len(shape) == 1 else [list(column) for column in np.asarray(rows).T]


def labels_of(y: Any) -> NDArray[Any]:
    """The labels_N. Raises ValueError for another form."""
    if isinstance(y, str | Mapping | Set) or not hasattr(y, "__iter__"):
        raise ValueError(f"y must be a list of labels, one for each text; received {type(y).__name__}: give a list")
    kind = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    if kind is not None and kind.kind in "iub" and not y.isna().any():
        y = y.to_numpy(dtype=kind)  # scikit-learn makes fractions of whole numbers that may be missing
    given = list(y) if isinstance(y, Iterator) else y
    if isinstance(given, list | tuple) and any(isinstance(each, float) and np.isnan(each) for each in given):
        given = np.array(given, dtype=object)  # numpy would make the text `nan` of what is missing among texts
    labels_N: NDArray[Any] = column_or_1d(given, warn=True)
    return labels_N


def warn_of_order(X: Any, y: Any) -> None:
    """Warn where both have the same index in another order: rows are matched by position, as by scikit-learn."""
    if not (hasattr(X, "iloc") and hasattr(y, "iloc")) or len(X) != len(y) or X.index.equals(y.index):
        return
    if X.index.isin(y.index).all() and y.index.isin(X.index).all():
        warnings.warn(
            "X and y have the same index in another order, and are matched by position: if they belong together by "
            "index, give y.loc[X.index]",
            stacklevel=3,
        )


def check_targets(labels_N: NDArray[Any]) -> None:
    """Refuse what is no class to scikit-learn, with what can be done. Raises ValueError."""
    try:
        check_classification_targets(labels_N)
    except (TypeError, ValueError) as error:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels_N.tolist()}))
        raise ValueError(
            f"{error} y must hold texts, whole numbers or truth values, all of one type; received {kinds} in an array "
            f"of {labels_N.dtype}: give y as texts (y.astype(str)), or numbers as an array of whole ones"
        ) from None


def check_known(labels: NDArray[Any]) -> None:
    """Refuse labels_N of which one is missing. Raises ValueError."""
    import pandas as pd  # type: ignore[import-untyped]  # late: it takes most of a second

    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        raise ValueError(
            f"y must hold the label of each text; received {labels[missing[0]]!r} in row {missing[0]}, the first of "
            f"{len(missing)}: leave such rows out, or label them"
        )


def check_several(classes: NDArray[Any], rows: int) -> None:
    """Refuse the labels of so many rows if all are the same. Raises ValueError."""
    if len(classes) < 2:
        raise ValueError(
            f"y must have at least two classes; received {classes.tolist()[0]!r} for all {rows} texts: add texts of "
            "another class"
        )


def class_names(classes: NDArray[Any]) -> list[str]:
    """The names of C classes, as they are read from data. Raises ValueError for classes that are read alike."""
    values = [each if isinstance(each, str | int | float) else str(each) for each in classes.tolist()]
    table = Table("y", ("text", "label"), {"text": values, "label": values})
    read, _, _ = equally_spelled(part_of(table, DatasetConfig(name="y")), None)
    counts = Counter(read.labels)
    if alike := [value for value, name in zip(values, read.labels, strict=True) if name is None or counts[name] > 1]:
        raise ValueError(
            f"classes must differ in more than spaces and the spelling of numbers and truth values, and none is blank; "
            f"received {alike}: give them other labels"
        )
    return [str(name) for name in read.labels]


def check_learned(found: Sequence[str], names: Sequence[str]) -> None:
    """Refuse data of which a class has lost its rows, as those whose texts another class has too. Raises ValueError.

    found: the classes that were learned.
    """
    if set(found) != set(names):
        missing = sorted(set(names) - set(found))
        raise ValueError(
            f"each class must have rows whose texts no other class has; {missing} have none: correct their labels"
        )
