"""The kept table of real classifiers. What intervals make of it: `test_coverage`."""

from __future__ import annotations

from tests.benchmarks.correctness import DRAWS, METHODS, read


def test_the_table_is_whole() -> None:
    table = read()
    assert set(table) == {"trec", "cr"}
    for methods in table.values():
        assert set(methods) == set(METHODS)
        assert {len(right_NT) for right_NT in methods.values()} == {len(DRAWS)}
        assert all(0.4 < right_NT.mean() < 0.75 for right_NT in methods.values())
