"""A file of texts in, a file of labels and probabilities out."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import FolderError
from trainable.datasets.text_files import read_texts
from trainable.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from trainable.classifier import Classifier

__all__ = ["answer", "load_classifier"]

_ADDED = ("label", "probability", "margin")


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
    if out.exists() and file.exists() and out.samefile(file):
        raise FolderError(f"the answers get a file of their own; {out} is the file that is read: give another --out")
    classifier = load_classifier(folder)
    texts, pairs = read_texts(file, text, pair)
    try:
        probabilities_NC = classifier.predict_proba(texts, pairs)
    except (TypeError, ValueError) as error:  # what the classifier says of texts that it cannot take
        remedy = "name the column of the second texts by --pair" if classifier.paired else "leave --pair out"
        told = f": {remedy}" if classifier.paired != (pair is not None) else ""
        raise DataError(f"{file}: {error}{told}") from error
    sure_N = probabilities_NC.max(dim=1).values if len(texts) else probabilities_NC.sum(dim=1)
    scratch = out.with_name(f".{out.name}.new")
    try:
        _write(scratch, (text, pair), (texts, pairs), classifier.labels, probabilities_NC, abstain_below)
        scratch.replace(out)
    except OSError as error:
        scratch.unlink(missing_ok=True)
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


def load_classifier(folder: Path) -> Classifier:
    """The classifier in a folder that `python -m sweep refit` wrote. Raises FolderError for another folder."""
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
        given_names = [name if name not in _ADDED else f"{name} (read)" for name in names if name is not None]
        writer.writerow([*given_names, *_ADDED])
        for *texts, row_C in zip(*given, probabilities_NC, strict=True):
            first, second = row_C.topk(2).values.tolist()
            label = labels[int(row_C.argmax())] if first >= abstain_below else ""
            writer.writerow([*texts, label, f"{first:.4f}", f"{first - second:.4f}"])
