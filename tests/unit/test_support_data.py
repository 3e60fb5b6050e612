"""The shipped data set keeps the properties that its README promises."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import trainable

_FOLDER = Path(trainable.__file__).parent / "data" / "support"
_ROWS_PER_INTENT = {"train": 70, "test": 35}
_INTENTS = {
    "account_access",
    "account_change",
    "cancel_order",
    "change_delivery",
    "delivery_delay",
    "payment_problem",
    "refund_status",
    "return_item",
}


class Row(NamedTuple):
    split: str
    text: str
    label: str


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    lines = {split: (_FOLDER / f"{split}.jsonl").read_bytes().decode("utf-8") for split in _ROWS_PER_INTENT}
    return [Row(split, **json.loads(line)) for split, text in lines.items() for line in text.splitlines()]


def test_every_intent_has_the_same_number_of_rows_in_each_split(rows: list[Row]) -> None:
    counts = Counter((row.split, row.label) for row in rows)
    assert counts == {(split, intent): rows for split, rows in _ROWS_PER_INTENT.items() for intent in _INTENTS}


def test_labels_are_in_snake_case(rows: list[Row]) -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", row.label) for row in rows)


def test_texts_are_clean(rows: list[Row]) -> None:
    for row in rows:
        assert row.text == " ".join(row.text.split()), row
        assert row.text.isprintable(), row
        assert row.text.isascii(), row


def test_no_text_occurs_twice_within_or_across_splits(rows: list[Row]) -> None:
    spellings = Counter(" ".join(_words(row.text)) for row in rows)
    assert [text for text, count in spellings.items() if count > 1] == []


def test_no_two_texts_share_most_of_their_words(rows: list[Row]) -> None:
    bags = [set(_words(row.text)) for row in rows]
    vocabulary = {word: column for column, word in enumerate(sorted(set().union(*bags)))}
    occurs = np.zeros((len(rows), len(vocabulary)), dtype=np.float32)
    for row, bag in enumerate(bags):
        occurs[row, [vocabulary[word] for word in bag]] = 1
    shared, sizes = occurs @ occurs.T, occurs.sum(axis=1)
    similarity = np.triu(shared / (sizes[:, None] + sizes - shared), k=1)
    assert [(rows[i].text, rows[j].text) for i, j in np.argwhere(similarity > 0.5)] == []


def test_lengths_are_spread_from_3_to_30_words(rows: list[Row]) -> None:
    for intent in _INTENTS:
        lengths = np.array([len(row.text.split()) for row in rows if row.label == intent])
        assert lengths.min() >= 3
        assert lengths.max() <= 30
        assert (lengths <= 6).mean() >= 0.04, intent
        assert (lengths >= 18).mean() >= 0.08, intent
        assert lengths.std() >= 4, intent


def test_utterances_do_not_follow_templates(rows: list[Row]) -> None:
    """Slot filling shows as openings that many texts of an intent share, and as long runs of words that recur."""
    for intent in _INTENTS:
        texts = [_words(row.text) for row in rows if row.label == intent]
        openings = Counter(tuple(words[:3]) for words in texts)
        assert sum(count for count in openings.values() if count > 1) <= 0.2 * len(texts), openings.most_common(3)
        runs = Counter(run for words in texts for run in {tuple(words[at : at + 6]) for at in range(len(words) - 5)})
        assert [" ".join(run) for run, count in runs.items() if count > 1] == []


def test_some_customers_write_carelessly(rows: list[Row]) -> None:
    for intent in _INTENTS:
        texts = [row.text for row in rows if row.label == intent]
        assert np.mean([text[0].islower() for text in texts]) >= 0.15, intent


def test_readme_defines_every_intent_with_its_counts() -> None:
    readme = (_FOLDER / "README.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+ \| \d+) \|$", readme, flags=re.MULTILINE))
    assert table == dict.fromkeys(_INTENTS, "{train} | {test}".format_map(_ROWS_PER_INTENT))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower().replace("'", ""))
