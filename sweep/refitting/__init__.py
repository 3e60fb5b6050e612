"""From a verdict to a classifier: the confirmed winner, trained once more and kept in a folder with its model card."""

from __future__ import annotations

from sweep.refitting.answers import answer, load_classifier
from sweep.refitting.refit import (
    Kept,
    Told,
    Training,
    Winner,
    check_folder,
    here,
    keep,
    refit_winner,
    register_kept,
    train_winner,
    write_folder,
)
from sweep.refitting.source import Source
from sweep.refitting.winners import keep_winners

__all__ = [
    "Kept",
    "Source",
    "Told",
    "Training",
    "Winner",
    "answer",
    "check_folder",
    "here",
    "keep",
    "keep_winners",
    "load_classifier",
    "refit_winner",
    "register_kept",
    "train_winner",
    "write_folder",
]
