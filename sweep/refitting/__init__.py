"""From a verdict to a classifier: the confirmed winner, trained once more and kept in a folder with its model card."""

from __future__ import annotations

from sweep.refitting.answers import answer
from sweep.refitting.refit import Kept, refit_stored, register_kept
from sweep.refitting.winners import keep_winners

__all__ = ["Kept", "answer", "keep_winners", "refit_stored", "register_kept"]
