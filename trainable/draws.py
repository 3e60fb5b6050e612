"""Few-shot draws: the rows that are trained on, the validation rows that score the result, and those that test it.

Draw i is the same for every trial of every loss (common random numbers), so that all comparisons are paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from trainable.datasets.text_data import TextData
from trainable.errors import DataError
from trainable.folds import stratified_folds
from trainable.shots import Sampling, Shots, Validation, largest, selected_by

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = [
    "CONFIRMATION_START",
    "MAX_REPLICATES",
    "Draw",
    "draw_notes",
    "draw_of",
    "few_shot_draw",
    "fold_generator",
    "initialisation_seed",
]

MAX_REPLICATES = 1_000
"""Most draws of a trial, and most further draws on which a finalist is trained."""

CONFIRMATION_START = 10_000
"""Index of the first draw of a confirmation.

No confirmation has a draw of its search. A search uses the indices from 0 on, at most `MAX_REPLICATES` of them, and its
finalists at most as many further ones, so that both end far below. Rows may recur in several draws, since all draws
come from one pool; the test part is apart from it, or else what each draw holds out of it.
"""


@dataclass(frozen=True, slots=True)
class Draw:
    """One few-shot sample of a dataset's pool; no row is in two parts.

    train: sorted indices of the training rows in the pool.
    validation: sorted indices of the validation rows.
    test: sorted indices of the rows of the dataset's test part that it tests; None for all of them.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64] | None = None


def few_shot_draw(
    data: TextData,
    *,
    sampling: Sampling,
    shots: Shots,
    validation: Validation | Literal["none"],
    index: int,
    seed: int,
) -> Draw:
    """Return draw `index` of a dataset, a pure function of the arguments and of the dataset's name and pool.

    The pool is shuffled independently of `shots`. Training rows come from the front of each class (random: of the
    whole), so that a draw of more shots contains the draws of fewer. Validation rows come from the back, so that draws
    of different shots share them as far as the pool allows. Where each draw has a test part of its own, of as many
    draws as there are parts each tests another one, and its other rows come from what that leaves.

    sampling: "per_class" takes `shots` rows of each class; "random" takes `shots` rows in all, regardless of classes,
        as in the papers (arXiv 2211.15195, 2211.15202), so that a class may have none.
    shots: "at most N" takes fewer where there are fewer; "all" takes what the test part and the validation rows leave.
    validation: "all" takes every row that is left; "shots" takes as many as the training rows, sampled in the same way;
        a number takes that many, with the classes in the proportions of the pool as far as rows are left; "cross" takes
        none, since training rows take turns to validate; "auto" is one of these (`trainable.shots.selected_by`);
        "none" is no choice of a spec, and takes none for a classifier whose configuration has been chosen.

    Raises DataError if the pool has too few rows, naming the class, the rows needed and the rows there.
    """
    order_N = _generator(data.name, sampling, index, seed).permutation(len(data.pool))
    test_T = _tested(data, index, seed)
    if test_T is not None:
        order_N = order_N[~np.isin(order_N, test_T)]
    classes = len(data.class_names)
    by = (
        "none"
        if validation == "none"
        else selected_by(validation, shots, sampling, pool=len(data.pool), classes=classes)
    )
    held_N = np.arange(0)
    if shots == "all" and isinstance(by, int):  # what validates is set aside, and all others train
        held_N = _stratified(data, order_N, min(by, len(order_N)))
        order_N = order_N[~np.isin(order_N, held_N)]
    groups = _by_class(data, order_N) if sampling == "per_class" else [order_N]
    taken = [_taken(shots, len(group), by) for group in groups]
    _check_groups(data, groups, taken, sampling, shots, by)
    train = np.concatenate([group[:count] for group, count in zip(groups, taken, strict=True)])
    if by == "shots":
        held_N = np.concatenate([group[len(group) - count :] for group, count in zip(groups, taken, strict=True)])
    elif shots != "all" and (by == "all" or isinstance(by, int)):
        left_N = order_N[~np.isin(order_N, train)]
        held_N = left_N if by == "all" else _stratified(data, left_N, by)
    return Draw(np.sort(train), np.sort(held_N), test_T)


def _taken(shots: Shots, there: int, by: str | int) -> int:
    """Return how many of the rows that are there train."""
    if isinstance(shots, int):
        return shots
    number = largest(shots)
    spare = there // 2 if by == "shots" else there
    return spare if number is None else min(number, spare)


def draw_of(config: TrialConfig, data: TextData, index: int) -> Draw:
    """Return draw `index` by the fields of a trial. Raises DataError as `few_shot_draw` does."""
    return few_shot_draw(
        data,
        sampling=config.sampling,
        shots=config.shots,
        validation=config.validation,
        index=index,
        seed=config.seed,
    )


def draw_notes(config: TrialConfig, data: TextData) -> tuple[str, ...]:
    """Return a note on the classes that have fewer rows than `at most N` of a trial allows."""
    number = largest(config.shots)
    if isinstance(config.shots, int) or number is None or config.sampling == "random":
        return ()
    train_M = draw_of(config, data, 0).train
    counts_C = np.bincount(data.pool.labels_N[train_M], minlength=len(data.class_names))
    fewer = [f"`{name}` {count}" for name, count in zip(data.class_names, counts_C, strict=True) if count < number]
    shown = ", ".join(fewer[:5]) + (f" and {len(fewer) - 5} more" if len(fewer) > 5 else "")
    return (f"shots {config.shots}: draws have fewer training rows of {shown}",) if fewer else ()


