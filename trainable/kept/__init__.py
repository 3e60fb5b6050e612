"""What is kept of a trained trial: a copy of its encoder and the arrays of its head, as a classifier."""

from __future__ import annotations

from trainable.kept.fine_tuned import Chosen, fine_tuned, fine_tuned_classifier, trained_learner
from trainable.kept.frozen import frozen_classifier
from trainable.kept.set_fit import set_fit_classifier
from trainable.kept.temperature import tempered

__all__ = [
    "Chosen",
    "fine_tuned",
    "fine_tuned_classifier",
    "frozen_classifier",
    "set_fit_classifier",
    "tempered",
    "trained_learner",
]
