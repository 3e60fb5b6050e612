"""What holds for whatever a spec or a data file contains. Shared by the property tests and the fuzz targets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from sweep.errors import SpecError
from sweep.spec.model import SweepSpec
from sweep.spec.reader import load_spec
from trainable.config import DatasetConfig
from trainable.datasets import Rows, TextData, load
from trainable.errors import DataError

__all__ = ["check_dataset", "check_spec"]

_LONGEST_MESSAGE = 3000  # characters of one mistake: it is read in a terminal
_LINE = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # as YAML ends them


def check_spec(path: Path, overrides: tuple[str, ...] = ()) -> SweepSpec | None:
    """Load the spec file `path`, which lies in the current folder; the spec, or None where it is rightly refused."""
    try:
        spec = load_spec(path.name, overrides)
    except SpecError as error:
        check_mistakes(error, path)
        return None
    resolved = json.loads(json.dumps(spec.resolved()))
    again = SweepSpec.model_validate(resolved)
    assert again == spec
    assert again.resolved() == resolved
    return spec


def check_mistakes(error: SpecError, path: Path) -> None:
    """Every mistake of a refused spec is one short line that names a line of the file, or an override."""
    lines = len(_LINE.findall(path.read_bytes().decode("utf-8", errors="replace"))) + 1
    assert error.mistakes
    for mistake in error.mistakes:
        assert mistake.isprintable(), ascii(mistake)
        assert len(mistake) < _LONGEST_MESSAGE
        place, _, rest = mistake.partition(": ")
        assert rest.strip(), mistake
        file, _, number = place.partition(":")
        assert (file == path.name and 1 <= int(number) <= lines) or re.fullmatch(r"--set( .+)?", place), mistake


def check_dataset(config: DatasetConfig, folder: Path) -> TextData | None:
    """Load a dataset whose files lie in `folder`; the data, or None where it is rightly refused."""
    try:
        data = load.__wrapped__(config)  # it keeps what it has read, whatever happens to the file
    except DataError as error:
        check_refusal(error, config, folder)
        return None
    check_text_data(data)
    return data


def check_refusal(error: DataError, config: DatasetConfig, folder: Path) -> None:
    """Every line names the file or the dataset, the rule and, after a semicolon, what is wrong and what to do."""
    for line in str(error).splitlines():
        assert str(folder) in line or f"dataset `{config.name}`" in line, line
        assert "; " in line, line
        assert len(line) < _LONGEST_MESSAGE
        assert line.isprintable(), ascii(line)


def check_text_data(data: TextData) -> None:
    """The two parts are disjoint, without blank texts, and labelled with classes that have names."""
    assert len(data.class_names) >= 2
    assert list(data.class_names) == sorted(set(data.class_names))
    assert all(name.strip() == name != "" for name in data.class_names)
    assert set(data.pool.labels_N.tolist()) == set(range(len(data.class_names)))
    assert (data.pool.pairs is None) == (data.test.pairs is None)
    for rows in (data.pool, data.test):
        check_rows(rows, len(data.class_names))
    assert not _keys(data.pool) & _keys(data.test)
    assert len(_keys(data.pool)) == len(data.pool)
    assert 0 < data.majority_share <= 1


def check_rows(rows: Rows, classes: int) -> None:
    assert len(rows.texts) == len(rows.labels_N) == len(rows.pairs or rows.texts) > 0
    assert rows.labels_N.dtype == np.int64
    assert 0 <= rows.labels_N.min() <= rows.labels_N.max() < classes
    for text in (*rows.texts, *(rows.pairs or ())):
        assert text.strip() == text != ""
        text.encode()  # no lone surrogate, which no tokenizer takes


def _keys(rows: Rows) -> set[tuple[str, ...]]:
    texts = zip(rows.texts, strict=True) if rows.pairs is None else zip(rows.texts, rows.pairs, strict=True)
    return {tuple(" ".join(text.casefold().split()) for text in each) for each in texts}