def initialisation_seed(seed: int, index: int, initialisation: int = 0) -> int:
    """Return the seed (32 bits) of everything random in training on draw `index`: head, proxies, dropout, batches.

    initialisation: 0 is that of a search; other numbers give other seeds for the same rows.
    """
    purpose = f"initialisation\0{initialisation}" if initialisation else "initialisation"
    return int(_sequence(purpose, index, seed).generate_state(1)[0])


def _tested(data: TextData, index: int, seed: int) -> NDArray[np.int64] | None:
    """Return the rows of the test part that a draw tests; None for all of them, of which a search reads none."""
    if not data.folds:
        return None
    begun = CONFIRMATION_START if index >= CONFIRMATION_START else 0  # the first draws of either test all rows once
    repetition, fold = divmod(index - begun, data.folds)
    repetition += -(-begun // data.folds)
    generator = np.random.default_rng(_sequence(f"test\0{data.name}", repetition, seed))
    return np.flatnonzero(stratified_folds(data.pool.labels_N, data.folds, generator) == fold)


def fold_generator(name: str, index: int, seed: int) -> np.random.Generator:
    """Return what cuts a draw of a dataset into folds for cross-validation."""
    return np.random.default_rng(_sequence(f"folds\0{name}", index, seed))


def _generator(name: str, sampling: str, index: int, seed: int) -> np.random.Generator:
    return np.random.default_rng(_sequence(f"draw\0{name}\0{sampling}", index, seed))


def _sequence(purpose: str, index: int, seed: int) -> np.random.SeedSequence:
    """Return an independent random stream for each purpose, index and seed, the same in every process."""
    words = np.frombuffer(hashlib.sha256(purpose.encode()).digest()[:16], dtype="<u4")
    return np.random.SeedSequence([seed, index, *words.tolist()])


def _by_class(data: TextData, order_N: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    labels_N = data.pool.labels_N[order_N]
    return [order_N[labels_N == label] for label in range(len(data.class_names))]


def _check_groups(
    data: TextData,
    groups: Sequence[NDArray[np.int64]],
    taken: Sequence[int],
    sampling: Sampling,
    shots: Shots,
    by: str | int,
) -> None:
    """Raise DataError unless every class (random: the whole pool) has enough rows to train and validate on."""
    names = [f"class `{name}`" for name in data.class_names] if sampling == "per_class" else ["the pool"]
    needed = [max(1, count) * (2 if by == "shots" else 1) + (by == "all" and isinstance(shots, int)) for count in taken]
    mistakes = [
        f"{name} needs {count} rows and has {len(group)}"
        for name, count, group in zip(names, needed, groups, strict=True)
        if len(group) < count
    ]
    in_draw, there = sum(taken), sum(map(len, groups))
    if not mistakes and isinstance(by, int) and shots != "all" and there < in_draw + by:
        mistakes = [f"the pool needs {in_draw} + {by} rows and has {there}"]
    if not mistakes and by == "all" and there == in_draw:
        mistakes = [f"all {there} rows train, so none validates; `validation: cross` lets those that train take turns"]
    if not mistakes and by == "cross" and in_draw <= len(data.class_names):
        mistakes = [
            "a training row can only take its turn beside another of its class; `validation: all` needs no turns"
        ]
    if mistakes:
        held = "" if by == "none" else f" with validation {by!r}"
        beside = f" beside the 1 of {data.folds} rows that a draw tests" if data.folds else ""
        fewer = f"write `at most {shots}` for what there is, " if isinstance(shots, int) else ""
        raise DataError(
            f"dataset `{data.name}`: {sampling} sampling of {shots} shots{held}{beside}: "
            f"{'; '.join(mistakes)}; {fewer}ask for fewer shots or validation rows, bring more labelled rows, or leave "
            "small classes out by `min_rows` or `drop`"
        )


def _stratified(data: TextData, left_N: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return `count` rows from the back of `left_N`, in the pool's class proportions as far as rows are left."""
    groups = _by_class(data, left_N)
    shares_C = np.bincount(data.pool.labels_N, minlength=len(groups)) / len(data.pool)
    quotas_C = _quotas(count, shares_C, np.array([len(group) for group in groups]))
    return np.concatenate([group[len(group) - quota :] for group, quota in zip(groups, quotas_C, strict=True)])


def _quotas(count: int, shares_C: NDArray[np.float64], left_C: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return whole numbers that sum to `count`, at most `left_C`; rows go to the class furthest below its share."""
    quotas_C = np.minimum(np.floor(count * shares_C).astype(np.int64), left_C)
    while (missing := count - int(quotas_C.sum())) > 0:
        deficit_C = np.where(quotas_C < left_C, count * shares_C - quotas_C, -np.inf)
        neediest = np.argsort(-deficit_C, kind="stable")[: min(missing, int((quotas_C < left_C).sum()))]
        quotas_C[neediest] += 1
    return quotas_C
