"""What is kept of a training by the library SetFit.

Shapes: M training rows, C classes, D embedding size.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainable.classifier import Classifier
from trainable.encoder.lower_case import lower_as_stated
from trainable.encoder.pooling import stated_pooling
from trainable.errors import ConfigError
from trainable.kept.encoder import stated_arrays
from trainable.kept.heads import linear_arrays
from trainable.setfit_training import SetFitTraining, undisturbed

if TYPE_CHECKING:
    from trainable.recipes.entry import Trial
    from trainable.setfit_training import Fitted

__all__ = ["set_fit_classifier"]

_COMPARED = 64  # rows on which what is kept is compared with the library
_TOLERANCE = 1e-4  # of their probabilities


def set_fit_classifier(trial: Trial) -> Classifier:
    """Train SetFit on the rows of the first sample, and keep its encoder and its logistic regression.

    The columns of its scores are in the order of the classes' indices, which are the labels that it is given here:
    by names, the library would order them alphabetically.

    Raises ConfigError for rows of one class, which train no head, and for an encoder that is kept otherwise than it
    was trained.
    """
    run = SetFitTraining.begun(trial)
    with undisturbed():
        fitted = run.fitted(0)
    body: Any = run.body
    names = dict(enumerate(module.cpu() for module in body))
    name, revision = trial.config.encoder, trial.config.encoder_revision
    layers, arrays = stated_arrays(
        name, revision, {place - 2: names[place].state_dict() for place in names if place >= 2}
    )
    made = Classifier(
        labels=trial.data.class_names,
        model=copy.deepcopy(body[0].auto_model).cpu().float().eval().requires_grad_(False),
        tokenizer=lower_as_stated(name, revision, copy.deepcopy(body.tokenizer)),
        head={"kind": "linear", "normalise": False},
        arrays=arrays | linear_arrays(fitted.model.model_head, 0.0, pairs=False),
        pooling=stated_pooling(name, revision) or "mean",
        layers=layers,
        prompt=run.prompt,
        max_length=trial.config.max_length,
        paired=trial.data.pool.pairs is not None,
        separator=run.separator,
    )
    _check_same(made, trial, run, fitted)
    run.release()
    return made


def _check_same(made: Classifier, trial: Trial, run: SetFitTraining, fitted: Fitted) -> None:
    """Refuse a classifier that scores its own rows otherwise than the library does, as where an encoder's modules do
    what is not known here."""
    rows_M = trial.samples[0].train[:_COMPARED]
    held = trial.data.pool.at(rows_M)
    kept_NC = torch.log_softmax(made.scores(held.texts, held.pairs).double(), dim=1).exp().numpy()
    with undisturbed():
        found_NC = np.exp(run.scores(fitted, trial.data.pool, rows_M))
    if not np.allclose(kept_NC, found_NC, atol=_TOLERANCE):
        raise ConfigError(
            f"a classifier must answer as the one that was trained; what is kept of setfit with "
            f"{trial.config.encoder!r} differs by {np.abs(kept_NC - found_NC).max():.2g} in probability: choose "
            "another encoder or another arm"
        )
