"""The benchmark of methods keeps what the verdict says, and its tables are arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.api.result import result_in
from tests.benchmarks.methods import Confirmed, against, kept, replaced, tables, winner
from tests.sweeps.synthetic_results import synthetic_results


def method(name: str, shots: int, *scores: float, **to: tuple[float, float, float]) -> Confirmed:
    return Confirmed(
        task="trec", shots=shots, method=name, params={}, scores=scores, search=60.0, confirmation=30.0, to=to
    )


FOUND = [
    method("frozen", 4, 0.50, 0.52),
    method("setfit", 4, 0.60, 0.62, frozen=(0.10, 0.08, 0.12)),
    method("supcon", 4, 0.61, 0.65, frozen=(0.12, 0.10, 0.14), setfit=(0.02, -0.01, 0.05)),
    method("triplet", 4, 0.41, frozen=(-0.10, -0.12, -0.08), setfit=(-0.20, -0.22, -0.18)),
    method("frozen", 8, 0.70, 0.72),
    method("supcon", 8, 0.69, 0.71, frozen=(-0.01, -0.03, 0.01)),
    method("triplet", 8, 0.80, 0.82, frozen=(0.10, 0.09, 0.11)),
]


def test_the_winner_is_held_against_the_better_of_the_two() -> None:
    assert winner(FOUND) == "supcon"
    assert [(own.shots, better, difference[0]) for own, better, difference in against(FOUND, "supcon")] == [
        (4, "setfit", 0.02),
        (8, "frozen", -0.01),
    ]


def test_the_tables() -> None:
    assert tables(FOUND).splitlines() == [
        "| task, labels per class | frozen | setfit | supcon | triplet |",
        "|---|---:|---:|---:|---:|",
        "| trec, 4 | 51.0 | 61.0 | **63.0** | 41.0 (1 draw) |",
        "| trec, 8 | 71.0 |  | 70.0 | **81.0** |",
        "| mean | 61.0 | 61.0 | **66.5** | 61.0 |",
        "| minutes of a core | 3.0 | 1.5 | 3.0 | 3.0 |",
        "",
        "| task, labels per class | supcon, to the better of the two | to SetFit |",
        "|---|---|---|",
        "| trec, 4 | +2.0 (−1.0 to 5.0), setfit | +2.0 (−1.0 to 5.0) |",
        "| trec, 8 | −1.0 (−3.0 to 1.0), frozen |  |",
    ]


def test_a_sweep_of_some_comparisons_replaces_these_alone() -> None:
    again = [method("frozen", 4, 0.51), method("supcon", 4, 0.64)]
    other = [method("frozen", 16, 0.80)]
    assert replaced(FOUND, [*again, *other]) == [*again, *FOUND[4:], *other]


@pytest.mark.lengthy
def test_what_is_kept_is_what_the_verdict_says(tmp_path: Path) -> None:
    result = result_in(tmp_path, synthetic_results(shots=(8,), losses=("cross_entropy", "soft_triple"), draws=6))
    arms = [(comparison, arm) for comparison in result.verdict.comparisons for arm in comparison.arms]
    for found, (comparison, arm) in zip(kept(result), arms, strict=True):
        assert (found.task, found.shots, found.method) == (comparison.dataset, comparison.shots, arm.method)
        assert found.scores == list(arm.scores)
        assert found.search + found.confirmation == arm.cost.spent.useful
