"""The winner of a sweep, trained on all labelled rows and written into a folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import FolderError, SweepError
from sweep.refitting.card import model_card
from sweep.refitting.expected import expected
from sweep.refitting.source import Source
from sweep.spec.model import SweepSpec
from sweep.tracking.registry import ALIAS, register
from sweep.verdict import Arm, Comparison, verdict
from sweep.verdict.chosen import chosen_arm
from sweep.verdict.learning_curve import LearningCurve, alike, learning_curve
from trainable.errors import TrainableError
from trainable.shots import Shots

if TYPE_CHECKING:
    from trainable.classifier import Classifier
    from trainable.config import TrialConfig
    from trainable.onnx_export import OnnxFile
    from trainable.refitting import Refitted

__all__ = [
    "Kept",
    "Told",
    "Training",
    "Winner",
    "check_folder",
    "here",
    "keep",
    "refit_winner",
    "register_kept",
    "train_winner",
    "write_folder",
]

_CARD = "README.md"
_OWN = re.compile(
    r"README\.md|classifier\.py|__pycache__|additional_chat_templates|"
    r"[^.].*\.(json|safetensors|onnx|txt|model|jinja|codes|tokenizer)"
)
"""What encoders, tokenizers and heads write into a classifier's folder."""

Told = Callable[[str], None]
"""Called with what is done now, in a few words."""

Training = Callable[[SweepSpec, "TrialConfig", Shots, Told], "Refitted"]
"""Trains a configuration of a sweep once more, on so many shots or on all rows: here, or on a cluster."""


