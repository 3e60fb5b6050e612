"""Few-shot draws: pure, disjoint, of the right sizes, nested in shots."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainable.config import TrialConfig
from trainable.cross_validation import turns
from trainable.dataset_config import FEW_ROWS
from trainable.datasets import Rows, TextData
from trainable.draws import CONFIRMATION_START, Draw, draw_notes, few_shot_draw, initialisation_seed
from trainable.errors import DataError
from trainable.shots import CROSS_FOLDS, Sampling, Shots, selected_by

SAMPLINGS: tuple[Sampling, ...] = ("per_class", "random")


def _data(*counts: int, name: str = "data") -> TextData:
    labels_N = np.repeat(np.arange(len(counts)), counts)
    pool = Rows(tuple(f"row {i}" for i in range(len(labels_N))), None, labels_N)
    test = Rows(("test row",), None, labels_N[:1])
    return TextData(name, tuple(f"class {c}" for c in range(len(counts))), pool, test)


def _draw(data: TextData, **changes: Any) -> Draw:
    defaults: dict[str, Any] = {"sampling": "per_class", "shots": 4, "validation": "all", "index": 0, "seed": 0}
    return few_shot_draw(data, **(defaults | changes))


def _classes(data: TextData, rows: np.ndarray[Any, Any]) -> Counter[int]:
    return Counter(data.pool.labels_N[rows].tolist())


ARGUMENTS = st.fixed_dictionaries(
    {
        "sampling": st.sampled_from(SAMPLINGS),
        "shots": st.integers(1, 6),
        "validation": st.sampled_from(["all", "shots", 1, 5, 10]),
        "index": st.integers(0, 2 * CONFIRMATION_START),
        "seed": st.integers(0, 2**40),
    }
)


@given(counts=st.lists(st.integers(12, 40), min_size=2, max_size=5), arguments=ARGUMENTS)
def test_parts_are_disjoint_and_of_the_size_asked_for(counts: list[int], arguments: dict[str, Any]) -> None:
    data = _data(*counts)
    sampling, shots, validation = arguments["sampling"], arguments["shots"], arguments["validation"]
    draw = _draw(data, **arguments)
    again = _draw(data, **arguments)
    assert draw.train.tolist() == again.train.tolist()
    assert draw.validation.tolist() == again.validation.tolist()

    train, held = draw.train.tolist(), draw.validation.tolist()
    assert train == sorted(set(train))
    assert held == sorted(set(held))
    assert not set(train) & set(held)
    assert set(train + held) <= set(range(len(data.pool)))
    expected = shots * len(counts) if sampling == "per_class" else shots
    assert len(train) == expected
    sizes = {"all": len(data.pool) - expected, "shots": expected}
    assert len(held) == sizes.get(str(validation), validation)
    if sampling == "per_class":
        assert _classes(data, draw.train) == dict.fromkeys(range(len(counts)), shots)
        if validation == "shots":
            assert _classes(data, draw.validation) == dict.fromkeys(range(len(counts)), shots)


@given(sampling=st.sampled_from(SAMPLINGS), index=st.integers(0, 100), seed=st.integers(0, 100))
def test_more_shots_contain_fewer(sampling: Sampling, index: int, seed: int) -> None:
    data = _data(40, 30)
    draws = [_draw(data, sampling=sampling, index=index, seed=seed, shots=shots) for shots in (2, 4, 8, 16)]
    for smaller, larger in pairwise(draws):
        assert set(smaller.train.tolist()) < set(larger.train.tolist())
        assert set(larger.validation.tolist()) < set(smaller.validation.tolist())


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_number_of_validation_rows_is_the_same_for_all_shots(sampling: Sampling) -> None:
    data = _data(100, 100)
    few, many = (_draw(data, sampling=sampling, shots=shots, validation=40) for shots in (4, 16))
    assert few.validation.tolist() == many.validation.tolist()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("change", [{"index": 1}, {"seed": 1}, {"index": CONFIRMATION_START}])
def test_other_arguments_give_other_draws(sampling: Sampling, change: dict[str, int]) -> None:
    data = _data(100, 100)
    first, other = _draw(data, sampling=sampling), _draw(data, sampling=sampling, **change)
    assert first.train.tolist() != other.train.tolist()


def test_other_datasets_have_other_draws() -> None:
    assert _draw(_data(50, 50)).train.tolist() != _draw(_data(50, 50, name="other")).train.tolist()


def test_global_random_state_is_neither_used_nor_changed() -> None:
    np.random.seed(1)
    first = _draw(_data(50, 50))
    after = np.random.random()
    np.random.seed(1)
    assert np.random.random() == after
    assert _draw(_data(50, 50)).train.tolist() == first.train.tolist()


def test_draws_are_the_same_on_every_machine_and_in_every_release() -> None:
    """Ledgers outlive processes: a change of these numbers changes what a resumed sweep trains on."""
    data = _data(20, 20, name="frozen")
    draw = _draw(data, shots=3, index=7, seed=11, validation=4)
    assert (draw.train.tolist(), draw.validation.tolist()) == ([10, 14, 18, 20, 26, 37], [2, 11, 27, 38])
    draw = _draw(data, shots=3, index=7, seed=11, validation="shots", sampling="random")
    assert (draw.train.tolist(), draw.validation.tolist()) == ([7, 8, 15], [4, 23, 25])
    assert [initialisation_seed(11, index) for index in (0, 1)] == [581805016, 811343658]
    assert [initialisation_seed(11, 0, initialisation) for initialisation in (0, 1)] == [581805016, 4186342298]


def test_random_sampling_is_uniform_over_rows() -> None:
    data = _data(10, 10)
    times = Counter(row for i in range(2000) for row in _draw(data, sampling="random", shots=5, index=i).train.tolist())
    expected, deviation = 500, (2000 * 0.25 * 0.75) ** 0.5
    assert set(times) == set(range(20))
    assert all(abs(count - expected) < 4.5 * deviation for count in times.values())


def test_random_sampling_may_miss_classes() -> None:
    data = _data(1000, 1000, 2)
    assert 2 not in _classes(data, _draw(data, sampling="random", shots=3).train)
    assert set(_classes(data, _draw(data, shots=1).train)) == {0, 1, 2}


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_validation_rows_are_stratified_like_the_pool(sampling: Sampling) -> None:
    data = _data(600, 300, 100)
    draw = _draw(data, sampling=sampling, shots=10, validation=100)
    assert _classes(data, draw.validation) == {0: 60, 1: 30, 2: 10}


def test_a_class_that_is_used_up_is_made_up_for_by_the_others() -> None:
    data = _data(100, 20)
    draw = _draw(data, shots=18, validation=60)
    assert _classes(data, draw.validation) == {0: 58, 1: 2}


def test_quotas_round_to_the_number_asked_for() -> None:
    data = _data(34, 33, 33)
    assert sorted(_classes(data, _draw(data, shots=1, validation=10).validation).values()) == [3, 3, 4]


@given(seed=st.integers(0, 2**32), index=st.integers(0, 20_000), initialisation=st.integers(0, 9))
def test_initialisation_seeds(seed: int, index: int, initialisation: int) -> None:
    value = initialisation_seed(seed, index, initialisation)
    assert 0 <= value < 2**32
    assert value == initialisation_seed(seed, index, initialisation)
    assert value != initialisation_seed(seed, index + 1, initialisation)
    assert value != initialisation_seed(seed, index, initialisation + 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shots": 10}, "class `class 1` needs 11 rows and has 9"),
        ({"shots": 10, "validation": 3}, "class `class 1` needs 10 rows and has 9"),
        ({"shots": 30}, "class `class 0` needs 31 rows and has 20; class `class 1` needs 31 rows and has 9"),
        ({"shots": 5, "validation": "shots"}, "class `class 1` needs 10 rows and has 9"),
        ({"shots": 5, "validation": 20}, r"the pool needs 10 \+ 20 rows and has 29"),
        ({"sampling": "random", "shots": 30}, "the pool needs 31 rows and has 29"),
        ({"sampling": "random", "shots": 15, "validation": "shots"}, "the pool needs 30 rows and has 29"),
        ({"sampling": "random", "shots": 20, "validation": 10}, r"the pool needs 20 \+ 10 rows and has 29"),
    ],
)
def test_too_few_rows(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"dataset `data`: .*shots.*{message}.*ask for fewer"):
        _draw(_data(20, 9), **changes)


def test_the_largest_draw_that_fits() -> None:
    data = _data(20, 9)
    assert _classes(data, _draw(data, shots=8).validation) == {0: 12, 1: 1}
    assert _classes(data, _draw(data, shots=9, validation=11).validation) == {0: 11}


# ---- a test part for each draw ---------------------------------------------------------------------------------------


def _tested(draw: Draw) -> np.ndarray[Any, Any]:
    assert draw.test is not None
    return draw.test


def _repeated(*counts: int, folds: int = 4) -> TextData:
    data = _data(*counts)
    return replace(data, test=data.pool, folds=folds)


@given(
    counts=st.lists(st.integers(4, 30), min_size=2, max_size=5),
    folds=st.integers(2, 10),
    start=st.sampled_from([0, CONFIRMATION_START]),
    sampling=st.sampled_from(SAMPLINGS),
)
def test_every_row_is_tested_once_in_as_many_draws_as_there_are_parts(
    counts: list[int], folds: int, start: int, sampling: Sampling
) -> None:
    data = _repeated(*counts, folds=folds)
    draws = [_draw(data, shots=1, validation=1, sampling=sampling, index=start + number) for number in range(folds)]
    parts = [_tested(draw) for draw in draws]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(data.pool)))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for draw, part in zip(draws, parts, strict=True):
        assert not set(part.tolist()) & {*draw.train.tolist(), *draw.validation.tolist()}
        for label, rows in enumerate(counts):
            held = _classes(data, part)[label]
            assert rows // folds <= held <= -(-rows // folds)
            assert held < rows, "a class is never held out whole"


def test_other_repetitions_and_seeds_cut_the_rows_otherwise() -> None:
    data = _repeated(13, 14, 13, 10)
    parts = {
        tuple(_tested(_draw(data, index=index, seed=seed)).tolist()) for index in (0, 4, 8, 10_000) for seed in (0, 1)
    }
    assert len(parts) == 8
    few, many = (_tested(_draw(data, index=0, shots=shots)).tolist() for shots in (2, 6))
    assert few == many


def test_all_draws_leave_as_much_as_the_first_ones() -> None:
    """So a sweep that begins finds no class too small later."""
    data = _repeated(9, 7, 11)
    left = {index: _classes(data, _tested(_draw(data, shots=1, index=index))) for index in range(40)}
    assert all(left[index] == left[index % 4] for index in left)


def test_what_a_draw_tests_is_said_where_too_little_is_left() -> None:
    with pytest.raises(DataError, match=r"beside the 1 of 4 rows that a draw tests: class `class 1` needs 4 rows and"):
        _draw(_repeated(20, 5), shots=4, validation=1)


def test_a_test_part_of_its_own_is_for_all_draws() -> None:
    data = replace(_data(20, 20), test=_data(3, 4).pool)
    assert _draw(data).test is None
    assert _draw(data, index=CONFIRMATION_START + 7).test is None


# ---- all, at most, and turns -----------------------------------------------------------------------------------------


@pytest.mark.lengthy
@given(counts=st.lists(st.integers(2, 20), min_size=2, max_size=5), folds=st.sampled_from([0, 4]))
def test_all_that_is_left_trains(counts: list[int], folds: int) -> None:
    data = _repeated(*counts, folds=folds) if folds else _data(*counts)
    draw = _draw(data, shots="all", validation="cross")
    assert len(draw.train) == len(data.pool) - (len(_tested(draw)) if folds else 0)
    assert not len(draw.validation)
    assert _draw(data, shots="all", validation="auto").train.tolist() == draw.train.tolist()
    if min(_classes(data, draw.train).values()) > 1:  # a class must keep a row to train on
        some = _draw(data, shots="all", validation=2)
        assert len(some.validation) == 2
        assert sorted([*some.train, *some.validation]) == draw.train.tolist()


@given(counts=st.lists(st.integers(2, 20), min_size=2, max_size=5), most=st.integers(1, 12))
def test_at_most_takes_what_there_is(counts: list[int], most: int) -> None:
    data = _data(*counts)
    draw = (
        _draw(data, shots=f"at most {most}", validation="all")
        if sum(counts) > sum(min(most, c) for c in counts)
        else None
    )
    turns = _draw(data, shots=f"at most {most}", validation="cross") if most > 1 else None
    for found in filter(None, (draw, turns)):
        assert _classes(data, found.train) == {label: min(most, rows) for label, rows in enumerate(counts)}
    if min(counts) > most > 1:
        strict = _draw(data, shots=most, validation="cross")
        assert turns is not None
        assert strict.train.tolist() == turns.train.tolist()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"shots": 8, "validation": "cross"},
            "class `class 1` needs 8 rows and has 5; write `at most 8` for what there is",
        ),
        ({"shots": "all", "validation": "all"}, "all 25 rows train, so none validates; `validation: cross` lets those"),
        ({"shots": 1, "validation": "cross"}, "a training row can only take its turn beside another of its class"),
        ({"shots": 2, "sampling": "random", "validation": "cross"}, "can only take its turn beside another"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_way_out(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as refused:
        _draw(_data(20, 5), **changes)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("rows", "shots", "sampling", "by"),
    [
        (200, 4, "per_class", "cross"),
        (200, 2, "per_class", "all"),
        (200, 6, "random", "cross"),
        (200, 5, "random", "all"),
        (FEW_ROWS, 4, "per_class", "all"),
        (FEW_ROWS, "all", "per_class", "cross"),
        (200, "at most 9", "per_class", "cross"),
    ],
)
def test_few_labels_take_turns_unless_the_spec_says_otherwise(
    rows: int, shots: Shots, sampling: Sampling, by: str
) -> None:
    assert selected_by("auto", shots, sampling, pool=rows, classes=2) == by
    data = _data(rows // 2, rows // 2)
    found = _draw(data, shots=shots, sampling=sampling, validation="auto")
    assert len(found.validation) == (0 if by == "cross" else rows - len(found.train))
    assert selected_by("shots", shots, sampling, pool=rows, classes=2) == "shots"


@given(counts=st.lists(st.integers(1, 9), min_size=2, max_size=5), index=st.integers(0, 50))
def test_each_training_row_takes_one_turn(counts: list[int], index: int) -> None:
    data = _data(*counts)
    if max(counts) < 2:
        return
    draw = Draw(np.arange(len(data.pool)), np.arange(0))
    found = turns(data, draw, index, seed=0)
    scored = [row for _, held in found for row in held.tolist()]
    alone = [row for row in range(len(data.pool)) if counts[data.pool.labels_N[row]] == 1]
    assert sorted(scored + alone) == list(range(len(data.pool)))
    assert 2 <= len(found) <= CROSS_FOLDS
    for train, held in found:
        assert sorted([*train, *held]) == draw.train.tolist()
        assert set(_classes(data, train)) == set(range(len(counts))), "no class is without a training row"


def test_classes_that_have_fewer_rows_than_allowed_are_said() -> None:
    data = _data(20, 5, 3)
    trial = {"dataset": {"name": "data"}, "encoder": "any", "shots": "at most 8", "validation": "cross"}
    said = draw_notes(TrialConfig.model_validate(trial), data)
    assert said == ("shots at most 8: draws have fewer training rows of `class 1` 5, `class 2` 3",)
    assert draw_notes(TrialConfig.model_validate(trial | {"shots": 3}), data) == ()
