"""Searches that end once more trials are not worthwhile: the replay of the benchmark, and its kept results."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.stopping import RESULTS, measure


@pytest.mark.slow
def test_what_a_search_loses_is_less_than_its_confirmation_could_resolve() -> None:
    for found in measure(60).values():
        assert found["trained"] < 100
        assert found["lost"] < found["resolved"]


def test_the_kept_results_lose_less_than_a_confirmation_could_resolve() -> None:
    for found in json.loads(RESULTS.read_text(encoding="utf-8")).values():
        assert found["lost"] + 2 * found["standard_error"] < found["resolved"]