def here(_: SweepSpec, config: TrialConfig, shots: Shots, told: Told) -> Refitted:
    """Train in this process, as `trainable.refitting.refit` does."""
    from trainable.refitting import refit  # imported late: it loads torch

    return refit(config, shots=shots, told=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """An arm of a sweep, trained once more.

    source: the records of the sweep.
    comparison, arm: what it is the winner of.
    curve: what is known of the arm at several numbers of labels, if it was compared at several.
    refitted: what is known of it.
    asked: the options of `python -m sweep refit` that chose it.
    """

    source: Source
    comparison: Comparison
    arm: Arm
    curve: LearningCurve | None
    refitted: Refitted
    asked: tuple[str, ...] = ()

    @property
    def sweep(self) -> str:
        """The name of the sweep."""
        return self.source.spec.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The options of `python -m sweep predict` that name the columns of a file like the sweep's own data."""
        assert self.arm.winner is not None, "a confirmed arm has a winner"
        config = self.arm.winner.config.dataset
        text = () if config.text == "text" else ("--text", config.text)
        return (*text, "--pair", config.text_pair or "text_pair") if self.refitted.classifier.paired else text

    @property
    def expected(self) -> str:
        """What is expected of it, in a sentence."""
        return expected(self.refitted, self.comparison, self.arm)

    def card(self, out: Path, onnx: OnnxFile | None = None, called: str = "") -> str:
        """Its model card in the folder `out`. onnx: what is known of the ONNX file there. called: the command that
        makes it again; empty for the one that did here."""
        words = ["python", "-m", "sweep", "refit", self.source.called, *self.asked, "--out", str(out)]
        command = called or shlex.join([*words, *(["--onnx"] if onnx is not None else [])])
        return model_card(
            self.refitted,
            self.comparison,
            self.arm,
            sweep=self.sweep,
            command=command,
            curve=self.curve,
            onnx=onnx,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A winner that was written. folder: where."""

    folder: Path
    winner: Winner


def refit_winner(
    source: Source,
    out: Path,
    *,
    arm: str | None = None,
    shots: Shots = "all",
    onnx: bool = False,
    called: str = "",
    told: Told = lambda said: None,
    training: Training = here,
) -> Kept:
    """Train an arm of a sweep, as `train_winner` does, and write the classifier into `out`.

    onnx: whether an ONNX file is written beside the weights.
    called: the command that makes it again, where that is another one than here.

    Raises FolderError for a folder that holds something else, before anything is trained.
    """
    check_folder(out)
    winner = train_winner(source, arm=arm, shots=shots, told=told, training=training)

    def fill(scratch: Path) -> None:
        winner.refitted.classifier.save(scratch)
        if onnx:
            told("writing the ONNX file")
        file = _onnx(winner, scratch) if onnx else None
        (scratch / _CARD).write_text(winner.card(out, file, called), encoding="utf-8")

    write_folder(fill, out)
    return Kept(folder=out, winner=winner)


def train_winner(
    source: Source,
    *,
    arm: str | None = None,
    shots: Shots = "all",
    told: Told = lambda said: None,
    training: Training = here,
) -> Winner:
    """Train an arm of a sweep on all labelled rows, or on `shots` of them.

    arm: its cell, as `trec/8/soft_triple`; by default the best one, where the sweep has a single comparison.
    training: where it is trained; by default in this process.

    Raises StoredSweepError for an arm that is not there or not confirmed, SweepError if data or encoder are not those
    of the sweep, and TrainableError for what cannot be trained or kept.
    """
    spec = source.spec
    found = verdict(source.results)
    comparison, chosen = chosen_arm(found, arm, spec.name, "a classifier is made of a confirmed winner")
    source.check(chosen.cell)
    assert chosen.confirmation is not None, "an arm without a confirmation is not chosen"
    refitted = training(spec, chosen.confirmation.config, shots, told)
    given = (("--arm", arm), ("--shots", None if shots == "all" else str(shots)))
    asked = tuple(word for option, value in given if value is not None for word in (option, value))
    return Winner(
        source=source,
        comparison=comparison,
        arm=chosen,
        curve=learning_curve(alike(found.comparisons, comparison), chosen.method),
        refitted=refitted,
        asked=(*source.options, *asked),
    )


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
    check_folder(out)

    def fill(scratch: Path) -> None:
        classifier.save(scratch)
        (scratch / _CARD).write_text(card, encoding="utf-8")

    write_folder(fill, out)


def write_folder(fill: Callable[[Path], None], out: Path) -> None:
    """Write the folder beside its place, then put it there as a whole: a reader finds the old one or the new one."""
    scratch, old = (out.with_name(f".{out.name}.{kind}") for kind in ("new", "old"))
    try:
        if old.is_dir() and not out.exists():  # it was killed between the two names
            old.rename(out)
        for left in (scratch, old):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        fill(scratch)
        if out.exists():
            out.rename(old)
        scratch.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    except (SweepError, TrainableError):
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    except Exception as error:  # of the libraries that write weights, and of the disk
        shutil.rmtree(scratch, ignore_errors=True)
        said = " ".join(str(error).split()) or type(error).__name__
        raise FolderError(f"a classifier must be written; {out} cannot be ({said}): give another folder") from error


def register_kept(kept: Kept, model: str) -> str:
    """Register a kept classifier in the MLflow store of its sweep; where, in a sentence. Raises TrackingError.

    model: its name there; empty for that of the sweep.
    """
    winner, spec = kept.winner, kept.winner.source.spec
    registered, version = register(
        kept.folder,
        model or spec.name,
        uri=winner.source.uri,
        parent=winner.source.results.sweep.run_id,
        experiment=spec.tracking.experiment,
        pairs=winner.refitted.classifier.paired,
        card=f"{winner.expected} {winner.comparison.sentence}",
    )
    served = f"mlflow models serve -m models:/{registered}@{ALIAS} --env-manager local"
    return f"models:/{registered}/{version}   (alias {ALIAS}; {served})"


def check_folder(out: Path) -> None:
    """Raise FolderError for a folder that holds anything but a classifier, which is replaced, or that cannot be."""
    try:
        if out.is_symlink() or (out.exists() and not out.is_dir()):
            raise FolderError(f"a classifier is written into a folder; {out} is none: give another folder")
        if Path.cwd().is_relative_to(out.resolve()):
            raise FolderError(
                f"the folder of a classifier is put in its place as a whole; {out} is where this runs: give another "
                "folder"
            )
        if out.is_dir():
            _check_content(out)
        place = next(each for each in out.absolute().parents if each.exists())  # the folder is made beside its place
        if not os.access(place, os.W_OK):
            raise FolderError(f"a classifier must be written; {place} may not be written: give another folder")
    except OSError as error:
        raise FolderError(
            f"a classifier must be written; {out} cannot be ({error.strerror}): give another folder"
        ) from error


def _check_content(out: Path) -> None:
    names = sorted(path.name for path in out.iterdir())
    if names and not (out / "classifier.json").is_file():
        raise FolderError(f"a classifier gets a folder of its own; {out} holds other files: give another folder")
    if others := [name for name in names if not _OWN.fullmatch(name)]:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise FolderError(
            f"a classifier that is there is replaced with its folder; {out} holds {shown} too: move that, or give "
            "another folder"
        )
