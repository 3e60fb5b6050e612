"""Few-shot draws: pure, disjoint, of the right sizes, nested in shots."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainable.datasets import Rows, TextData
from trainable.draws import CONFIRMATION_START, Draw, few_shot_draw, initialisation_seed
from trainable.errors import DataError

Sampling = Literal["per_class", "random"]
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
    first = -(-start // folds) * folds
    draws = [_draw(data, shots=1, validation=1, sampling=sampling, index=first + number) for number in range(folds)]
    tested = np.concatenate([draw.test for draw in draws])
    assert sorted(tested.tolist()) == list(range(len(data.pool)))
    sizes = [len(draw.test) for draw in draws]
    assert max(sizes) - min(sizes) <= 1
    for draw in draws:
        assert not set(draw.test.tolist()) & {*draw.train.tolist(), *draw.validation.tolist()}
        for label, rows in enumerate(counts):
            held = _classes(data, draw.test)[label]
            assert rows // folds <= held <= -(-rows // folds)
            assert held < rows, "a class is never held out whole"


def test_other_repetitions_and_seeds_cut_the_rows_otherwise() -> None:
    data = _repeated(13, 14, 13, 10)
    parts = {tuple(_draw(data, index=index, seed=seed).test.tolist()) for index in (0, 4, 8, 10_000) for seed in (0, 1)}
    assert len(parts) == 8
    assert _draw(data, index=0, shots=2).test.tolist() == _draw(data, index=0, shots=6).test.tolist()


def test_all_draws_leave_as_much_as_the_first_ones() -> None:
    """So a sweep that begins finds no class too small later."""
    data = _repeated(9, 7, 11)
    left = {index: _classes(data, _draw(data, shots=1, index=index).test) for index in range(40)}
    assert all(left[index] == left[index % 4] for index in left)


def test_what_a_draw_tests_is_said_where_too_little_is_left() -> None:
    with pytest.raises(DataError, match=r"beside the 1 of 4 rows that a draw tests: class `class 1` needs 4 rows and"):
        _draw(_repeated(20, 5), shots=4, validation=1)


def test_a_test_part_of_its_own_is_for_all_draws() -> None:
    data = replace(_data(20, 20), test=_data(3, 4).pool)
    assert _draw(data).test.tolist() == _draw(data, index=CONFIRMATION_START + 7).test.tolist() == list(range(7))
