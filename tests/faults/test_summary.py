"""A soak that takes several sittings counts the rounds of all of them, once."""

from __future__ import annotations

from pathlib import Path

from tests.faults.summary import PlayedRound, Summary


def test_a_soak_continues_where_it_was_interrupted(tmp_path: Path) -> None:
    kept = tmp_path / "new" / "rounds.jsonl"
    first = Summary.continued(kept)
    first.add(PlayedRound(7, 60.0, (("driver killed", 12.5), ("disk full", None)), ()))
    second = Summary.continued(kept)
    second.add(PlayedRound(8, 30.0, (("driver killed", 1.0),), ("lost: two trials",)))
    both = Summary.continued(kept)
    assert both.seeds == {7, 8}
    assert both.struck == 3
    assert both.recoveries("driver killed") == [12.5, 1.0]
    assert both.problems == ["seed 8: lost: two trials"]
    assert "3 faults in 2 sweeps" in both.sentence()
    assert both == second
