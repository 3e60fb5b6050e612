"""What confirming in looks saves, and whether it decides as well as a fixed number of draws.

    python -m tests.benchmarks.looks

Side by side on the same simulated sweeps: three methods against a baseline on 1,000 test rows, paired differences with
a standard deviation of 6 points, and Holm's correction over the three tests. The fixed design has 20 draws. Replayed on
the kept table of real classifiers (`tests.benchmarks.correctness`) too: three against logistic regression, as they are,
and logistic regression against itself on other draws, so that all are equally good.

Shapes: K arms, N draws, T test rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.spec.blocks import Confirm
from sweep.verdict.collapse import Mixture, Rate, mixed_difference
from sweep.verdict.course import Course
from sweep.verdict.crossed import Components, crossed_difference
from sweep.verdict.model import Arm
from sweep.verdict.sequential import Design, judged
from sweep.verdict.statistics import LEVEL, Difference, holm
from tests.benchmarks.correctness import read
from tests.sweeps.simulated_rows import right_rows

__all__ = ["DESIGNS", "RESULTS", "Outcomes", "replayed", "simulated"]

RESULTS = Path(__file__).parent / "results" / "looks.json"
FIXED, ARMS, ROWS, MARGIN = 20, 3, 1000, 0.01
COLLAPSES, COST, SEARCHED = 0.1, 0.4, 24  # the rate, what one costs, and how many trainings of the search there were
LEVEL_OF_BASE, COMMON_SD, OWN_SD = (
    0.7,
    0.04,
    0.041,
)  # with the noise of 1,000 rows, differences have a standard deviation of 6 points
DESIGNS: Mapping[str, tuple[int, ...]] = {
    "auto of 24": Confirm(draws=24, looks="auto").look_draws,
    "auto of 20": Confirm(draws=20, looks="auto").look_draws,
    "6, 9, 13, 20": (6, 9, 13, 20),
}
_MOST = max(looks[-1] for looks in DESIGNS.values())

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What one design found in one sweep.

    rejected: of each arm, whether it was shown to differ. draws: of each arm. held: of each arm, whether the interval
    of its difference holds the truth. error: mean difference that was found less the true one.
    """

    rejected: tuple[bool, ...]
    draws: tuple[int, ...]
    held: tuple[bool, ...]
    error: tuple[float, ...]

    @property
    def trainings(self) -> float:
        """Of all arms and the baseline, in those of the fixed design."""
        return (sum(self.draws) + max(self.draws)) / (FIXED * (len(self.draws) + 1))


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep: the differences of the arms to the baseline, row by row, their true means, on which draws each arm
    collapsed, and whether a training of its search did."""

    pairs: list[Rows]
    truth: list[float]
    collapsed: list[NDArray[np.bool_]]
    in_search: list[bool]


def _never(ours: Arm, theirs: Arm) -> Difference | None:
    raise AssertionError("differences are given")


def _fixed(sweep: Sweep) -> Outcomes:
    found = [_difference(sweep, arm, FIXED) for arm in range(ARMS)]
    corrected = holm([each.p_value for each in found])
    return _outcomes(found, corrected < LEVEL, [FIXED] * len(found), sweep.truth)


def _in_looks(looks: tuple[int, ...], sweep: Sweep) -> Outcomes:
    design = Design(looks=looks, family=len(sweep.pairs), margin=MARGIN, difference=_never)
    courses = [judged(design, map(partial(_difference, sweep, arm), looks)) for arm in range(ARMS)]
    found = [_of(course) for course in courses]
    corrected = holm([each.p_value for each in found])
    return _outcomes(found, corrected < LEVEL, [course.draws for course in courses], sweep.truth)


def _difference(sweep: Sweep, arm: int, draws: int) -> Difference:
    pair_NT, collapsed_N = sweep.pairs[arm][:draws], sweep.collapsed[arm][:draws]
    plain = crossed_difference(pair_NT, np.zeros_like(pair_NT))
    if not (sweep.in_search[arm] or collapsed_N.any()):
        return plain
    trained_NT = pair_NT[~collapsed_N]
    rate = Rate(collapsed=int(collapsed_N.sum()), draws=draws, cost=COST)
    components = Components.of(trained_NT) if len(trained_NT) >= 2 else None
    return mixed_difference(plain, Mixture(mean=plain.mean, trained=components, ours=rate, theirs=None))


def _of(course: Course) -> Difference:
    assert course.difference is not None, "all draws are there"
    return course.difference


def _outcomes(
    found: Sequence[Difference], rejected: NDArray[np.bool_], draws: Sequence[int], truth: Sequence[float]
) -> Outcomes:
    return Outcomes(
        tuple(map(bool, rejected)),
        tuple(draws),
        tuple(each.low <= true <= each.high for each, true in zip(found, truth, strict=True)),
        tuple(each.mean - true for each, true in zip(found, truth, strict=True)),
    )


def simulated(gains: Sequence[float], rng: np.random.Generator, kind: str = "alike") -> Sweep:
    """Return a sweep of arms with these true gains. kind: of the noise of the arms (`KINDS`)."""
    hard_T, common_N = rng.normal(0, 1, ROWS), rng.normal(0, COMMON_SD, _MOST)
    base_NT = right_rows(LEVEL_OF_BASE + common_N + rng.normal(0, OWN_SD, _MOST), hard_T, rng)
    arms, collapsed, in_search = [], [], []
    for gain in gains:
        rate = COLLAPSES if kind == "one in ten collapses" else 0.0
        bad_N = rng.random(_MOST) < rate
        level = LEVEL_OF_BASE + gain + rate * COST
        arm_NT = right_rows(level + common_N + KINDS[kind](rng), hard_T, rng)
        arm_NT[bad_N] = np.arange(ROWS) < ROWS * (level - COST)
        arms.append(arm_NT - base_NT)
        collapsed.append(bad_N)
        in_search.append(bool((rng.random(SEARCHED) < rate).any()))
    return Sweep(arms, list(gains), collapsed, in_search)


KINDS: Mapping[str, Callable[[np.random.Generator], Rows]] = {
    "alike": lambda rng: rng.normal(0, OWN_SD, _MOST),
    "heavy tails": lambda rng: OWN_SD * rng.standard_t(3, _MOST) / np.sqrt(3),
    "skewed": lambda rng: OWN_SD * (1 - rng.exponential(1, _MOST)),
    "unequal spread": lambda rng: rng.normal(0, 3 * OWN_SD, _MOST),
    "one in ten collapses": lambda rng: rng.normal(0, OWN_SD, _MOST),
}


def replayed(task: str, equal: bool, rng: np.random.Generator) -> Sweep:
    """Return a sweep of draws of the kept table; equal: of one method against itself, on other draws."""
    base_NT, *others = (right_NT.astype(np.float64) for right_NT in _TABLE[task].values())
    if equal:
        chosen_KN = rng.permutation(len(base_NT))[: (ARMS + 1) * _MOST].reshape(ARMS + 1, _MOST)
        first_NT, *arms = (base_NT[chosen_N] for chosen_N in chosen_KN)
        return Sweep([arm_NT - first_NT for arm_NT in arms], [0.0] * ARMS, _NEVER, [False] * ARMS)
    chosen_N = rng.choice(len(base_NT), _MOST, replace=False)
    pairs = [(arm_NT - base_NT)[chosen_N] for arm_NT in others]
    return Sweep(pairs, [float((arm_NT - base_NT).mean()) for arm_NT in others], _NEVER, [False] * ARMS)


_TABLE = read()
_NEVER = [np.zeros(_MOST, dtype=bool)] * ARMS


def measure(sweeps: int, make: Callable[[np.random.Generator], Sweep], seed: int) -> dict[str, dict[str, float]]:
    """Return, by design, what it found in the same sweeps."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Outcomes]] = {"fixed": [], **{name: [] for name in DESIGNS}}
    truths = []
    for _ in range(sweeps):
        sweep = make(rng)
        truths.append(sweep.truth)
        found["fixed"].append(_fixed(sweep))
        for name, looks in DESIGNS.items():
            found[name].append(_in_looks(looks, sweep))
    return {name: _summary(each, truths) for name, each in found.items()}


