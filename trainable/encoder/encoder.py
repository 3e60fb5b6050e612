"""Pretrained encoders with a classification head: loaded once per process, reset in place for every replicate.

Weights are read from safetensors only, and no code of a model repository is ever run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainable.encoder.files import check_config, check_index
from trainable.encoder.places import CHOICES, place_of
from trainable.errors import ConfigError, EncoderError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Encoder", "check_encoder", "free_accelerator", "load_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A sequence classifier that can be reset to its pretrained state.

    name: Hugging Face id, folder or packaged name, as configured.
    revision: commit, branch or tag on the Hugging Face hub, as configured.
    model: the classifier, whose weights are trained in place.
    tokenizer: the checkpoint's own.
    new: names of the parameters that the checkpoint lacks (the head), which every reset draws at random.
    pretrained: all other weights by name, on the CPU.
    """

    name: str
    revision: str | None
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    new: frozenset[str]
    pretrained: Mapping[str, Tensor]

    @property
    def embedding_size(self) -> int:
        """Size D of a token's last hidden state."""
        return int(self.model.config.hidden_size)

    @property
    def longest_input(self) -> int:
        """The largest number of tokens that a row may have."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        return int(min(self.tokenizer.model_max_length, positions))

    def reset(self, seed: int) -> None:
        """Set every weight to its pretrained value in place, and draw the new ones from `seed`.

        New matrices are normal(0, `initializer_range`), new biases 0, other new vectors (norm weights) 1.
        """
        import torch

        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.model.state_dict().items():  # shares its storage with the model
            weight.copy_(self.pretrained[name] if name in self.pretrained else self._draw(name, weight, generator))

    def _draw(self, name: str, weight: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        if weight.ndim >= 2:
            deviation = float(getattr(self.model.config, "initializer_range", 0.02))
            return torch.empty(weight.shape).normal_(0.0, deviation, generator=generator)
        return torch.zeros(weight.shape) if name.endswith("bias") else torch.ones(weight.shape)


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


def free_accelerator() -> None:
    """Move every loaded encoder to the CPU, and release the memory that the accelerator's allocator has reserved.

    Otherwise a trial that ran out of memory would leave less of it to the next trial and to other processes.
    """
    import torch

    for encoder in _LOADED.values():
        encoder.model.zero_grad(set_to_none=True)
        encoder.model.to("cpu")  # type: ignore[arg-type]  # the library's wrapper hides the signature
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def check_encoder(name: str, revision: str | None, max_length: int) -> None:
    """Check without loading torch that the encoder exists and takes rows of `max_length` tokens.

    Raises EncoderError if it cannot be found, and ConfigError if `max_length` exceeds its longest input.
    """
    config = _read_config(name, place_of(name, revision), revision)
    check_config(name, config)
    longest = config.get("max_position_embeddings")
    if isinstance(longest, int) and max_length > longest:
        raise ConfigError(
            f"max_length must be at most {longest}, the longest input of {name}; received {max_length}: lower it"
        )


def _read_config(name: str, place: Path | str, revision: str | None) -> dict[str, Any]:
    try:
        if isinstance(place, str):
            from huggingface_hub import hf_hub_download

            place = Path(hf_hub_download(place, "config.json", revision=revision)).parent
        config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    except Exception as error:  # of several libraries: HTTP, name service, offline mode, unknown ids, broken files
        raise EncoderError(_why_not(name, place, error)) from error
    return config if isinstance(config, dict) else {}


def _load(name: str, revision: str | None, num_classes: int) -> Encoder:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    source: dict[str, Any] = {"trust_remote_code": False}
    place = place_of(name, revision)
    if isinstance(place, str):
        source["revision"] = revision or "main"
    check_config(name, _read_config(name, place, revision))
    try:
        check_index(name, place, revision)
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(place, **source)
            tokenizer("Does it work?")  # some damages show with the first text only
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                place,
                num_labels=num_classes,
                dtype="float32",
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # the head of a fine-tuned checkpoint may be for other classes
                output_loading_info=True,
                **source,
            )
    except (MemoryError, EncoderError):
        raise
    except BaseException as error:  # the readers of configuration, tokenizer and weights have exceptions of their own
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of code in Rust
            raise
        raise EncoderError(_why_not(name, place, error)) from error
    new = frozenset(loading["missing_keys"]) | {key for key, *_ in loading["mismatched_keys"]}
    new &= {parameter for parameter, _ in model.named_parameters()}
    _check_architecture(name, model, new)
    _check_vocabulary(name, model, tokenizer)
    _ensure_padding(name, model, tokenizer)
    pretrained = {key: weight.detach().cpu().clone() for key, weight in model.state_dict().items() if key not in new}
    return Encoder(name=name, revision=revision, model=model, tokenizer=tokenizer, new=new, pretrained=pretrained)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence progress bars and loading tables, and never ask the hub to convert pickled weights."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _why_not(name: str, place: Path | str, error: BaseException) -> str:
    said = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
    if "does not appear to have a file named" in str(error) or "no file named" in str(error):
        rule = "only weights in safetensors are read, never pickles: save it anew with `model.save_pretrained(folder)`"
    elif isinstance(place, str) and os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        rule = f"the hub may not be asked, since HF_HUB_OFFLINE is set, and the id is not cached: {CHOICES}"
    else:
        rule = CHOICES
    return f"the encoder {name!r} cannot be loaded ({said}): {rule}"


def _check_architecture(name: str, model: PreTrainedModel, new: frozenset[str]) -> None:
    if model.config.is_encoder_decoder:
        raise EncoderError(
            f"an encoder must be a single stack; {name!r} is an encoder-decoder ({model.config.model_type}): {CHOICES}"
        )
    body = f"{model.base_model_prefix}."
    missing = sorted(key for key in new if key.startswith(body) and "pooler" not in key)
    if missing:  # otherwise an encoder with random weights would be compared as if it were pretrained
        raise EncoderError(
            f"the checkpoint must hold every weight of the encoder; {name!r} lacks {len(missing)} of them, such as "
            f"{missing[0]}: its config.json names another architecture, or the file is cut short"
        )


def _check_vocabulary(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse the tokenizer of special tokens alone that transformers makes for a folder without tokenizer files."""
    embeddings: Any = model.get_input_embeddings()
    known, embedded = len(tokenizer), len(embeddings.weight)
    if known <= len(tokenizer.all_special_tokens):
        raise EncoderError(f"an encoder needs its tokenizer; {name!r} has none: save it beside the weights")
    if known > embedded:
        raise EncoderError(
            f"the tokenizer must not know more tokens than the encoder embeds; that of {name!r} knows {known}, and "
            f"{embedded} are embedded: save the tokenizer that the encoder was trained with"
        )


def _ensure_padding(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise EncoderError(f"a tokenizer needs a pad, end or unknown token; that of {name!r} has none: {CHOICES}")
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
