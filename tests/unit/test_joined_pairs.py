"""Two texts that an encoder reads as one: what is cut where they are too long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from sweep.explain.attribution.words import NO_WORD, tokenised
from trainable.classifier import Classifier, joined
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.encoder.places import encoder_files
from trainable.recipes.entry import Trial


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(encoder_files("all-MiniLM-L6-v2", None)[0].parent)


LONG = " ".join(["red", "blue", "green", "good", "bad", "film", "was"] * 9)


@pytest.mark.parametrize("max_length", [8, 9, 16, 17, 40])
@pytest.mark.parametrize("first", ["red", "a good film", LONG, ""])
@pytest.mark.parametrize("second", ["blue", "a bad film , awful !", LONG])
def test_a_pair_is_cut_as_by_a_tokenizer_that_is_given_both(
    first: str, second: str, max_length: int, tokenizer: Any
) -> None:
    text = joined(first, second, tokenizer, tokenizer.sep_token, max_length)
    both = tokenizer(first, second, truncation="longest_first", max_length=max_length)["input_ids"]
    assert tokenizer(text)["input_ids"] == both


def test_there_is_room_for_a_prompt(tokenizer: Any) -> None:
    text = joined(LONG, LONG, tokenizer, "[SEP]", 16, "a film : ")
    assert len(tokenizer("a film : " + text)["input_ids"]) == 16


def test_what_has_room_is_left_as_it_is(tokenizer: Any) -> None:
    assert joined("A  good film", "bad ", tokenizer, "[SEP]", 16) == "A  good film [SEP] bad "


@pytest.mark.parametrize("prompt", ["", "a film : "])
@pytest.mark.parametrize(("first", "second"), [(LONG, "a bad film"), ("a bad film", LONG), (LONG, LONG), ("red", "a")])
def test_each_token_of_a_cut_pair_belongs_to_the_word_that_it_is_of(
    first: str, second: str, prompt: str, tokenizer: Any
) -> None:
    read: Any = {"tokenizer": tokenizer, "prompt": prompt, "max_length": 24, "paired": True, "separator": "[SEP]"}
    pairs = Classifier(labels=("a", "b"), model=None, head={"kind": "linear"}, **read)
    (found,) = tokenised(pairs, [first], [second])
    tokens = tokenizer.convert_ids_to_tokens(found.inputs["input_ids"].tolist())
    of_words = [(token, found.words[word]) for token, word in zip(tokens, found.word_T, strict=True) if word != NO_WORD]
    assert [token for token, _ in of_words] == [word.text for _, word in of_words]
    separator = tokens.index("[SEP]")
    assert [word.second for _, word in of_words] == sorted(word.second for _, word in of_words)
    assert sum(not word.second for _, word in of_words) == separator - 1 - len(prompt.split())
    for text, is_second in ((first, False), (second, True)):
        kept = [word.read for word in found.words if word.second == is_second]
        assert len(kept) == len(text.split())
        assert kept == sorted(kept, reverse=True), "the end of a text is cut"
        assert kept.count(True) == sum(word.second == is_second for _, word in of_words)


@pytest.mark.slow
def test_setfit_reads_the_second_text_of_a_pair_whose_first_is_long(tiny_bert: Path, tmp_path: Path) -> None:
    setfit_training = pytest.importorskip("trainable.setfit_training")
    rows = [f"{LONG} {number},{'good' if number % 2 else 'bad'},{'yn'[number % 2]}" for number in range(40)]
    (tmp_path / "pairs.csv").write_text("text,second,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "pairs", "path": str(tmp_path / "pairs.csv"), "text_pair": "second"},
            **{"shots": 2, "encoder": str(tiny_bert), "max_length": 16, "recipe": {"name": "setfit"}},
        }
    )
    data = load(config.dataset)
    trial = Trial(config=config, data=data, draws=(0,), samples=(draw_of(config, data, 0),), part="validation")
    run = setfit_training.SetFitTraining.begun(trial)
    places = np.array([int(np.flatnonzero(data.pool.labels_N == label)[0]) for label in (0, 1)])
    good, bad = run.body.encode(run._texts(data.pool, places))
    assert np.abs(good - bad).max() > 1e-3
