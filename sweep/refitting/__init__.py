"""From a verdict to a classifier: the confirmed winner, trained once more and kept in a folder with its model card."""

from __future__ import annotations

from sweep.refitting.answers import answer, load_classifier
from sweep.refitting.refit import Kept, Winner, keep, refit_stored, register_kept, train_stored
from sweep.refitting.winners import keep_winners

__all__ = [
    "Kept",
    "Winner",
    "answer",
    "keep",
    "keep_winners",
    "load_classifier",
    "refit_stored",
    "register_kept",
    "train_stored",
]
