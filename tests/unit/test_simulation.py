"""What a verdict claims, checked on simulated sweeps of which the truth is known. Points, not shares.

Shapes: X sweeps, G groups (dataset and shots), K losses, the baseline first, N draws, T trials, R replicates.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.display.cells_table import best_trial
from sweep.records.trial import TrialRecord
from sweep.verdict.power import draws_needed, power
from sweep.verdict.statistics import LEVEL, holm, mean_interval, sign_flip_p, summarise
from trainable.config import TrialConfig
from trainable.outcomes import Outcome

pytestmark = pytest.mark.slow

DRAW_SD, NOISE_SD = 6.0, 3.0
"""Of the effect that a draw has on every loss alike (SetFit's published runs: 6 to 8 points), and of the rest."""


def scores(sweeps: int, groups: int, losses: int, draws: int, seed: int) -> NDArray[np.float64]:
    """scores_XGKN of losses that are all equally good; the first is the baseline."""
    generator = np.random.default_rng(seed)
    common_XG1N = generator.normal(0, DRAW_SD, (sweeps, groups, 1, draws))
    return 70 + common_XG1N + generator.normal(0, NOISE_SD, (sweeps, groups, losses, draws))


def standard_error(share: float, count: int) -> float:
    return float(np.sqrt(share * (1 - share) / count))


def test_without_any_difference_a_sweep_rarely_claims_one() -> None:
    """Three losses against a baseline, in four groups: twelve tests a sweep, which share the baseline's scores."""
    sweeps = 1000
    scores_XGKN = scores(sweeps, groups=4, losses=4, draws=10, seed=1)
    p_values_XGK = sign_flip_p(scores_XGKN[:, :, 1:] - scores_XGKN[:, :, :1])
    plain_X = (p_values_XGK < LEVEL).any(axis=(1, 2))
    corrected_X = (holm(p_values_XGK.reshape(sweeps, -1)) < LEVEL).any(axis=1)
    print(f"claims without a difference: {corrected_X.mean():.3f} of sweeps, {plain_X.mean():.3f} uncorrected")
    assert corrected_X.mean() <= LEVEL + 3 * standard_error(LEVEL, sweeps)
    assert plain_X.mean() > 0.25, "without the correction, many sweeps would claim something"
    assert (p_values_XGK < LEVEL).mean() == pytest.approx(LEVEL, abs=0.01), "each test alone is as strict as it says"


@pytest.mark.parametrize("draws", [20, 34])
def test_a_true_gain_is_seen_as_often_as_the_power_says(draws: int) -> None:
    """3 points, where paired differences have a standard deviation of 6."""
    sweeps = 1000
    differences_XN = 3 + np.random.default_rng(draws).normal(0, 6, (sweeps, draws))
    seen = (sign_flip_p(differences_XN, permutations=1999) < LEVEL).mean()
    stated = power(3, 6, draws)
    print(f"a gain of 3 points at {draws} draws: seen by {seen:.2f}, stated power {stated:.2f}")
    assert seen == pytest.approx(stated, abs=3 * standard_error(stated, sweeps))


def test_the_draws_that_a_verdict_asks_for_are_enough() -> None:
    """After the correction too: at 5 % over a family of 6, whatever the other five find."""
    needed, sweeps = draws_needed(5, 6, LEVEL / 6), 1000
    assert needed is not None
    p_values_XM = np.full((sweeps, 6), 0.5)
    p_values_XM[:, 0] = sign_flip_p(5 + np.random.default_rng(0).normal(0, 6, (sweeps, needed)), permutations=4999)
    seen = (holm(p_values_XM)[:, 0] < LEVEL).mean()
    assert seen >= 0.8 - 3 * standard_error(0.8, sweeps)


@pytest.mark.parametrize("draws", [10, 20])
def test_intervals_hold_the_true_mean_as_often_as_they_say(draws: int) -> None:
    sweeps = 4000
    scores_XN = np.random.default_rng(draws).normal(70, DRAW_SD, (sweeps, draws))
    low_X, high_X = mean_interval(scores_XN, resamples=1999)
    held = ((low_X <= 70) & (high_X >= 70)).mean()
    print(f"intervals of {draws} draws hold the mean: {held:.3f}")
    assert 1 - LEVEL - 3 * standard_error(LEVEL, sweeps) >= 0.935
    assert held == pytest.approx(1 - LEVEL, abs=3 * standard_error(LEVEL, sweeps))


def test_the_winners_confirmed_score_is_unbiased_and_its_search_score_is_not() -> None:
    """Sixteen configurations that truly differ by 1 point, all scored on 4 common draws, the best confirmed on 10."""
    generator = np.random.default_rng(4)
    found = np.array([_search_and_confirm(generator) for _ in range(1000)])
    selection, confirmed = found.mean(axis=0)
    selection_error, confirmed_error = found.std(axis=0) / np.sqrt(len(found))
    print(f"bias of the search score {selection:+.2f} points, of the confirmed score {confirmed:+.2f}")
    assert abs(confirmed) < 3 * confirmed_error
    assert selection > 1.5
    assert selection > 10 * selection_error


def _search_and_confirm(generator: np.random.Generator) -> tuple[float, float]:
    """How far the winner's search score, and its confirmed one, lie above what it is truly worth."""
    worth_T = generator.normal(70, 1, 16)
    scores_TR = worth_T[:, None] + generator.normal(0, DRAW_SD, 4) + generator.normal(0, NOISE_SD, (16, 4))
    winner = best_trial([_trial(number, score) for number, score in enumerate(scores_TR.mean(axis=1).tolist())])
    assert winner is not None
    assert winner.score is not None
    worth = worth_T[winner.number]
    fresh_N = worth + generator.normal(0, DRAW_SD, 10) + generator.normal(0, NOISE_SD, 10)
    return winner.score - worth, float(fresh_N.mean()) - worth


CONFIG = TrialConfig.model_validate({"dataset": {"name": "support"}, "shots": 4, "encoder": "tiny"})


def _trial(number: int, score: float) -> TrialRecord:
    return TrialRecord(
        cell="support/4/cross_entropy",
        number=number,
        params={},
        config=CONFIG,
        started=0.0,
        outcome=Outcome.COMPLETED,
        score=score,
    )


def test_the_summary_of_a_confirmation_is_what_the_simulation_checks() -> None:
    """`summarise`, which a verdict shows, is `mean_interval` of one arm."""
    scores_N = np.random.default_rng(5).normal(70, DRAW_SD, 10)
    low, high = mean_interval(scores_N)
    found = summarise(scores_N)
    assert (found.low, found.high) == (float(low), float(high))
