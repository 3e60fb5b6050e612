"""Random encoders of two layers, and the tokenizer that they share."""

from __future__ import annotations

import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = ["ARCHITECTURES", "KINDS", "SIZES", "save_model", "save_tokenizer", "write_architecture", "write_encoder"]

_LETTERS = string.ascii_lowercase + string.digits
_WORDS = ("the", "a", "is", "was", "good", "great", "fine", "bad", "awful", "poor", "red", "green", "blue", "film")


SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.2,  # a random encoder this small tells words apart only if its weights are not tiny
}

_SEGMENTS = {"bert": True, "electra": True, "albert": True, "deberta-v2": True, "distilbert": False}
_WITH_OFFSET = ("roberta", "xlm-roberta", "mpnet")  # of positions, which begin after the pad token's id
KINDS = (*_SEGMENTS, *_WITH_OFFSET)
"""The architectures, as `transformers` calls them."""


def write_encoder(folder: Path, kind: str = "bert") -> Path:
    """Save a random encoder: 2 layers, hidden size 32, lower-case words and letters, inputs of 128 tokens."""
    from transformers import AutoConfig

    if kind in _WITH_OFFSET:
        size = save_tokenizer(folder, start="<s>", end="</s>", pad="<pad>", unknown="<unk>", segments=False)
        special: dict[str, int] = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
        positions = 130
    else:
        size = save_tokenizer(
            folder, start="[CLS]", end="[SEP]", pad="[PAD]", unknown="[UNK]", segments=_SEGMENTS[kind]
        )
        special, positions = {"pad_token_id": 1}, 128
    save_model(
        folder, AutoConfig.for_model(kind, **SIZES, vocab_size=size, max_position_embeddings=positions, **special)
    )
    return folder


_HEADS: dict[str, Any] = {"n_layer": 2, "n_head": 2}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_positions": 128, **_HEADS},
    "gpt_neox": {},
    "llama": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 16, "max_position_embeddings": 128},
    "modernbert": {"max_position_embeddings": 128},
    "nomic_bert": {"max_position_embeddings": 128},
    "longformer": {"attention_window": [16, 16]},
    "data2vec-text": {},
    "deberta": {"max_position_embeddings": 128},
    "squeezebert": {"embedding_size": 32, "max_position_embeddings": 128},
    "xlm": {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 128},
    "mobilebert": {"embedding_size": 32, "true_hidden_size": 32, "intra_bottleneck_size": 32},
    "big_bird": {"block_size": 4, "num_random_blocks": 1},
    "canine": {},
    "convbert": {"embedding_size": 32, "head_ratio": 2, "conv_kernel_size": 3, "num_groups": 1},
    "fnet": {},
    "funnel": {"block_sizes": [1, 1], "d_model": 32, "n_head": 2, "d_head": 16, "architectures": ["FunnelBaseModel"]},
    "perceiver": {"d_model": 32, "d_latents": 32, "num_latents": 8, "num_self_attends_per_block": 1},
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
    "xlnet": {"d_model": 32, "d_inner": 64, **_HEADS},
    "yoso": {},
}
"""More architectures, as people try them, each with the fields of its own."""

_OWN_SIZES = ("funnel", "xlnet")  # they refuse the usual names


def write_architecture(folder: Path, kind: str) -> Path:
    """Save a random encoder of any architecture, with the tokenizer of `write_encoder`."""
    from transformers import AutoConfig

    if kind in KINDS:
        return write_encoder(folder, kind)
    size = save_tokenizer(folder, start="<s>", end="</s>", pad="<pad>", unknown="<unk>", segments=False)
    usual = {"initializer_range": 0.2} if kind in _OWN_SIZES else {**SIZES, "max_position_embeddings": 130}
    special = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    save_model(folder, AutoConfig.for_model(kind, **{**usual, "vocab_size": size, **special, **ARCHITECTURES[kind]}))
    return folder


def save_model(folder: Path, config: PretrainedConfig) -> None:
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


def save_tokenizer(folder: Path, *, start: str, end: str, pad: str, unknown: str, segments: bool) -> int:
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
