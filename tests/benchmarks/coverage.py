"""How often the 95 % interval of a difference holds the truth, by numbers of draws and of test rows.

    python -m tests.benchmarks.coverage

Of two equally good simulated classifiers (`tests.sweeps.simulated_rows`), and of each pair of the four real ones of the
kept table (`tests.benchmarks.correctness`; its 200 draws and all its test rows, 1,345 or 941, are the truth that
samples of them are held against, so that it says nothing of 1,000 rows).

Shapes: N draws, T test rows.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path

import numpy as np

from sweep.verdict.crossed import crossed_difference
from tests.benchmarks.correctness import read
from tests.sweeps.simulated_rows import suited_pair

__all__ = ["DRAWS", "REAL_ROWS", "RESULTS", "ROWS", "real", "simulated"]

RESULTS = Path(__file__).parent / "results" / "coverage.json"
ROWS, REAL_ROWS, DRAWS = (15, 30, 60, 200, 1000), (15, 30, 60, 200), (5, 10, 20, 40)


def simulated(draws: int, rows: int, sweeps: int) -> float:
    """Return the share of intervals of simulated pairs that hold 0."""
    rng, held = np.random.default_rng(draws * rows), 0
    for _ in range(sweeps):
        found = crossed_difference(*suited_pair(draws, rows, rng))
        held += found.low <= 0 <= found.high
    return held / sweeps


def real(draws: int, rows: int, samples: int) -> float:
    """Return the share of intervals that hold the difference over the whole table. samples: of each pair and task."""
    rng, held = np.random.default_rng(draws * rows), []
    for methods in read().values():
        for first, second in combinations(methods, 2):
            table_NT = methods[first].astype(float) - methods[second]
            for _ in range(samples):
                chosen_N, chosen_T = (
                    rng.choice(size, count, replace=False)
                    for size, count in zip(table_NT.shape, (draws, rows), strict=True)
                )
                sample_NT = table_NT[np.ix_(chosen_N, chosen_T)]
                found = crossed_difference(sample_NT, np.zeros_like(sample_NT))
                held.append(found.low - 1e-12 <= table_NT.mean() <= found.high + 1e-12)
    return float(np.mean(held))


def main() -> None:
    """Measure all of it; about three minutes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.coverage", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=80, help="of each of the 12 real pairs")
    options = parser.parse_args()
    table: dict[str, dict[str, object]] = {}
    places = [("real", rows, options.samples) for rows in REAL_ROWS]
    places += [("simulated", rows, options.sweeps if rows < 1000 else options.sweeps // 2) for rows in ROWS]
    for kind, rows, count in places:
        measure = simulated if kind == "simulated" else real
        held = {str(draws): round(100 * measure(draws, rows, count), 1) for draws in DRAWS}
        table[f"{kind}, {rows} rows"] = {"intervals": count if kind == "simulated" else 12 * count, "held": held}
        print(kind, rows, held, flush=True)
        RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
