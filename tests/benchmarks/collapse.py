"""How often equally good methods are told apart, and a better one is seen, where one of two collapses now and then.

    python -m tests.benchmarks.collapse

Simulated classifiers on 200 test rows (`tests.sweeps.simulated_rows`). A collapse costs 40 points. The method that
collapses was trained 24 times in its search, and a collapse there is a reason to allow for more.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from sweep.verdict.collapse import Mixture, Rate, mixed_difference
from sweep.verdict.crossed import Components, crossed_difference
from sweep.verdict.statistics import LEVEL, Difference
from tests.sweeps.simulated_rows import collapsing_pair

__all__ = ["RESULTS", "judged", "measure"]

RESULTS = Path(__file__).parent / "results" / "collapse.json"
COST, ROWS = 0.4, 200


def judged(
    draws: int, rate: float, searched: int, rng: np.random.Generator, gain: float = 0.0
) -> tuple[Difference, Difference]:
    """Return the difference of one simulated pair, as if nothing ever collapsed, and as a verdict gives it.

    searched: trainings of the search of the method that collapses.
    """
    ours_NT, theirs_NT, collapsed_N = collapsing_pair(draws, ROWS, rate, COST, rng, gain)
    plain = crossed_difference(ours_NT, theirs_NT)
    if not (collapsed_N.any() or (rng.random(searched) < rate).any()):
        return plain, plain
    trained_NT = (ours_NT - theirs_NT)[~collapsed_N]
    known = Rate(collapsed=int(collapsed_N.sum()), draws=draws, cost=COST)
    components = Components.of(trained_NT) if len(trained_NT) >= 2 else None
    return plain, mixed_difference(plain, Mixture(mean=plain.mean, trained=components, ours=known, theirs=None))


def measure(sweeps: int, draws: int, rate: float, searched: int, gain: float = 0.0) -> dict[str, float]:
    """Return the shares of simulated pairs that are told apart, and of intervals that hold the truth, in both ways."""
    rng = np.random.default_rng([draws, int(1000 * rate), searched, int(1000 * gain)])
    found = [judged(draws, rate, searched, rng, gain) for _ in range(sweeps)]
    shares = {"draws": draws, "rate": rate, "searched": searched, "gain": gain, "sweeps": sweeps}
    for number, name in enumerate(("plain", "allowing")):
        each = [pair[number] for pair in found]
        shares[f"{name}_told_apart"] = float(np.mean([one.p_value < LEVEL for one in each]))
        shares[f"{name}_holds"] = float(np.mean([one.low <= gain <= one.high for one in each]))
    return shares


def main() -> None:
    """Measure all of it; takes about ten minutes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.collapse", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000)
    sweeps = parser.parse_args().sweeps
    places = [(draws, rate, 24, 0.0) for rate in (0.02, 0.05, 0.1, 0.2) for draws in (6, 10, 20, 40)]
    places += [(draws, 0.1, 0, 0.0) for draws in (10, 20, 40)]
    places += [(draws, 0.1, 24, gain) for draws in (10, 20, 40) for gain in (0.1, 0.2)]
    table = [measure(sweeps, *place) for place in places]
    RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    for row in table:
        print(row)


if __name__ == "__main__":
    main()
