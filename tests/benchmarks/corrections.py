"""How often a sweep claims a difference where there is none, and sees one that there is, by three corrections.

    python -m tests.benchmarks.corrections

Three methods against a baseline on 200 test rows and common draws (`tests.sweeps.simulated_rows`): Holm's correction,
the one of a verdict (`sweep.verdict.family`), and permutations of the largest statistic over draws alone (Westfall &
Young, 1993: the signs of all differences of a draw change together).

Shapes: K methods, N draws, T test rows, B permutations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.collapse import Mixture, Rate, mixed_difference
from sweep.verdict.crossed import Components, covariance, crossed_difference
from sweep.verdict.family import Block, step_down
from sweep.verdict.statistics import LEVEL, Difference, holm
from tests.sweeps.simulated_rows import right_rows

__all__ = ["KINDS", "RESULTS", "measure"]

RESULTS = Path(__file__).parent / "results" / "corrections.json"
METHODS, ROWS, ACCURACY, COMMON_SD, OWN_SD = 3, 200, 0.7, 0.04, 0.036
"""With the noise of the rows, paired differences have a standard deviation of 6 points over draws."""
COLLAPSES, COST, SEARCHED = 0.1, 0.4, 24
POOL, SHOTS = 60, 20
FLIPS = 499

Floats = NDArray[np.float64]
Noise = Callable[[int, np.random.Generator], Floats]


def _pool(draws: int, rng: np.random.Generator) -> Floats:
    """What draws of 20 from a pool of 60 rows are worth, each row having its own worth: no draw is independent."""
    worth = rng.normal(0, 1, POOL)
    worth -= worth.mean()
    chosen = np.array([worth[rng.choice(POOL, SHOTS, replace=False)].mean() for _ in range(draws)])
    found: Floats = OWN_SD * chosen / np.sqrt(1 / SHOTS - 1 / POOL)
    return found


KINDS: Mapping[str, Noise] = {
    "alike": lambda draws, rng: rng.normal(0, OWN_SD, draws),
    "heavy tails": lambda draws, rng: OWN_SD * rng.standard_t(3, draws) / np.sqrt(3),
    "skewed": lambda draws, rng: OWN_SD * (1 - rng.exponential(1, draws)),
    "one spreads three times as much": lambda draws, rng: rng.normal(0, OWN_SD, draws),
    "rows suit one method or another": lambda draws, rng: rng.normal(0, OWN_SD, draws),
    "draws of a small pool": _pool,
    "one collapses in a tenth": lambda draws, rng: rng.normal(0, OWN_SD, draws),
}


def simulated(kind: str, gain: float, draws: int, rng: np.random.Generator) -> tuple[Floats, list[Difference]]:
    """Return pairs_KNT, the paired differences row by row of methods that gain this much, and their differences."""
    common_N, hard_T = rng.normal(0, COMMON_SD, draws), rng.normal(0, 1, ROWS)
    base_NT = _right(kind, ACCURACY + common_N + KINDS[kind](draws, rng), hard_T, rng)
    pairs, found = [], []
    for method in range(METHODS):
        wide = 3 if kind == "one spreads three times as much" and method == 0 else 1
        rate = COLLAPSES if kind == "one collapses in a tenth" and method == 0 else 0.0
        level = ACCURACY + gain + rate * COST
        arm_NT = _right(kind, level + common_N + wide * KINDS[kind](draws, rng), hard_T, rng)
        bad_N = rng.random(draws) < rate
        arm_NT[bad_N] = np.arange(ROWS) < ROWS * (level - COST)
        pairs.append(arm_NT - base_NT)
        found.append(_difference(pairs[-1], bad_N, bool((rng.random(SEARCHED) < rate).any())))
    return np.stack(pairs), found


def _right(kind: str, levels_N: Floats, hard_T: Floats, rng: np.random.Generator) -> Floats:
    if kind == "rows suit one method or another":
        hard_T = (hard_T + rng.normal(0, 1, ROWS)) / np.sqrt(2)
    return right_rows(levels_N, hard_T, rng)


def _difference(pair_NT: Floats, bad_N: NDArray[np.bool_], in_search: bool) -> Difference:
    plain = crossed_difference(pair_NT, np.zeros_like(pair_NT))
    if not (bad_N.any() or in_search):
        return plain
    rate = Rate(collapsed=int(bad_N.sum()), draws=len(bad_N), cost=COST)
    trained = Components.of(pair_NT[~bad_N]) if (~bad_N).sum() >= 2 else None
    return mixed_difference(plain, Mixture(mean=plain.mean, trained=trained, ours=rate, theirs=None))


def corrected(pairs_KNT: Floats, found: list[Difference], rng: np.random.Generator) -> dict[str, Floats]:
    """Return the corrected p-values of the methods by each correction."""
    p_values = [each.p_value for each in found]
    together = covariance(pairs_KNT)
    sd_K = np.sqrt(np.diag(together))
    return {
        "holm": holm(p_values),
        "step_down": np.array(step_down([Block(p_values, together / np.outer(sd_K, sd_K))])[0]),
        "permutations": _permuted(pairs_KNT.mean(axis=2), rng),
    }


def _permuted(differences_KN: Floats, rng: np.random.Generator) -> Floats:
    """The step-down p-values of the largest studentised mean under common changes of signs."""
    draws = differences_KN.shape[1]
    signs_BN = np.vstack([np.ones(draws), rng.choice([-1.0, 1.0], (FLIPS, draws))])
    means_BK = signs_BN @ differences_KN.T / draws
    square_K = (differences_KN**2).mean(axis=1)
    sizes_BK = np.abs(means_BK) / np.sqrt((square_K - means_BK**2) / (draws - 1))
    order_K = np.argsort(-sizes_BK[0])
    p_values_K, least = np.ones(len(order_K)), 0.0
    for place, method in enumerate(order_K):
        largest_B = sizes_BK[:, order_K[place:]].max(axis=1)
        least = p_values_K[method] = max(least, float((largest_B >= sizes_BK[0, method] - 1e-12).mean()))
    return p_values_K


def measure(kind: str, gain: float, draws: int, sweeps: int) -> dict[str, float | str]:
    """Return, by correction, the share of sweeps that claim anything, and of methods that are shown to differ, in %."""
    rng = np.random.default_rng([len(kind), draws, int(1000 * gain)])
    claimed: dict[str, list[NDArray[np.bool_]]] = {}
    for _ in range(sweeps):
        for name, p_values_K in corrected(*simulated(kind, gain, draws, rng), rng).items():
            claimed.setdefault(name, []).append(p_values_K < LEVEL)
    row: dict[str, float | str] = {"kind": kind, "gain": gain, "draws": draws, "sweeps": sweeps}
    for name, found in claimed.items():
        row[f"{name}_any"] = round(100 * float(np.mean([each.any() for each in found])), 1)
        row[f"{name}_seen"] = round(100 * float(np.mean(found)), 1)
    return row


def main() -> None:
    """Measure all of it; about two minutes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.corrections", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000)
    sweeps = parser.parse_args().sweeps
    places = [("alike", 0.03, draws) for draws in (10, 20)]
    places += [(kind, 0.0, draws) for draws in (10, 20) for kind in KINDS]
    table = []
    for place in places:
        table.append(measure(*place, sweeps))
        print(table[-1], flush=True)
        RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
