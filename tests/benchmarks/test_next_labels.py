"""What choosing texts is worth, held by the kept replays; and a replay of synthetic rows."""

from __future__ import annotations

import json

import numpy as np

from tests.benchmarks.next_labels import DRAWS, RESULTS, SHOTS, TASKS, WAYS, gains, replay, table


def test_ours_is_worth_more_than_texts_at_random_and_than_doubt_alone() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert set(stored) == {f"{task}/{shots}" for task in TASKS for shots in SHOTS}
    assert {len(each) for by_way in stored.values() for each in by_way.values()} == {len(DRAWS)}
    assert gains(stored, "ours")["all"][1] > 0.3
    for way in WAYS.keys() - {"random", "ours"}:
        assert gains(stored, "ours")["all"][0] > gains(stored, way)["all"][0]
    assert len(table(stored).splitlines()) == 1 + len(WAYS)


def test_a_replay_is_the_same_again_and_more_labels_help() -> None:
    rng = np.random.default_rng(0)
    labels_N = np.repeat(np.arange(4), 100)
    rows_ND = np.eye(4, 16)[labels_N] + 0.5 * rng.normal(size=(400, 16))
    unit_ND = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
    found = [replay(unit_ND, labels_N, 3, seed) for seed in range(10)]
    assert replay(unit_ND, labels_N, 3, 0) == found[0]
    for way in WAYS:
        assert np.mean([each[way] for each in found]) > np.mean([each["none"] for each in found])
