"""A classifier in a program: the winner of a sweep, trained on all labelled rows.

Shapes: N texts, C classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sweep.api.process import undisturbed
from sweep.api.result import Result
from sweep.refitting import Source, Training, here, keep, load_classifier, train_winner
from trainable.shots import Shots, as_shots

if TYPE_CHECKING:
    from sweep.explain.attribution import Examples, Explanations
    from trainable.classifier import Classifier as Model

__all__ = ["Classifier", "refit"]

_CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Classifier:
    """A text classifier with calibrated probabilities, as `python -m sweep refit` keeps it.

    model: the encoder with its head.
    card: its model card, with what is expected of it.
    """

    model: Model
    card: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the columns of `predict_proba`."""
        return self.model.labels

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.str_]:
        """The label of each text, or of each pair of texts: labels_N. A list, an array or a Series is taken."""
        return np.array(self.model.predict(texts, pairs), dtype=np.str_)

    def predict_proba(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float64]:
        """The probabilities of the classes for each text, or each pair of texts: probabilities_NC.

        Raises TypeError for anything but texts, and ValueError for pairs where single texts are classified or the other
        way round.
        """
        probabilities_NC = self.model.predict_proba(texts, pairs)
        converted_NC: NDArray[np.float64] = probabilities_NC.double().numpy()
        return converted_NC

    def explain(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        examples: Sequence[Any] | None = None,
        labels: Sequence[Any] | None = None,
    ) -> Explanations:
        """Explain what the classifier says of each text, or of each pair of texts: what each word adds, by integrated
        gradients and by leaving it out, and whether these checks of the explanation hold.

        examples, labels: labelled texts, such as those that trained it, or (text, text) tuples where pairs are
            classified; the nearest ones to each text are then named, and what each word adds to the nearness of the
            class's centre.

        Raises TypeError and ValueError as `predict` does, ValueError for examples without as many known labels, and
        TrainableError for an encoder whose reading cannot be followed.
        """
        from sweep.explain.attribution import Explanations, explained_predictions  # imported late: they load torch
        from trainable.classifier import listed
        from trainable.quiet import quiet

        with undisturbed(), quiet():
            rows = _examples(self.model, examples, labels)
            firsts, seconds = listed(texts), None if pairs is None else listed(pairs)
            return Explanations(predictions=explained_predictions(self.model, firsts, seconds, rows))

    def save(self, folder: str | Path) -> None:
        """Write the classifier into a folder, as `python -m sweep refit --out` does; one that is there is replaced.

        Raises SweepError for a folder that holds something else or cannot be written.
        """
        from trainable.quiet import quiet  # imported late, as all that loads torch

        with undisturbed(), quiet():
            keep(self.model, self.card, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Classifier:
        """Read a classifier from such a folder. Raises SweepError for another one."""
        model = load_classifier(Path(folder))
        card = Path(folder) / _CARD
        return cls(model=model, card=card.read_text(encoding="utf-8") if card.is_file() else "")

    def __repr__(self) -> str:
        return f"<Classifier of {len(self.labels)} classes: {', '.join(self.labels[:8])}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the files of the folder, weights and JSON, and no code but this module's name."""
        with tempfile.TemporaryDirectory(prefix="sweep-classifier-") as scratch:
            self.save(Path(scratch) / "model")
            files = {
                path.relative_to(scratch).as_posix(): path.read_bytes()
                for path in sorted((Path(scratch) / "model").rglob("*"))
                if path.is_file() and path.suffix != ".py"
            }
        return _of_files, (files,)


def refit(
    sweep: Result | str | Path,
    *,
    arm: str | None = None,
    shots: Shots = "all",
    root: str | Path = "sweeps",
    address: str | None = None,
) -> Classifier:
    """Train the winner of a sweep once more, on all labelled rows, and return it as a classifier.

    sweep: what came of it, or its name or folder.
    arm: the cell to train instead of the winner, as `trec/8/soft_triple`; needed where several comparisons have one.
    shots: train on a draw of so many labels, `8` or `at most 8`, instead of all rows.
    root: the folder that holds the sweeps.
    address: the Ray cluster on a node of which it is trained, or `auto`; by default it is trained in this process.

    Raises SweepError or TrainableError for what is wrong, in the words of the command line.
    """
    from trainable.quiet import quiet  # imported late, as all that loads torch

    name, shots = str(sweep.folder) if isinstance(sweep, Result) else str(sweep), as_shots(shots)
    with undisturbed(), quiet():
        training = here if address is None else _training_at(address)
        winner = train_winner(Source.of_ledger(name, Path(root)), arm=arm, shots=shots, training=training)
    return Classifier(model=winner.refitted.classifier, card=winner.card(Path(f"{winner.sweep}-model")))


def _training_at(address: str) -> Training:
    from sweep.execution.refit_task import refit_at  # imported late: it loads Ray

    return refit_at(address)


def _examples(model: Model, examples: Sequence[Any] | None, labels: Sequence[Any] | None) -> Examples | None:
    from sweep.explain.attribution import Examples
    from trainable.classifier import listed, ordered

    if examples is None and labels is None:
        return None
    rule = "examples and their labels come as lists"
    rows, names = ([] if given is None else ordered(given, rule) for given in (examples, labels))
    unknown = sorted({str(label) for label in names} - set(model.labels))
    if len(rows) != len(names) or unknown or not rows:
        received = f"the unknown {', '.join(unknown[:5])}" if unknown else f"{len(rows)} and {len(names)}"
        raise ValueError(
            f"examples need a label each, of {', '.join(model.labels[:8])}; received {received}: give labelled texts"
        )
    numbers_M = np.array([model.labels.index(str(label)) for label in names], dtype=np.int64)
    firsts, seconds = zip(*map(_pair, rows), strict=True) if model.paired else (rows, None)
    return Examples.of(model, listed(firsts), None if seconds is None else listed(seconds), numbers_M)


def _pair(row: Any) -> tuple[Any, Any]:
    """The two texts of an example. Raises ValueError for anything else, above all for a text, whose letters they would
    be."""
    if isinstance(row, str) or not hasattr(row, "__len__") or len(row) != 2:
        raise ValueError(
            f"examples of pairs are (text, text) tuples, or an array of two columns; received {str(row)[:80]!r}: give "
            "the second text of each too, as list(zip(texts, pairs))"
        )
    return row[0], row[1]


def _of_files(files: Mapping[str, bytes]) -> Classifier:
    with tempfile.TemporaryDirectory(prefix="sweep-classifier-") as scratch:
        for name, content in files.items():
            place = Path(scratch) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return Classifier.load(Path(scratch) / "model")
