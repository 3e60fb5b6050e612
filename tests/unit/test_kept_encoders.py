"""A kept classifier reads texts as the encoder did that was trained, whatever encoder and tokenizer are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.sweeps.tiny_encoders import SIZES, save_model, write_architecture
from trainable.classifier import Classifier
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.embeddings import FrozenEncoder
from trainable.refitting import refit

WORDS = ("the", "a", "film", "is", "was", "good", "great", "fine", "bad", "awful", "poor", "FILM", "GOOD", "[UNK]")


def cased(folder: Path) -> Path:
    """An encoder with a tokenizer of a class of its own, whose folder says that texts are read in lower case."""
    from transformers import AutoConfig, BertTokenizer

    vocabulary = {word: number for number, word in enumerate(("[PAD]", "[CLS]", "[SEP]", "[MASK]", *WORDS))}
    BertTokenizer(vocab=vocabulary, do_lower_case=False, model_max_length=128).save_pretrained(folder)
    save_model(folder, AutoConfig.for_model("bert", **SIZES, vocab_size=len(vocabulary), max_position_embeddings=128))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": True}))
    return folder


def trial(encoder: Path, csv: Path, **fields: Any) -> TrialConfig:
    data = DatasetConfig(name="toy", path=str(csv))
    base = {"dataset": data, "shots": 4, "encoder": str(encoder), "max_length": 32}
    return TrialConfig.model_validate({**base, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"recipe": {"name": "frozen"}},
        {"loss": {"name": "cross_entropy"}, "steps": 2, "evaluations": 1},
        pytest.param({"recipe": {"name": "setfit", "max_steps": 2}}, marks=pytest.mark.slow),
    ],
    ids=["frozen", "fine_tune", "setfit"],
)
def test_lower_case_is_kept(fields: dict[str, Any], toy_csv: Path, tmp_path: Path) -> None:
    made = refit(trial(cased(tmp_path / "encoder"), toy_csv, **fields), shots=4).classifier
    made.save(tmp_path / "kept")
    for classifier in (made, Classifier.load(tmp_path / "kept")):
        upper, lower = classifier.scores(["the FILM is GOOD", "the film is good"])
        torch.testing.assert_close(upper, lower)
        assert "token_type_ids" in classifier.tokens(["a film"])


@pytest.mark.lengthy
@pytest.mark.parametrize("head", ["centroid", "checkpoint"])
@pytest.mark.parametrize("inference", ["head", "mixture", "neighbours"])
def test_states_are_those_of_the_classifier_where_the_body_has_others(
    head: str, inference: str, toy_csv: Path, tmp_path: Path
) -> None:
    encoder = write_architecture(tmp_path / "encoder", "longformer")
    fields = {"loss": {"name": "cross_entropy"}, "steps": 2, "evaluations": 1, "head": head, "inference": inference}
    config = trial(encoder, toy_csv, embedding="cls", encoder_lr=1e-12, head_lr=1e-12, **fields)
    rows = load(config.dataset).pool
    made = refit(config, shots=4).classifier
    made.save(tmp_path / "kept")
    read = Classifier.load(tmp_path / "kept")
    with torch.inference_mode():
        found = read.embeddings(read.tokens(list(rows.texts[:4])))
    wanted = FrozenEncoder.of(config, 2).embed(rows, np.arange(4))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    torch.testing.assert_close(read.scores(rows.texts), made.scores(rows.texts))
