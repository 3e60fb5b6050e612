from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from trainable.batching import evaluation_batches, tokenise, training_batches
from trainable.datasets.text_data import Rows
from trainable.encoder import load_encoder

CPU = torch.device("cpu")
TEXTS = ("good film", "a", "the film was awful and poor", "is it great?")


def _rows(pairs: tuple[str, ...] | None = None) -> Rows:
    return Rows(texts=TEXTS, pairs=pairs, labels_N=np.array([1, 0, 0, 1]))


@pytest.mark.parametrize("tiny", ["tiny_bert", "tiny_roberta"])
@pytest.mark.parametrize("pairs", [None, ("bad", "the red film", "a", "poor film")])
@pytest.mark.parametrize("max_length", [64, 6])
def test_a_batch_is_what_the_tokenizer_itself_would_pad(
    tiny: str, pairs: tuple[str, ...] | None, max_length: int, request: pytest.FixtureRequest
) -> None:
    encoder = load_encoder(str(request.getfixturevalue(tiny)), None, 2)
    batch = tokenise(_rows(pairs), encoder, max_length).batch(np.array([2, 0, 3]), CPU)
    expected = encoder.tokenizer(
        [TEXTS[row] for row in (2, 0, 3)],
        None if pairs is None else [pairs[row] for row in (2, 0, 3)],
        truncation="longest_first",
        max_length=max_length,
        padding=True,
        return_tensors="pt",
    )
    assert batch.inputs.keys() == expected.keys()
    assert all(torch.equal(batch.inputs[name], expected[name]) for name in expected)
    assert batch.labels_B.tolist() == [0, 1, 1]
    assert batch.real_M.tolist() == expected["attention_mask"].flatten().nonzero().flatten().tolist()


def test_a_batch_is_padded_to_a_width_that_no_row_needs_and_never_cut_to_it(tiny_bert: Path) -> None:
    rows = tokenise(_rows(), load_encoder(str(tiny_bert), None, 2), 64)
    narrow, wide, cut = (rows.batch(np.array([0, 1]), CPU, width) for width in (0, 9, 2))
    assert [batch.inputs["input_ids"].shape[1] for batch in (narrow, wide, cut)] == [4, 9, 4]
    assert torch.equal(wide.inputs["input_ids"][:, :4], narrow.inputs["input_ids"])
    assert (wide.inputs["input_ids"][:, 4:] == rows.pad_id).all()
    assert wide.inputs["attention_mask"].sum(dim=1).tolist() == [4, 3]
    assert wide.real_M.tolist() == [0, 1, 2, 3, 9, 10, 11]


def test_the_same_rows_are_tokenised_once(tiny_bert: Path) -> None:
    encoder, rows = load_encoder(str(tiny_bert), None, 2), _rows()
    first = tokenise(rows, encoder, 64)
    assert tokenise(rows, encoder, 64) is first
    assert tokenise(rows, encoder, 32) is not first
    assert tokenise(_rows(), encoder, 64) is not first


def test_evaluation_batches_hold_each_row_once_by_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 200)
    batches = list(evaluation_batches(lengths, max_rows=16, max_tokens=300))
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(200))
    assert (np.diff(lengths[order]) >= 0).all()
    assert all(len(batch) <= 16 and len(batch) * lengths[batch].max() <= 300 for batch in batches)
    fullest = [len(batch) + 1 > 16 or (len(batch) + 1) * lengths[batch].max() > 240 for batch in batches[:-1]]
    assert all(fullest)


def test_a_row_longer_than_a_whole_batch_still_comes() -> None:
    batches = list(evaluation_batches(np.array([500, 4]), max_rows=8, max_tokens=100))
    assert [batch.tolist() for batch in batches] == [[1], [0]]


@pytest.mark.parametrize("pairs", [False, True])
def test_a_sample_that_fits_is_used_whole_and_is_one_array(pairs: bool) -> None:
    batches = training_batches(np.array([0, 1, 0]), 3, balanced=pairs, generator=np.random.default_rng(0))
    first, second = islice(batches, 2)
    assert first.tolist() == [0, 1, 2]
    assert first is second


def test_epochs_hold_each_row_once_in_equal_parts_and_are_shuffled() -> None:
    labels = np.zeros(10, dtype=np.int64)
    batches = list(islice(training_batches(labels, 4, balanced=False, generator=np.random.default_rng(0)), 6))
    assert [len(batch) for batch in batches] == [4, 3, 3, 4, 3, 3]
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize(
    ("counts", "batch_size"), [([20, 20], 8), ([30, 3, 1], 9), ([40, 2], 16), ([5] * 10, 8), ([9] * 3, 2), ([4, 4], 7)]
)
def test_pair_batches_hold_two_of_a_class_wherever_it_has_two(counts: list[int], batch_size: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    batches = training_batches(labels, batch_size, balanced=True, generator=np.random.default_rng(1))
    seen: set[int] = set()
    for batch in islice(batches, 60):
        assert len(set(batch.tolist())) == len(batch) <= batch_size
        held = np.bincount(labels[batch], minlength=len(counts))
        assert all(number == 0 or number >= min(2, counts[each]) for each, number in enumerate(held))
        seen |= set(batch.tolist())
    assert seen == set(range(len(labels)))


def test_a_small_class_leaves_its_share_to_the_others() -> None:
    labels = np.repeat([0, 1, 2], [30, 3, 1])
    batch = next(iter(training_batches(labels, 12, balanced=True, generator=np.random.default_rng(0))))
    assert np.bincount(labels[batch]).tolist() == [8, 3, 1]


@pytest.mark.parametrize("pairs", [False, True])
def test_the_seed_decides_the_order(pairs: bool) -> None:
    labels = np.arange(40) % 2

    def order(seed: int) -> list[list[int]]:
        batches = training_batches(labels, 8, balanced=pairs, generator=np.random.default_rng(seed))
        return [batch.tolist() for batch in islice(batches, 10)]

    assert order(3) == order(3) != order(4)
