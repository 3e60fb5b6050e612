"""Designs of looks that were tried: the short form of the benchmark, and its kept results."""

from __future__ import annotations

import json

import pytest

from sweep.spec.blocks import Confirm
from tests.benchmarks.designs import DESIGNS, RESULTS, measure


def test_the_first_design_is_the_one_that_a_sweep_offers() -> None:
    assert DESIGNS["auto of 24"].looks == Confirm(draws=24, looks="auto").look_draws


@pytest.mark.slow
def test_looks_save_trainings_and_see_as_much() -> None:
    found = measure(600)
    assert found["auto of 24"]["trainings"] < 75
    assert found["auto of 24"]["seen_3"] > 0.9
    assert max(row["claimed"] for row in found.values()) < 8


def test_the_kept_results_show_that_no_design_that_sees_as_much_does_with_55_percent() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["designs"]
    assert set(kept) == {"fixed, 20", *DESIGNS}
    valid = [row for name, row in kept.items() if row["seen_3"] >= 0.97 and row["seen_8"] >= 0.97]
    assert min(row["trainings"] for row in valid) > 55
