"""Pairs of long texts are shortened before a tokenizer gets them, which makes the same of what is left."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.services.first_quick import first_quick
from trainable.classifier import Classifier, readable
from trainable.encoder.places import encoder_files

MOST = 16
LENGTHS = (0, 3, MOST, 2 * MOST, 5 * MOST, 5 * MOST + 1, 12 * MOST)
WORDS = ["the", "film", "is", "unbelievably", "3.5 stars,", "naïve", "— really?!", "中文", "supercalifragilistic", "a"]
UNKNOWN = "<unk>"
SPECIAL = [UNKNOWN, "<s>", "</s>", "<pad>"]


def wordpiece() -> Any:
    return AutoTokenizer.from_pretrained(encoder_files("all-MiniLM-L6-v2", None)[0].parent)


def byte_level() -> Any:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return trained(made, trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL, show_progress=False))


def unigram() -> Any:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return trained(
        made,
        trainers.UnigramTrainer(vocab_size=80, special_tokens=SPECIAL, unk_token=UNKNOWN, show_progress=False),
    )


def trained(made: Tokenizer, trainer: Any) -> Any:
    made.train_from_iterator([text(40, seed) for seed in range(9)], trainer)
    ends = [(each, made.token_to_id(each)) for each in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", ends)
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token=UNKNOWN, pad_token=SPECIAL[-1])  # type: ignore[no-untyped-call]


def text(words: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def ids(tokenizer: Any, firsts: list[str], seconds: list[str] | None, most: int) -> Any:
    return tokenizer(firsts, seconds, truncation="longest_first", max_length=most)["input_ids"]


@pytest.mark.lengthy
@pytest.mark.parametrize("make", first_quick([byte_level, wordpiece, unigram]))
@pytest.mark.parametrize(("most", "side"), [(MOST, "right"), (MOST + 1, "right"), (MOST, "left"), (MOST + 1, "left")])
def test_the_tokens_are_those_of_the_whole_texts(make: Callable[[], Any], most: int, side: str) -> None:
    tokenizer = make()
    tokenizer.truncation_side = side
    pairs = [(text(n, 1), text(m, 2)) for n, m in product(LENGTHS, LENGTHS)]
    pairs += [(text(9 * MOST, seed), text(9 * MOST, seed)) for seed in range(3)]
    firsts, seconds = map(list, zip(*pairs, strict=True))  # of the first, of the second
    left = readable(firsts, seconds, tokenizer, most)
    assert left[1] is not None
    assert ids(tokenizer, *left, most) == ids(tokenizer, firsts, seconds, most)
    longest = len(LENGTHS) ** 2 - 1
    assert len(firsts[longest]) > 1200
    assert len(left[0][longest]) + len(left[1][longest]) < 1800, "however long the texts are"


@pytest.mark.parametrize("make", [wordpiece, byte_level, unigram])
def test_a_word_without_end_is_cut_too(make: Callable[[], Any]) -> None:
    left = readable(["x" * 100_000], ["y" * 100_000], tokenizer := make(), MOST)
    assert left[1] is not None
    if tokenizer.convert_tokens_to_ids("[CLS]") is None:  # to the other one, such a word is one unknown token
        assert max(len(left[0][0]), len(left[1][0])) < 8000
    assert len(ids(tokenizer, *left, MOST)[0]) <= MOST


@pytest.mark.parametrize("make", [wordpiece, byte_level, unigram])
def test_a_tokenizer_that_cuts_beginnings_gets_the_ends_of_long_texts(make: Callable[[], Any]) -> None:
    tokenizer, pairs = make(), ([text(60, 3)], [text(50, 4)])
    tokenizer.truncation_side = "left"
    assert ids(tokenizer, *readable(*pairs, tokenizer, MOST), MOST) == ids(tokenizer, *pairs, MOST)
    left = readable(["x" * 100_000], ["y" * 100_000], tokenizer, MOST)
    assert len(ids(tokenizer, *left, MOST)[0]) <= MOST


def test_single_texts_and_pairs_of_which_one_is_short_are_left_alone() -> None:
    tokenizer, long = wordpiece(), text(400, 1)
    assert readable([long], None, tokenizer, MOST) == ([long], None)
    assert readable([long, "a"], ["a", long], tokenizer, MOST) == ([long, "a"], ["a", long])


class Keeping:
    """A tokenizer of words that keeps from call to call how it cuts, takes a while, and serves one thread at a time, as
    fast ones do."""

    is_fast = False

    def __init__(self) -> None:
        self.most: int | None = None
        self.asked = object()

    def __call__(self, first: Any, second: Any = None, *, max_length: int | None = None, **fields: Any) -> Any:
        self.most = max_length
        self.asked = asked = object()
        time.sleep(0.003)
        if self.asked is not asked:
            raise RuntimeError("Already borrowed")
        texts = [first] if isinstance(first, str) else first
        seconds = [""] * len(texts) if second is None else second
        rows = [f"{one} {two}".split()[: self.most] for one, two in zip(texts, seconds, strict=True)]
        return {"input_ids": rows[0] if isinstance(first, str) else rows, "attention_mask": torch.ones(len(rows), 1)}

    def decode(self, words: list[str]) -> str:
        return " ".join(words)


def test_texts_are_cut_however_many_threads_ask() -> None:
    """A server answers in several threads, and some of them had pairs that were not cut, or cut at another place."""
    asked: Any = Classifier(
        labels=("no", "yes"),
        model=None,
        tokenizer=Keeping(),
        head={"kind": "own"},
        max_length=MOST,
        paired=True,
        separator="/",
    )
    long = [" ".join(map(str, range(5 * MOST)))]
    alone = asked.tokens(long, long)["input_ids"]
    assert len(alone[0]) == MOST
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda turn: asked.tokens(long, long)["input_ids"], range(6))) == [alone] * 6
