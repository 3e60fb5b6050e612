"""The classifier of a draw of a comparison, trained once more: it has not seen the rows that the draw tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainable.classifier import Classifier
from trainable.datasets import load
from trainable.draws import Draw, draw_of
from trainable.evaluation.assessment import Mixture
from trainable.kept import Chosen, fine_tuned
from trainable.recipes import RECIPES
from trainable.recipes.entry import Trial
from trainable.recipes.fine_tune import FineTune
from trainable.recipes.metric_then_head import MetricThenHead
from trainable.refitting import check_kept

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["DrawnClassifier", "drawn_classifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnClassifier:
    """A classifier, and the rows of the draw that trained it. Its probabilities are not calibrated."""

    classifier: Classifier
    draw: Draw


def drawn_classifier(
    config: TrialConfig,
    index: int,
    metrics: Mapping[str, float],
    told: Callable[[str], None] = lambda said: None,
) -> DrawnClassifier:
    """Train a trial's configuration on a draw, as a confirmation does.

    metrics: of the draw's evaluation, which hold what its rule of inference chose on validation rows.
    told: called with what is done now, in a few words, where that takes long.

    Raises TrainableError as `trainable.refitting.refit` does.
    """
    check_kept(config)
    data = load(config.dataset)
    draw = draw_of(config, data, index)
    trial = Trial(config=config, data=data, draws=(index,), samples=(draw,), part="test")
    if isinstance(config.recipe, FineTune | MetricThenHead):
        mixture = Mixture(metrics.get("mixture_weight", config.beta), metrics.get("mixture_temperature", 1.0))
        chosen = Chosen(neighbours=int(metrics.get("neighbours_k", 1)), mixture=mixture)
        return DrawnClassifier(classifier=fine_tuned(trial, chosen, told), draw=draw)
    keep = RECIPES[config.recipe.name].keep
    assert keep is not None, "others are refused"
    return DrawnClassifier(classifier=keep(trial), draw=draw)
