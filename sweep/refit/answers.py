"""A file of texts in, a file of labels and probabilities out."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import FolderError
from trainable.config import DatasetConfig
from trainable.datasets.files import decoded, read_table
from trainable.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from trainable.classifier import Classifier

__all__ = ["answer"]


def answer(
    folder: Path, file: Path, out: Path, *, text: str = "text", pair: str | None = None, abstain_below: float = 0.0
) -> str:
    """Classify the rows of a file, and write a csv with label, probability and margin of each; what was done, in a
    sentence.

    text, pair: the columns of the texts.
    abstain_below: rows with a lower probability get no label, and are left to a person.

    Raises FolderError for a folder without a classifier or a file that cannot be written, and DataError for a file that
    cannot be read.
    """
    classifier = _loaded(folder)
    texts, pairs = _texts(file, text, pair)
    probabilities_NC = classifier.predict_proba(texts, pairs)
    sure_N = probabilities_NC.max(dim=1).values if len(texts) else probabilities_NC.sum(dim=1)
    try:
        _write(out, (text, pair), (texts, pairs), classifier.labels, probabilities_NC, abstain_below)
    except OSError as error:
        raise FolderError(
            f"the answers must be written; {out} cannot be ({error.strerror}): give another --out"
        ) from error
    left = int((sure_N < abstain_below).sum())
    kept = sure_N[sure_N >= abstain_below]
    said = f"{len(texts):,} rows classified into {out}"
    if abstain_below and len(kept):
        said += (
            f"; {left:,} left to a person, and of the others {100 * float(kept.mean()):.0f} % are expected to be right"
        )
    elif len(kept):
        counts = Counter(classifier.labels[place] for place in probabilities_NC.argmax(dim=1).tolist())
        said += f" ({', '.join(f'{count:,} {label}' for label, count in counts.most_common(5))})"
    return said


def _loaded(folder: Path) -> Classifier:
    from trainable.classifier import Classifier  # imported late: it loads torch
    from trainable.quiet import quiet

    try:
        with quiet():
            return Classifier.load(folder)
    except Exception as error:  # of several libraries: files, formats, shapes
        said = " ".join(str(error).split()) or type(error).__name__
        raise FolderError(
            f"a classifier is a folder that `python -m sweep refit` wrote; {folder} is none ({said[:300]}): give "
            "that folder"
        ) from error


def _texts(file: Path, text: str, pair: str | None) -> tuple[list[str], list[str] | None]:
    if not file.exists():
        raise DataError(f"a file of texts is read; there is none at {file}: correct the path")
    if _has_one_column(file):
        return _only_column(file, text), None
    config = DatasetConfig(name=file.stem or "file", path=str(file), text=text, text_pair=pair, label=text)
    table = read_table(file, config)
    missing = [column for column in (text, pair) if column is not None and column not in table.columns]
    if missing:
        raise _lacks(file, missing[0], table.names)
    first = ["" if value is None else str(value) for value in table.columns[text]]
    return first, None if pair is None else ["" if value is None else str(value) for value in table.columns[pair]]


def _has_one_column(file: Path) -> bool:
    if file.suffix.lower() != ".csv":
        return False
    with file.open("rb") as opened:
        return not set(opened.readline()) & set(b",;\t|")


def _only_column(file: Path, text: str) -> list[str]:
    """The cells under the header of a csv file without delimiters, which data to train on never are."""
    decoded_text, _ = decoded(file, None)
    (header, *cells) = ("".join(row) for row in csv.reader(io.StringIO(decoded_text)) if row)
    if header != text:
        raise _lacks(file, text, [header])
    return cells


def _lacks(file: Path, column: str, names: Sequence[str]) -> DataError:
    return DataError(
        f"{file}: texts are read from the column {column!r}, which it has not; its columns are {', '.join(names)}: "
        "name one by --text"
    )


def _write(
    out: Path,
    names: tuple[str, str | None],
    columns: tuple[list[str], list[str] | None],
    labels: tuple[str, ...],
    probabilities_NC: Tensor,
    abstain_below: float,
) -> None:
    given = [each for each in columns if each is not None]
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(name for name in names if name is not None), "label", "probability", "margin"])
        for *texts, row_C in zip(*given, probabilities_NC, strict=True):
            first, second = row_C.topk(2).values.tolist()
            label = labels[int(row_C.argmax())] if first >= abstain_below else ""
            writer.writerow([*texts, label, f"{first:.4f}", f"{first - second:.4f}"])
