"""How few trainings a comparison in looks can do with: designs that were tried, on the same simulated sweeps.

    python -m tests.benchmarks.designs

Three methods against a baseline, paired differences with a standard deviation of 6 points and a correlation of a half,
of no gain, 3 points and 8 points. The fixed design has 20 draws. `tests.benchmarks.looks` simulates rows as well, for
the designs that a sweep offers.

Shapes: S sweeps, K methods, N draws.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweep.verdict.looks import FUTILE, Bounds
from sweep.verdict.statistics import LEVEL, holm

__all__ = ["DESIGNS", "RESULTS", "Design", "measure"]

RESULTS = Path(__file__).parent / "results" / "designs.json"
METHODS, SD, FIXED, MOST = 3, 6.0, 20, 36
GAINS = (0.0, 3.0, 8.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Design:
    """A way to confirm in looks.

    looks: numbers of draws. power: of the share of the draws, in the level spent. futile: conditional power below which
    a method ends. step_by_step: whether the methods that are shown to differ leave their level to the others at once,
    look by look (Maurer & Bretz, 2013), and not only at the end. pooled: whether the variance is that of all methods.
    """

    looks: tuple[int, ...]
    power: float = 2.0
    futile: float = FUTILE
    step_by_step: bool = False
    pooled: bool = False


_FIVE, _TEN = (8, 10, 13, 18, 24), (6, 7, 8, 10, 12, 15, 18, 22, 26, 30)
DESIGNS: Mapping[str, Design] = {
    "auto of 24": Design(_FIVE),
    "auto of 24, futile below 10 %": Design(_FIVE, futile=0.1),
    "auto of 24, step by step": Design(_FIVE, step_by_step=True),
    "auto of 24, one variance": Design(_FIVE, pooled=True),
    "6 to 28 in five": Design((6, 9, 14, 20, 28)),
    "6 to 28 in five, futile below 10 %": Design((6, 9, 14, 20, 28), futile=0.1),
    "6 to 30 in ten": Design(_TEN),
    "6 to 30 in ten, futile below 10 %": Design(_TEN, futile=0.1),
    "6 to 30 in ten, futile below 20 %": Design(_TEN, futile=0.2),
    "6 to 30 in ten, futile below 10 %, spent sooner": Design(_TEN, power=1.0, futile=0.1),
    "6 to 30 in ten, futile below 10 %, step by step": Design(_TEN, futile=0.1, step_by_step=True),
    "6 to 30 in ten, futile below 10 %, step by step, one variance": Design(
        _TEN, futile=0.1, step_by_step=True, pooled=True
    ),
    "4 to 36 in ten, futile below 20 %, step by step": Design(
        (4, 6, 7, 9, 12, 15, 19, 24, 30, 36), power=1.5, futile=0.2, step_by_step=True
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """trainings: in those of the fixed design. seen: share of methods shown to differ. claimed: of sweeps, any."""

    trainings: float
    seen: float
    claimed: float


def simulated(gain: float, sweeps: int, rng: np.random.Generator) -> Floats:
    """Return differences_SKN to the baseline."""
    base_S1N, own_SKN = rng.normal(0, SD, (sweeps, 1, MOST)), rng.normal(0, SD, (sweeps, METHODS, MOST))
    found: Floats = gain + (own_SKN - base_S1N) / np.sqrt(2)
    return found


def p_values(differences_SKN: Floats, draws: int, *, pooled: bool) -> Floats:
    """The two-sided p-values of the t-tests after so many draws."""
    first_SKN = differences_SKN[..., :draws]
    variance_SK, freedom = first_SKN.var(axis=-1, ddof=1), draws - 1.0
    if pooled:  # correlated by a half, three variances are worth two
        variance_SK, freedom = np.broadcast_to(variance_SK.mean(axis=1, keepdims=True), variance_SK.shape), 2 * freedom
    sizes_SK = np.abs(first_SKN.mean(axis=-1)) / np.sqrt(variance_SK / draws)
    found: Floats = 2 * special.stdtr(freedom, -sizes_SK)
    return found


def fixed(differences_SKN: Floats) -> Outcome:
    """What the fixed design finds."""
    rejected_SK = holm(p_values(differences_SKN, FIXED, pooled=False)) < LEVEL
    return Outcome(1.0, float(rejected_SK.mean()), float(rejected_SK.any(axis=1).mean()))


def in_looks(differences_SKN: Floats, design: Design) -> Outcome:
    """What a design finds."""
    bounds, last = Bounds.of(design.looks, design.power), design.looks[-1]
    needed_K = np.array([_score(bounds.nominal(LEVEL / left)[-1:])[0] for left in range(METHODS, 0, -1)])
    going_SK = np.ones(differences_SKN.shape[:2], dtype=bool)
    draws_SK, sequential_SK = np.zeros(going_SK.shape), np.ones(going_SK.shape)
    rejected_SK = np.zeros_like(going_SK)
    for number, look in enumerate(design.looks):
        p_values_SK = p_values(differences_SKN, look, pooled=design.pooled)
        least_SK = _sequential(bounds, number, p_values_SK)
        sequential_SK = np.where(going_SK, np.minimum(sequential_SK, least_SK), sequential_SK)
        draws_SK[going_SK] = look
        for _ in range(METHODS if design.step_by_step else 1):
            others_S1 = rejected_SK.sum(axis=1, keepdims=True) if design.step_by_step else 0
            rejected_SK |= going_SK & (sequential_SK < LEVEL / np.maximum(1, METHODS - others_S1))
        left_S1 = np.minimum(rejected_SK.sum(axis=1, keepdims=True), METHODS - 1) if design.step_by_step else 0
        going_SK &= ~rejected_SK
        if look < last:
            share, missing_SK = look / last, needed_K[left_S1] - _score(p_values_SK) / np.sqrt(look / last)
            going_SK &= special.ndtr(-missing_SK / np.sqrt(1 - share)) >= design.futile
    shown_SK = holm(sequential_SK) < LEVEL
    trainings = (draws_SK.sum(axis=1) + draws_SK.max(axis=1)) / (FIXED * (METHODS + 1))
    return Outcome(float(trainings.mean()), float(shown_SK.mean()), float(shown_SK.any(axis=1).mean()))


def _score(p_values_x: Floats) -> Floats:
    found: Floats = -special.ndtri(np.maximum(p_values_x, 1e-300) / 2)
    return found


def _sequential(bounds: Bounds, number: int, p_values_SK: Floats) -> Floats:
    """The least levels at which the look would have rejected, as `Bounds.sequential_p` finds them one by one."""
    found = [bounds.sequential_p([1.0] * number + [p_value]) for p_value in _PLACES]
    result: Floats = np.exp(np.interp(np.log(np.maximum(p_values_SK, _PLACES[0])), np.log(_PLACES), np.log(found)))
    return result


_PLACES = np.geomspace(1e-9, 1.0, 400)


def measure(sweeps: int) -> dict[str, dict[str, float]]:
    """Return, by design, its trainings on average over the gains and at each, in % of the fixed design's, what it sees
    of 3 and of 8 points, relative to it, and how often it claims a gain that is none, in %."""
    data = {gain: simulated(gain, sweeps, np.random.default_rng(int(gain))) for gain in GAINS}
    known = {gain: fixed(each) for gain, each in data.items()}
    table = {"fixed, 20": _row(known, known)}
    for name, design in DESIGNS.items():
        table[name] = _row({gain: in_looks(each, design) for gain, each in data.items()}, known)
    return table


def _row(found: Mapping[float, Outcome], known: Mapping[float, Outcome]) -> dict[str, float]:
    by_gain = {f"trainings_{gain:.0f}": round(100 * each.trainings, 1) for gain, each in found.items()}
    return {
        "trainings": round(100 * float(np.mean([each.trainings for each in found.values()])), 1),
        **by_gain,
        "seen_3": round(found[3.0].seen / known[3.0].seen, 3),
        "seen_8": round(found[8.0].seen / known[8.0].seen, 3),
        "claimed": round(100 * found[0.0].claimed, 1),
    }


def main() -> None:
    """Measure all of it; about half a minute."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.designs", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=4000)
    options = parser.parse_args()
    table = {"sweeps": options.sweeps, "designs": measure(options.sweeps)}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
