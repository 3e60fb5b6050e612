"""Pretrained encoders with a classification head: loaded once per process, reset in place for every replicate.

Weights are read from safetensors only, and no code of a model repository is ever run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from trainable.encoder.behaviour import Behaviour, observe
from trainable.encoder.files import check_config
from trainable.encoder.places import encoder_files, place_of
from trainable.encoder.pooling import stated_layers, stated_pooling
from trainable.encoder.prompts import prompt_text
from trainable.encoder.reading import read, read_config
from trainable.encoder.requirements import (
    check_architecture,
    check_vocabulary,
    ensure_padding,
    longest_input,
    new_parameters,
    starts_at_zero,
    stated_positions,
)
from trainable.encoder.stated import check_reading
from trainable.errors import ConfigError
from trainable.precision import is_faster_in_bf16
from trainable.quiet import quiet

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from trainable.encoder.modules import EmbeddingModules
    from trainable.objective import Embedding

__all__ = ["PROVEN", "Encoder", "check_encoder", "forget", "free_accelerator", "light_encoder", "load_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A sequence classifier that can be reset to its pretrained state.

    name: Hugging Face id, folder or packaged name, as configured.
    revision: commit, branch or tag on the Hugging Face hub, as configured.
    model: the classifier, whose weights are trained in place.
    tokenizer: the checkpoint's own.
    new: names of the parameters that every reset draws at random: the head, and what the checkpoint lacks.
    pretrained: all other weights by name, on the CPU.
    behaviour: what was seen when it was loaded.
    stated: what its folder applies to a pooled embedding, if that has been asked for; trained in place too.
    tried: numbers of tokens of the rows that it is known to score.
    """

    name: str
    revision: str | None
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    new: frozenset[str]
    pretrained: Mapping[str, Tensor]
    behaviour: Behaviour
    stated: list[EmbeddingModules | None] = field(default_factory=list)
    tried: set[int] = field(default_factory=set)

    @property
    def embedding_size(self) -> int:
        """Size D of a token's last hidden state."""
        return self.behaviour.embedding_size

    @property
    def longest_input(self) -> int:
        """The largest number of tokens that a row may have, as far as configuration, tokenizer and weights tell."""
        return longest_input(self.model, self.tokenizer)

    def modules_for(self, asked: str | None) -> EmbeddingModules | None:
        """Return what is applied to a pooled embedding where `asked` is configured: what the encoder's folder states,
        for "auto" alone. Raises TrainableError for modules that cannot be used."""
        if asked != "auto":
            return None
        if not self.stated:
            from trainable.encoder.modules import embedding_modules  # imported late: it loads tensors

            self.stated.append(embedding_modules(self.name, self.revision, self.embedding_size))
        return self.stated[0]

    def size_for(self, asked: str | None) -> int:
        """Return the size of a sentence's embedding where `asked` is configured."""
        modules = self.modules_for(asked)
        return self.embedding_size if modules is None else modules.size

    def to(self, device: torch.device | str) -> None:
        """Move all weights to a device."""
        self.model.to(device)  # type: ignore[arg-type]  # the library's wrapper hides the signature
        for modules in filter(None, self.stated):
            modules.to(device)

    def prompt(self, asked: str | None) -> str:
        """Return the text that is put before every text where `asked` is configured (`prompts.prompt_text`)."""
        return prompt_text(self.name, self.revision, asked)

    def embedding_for(self, asked: Embedding | Literal["auto"] | None, *, published: bool = False) -> Embedding:
        """Return the embedding that is used where `asked` is configured.

        "auto" is the pooling that the encoder's folder states, or else the mean of the tokens. None is the first token,
        or the mean of the tokens where the first one cannot see the text after it, as in a causal decoder.

        Raises ConfigError for the first token where it cannot see the text, and for a pooling that is neither.
        published: `tokens` are then scored by the first token.
        """
        received = f"embedding: {asked}"
        if asked == "auto":
            check_reading(self.name, self.revision)
            asked = stated_pooling(self.name, self.revision) or "mean"
            received = f"the pooling {asked} of its folder"
        if asked is None:
            return "cls" if self.behaviour.first_token_sees else "mean"
        if not self.behaviour.first_token_sees and (asked == "cls" or (published and asked == "tokens")):
            raise ConfigError(
                f"an embedding must see the text; the first token of {self.name!r} ({self.model.config.model_type}) "
                f"does not see what follows it; received {received}: set embedding: mean"
            )
        return asked

    def uses_bf16(self, precision: Literal["auto", "fp32", "bf16"], device: torch.device) -> bool:
        """Return whether the field `precision` means mixed precision of bfloat16 and fp32 on a device.

        For "auto" it does where it is faster, and was seen to change the outputs by no more than rounding.
        """
        if precision != "auto":
            return precision == "bf16"
        return self.behaviour.bears_bf16 and is_faster_in_bf16(device, self.embedding_size)

    def check_length(self, max_length: int) -> None:
        """Score a row of exactly `max_length` tokens beside a short one, unless a longer one was tried.

        Raises ConfigError if it is longer than the longest input, and EncoderError if it cannot be scored.
        """
        _check_length(self.name, max_length, self.longest_input)
        if max(self.tried) < max_length <= _LONGEST_TRIED:
            self.reset(0)  # the last trial may have left weights that are not finite
            with quiet():
                observe(self.name, self.model, self.tokenizer, (min(_TRIED[1], max_length), max_length))
            self.tried.add(max_length)

    def reset(self, seed: int, drawn: Set[str] = frozenset()) -> None:
        """Set every weight to its pretrained value in place, and draw the new ones from `seed`.

        drawn: names of pretrained weights that are drawn as if they were new.

        New matrices are normal(0, `initializer_range`), new biases 0, other new vectors (norm weights) 1, or 0 where
        the architecture starts them there.
        """
        import torch

        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.model.state_dict().items():  # shares its storage with the model
            kept = name in self.pretrained and name not in drawn
            weight.copy_(self.pretrained[name] if kept else self._draw(name, weight, generator))
        for modules in filter(None, self.stated):
            modules.reset()

    def _draw(self, name: str, weight: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        if weight.ndim >= 2:
            deviation = float(getattr(self.model.config, "initializer_range", 0.02))
            return torch.empty(weight.shape).normal_(0.0, deviation, generator=generator)
        zero = name.endswith("bias") or starts_at_zero(self.model, name)
        return torch.zeros(weight.shape) if zero else torch.ones(weight.shape)


PROVEN = frozenset(
    {"albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"}
)
"""Encoders, by their `model_type`, which tests have shown to leave padding out and to see the text from the first token
on. They are tried like all others when they are loaded."""

_TRIED = (4, 12, 32)  # tokens of the rows that are tried at loading
_LONGEST_TRIED = 1024  # a longer row takes minutes on a CPU
_LIGHT = 2 * 2**30  # bytes of files of an encoder that is loaded to be checked: more may not fit into a driver's memory

_CHECKED: set[tuple[str, str | None, int, str | None, bool]] = set()
_LOADED: dict[tuple[str, str | None, int], Encoder] = {}
_KEPT = 2  # cells of one sweep alternate between few class counts; more would cost memory


def load_encoder(name: str, revision: str | None, num_classes: int) -> Encoder:
    """Return the encoder in fp32 with a head for `num_classes`; the two used last are kept in the process's memory.

    Raises EncoderError if it cannot be found, is not in safetensors, or is no sequence classifier.
    """
    key = (name, revision, num_classes)
    encoder = _LOADED.pop(key, None)
    while len(_LOADED) >= _KEPT:
        del _LOADED[next(iter(_LOADED))]
    _LOADED[key] = encoder if encoder is not None else _load(name, revision, num_classes)
    return _LOADED[key]


def forget() -> None:
    """Load and check every encoder anew when it is asked for next."""
    free_accelerator()
    _LOADED.clear()
    _CHECKED.clear()


def free_accelerator() -> None:
    """Move every loaded encoder to the CPU, and release the memory that the accelerator's allocator has reserved.

    Otherwise a trial that ran out of memory would leave less of it to the next trial and to other processes. The driver
    of a sweep never loads torch, and has nothing to release.
    """
    if "torch" not in sys.modules:
        return
    import torch

    for encoder in _LOADED.values():
        encoder.model.zero_grad(set_to_none=True)
        encoder.to("cpu")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def check_encoder(
    name: str,
    revision: str | None,
    max_length: int,
    embedding: Embedding | Literal["auto"] | None = None,
    *,
    published: bool = False,
    prompt: str | None = None,
) -> None:
    """Check before any training that the encoder exists, takes rows of `max_length` tokens, and can be used so.

    Encoders of well-known kinds are not loaded for that, which takes seconds; `load_encoder` tries them too. Others are
    loaded where their weights are small.

    Raises EncoderError if it cannot serve, and ConfigError if `max_length` exceeds its longest input, `embedding`
    cannot see the text or is none that can be used, or `prompt` is none that the encoder has.
    """
    config = read_config(name, place_of(name, revision), revision)
    check_config(name, config)
    encoder_files(name, revision)
    _check_length(name, max_length, stated_positions(config))
    prompt_text(name, revision, prompt)
    if embedding == "auto":
        stated_pooling(name, revision)
        stated_layers(name, revision)
        check_reading(name, revision)
    asked = (name, revision, max_length, embedding, published)
    if asked in _CHECKED or (config.get("model_type") in PROVEN and not config.get("is_decoder")):
        return
    if (encoder := light_encoder(name, revision)) is not None:
        encoder.check_length(max_length)
        encoder.embedding_for(embedding, published=published)
        _CHECKED.add(asked)


def light_encoder(name: str, revision: str | None) -> Encoder | None:
    """Return the encoder with a head for two classes, to be checked before any training; None where its weights may not
    fit into a driver's memory. Raises EncoderError as `load_encoder` does."""
    if sum(path.stat().st_size for path in encoder_files(name, revision)) > _LIGHT:
        return None
    return load_encoder(name, revision, 2)


def _check_length(name: str, max_length: int, longest: int | None) -> None:
    if longest is not None and max_length > longest:
        raise ConfigError(
            f"max_length must be at most {longest}, the longest input of {name}; received {max_length}: lower it"
        )


def _load(name: str, revision: str | None, num_classes: int) -> Encoder:
    tokenizer, model, loading = read(name, revision, num_classes)
    missing, mismatched = set(loading["missing_keys"]), {key for key, *_ in loading["mismatched_keys"]}
    check_vocabulary(name, model, tokenizer)
    check_architecture(name, model, missing | mismatched)
    ensure_padding(name, model, tokenizer)
    lengths = [min(length, longest_input(model, tokenizer)) for length in _TRIED]
    with quiet():
        behaviour = observe(name, model, tokenizer, lengths, fully=True)
    new = new_parameters(model, missing, mismatched, num_classes)
    return Encoder(
        name=name,
        revision=revision,
        model=model,
        tokenizer=tokenizer,
        new=new,
        pretrained={key: value.detach().cpu().clone() for key, value in model.state_dict().items() if key not in new},
        behaviour=behaviour,
        tried=set(lengths),
    )
