"""How often intervals hold, and how far estimates are off, of the difference that is named best and of mean gains.

    python -m tests.benchmarks.estimates

Simulated paired differences with a standard deviation of 6 points, of methods that share a baseline; points.

Shapes: K methods, D datasets, N draws.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweep.verdict.mean_gain import DatasetGain, mean_gain
from sweep.verdict.named_best import named_best

__all__ = ["RESULTS", "TRUTHS", "gains_held", "named"]

RESULTS = Path(__file__).parent / "results" / "estimates.json"
SD, DRAWS = 6.0, 10
TRUTHS: Mapping[str, Sequence[float]] = {
    "3, equally good": (0, 0, 0),
    "3, gains of 0, 2 and 4": (0, 2, 4),
    "3, one gains 8": (0, 0, 8),
    "10, equally good": (0,) * 10,
    "10, one gains 3": (0,) * 9 + (3,),
    "10, one gains 8": (0,) * 9 + (8,),
    "10, gains of 0 to 4.5": tuple(number / 2 for number in range(10)),
}
"""The true gains of the methods."""

Floats = NDArray[np.float64]


def named(gains: Sequence[float], draws: int, sweeps: int, rng: np.random.Generator) -> dict[str, float]:
    """Return, of the method that looks best, how often its interval holds its true gain in %, and how far its estimate
    is off on average: plainly, shrunk towards the mean of all (James & Stein), and as a verdict names it."""
    true_K = np.array(gains, dtype=np.float64)
    found = np.array([_named(true_K, _differences(true_K, draws, rng)) for _ in range(sweeps)])
    plain, plain_held, shrunk, shrunk_held, ours, held, width, plain_width = found.mean(axis=0)
    return {
        "sweeps": sweeps,
        "draws": draws,
        "plain_off": round(float(plain), 2),
        "plain_held": round(100 * float(plain_held), 1),
        "shrunk_off": round(float(shrunk), 2),
        "shrunk_held": round(100 * float(shrunk_held), 1),
        "off": round(float(ours), 2),
        "held": round(100 * float(held), 1),
        "times_as_wide": round(float(width / plain_width), 2),
    }


def _differences(true_K: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """differences_KN, with a correlation of a half, as differences to one baseline have."""
    base_N, own_KN = rng.normal(0, SD, draws), rng.normal(0, SD, (len(true_K), draws))
    found: Floats = true_K[:, None] + (own_KN - base_N) / np.sqrt(2)
    return found


def _named(true_K: Floats, differences_KN: Floats) -> tuple[float, ...]:
    draws = differences_KN.shape[1]
    means_K, errors_K = differences_KN.mean(axis=1), differences_KN.std(axis=1, ddof=1) / np.sqrt(draws)
    quantile = -float(special.stdtrit(draws - 1, 0.025))
    best = int(means_K.argmax())
    found = named_best(list(means_K), list(errors_K), np.asarray(np.corrcoef(differences_KN)), draws - 1)
    assert found is not None
    shrunk, error = _shrunk(means_K, errors_K, best)
    true = float(true_K[best])
    plain, reach = float(means_K[best]), float(quantile * errors_K[best])
    return (
        plain - true,
        float(abs(plain - true) <= reach),
        shrunk - true,
        float(abs(shrunk - true) <= quantile * error),
        found.mean - true,
        float(found.low <= true <= found.high),
        found.high - found.low,
        2 * reach,
    )


def _shrunk(means_K: Floats, errors_K: Floats, best: int) -> tuple[float, float]:
    """The empirical Bayes estimate of James & Stein, towards the mean of all methods, and its standard error."""
    methods = len(means_K)
    own = float((errors_K**2).mean()) / 2  # half of it is the baseline's, which moves all alike
    spread = float(((means_K - means_K.mean()) ** 2).sum())
    kept = max(0.0, 1 - (methods - 3) * own / spread) if methods > 3 else max(0.0, 1 - own / spread)
    error = float(errors_K[best]) * np.sqrt(0.5 + 0.5 * (kept + (1 - kept) / methods))
    return float(means_K.mean() + kept * (means_K[best] - means_K.mean())), float(error)


def gains_held(datasets: int, between: float, sweeps: int, rng: np.random.Generator) -> dict[str, float]:
    """Return how often the two intervals of a mean gain hold the truth in %, and how wide they are.

    between: standard deviation of the true gains of datasets. Each has two numbers of shots, on the same ten draws.
    """
    here, others, widths = 0, 0, np.zeros(2)
    for _ in range(sweeps):
        true_D = rng.normal(1, between, datasets)
        found = mean_gain([_on_dataset(true, rng) for true in true_D])
        here += found.here[0] <= true_D.mean() <= found.here[1]
        others += found.others[0] <= 1 <= found.others[1]
        widths += [found.here[1] - found.here[0], found.others[1] - found.others[0]]
    return {
        "sweeps": sweeps,
        "datasets": datasets,
        "between": between,
        "here_held": round(100 * here / sweeps, 1),
        "others_held": round(100 * others / sweeps, 1),
        "here_width": round(float(widths[0] / sweeps), 1),
        "others_width": round(float(widths[1] / sweeps), 1),
    }


def _on_dataset(true: float, rng: np.random.Generator) -> DatasetGain:
    both_N = rng.normal(true, SD, (2, DRAWS)).mean(axis=0)
    return DatasetGain(
        comparisons=2, mean=float(both_N.mean()), variance=float(both_N.var(ddof=1)) / DRAWS, freedom=DRAWS - 1.0
    )


def main() -> None:
    """Measure all of it; about a minute."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.estimates", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=2000)
    sweeps = parser.parse_args().sweeps
    table = {
        "named best": {
            f"{name}, {draws} draws": named(gains, draws, sweeps, np.random.default_rng([draws, len(name)]))
            for name, gains in TRUTHS.items()
            for draws in (5, 10, 20)
        },
        "mean gain": [
            gains_held(datasets, between, sweeps, np.random.default_rng([datasets, int(between)]))
            for datasets in (1, 2, 3, 7)
            for between in (0.0, 2.0)
            if datasets > 1 or between == 0
        ],
    }
    RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
