"""Fixtures for every suite: a clean environment, and two tiny encoders built on this machine."""

from __future__ import annotations

import os
import string
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from transformers import PretrainedConfig

pytest_plugins = ("tests.services.postgres_server",)

# Before any heavy library reads them: no test may reach a model hub, a tracking server or a cluster by accident.
for _name in [name for name in os.environ if name.startswith(("MLFLOW_", "RAY_"))]:
    del os.environ[_name]
os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Generated examples are no timed tests: on a machine that does other things too, any of them can take seconds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_LETTERS = string.ascii_lowercase + string.digits
_WORDS = ("the", "a", "is", "was", "good", "great", "fine", "bad", "awful", "poor", "red", "green", "blue", "film")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what an earlier test, or a library that it used, left in the environment."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_") or name == "RAY_ADDRESS"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random BERT: 2 layers, hidden size 32, lower-case words and letters, segment ids."""
    from transformers import BertConfig

    folder = tmp_path_factory.mktemp("tiny-bert")
    vocabulary = _save_tokenizer(folder, start="[CLS]", end="[SEP]", pad="[PAD]", unknown="[UNK]", segments=True)
    _save_model(folder, BertConfig(**_SIZES, vocab_size=vocabulary, max_position_embeddings=128, pad_token_id=1))
    return folder


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random RoBERTa: 2 layers, hidden size 32, lower-case words and letters, no segment ids."""
    from transformers import RobertaConfig

    folder = tmp_path_factory.mktemp("tiny-roberta")
    vocabulary = _save_tokenizer(folder, start="<s>", end="</s>", pad="<pad>", unknown="<unk>", segments=False)
    config = RobertaConfig(
        **_SIZES, vocab_size=vocabulary, max_position_embeddings=130, bos_token_id=0, pad_token_id=1, eos_token_id=2
    )
    _save_model(folder, config)
    return folder


@pytest.fixture(scope="session")
def toy_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A csv file of 96 sentences, all different, columns text and label (bad, good), that their words tell apart."""
    every = [
        (f"{article} film {verb} {' '.join(words)}", label)
        for label, known in _TOY_CLASSES.items()
        for article in ("the", "a")
        for verb in ("is", "was")
        for words in product(known, repeat=3)
    ]
    chosen = np.random.default_rng(0).permutation(108)[:48].tolist()
    rows = dict([every[each] for each in chosen] + [every[108 + each] for each in chosen])
    path = tmp_path_factory.mktemp("toy") / "toy.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows.items()), encoding="utf-8")
    return path


_TOY_CLASSES = {"bad": ("bad", "awful", "poor"), "good": ("good", "great", "fine")}

_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.2,  # a random encoder this small tells words apart only if its weights are not tiny
}


def _save_model(folder: Path, config: PretrainedConfig) -> None:
    """Weights of the body alone, as a pretrained checkpoint has them: the head is missing."""
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    if bar:
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _save_tokenizer(folder: Path, *, start: str, end: str, pad: str, unknown: str, segments: bool) -> int:
    """A WordPiece tokenizer that knows a few words and every letter. Returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [start, pad, end, unknown, *_WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), *".,!?'-"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    second = 1 if segments else 0
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:{second} {end}:{second}",
        special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])],
    )
    names = ["input_ids", "token_type_ids", "attention_mask"] if segments else ["input_ids", "attention_mask"]
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        cls_token=start,
        sep_token=end,
        pad_token=pad,
        unk_token=unknown,
        model_max_length=128,
        model_input_names=names,
    ).save_pretrained(folder)
    return len(vocabulary)
