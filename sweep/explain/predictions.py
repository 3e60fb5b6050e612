"""Single predictions of an arm: models of its draws trained once more, and what they say of rows that trained none.

Shapes: T test rows, M some of them, W words, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.explain.attribution.checks import Check, Known, checks
from sweep.explain.maps import LEAST, evenly
from sweep.explain.material import Material
from trainable.errors import ConfigError
from trainable.recipes import RECIPES

if TYPE_CHECKING:
    from sweep.explain.attribution import Examples, Prediction
    from trainable.classifier import Classifier
    from trainable.datasets.text_data import Rows
    from trainable.drawn_classifier import DrawnClassifier

__all__ = ["ArmPredictions", "Shown", "Texts", "TrainedEmbeddings", "arm_predictions"]

_ERRORS, _RIGHT, _CLASSES = 8, 2, 6  # rows that are shown: errors, right ones of a class, and of how many classes
_SAMPLE = 60  # rows that explanations are judged on
_SCORED = 300  # errors whose probabilities are compared

Texts = tuple[Sequence[str], Sequence[str] | None]
"""Texts that a user gives, and the second ones of pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A prediction on the page.

    kind: `given`, `error` or `right`.
    label: what the row is labelled; empty for a given text.
    """

    kind: str
    label: str
    prediction: Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEmbeddings:
    """Rows in embeddings of an encoder that a draw has trained.

    rows: their places in the test part; the draw has trained on none of them.
    unit_MD: their embeddings, of length 1.
    """

    rows: NDArray[np.int64]
    unit_MD: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPredictions:
    """What was explained of an arm.

    shown: on the page.
    sampled: predictions of test rows drawn at random, on which the explanations are judged.
    checks: how they do.
    rows: how many rows trained the first model.
    draws: how many models were trained.
    reproduced: the share of the first draw's recorded test predictions, among those compared, that the model trained
        once more gives again.
    refused: why nothing could be explained; empty where it was.
    trained: test rows in the first model's embeddings; None where its recipe trains no encoder, or the draw tests too
        few rows to be drawn.
    """

    shown: tuple[Shown, ...] = ()
    sampled: tuple[Prediction, ...] = ()
    checks: tuple[Check, ...] = ()
    rows: int = 0
    draws: int = 0
    reproduced: float = 1.0
    refused: str = ""
    trained: TrainedEmbeddings | None = None


def arm_predictions(
    material: Material, draws: int, given: Texts | None, told: Callable[[str], None]
) -> ArmPredictions | None:
    """Train the first draws of an arm's confirmation once more, and explain what the first model says of rows that it
    has not trained on: its surest errors, a few right ones of each class, and given texts.

    draws: how many; the explanations of one are compared with those of the others. None where that is 0.

    Raises TrainableError for what cannot be trained; a method of which no classifier can be kept is told in `refused`.
    """
    if not draws:
        return None
    try:
        models = _models(material, draws, told)
    except ConfigError as error:
        return ArmPredictions(refused=str(error))
    told(f"explaining {material.arm.method}: what the words add")
    return _explained(material, models, given)


def _models(material: Material, draws: int, told: Callable[[str], None]) -> list[DrawnClassifier]:
    from trainable.drawn_classifier import drawn_classifier
    from trainable.refitting import check_kept

    confirmation = material.arm.confirmation
    assert confirmation is not None, "a confirmed arm"
    check_kept(confirmation.config)
    kept = [each.evaluation for each in confirmation.replicates]
    chosen = [each for each in kept if each.predicted is not None and each.initialisation == 0][:draws]
    models = []
    for number, each in enumerate(chosen, start=1):
        told(f"training draw {number} of {len(chosen)} of {material.arm.cell} once more")
        models.append(drawn_classifier(confirmation.config, each.draw, each.metrics, told))
    return models


def _explained(material: Material, models: Sequence[DrawnClassifier], given: Texts | None) -> ArmPredictions:
    from sweep.explain.attribution import Examples, explained_predictions
    from sweep.explain.attribution.other_models import agreements, randomised

    first, others = _placed(models[0].classifier), [_placed(each.classifier) for each in models[1:]]
    pool, test, train_M = material.data.pool, material.data.test, models[0].draw.train
    trained = pool.at(train_M)
    examples = Examples.of(first, trained.texts, trained.pairs, trained.labels_N)
    chosen = _chosen(material, first)
    rows = np.unique(np.concatenate([chosen.errors, chosen.right, chosen.sample])).astype(np.int64)
    found = _of_rows(first, test, rows, examples)
    sampled = [found[row] for row in chosen.sample.tolist()]
    texts, pairs = given or ((), None)
    own = explained_predictions(first, texts, pairs, examples)
    names = material.data.class_names
    kinds = (("error", chosen.errors), ("right", chosen.right))
    labels = [names[int(test.labels_N[row])] for row in chosen.sample]
    known = Known(
        right_N=[each.label == label for each, label in zip(sampled, labels, strict=True)],
        majority=max(labels.count(name) for name in names) / max(len(labels), 1),
        random=agreements(sampled, randomised(first)),
        draws=[agreements(sampled, other) for other in others],
    )
    return ArmPredictions(
        shown=(
            *(Shown(kind="given", label="", prediction=each) for each in own),
            *(
                Shown(kind=kind, label=names[int(test.labels_N[row])], prediction=found[row])
                for kind, own_rows in kinds
                for row in own_rows.tolist()
            ),
        ),
        sampled=tuple(sampled),
        checks=checks(sampled, known),
        rows=len(train_M),
        draws=len(models),
        reproduced=chosen.reproduced,
        trained=_trained(material, first),
    )


def _trained(material: Material, model: Classifier) -> TrainedEmbeddings | None:
    from sweep.explain.attribution import Examples

    rows = evenly(np.flatnonzero(material.said[material.arm.method][0] >= 0))
    if RECIPES[material.config.recipe.name].embeds_once or len(rows) < LEAST:
        return None
    part = material.data.test.at(rows)
    unit_MD = Examples.of(model, part.texts, part.pairs, part.labels_N).unit_MD
    return TrainedEmbeddings(rows=rows, unit_MD=unit_MD.double().cpu().numpy())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """Rows of the test part, by their places in it; and how many recorded predictions were found again."""

    errors: NDArray[np.int64]
    right: NDArray[np.int64]
    sample: NDArray[np.int64]
    reproduced: float


def _chosen(material: Material, model: Classifier) -> _Chosen:
    """Choose the surest errors, right rows of each class, and rows at random, among those that the draw tests."""
    test, said_T = material.data.test, material.said[material.arm.method][0]
    tested = np.random.default_rng(0).permutation(np.flatnonzero(said_T >= 0))
    wrong = tested[said_T[tested] != test.labels_N[tested]][:_SCORED]
    sample = tested[:_SAMPLE]
    scored = np.unique(np.concatenate([wrong, sample, tested[: 2 * _SAMPLE]]))
    part = test.at(scored)
    probability_NC = model.predict_proba(part.texts, part.pairs).double().numpy()
    now_N = probability_NC.argmax(axis=1)
    sureness_N, wrong_N = probability_NC.max(axis=1), now_N != part.labels_N
    surest = scored[wrong_N][np.argsort(-sureness_N[wrong_N], kind="stable")]
    right = scored[~wrong_N]
    by_class = [right[test.labels_N[right] == label][:_RIGHT] for label in range(len(material.data.class_names))]
    return _Chosen(
        errors=surest[:_ERRORS],
        right=np.concatenate([rows for rows in by_class if len(rows)][:_CLASSES] or [np.arange(0)]),
        sample=sample,
        reproduced=float((now_N == said_T[scored]).mean()),
    )


def _of_rows(model: Classifier, test: Rows, rows: NDArray[np.int64], examples: Examples) -> dict[int, Prediction]:
    from sweep.explain.attribution import explained_predictions

    part = test.at(rows)
    found = explained_predictions(model, part.texts, part.pairs, examples)
    return dict(zip(rows.tolist(), found, strict=True))


def _placed(model: Classifier) -> Classifier:
    """The classifier on the accelerator, where there is one."""
    from trainable.precision import accelerator

    device = accelerator()
    return replace(
        model,
        model=model.model.to(device),
        arrays={name: array.to(device) for name, array in model.arrays.items()},
    )
