"""The winner of a stored sweep, trained on all labelled rows and written into a folder."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import FolderError
from sweep.ledger.stored import check_unchanged, read_stored
from sweep.refitting.card import expected, model_card
from sweep.tracking import tracking_uri
from sweep.tracking.registry import ALIAS, register
from sweep.verdict import Arm, Comparison, verdict
from sweep.verdict.chosen import chosen_arm
from trainable.errors import TrainableError
from trainable.inputs import forget_inputs

if TYPE_CHECKING:
    from trainable.classifier import Classifier
    from trainable.onnx_export import OnnxFile
    from trainable.refitting import Refitted

__all__ = ["Kept", "Winner", "keep", "refit_stored", "register_kept", "train_stored"]

_CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """An arm of a sweep, trained once more.

    comparison, arm: what it is the winner of.
    refitted: what is known of it.
    sweep: the name of the sweep.
    asked: the options of `python -m sweep refit` that chose it.
    """

    comparison: Comparison
    arm: Arm
    refitted: Refitted
    sweep: str
    asked: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What is expected of it, in a sentence."""
        return expected(self.refitted, self.comparison, self.arm)

    def card(self, out: Path, onnx: OnnxFile | None = None) -> str:
        """Its model card in the folder `out`. onnx: what is known of the ONNX file there."""
        words = ["python", "-m", "sweep", "refit", self.sweep, *self.asked, "--out", str(out)]
        command = shlex.join([*words, *(["--onnx"] if onnx is not None else [])])
        return model_card(self.refitted, self.comparison, self.arm, sweep=self.sweep, command=command, onnx=onnx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A classifier that was written.

    folder: where.
    comparison, arm: what it is the winner of.
    refitted: what is known of it.
    """

    folder: Path
    comparison: Comparison
    arm: Arm
    refitted: Refitted


def refit_stored(
    name: str,
    root: Path,
    out: Path,
    *,
    arm: str | None = None,
    shots: int | None = None,
    onnx: bool = False,
    told: Callable[[str], None] = lambda said: None,
) -> Kept:
    """Train an arm of a stored sweep, as `train_stored` does, and write the classifier into `out`.

    onnx: whether an ONNX file is written beside the weights.

    Raises FolderError for a folder that holds something else, before anything is trained.
    """
    _check_folder(out)
    winner = train_stored(name, root, arm=arm, shots=shots, told=told)

    def fill(scratch: Path) -> None:
        winner.refitted.classifier.save(scratch)
        if onnx:
            told("writing the ONNX file")
        file = _onnx(winner, scratch) if onnx else None
        (scratch / _CARD).write_text(winner.card(out, file), encoding="utf-8")

    _write(fill, out)
    return Kept(folder=out, comparison=winner.comparison, arm=winner.arm, refitted=winner.refitted)


def train_stored(
    name: str,
    root: Path,
    *,
    arm: str | None = None,
    shots: int | None = None,
    told: Callable[[str], None] = lambda said: None,
) -> Winner:
    """Train an arm of a stored sweep on all labelled rows, or on `shots` of them.

    arm: its cell, as `trec/8/soft_triple`; by default the best one, where the sweep has a single comparison.
    told: called with what is done now, in a few words.

    Raises StoredSweepError for a sweep or an arm that is not there or not confirmed, LedgerError if data or encoder are
    not those of the sweep, and TrainableError for what cannot be trained or kept.
    """
    from trainable.refitting import refit  # imported late: it loads torch

    forget_inputs()
    spec, ledger = read_stored(name, root)
    found = verdict(ledger.results())
    comparison, chosen = chosen_arm(found, arm, spec.name, "a classifier is made of a confirmed winner")
    check_unchanged(spec, ledger, chosen.cell)
    assert chosen.confirmation is not None, "an arm without a confirmation is not chosen"
    refitted = refit(chosen.confirmation.config, shots=shots, told=told)
    given = (("--arm", arm), ("--shots", shots))
    asked = tuple(word for option, value in given if value is not None for word in (option, str(value)))
    return Winner(comparison=comparison, arm=chosen, refitted=refitted, sweep=spec.name, asked=asked)


def _onnx(winner: Winner, folder: Path) -> OnnxFile:
    """Write the ONNX file, and compare it with torch on texts of the dataset."""
    from trainable.datasets import load
    from trainable.onnx_export import export

    assert winner.arm.confirmation is not None, "an arm without a confirmation is not chosen"
    rows = load(winner.arm.confirmation.config.dataset).test
    return export(winner.refitted.classifier, folder, rows.texts, rows.pairs)


def keep(classifier: Classifier, card: str, out: Path) -> None:
    """Write a classifier and its card into the folder `out`, or replace the one that is there.

    Raises FolderError for a folder that holds something else or cannot be written.
    """
    _check_folder(out)

    def fill(scratch: Path) -> None:
        classifier.save(scratch)
        (scratch / _CARD).write_text(card, encoding="utf-8")

    _write(fill, out)


def _write(fill: Callable[[Path], None], out: Path) -> None:
    """Write the folder beside its place, then put it there as a whole: a reader finds the old one or the new one."""
    scratch, old = (out.with_name(f".{out.name}.{kind}") for kind in ("new", "old"))
    try:
        for left in (scratch, old):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        fill(scratch)
        if out.exists():
            out.rename(old)
        scratch.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    except TrainableError:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    except Exception as error:  # of the libraries that write weights, and of the disk
        shutil.rmtree(scratch, ignore_errors=True)
        said = " ".join(str(error).split()) or type(error).__name__
        raise FolderError(f"a classifier must be written; {out} cannot be ({said}): give another --out") from error


def register_kept(kept: Kept, name: str, root: Path, model: str) -> str:
    """Register a kept classifier in the MLflow store of its sweep; where, in a sentence. Raises TrackingError."""
    spec, ledger = read_stored(name, root)
    uri = tracking_uri(spec.tracking.uri)
    pairs = kept.arm.confirmation is not None and kept.arm.confirmation.config.dataset.text_pair is not None
    registered, version = register(
        kept.folder,
        model or spec.name,
        uri=uri,
        parent=ledger.sweep().run_id,
        experiment=spec.tracking.experiment,
        pairs=pairs,
        card=f"{expected(kept.refitted, kept.comparison, kept.arm)} {kept.comparison.sentence}",
    )
    served = f"mlflow models serve -m models:/{registered}@{ALIAS} --env-manager local"
    return f"models:/{registered}/{version}   (alias {ALIAS}; {served})"


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but a classifier, which is replaced."""
    try:
        if out.is_symlink() or (out.exists() and not out.is_dir()):
            raise FolderError(f"a classifier is written into a folder; {out} is none: give another --out")
        if out.is_dir() and any(out.iterdir()) and not (out / "classifier.json").is_file():
            raise FolderError(f"a classifier gets a folder of its own; {out} holds other files: give another --out")
        place = next(each for each in (out, *out.absolute().parents) if each.exists())
        if not os.access(place, os.W_OK):
            raise FolderError(f"a classifier must be written; {place} may not be written: give another --out")
    except OSError as error:
        raise FolderError(
            f"a classifier must be written; {out} cannot be ({error.strerror}): give another --out"
        ) from error