def _summary(found: Sequence[Outcomes], truths: Sequence[Sequence[float]]) -> dict[str, float]:
    rejected = np.array([each.rejected for each in found])
    errors, true = np.array([each.error for each in found]), np.array(truths)
    wrong_side = (rejected & ((errors + true) * true <= 0)).any(axis=1)
    return {
        "sweeps": len(found),
        "trainings": float(np.mean([each.trainings for each in found])),
        "rejected": float(rejected.mean()),
        "any_rejected": float(rejected.any(axis=1).mean()),
        "any_wrong": float(wrong_side.mean()),
        "held": float(np.mean([each.held for each in found])),
        "mean_error": float(errors.mean()),
    }


def main() -> None:
    """Measure all of it; takes about ten minutes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.looks", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000)
    sweeps = parser.parse_args().sweeps
    places: dict[str, Callable[[np.random.Generator], Sweep]] = {
        f"simulated, {100 * gain:.0f} points": lambda rng, gain=gain: simulated([gain] * ARMS, rng)  # type: ignore[misc]
        for gain in (0.03, 0.08)
    }
    for kind in KINDS:
        places[f"simulated, equally good, {kind}"] = lambda rng, kind=kind: simulated([0.0] * ARMS, rng, kind)  # type: ignore[misc]
    places["simulated, 0, 3 and 8 points"] = lambda rng: simulated([0.0, 0.03, 0.08], rng)
    for task in _TABLE:
        places[f"{task}, equally good"] = lambda rng, task=task: replayed(task, True, rng)  # type: ignore[misc]
        places[f"{task}, as they are"] = lambda rng, task=task: replayed(task, False, rng)  # type: ignore[misc]
    table = {}
    for number, (name, make) in enumerate(places.items()):
        table[name] = measure(sweeps, make, number)
        print(name, *(f"\n  {design}: {values}" for design, values in table[name].items()), flush=True)
        RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
