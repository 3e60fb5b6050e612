"""What a model card says: of one draw no interval, and how the tokens of an ONNX file are made."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from sweep.refitting.card import _by_class, _metadata, _onnx
from sweep.refitting.expected import expected
from sweep.verdict.statistics import Summary
from trainable.onnx_export import OnnxFile
from trainable.outcomes import Outcome

FILE = OnnxFile(
    inputs=("input_ids",),
    megabytes=90.0,
    torch_megabytes=90.0,
    milliseconds=1.0,
    torch_milliseconds=2.0,
    difference=1e-7,
)


@pytest.mark.parametrize(
    ("draws", "said"),
    [(1, "75.0 % with 3 labels per class on one draw and 4 test rows"), (2, "95 % interval 50.0 to 100.0.* 2 draws")],
)
def test_one_draw_has_no_interval(draws: int, said: str) -> None:
    """It was said to be certain: "100.0 % (95 % interval 100.0 to 100.0) on 1 draws"."""
    low, high = (0.75, 0.75) if draws == 1 else (0.5, 1.0)
    summary = Summary(n=draws, mean=0.75, sd=0.0, low=low, high=high)
    winner = SimpleNamespace(config=SimpleNamespace(metric="accuracy"))
    arm: Any = SimpleNamespace(summary=summary, winner=winner, tested=4)
    comparison: Any = SimpleNamespace(subtitle="3 labels per class")
    refitted: Any = SimpleNamespace(answers=None, rows=8)
    sentence = expected(refitted, comparison, arm)
    assert ("interval" in sentence) == (draws > 1)
    assert re.search(said, sentence)


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({}, 'tokenizer(texts, truncation=True, max_length=64, padding=True, padding_side="right")'),
        ({"paired": True}, "tokenizer(texts, pairs, truncation=True, max_length=64"),
        ({"prompt": "query: "}, None),
        ({"paired": True, "separator": "</s>"}, None),
    ],
)
def test_tokens_for_an_onnx_file_are_cut_as_in_training(fields: dict[str, Any], call: str | None) -> None:
    """The folder's tokenizer by itself reads as much as its encoder can: other scores for long texts."""
    given: Any = SimpleNamespace(**{"paired": False, "prompt": "", "separator": "", "max_length": 64, **fields})
    text = _onnx(FILE, given)
    assert "as `Classifier.tokens` makes them" in text
    assert call in text if call else "tokenizer(" not in text


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((None, None), "the answers of all draws of the confirmation counted together:"),
        (
            (None, Outcome.DIVERGED, Outcome.FAILED),
            "the answers of 1 of 3 draws of the confirmation counted together (the trainings of the others diverged or",
        ),
    ],
)
def test_answers_by_class_are_said_to_be_of_the_draws_that_have_them(
    ends: tuple[Outcome | None, ...], said: str
) -> None:
    """They were said to be of all draws, with a recall of 100 % beside a score that counts a third of it."""
    found = [SimpleNamespace(evaluation=SimpleNamespace(initialisation=0, outcome=end)) for end in ends]
    again = SimpleNamespace(evaluation=SimpleNamespace(initialisation=1, outcome=Outcome.DIVERGED))
    arm: Any = SimpleNamespace(
        confusion=((4, 0), (0, 2)),
        winner=SimpleNamespace(config=SimpleNamespace(recipe=None)),
        confirmation=SimpleNamespace(replicates=(*found, again)),
    )
    refitted: Any = SimpleNamespace(classifier=SimpleNamespace(labels=("no", "yes")), counts=(5, 3))
    sentence, table = _by_class(refitted, arm)
    assert said in sentence
    assert table.splitlines()[2:] == ["| no | 5 | 100 % | 100 % |", "| yes | 3 | 100 % | 100 % |"]


@pytest.mark.parametrize(
    ("encoder", "base"),
    [
        ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
        ("FacebookAI/roberta-base", "FacebookAI/roberta-base"),
        ("/data/my encoder", None),
    ],
)
def test_the_base_model_is_one_that_the_hub_knows(encoder: str, base: str | None) -> None:
    """The packaged encoder was named without its owner, and of a folder the name, which the hub refuses or takes for
    another model."""
    config: Any = SimpleNamespace(encoder=encoder, method="frozen")
    refitted: Any = SimpleNamespace(classifier=SimpleNamespace(head={"kind": "linear"}))
    assert _metadata(refitted, config).get("base_model") == base
