"""How often the trainings of an arm collapse, from its records, and the differences that allow for it.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from sweep.records.trial import TrialRecord
from sweep.verdict.collapse import Collapses, Mixture, Rate, collapse_p, mixed_difference, rate_interval
from sweep.verdict.crossed import Components, crossed_difference, difference_components
from sweep.verdict.model import Arm
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import Difference
from trainable.outcomes import Evaluation, Outcome

__all__ = ["allowing_for_collapses", "collapses", "collapses_differ_p", "first_draws", "trained_lead"]


def collapses(
    trials: Sequence[TrialRecord],
    scores: Sequence[float | None],
    collapsed: Sequence[bool | None],
    majority: float | None,
) -> Collapses | None:
    """How often the trainings of a cell collapse.

    trials: of the cell.
    scores, collapsed: of each confirmation draw; None where there is none.
    majority: the score of always answering the most frequent class, which stands for that of a collapsed training where
        none was seen.
    """
    ends = _searched(trials)
    return _counted(scores, collapsed, (len(ends), sum(ends)), majority)


def first_draws(arm: Arm, draws: int) -> Arm:
    """The arm as it was after its first draws: their scores, rows and collapses."""
    scores, collapsed, known = arm.scores[:draws], arm.collapsed[:draws], arm.collapses
    searched = (known.searched, known.in_search) if known is not None else (0, 0)
    return replace(
        arm,
        scores=scores,
        rows_by_draw={place: rows_T for place, rows_T in arm.rows_by_draw.items() if place < draws},
        collapsed=collapsed,
        collapses=_counted(scores, collapsed, searched, None if known is None else known.majority),
    )


def _counted(
    scores: Sequence[float | None], collapsed: Sequence[bool | None], searched: tuple[int, int], majority: float | None
) -> Collapses | None:
    """searched: trainings of the search, and how many of them collapsed."""
    known = [(score, found) for score, found in zip(scores, collapsed, strict=True) if found is not None]
    if not known:
        return None
    count = sum(found for _, found in known)
    low, high = rate_interval(count, len(known))
    return Collapses(
        draws=len(known),
        collapsed=count,
        low=low,
        high=high,
        searched=searched[0],
        in_search=searched[1],
        cost=_cost(known, majority),
        majority=majority,
    )


def _cost(known: Sequence[tuple[float | None, bool]], majority: float | None) -> float | None:
    bad = [score for score, found in known if found and score is not None]
    good = [score for score, found in known if not found and score is not None]
    worst = fmean(bad) if bad else majority
    return max(0.0, fmean(good) - worst) if good and worst is not None else None


def _searched(trials: Sequence[TrialRecord]) -> list[bool]:
    """Whether each training of the completed trials collapsed; without trials of which half or more did, since their
    configurations are bad ones, which tells nothing of the winner's."""
    found: list[bool] = []
    for trial in (trial for trial in trials if trial.outcome is Outcome.COMPLETED):
        ends = [_answers_one_class(evaluation) for evaluation in trial.ends]
        found += ends if 2 * sum(ends) < len(ends) else []
    return found


def _answers_one_class(evaluation: Evaluation) -> bool:
    """Whether a training of the search diverged, or always answers one class: then, at an accuracy a, the F1 score of
    that class is 2 a / (1 + a), that of all others 0, and the weighted one 2 a^2 / (1 + a). Of few rows all may be
    wrong by chance: at an accuracy of 0 nobody can tell, nor at 1."""
    if evaluation.outcome is Outcome.DIVERGED:
        return True
    accuracy, weighted = (evaluation.metrics.get(f"val_{name}") for name in ("accuracy", "weighted_f1"))
    if accuracy is None or weighted is None or accuracy in (0, 1):
        return False
    return bool(abs(weighted - 2 * accuracy**2 / (1 + accuracy)) < 1e-9)


# ---- two arms --------------------------------------------------------------------------------------------------------


def allowing_for_collapses(found: Difference, ours: Arm, theirs: Arm) -> Difference:
    """The difference of two arms, which allows for collapses where a training of either was seen to collapse.

    As it is where nothing collapsed, where the predictions of the rows are not known, or what a collapse costs.
    """
    rates = [_rate(arm) for arm in (ours, theirs)]
    if found.components is None or rates == [None, None]:
        return found
    places = _trained(ours, theirs)
    trained = _components(ours, theirs, places) if len(places) >= 2 else None
    return mixed_difference(found, Mixture(mean=found.mean, trained=trained, ours=rates[0], theirs=rates[1]))


def _components(ours: Arm, theirs: Arm, places: Sequence[int]) -> Components | RepeatedParts:
    return difference_components(np.stack([ours.rows_by_draw[place] - theirs.rows_by_draw[place] for place in places]))


def _rate(arm: Arm) -> Rate | None:
    known = arm.collapses
    if known is None or not known.seen or known.cost is None:
        return None
    return Rate(collapsed=known.collapsed, draws=known.draws, cost=known.cost)


def trained_lead(ours: Arm, theirs: Arm) -> Difference | None:
    """The difference of two arms over the draws on which both trained; None where no draw is left out, or fewer than
    two are left."""
    places = _trained(ours, theirs)
    common = [place for place in ours.rows_by_draw if place in theirs.rows_by_draw]
    if len(places) < 2 or len(places) == len(common):
        return None
    return crossed_difference(*(np.stack([arm.rows_by_draw[place] for place in places]) for arm in (ours, theirs)))


def collapses_differ_p(ours: Arm, theirs: Arm) -> float:
    """The p-value of the test that two arms collapse equally often on the draws that both have."""
    pairs = zip(ours.collapsed, theirs.collapsed, strict=True)
    known = [(mine, other) for mine, other in pairs if mine is not None and other is not None]
    return collapse_p([mine for mine, _ in known], [other for _, other in known])


def _trained(ours: Arm, theirs: Arm) -> list[int]:
    """The positions of the draws whose rows both arms answered, and on which neither collapsed."""
    return [
        place
        for place in ours.rows_by_draw
        if place in theirs.rows_by_draw and not ours.collapsed[place] and not theirs.collapsed[place]
    ]
