"""Logistic regression on the words of a text, weighed by how few rows have them: what needs no encoder at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.ranges import FloatRange
from trainable.recipes.entry import Measurement, RecipeConfig, RecipeEntry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainable.datasets.text_data import Rows
    from trainable.recipes.entry import RecipeRun, Trial

__all__ = ["ENTRY", "WordCounts"]


class WordCounts(RecipeConfig):
    """Fields of word counts."""

    name: Literal["word_counts"] = "word_counts"
    C: float = Field(1.0, gt=0, le=1e6, description="inverse strength of the L2 penalty of the regression")


@dataclass(frozen=True, slots=True)
class WordCountsRun:
    """The recipe at work on a trial."""

    trial: Trial

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Fit to the rows of a draw, and yield the one measurement of it."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
        from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]

        from trainable.evaluation.heads import spread_scores
        from trainable.evaluation.parts import assess_parts

        recipe, data, began = self.trial.config.recipe, self.trial.data, perf_counter()
        assert isinstance(recipe, WordCounts), "the recipe begins its own trials"
        train = data.pool.at(self.trial.samples[replicate].train)
        model: Any = make_pipeline(TfidfVectorizer(), LogisticRegression(C=recipe.C))
        model.fit(train.texts, train.labels_N)
        trained = perf_counter()

        def scores(rows: Rows, wanted: NDArray[np.int64]) -> NDArray[np.float64]:
            log_NS = model.predict_log_proba([rows.texts[row] for row in wanted])
            return spread_scores(log_NS, model.classes_, len(data.class_names), -1e9)

        scored = assess_parts(self.trial, replicate, scores)
        times = {"train_seconds": trained - began, "eval_seconds": perf_counter() - trained}
        yield Measurement.of(scored, step=0, metrics=times, trained_on="cpu")

    def release(self) -> None:
        """Nothing is to be given up."""


def begin(trial: Trial) -> RecipeRun:
    return WordCountsRun(trial)


ENTRY = RecipeEntry(
    config=WordCounts,
    summary="fits a logistic regression to the words of the rows",
    source="Salton and Buckley, 1988 (doi:10.1016/0306-4573(88)90021-0)",
    losses="none",
    fields=frozenset(),
    constants={"loss": None, "evaluations": 1, "encoder": ""},
    begin=begin,
    trains="head",
    search={"C": FloatRange(0.01, 100, log=True)},
    search_source="Two orders of magnitude around the default of scikit-learn.",
)
