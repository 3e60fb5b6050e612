"""What a loaded encoder must be: one stack of pretrained weights, its own tokenizer, and a head apart from it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from trainable.errors import EncoderError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "check_architecture",
    "check_vocabulary",
    "ensure_padding",
    "longest_input",
    "new_parameters",
    "starts_at_zero",
    "stated_positions",
]

_WITH_OFFSET = frozenset({"camembert", "mpnet", "roberta", "xlm-roberta"})
_POSITIONS = ("position_embeddings", "embed_positions")  # what architectures call their table of learned positions


def stated_positions(config: Mapping[str, Any]) -> int | None:
    """Return the longest input that a config.json states, or None where it states none.

    RoBERTa's kinds count positions from after the id of the padding token, and so bear fewer tokens than positions.
    """
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        return None
    padding = config.get("pad_token_id", 1)
    offset = config.get("model_type") in _WITH_OFFSET and isinstance(padding, int)
    return positions - padding - 1 if offset else positions


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the largest number of tokens that tokenizer, configuration and learned positions allow."""
    from torch import nn

    bounds = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.rsplit(".", 1)[-1] in _POSITIONS and isinstance(module, nn.Embedding):
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1  # as RoBERTa's kinds count them
            bounds.append(module.num_embeddings - skipped)
    return int(min(bound for bound in bounds if bound is not None and bound > 0))  # -1 states none


def new_parameters(model: PreTrainedModel, missing: Set[str], mismatched: Set[str], num_classes: int) -> frozenset[str]:
    """Return the names of the parameters that are drawn at random: those that the checkpoint does not bring.

    A checkpoint that brings scores of classes was fine-tuned, for other rows than the draw's: then its whole head is
    new. What pretraining alone gave to a head is kept.

    missing: names of what the checkpoint lacks. mismatched: names of what it has for another number of classes.
    """
    body = f"{model.base_model_prefix}."
    shapes = {name: weight.shape for name, weight in model.named_parameters()}
    head = {name for name in shapes if not name.startswith(body)}
    fine_tuned = any(shapes[name][:1] == (num_classes,) for name in head - missing)
    return frozenset(shapes) & (missing | mismatched | (head if fine_tuned else set()))


def starts_at_zero(model: PreTrainedModel, name: str) -> bool:
    """Return whether the architecture starts a vector at zero, as the norm weights of Gemma, to which its layers add 1.
    The model stays as it is."""
    import torch

    owner, _, own = name.rpartition(".")
    module = copy.deepcopy(model.get_submodule(owner))
    vector = getattr(module, own).detach().fill_(1.0)
    with torch.random.fork_rng(devices=[]):
        model._init_weights(module)  # type: ignore[no-untyped-call]  # in place, and no module within it
    return not bool(vector.any())


def check_architecture(name: str, model: PreTrainedModel, lacking: Set[str]) -> None:
    if model.config.is_encoder_decoder:
        raise EncoderError(
            f"an encoder must be a single stack; {name!r} is an encoder-decoder ({model.config.model_type}): choose an "
            "encoder of another kind, such as roberta-base"
        )
    if model.base_model is model:  # otherwise its weights could not be told from those of its head
        raise EncoderError(
            f"a classifier must hold its encoder apart from its head; {name!r} ({model.config.model_type}) does not: "
            "choose an encoder of another kind"
        )
    body = f"{model.base_model_prefix}."
    parameters = {parameter for parameter, _ in model.named_parameters()}
    missing = sorted(key for key in lacking & parameters if key.startswith(body) and "pooler" not in key)
    halves = {half for half in ("encoder", "decoder") if any(key.startswith(f"{body}{half}.") for key in missing)}
    if halves == {"decoder"}:  # as T5EncoderModel saves one
        raise EncoderError(
            f"an encoder is trained as the sequence classifier of its kind, which for {name!r} "
            f"({model.config.model_type}) has more than the checkpoint holds, such as {missing[0]}: choose an encoder "
            "of another kind"
        )
    if missing:  # otherwise an encoder with random weights would be compared as if it were pretrained
        raise EncoderError(
            f"the checkpoint must hold every weight of the encoder; {name!r} lacks {len(missing)} of them, such as "
            f"{missing[0]}: its config.json names another architecture, or the file is cut short"
        )


def check_vocabulary(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse the tokenizer of special tokens alone that transformers makes for a folder without tokenizer files."""
    known, embedded = len(tokenizer), _embedded_tokens(model)
    if embedded is None:
        raise EncoderError(
            f"an encoder must embed the tokens of a vocabulary; {name!r} ({model.config.model_type}) does not, as "
            "encoders of characters and bytes: choose one with a vocabulary, such as roberta-base"
        )
    if known <= len(tokenizer.all_special_tokens):
        raise EncoderError(f"an encoder needs its tokenizer; {name!r} has none: save it beside the weights")
    if known > embedded:
        raise EncoderError(
            f"the tokenizer must not know more tokens than the encoder embeds; that of {name!r} knows {known}, and "
            f"{embedded} are embedded: save the tokenizer that the encoder was trained with"
        )


def _embedded_tokens(model: PreTrainedModel) -> int | None:
    """Return how many tokens the model has an embedding of; None where it has no table of them."""
    try:
        embeddings: Any = model.get_input_embeddings()
    except NotImplementedError:  # what transformers raises for a model without one, such as CANINE
        return None
    table = getattr(embeddings, "weight", None)  # Perceiver gives an array of positions, which is no module
    return None if table is None else len(table)


def ensure_padding(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise EncoderError(
            f"a tokenizer needs a pad, end or unknown token; that of {name!r} has none: set its pad_token, and "
            "save it anew"
        )
    model.config.pad_token_id = tokenizer.pad_token_id  # rows are padded by the tokenizer's, whatever the model states
