"""A file of texts in, a file of labels and probabilities out."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import FolderError
from trainable.datasets.text_files import read_column, read_texts
from trainable.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from trainable.classifier import Classifier

__all__ = ["answer", "load_classifier"]

_ADDED = ("label", "probability", "margin")


def answer(
    folder: Path,
    file: Path,
    out: Path,
    *,
    text: str = "text",
    pair: str | None = None,
    id_column: str | None = None,
    abstain_below: float = 0.0,
) -> str:
    """Classify the rows of a file, and write a csv with label, probability and margin of each; what was done, in a
    sentence.

    text, pair: the columns of the texts.
    id_column: a column that is copied beside them.
    abstain_below: rows with a lower probability get no label, and are left to a person.

    Raises FolderError for a folder without a classifier or a file that cannot be written, and DataError for a file that
    cannot be read.
    """
    out = _place(out, file)
    classifier = load_classifier(folder)
    texts, pairs = read_texts(file, text, pair)
    _check_pairs(classifier, file, pair)
    copied = read_column(file, id_column) if id_column is not None and id_column not in (text, pair) else None
    try:
        probabilities_NC = classifier.predict_proba(texts, pairs)
    except (TypeError, ValueError) as error:  # what the classifier says of texts that it cannot take
        raise DataError(f"{file}: {error}") from error
    scratch = out.with_name(f".{out.name}.new")
    try:
        given = {id_column: copied, text: texts, pair: pairs}
        _write(scratch, given, classifier.labels, probabilities_NC, abstain_below)
        scratch.replace(out)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise FolderError(
            f"the answers must be written; {out} cannot be ({error.strerror}): give another --out"
        ) from error
    return (
        f"{len(texts):,} rows classified into {out}{_said(texts, classifier.labels, probabilities_NC, abstain_below)}"
    )


def _check_pairs(classifier: Classifier, file: Path, pair: str | None) -> None:
    """Raise DataError for a column of second texts where single texts are classified, and for none where pairs are."""
    if classifier.paired and pair is None:
        rule = "this classifier takes pairs of texts; received single texts"
        raise DataError(f"{file}: {rule}: name the column of the second texts by --pair")
    if pair is not None and not classifier.paired:
        raise DataError(f"{file}: this classifier takes single texts; received pairs: leave --pair out")


def _place(out: Path, file: Path) -> Path:
    """The file to write, to which a link leads. Raises FolderError for the file that is read, and for what is no file:
    a folder, or a device or pipe, which a file would replace."""
    if out.exists() and file.exists() and out.samefile(file):
        raise FolderError(f"the answers get a file of their own; {out} is the file that is read: give another --out")
    if out.exists() and not out.is_file():
        raise FolderError(f"the answers are written into a file; {out} is none: give another --out")
    return out.resolve() if out.is_symlink() else out


def _said(texts: list[str], labels: tuple[str, ...], probabilities_NC: Tensor, abstain_below: float) -> str:
    """How many rows got which labels, or were left to a person, and how many had nothing to go by."""
    if not texts:
        return ""
    sure_N = probabilities_NC.max(dim=1).values
    kept = sure_N[sure_N >= abstain_below]
    if abstain_below and len(kept):
        right = f"of the others {100 * float(kept.mean()):.0f} % are expected to be right"
        said = f"; {len(texts) - len(kept):,} left to a person, and {right}"
    elif abstain_below:
        said = f"; all are left to a person: the surest has a probability of {float(sure_N.max()):.2f}"
    else:
        counts = Counter(labels[place] for place in probabilities_NC.argmax(dim=1).tolist())
        shown = (f"{count:,} {' '.join(label.split())}" for label, count in counts.most_common(5))
        said = f" ({', '.join(shown)})"
    blank = sum(not each.strip() for each in texts)
    return f"{said}; {blank:,} had no text, so that their labels say nothing" if blank else said


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
    given: Mapping[str | None, list[str] | None],
    labels: tuple[str, ...],
    probabilities_NC: Tensor,
    abstain_below: float,
) -> None:
    """given: columns of the file, by name."""
    columns = {name: values for name, values in given.items() if name is not None and values is not None}
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"{name} (read)" if name in _ADDED else name for name in columns), *_ADDED])
        for *texts, row_C in zip(*columns.values(), probabilities_NC, strict=True):
            first, second = row_C.topk(2).values.tolist()
            label = labels[int(row_C.argmax())] if first >= abstain_below else ""
            writer.writerow([*texts, label, f"{first:.4f}", f"{first - second:.4f}"])
