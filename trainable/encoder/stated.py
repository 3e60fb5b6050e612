"""The settings that sentence-transformers keeps beside an encoder's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainable.encoder.files import read_mapping
from trainable.encoder.places import encoder_files
from trainable.errors import ConfigError, EncoderError

__all__ = ["check_reading", "embedding_settings", "kept_numbers", "reading_settings"]

_ARGUMENTS = (
    "config_args",
    "config_kwargs",
    "model_args",
    "model_kwargs",
    "processing_kwargs",
    "processor_kwargs",
    "tokenizer_args",
)
_HARMLESS = (
    *("add_pooling_layer", "attn_implementation", "device_map", "dtype", "low_cpu_mem_usage", "torch_dtype"),
    *("trust_remote_code", "unpad_inputs", "use_cache", "use_fast", "use_safetensors"),
    *("max_length", "model_max_length", "padding", "padding_side", "truncation"),
)
"""Arguments that change how an encoder is loaded or how fast it is, and no embedding; `max_length` is the trial's."""
_STATES = {"method": "forward", "method_output_name": "last_hidden_state"}


def embedding_settings(name: str, revision: str | None) -> Mapping[str, Any]:
    """Return what the folder states of embeddings as a whole: prompts, and how many numbers are kept. Raises
    EncoderError for a file that cannot be read."""
    return _settings(name, revision, "config_sentence_transformers.json")


def reading_settings(name: str, revision: str | None) -> Mapping[str, Any]:
    """Return what the folder states of how texts are read, in a file that is named after the architecture. Raises
    EncoderError for one that cannot be read."""
    return _settings(name, revision, "sentence_*_config.json")


def kept_numbers(name: str, revision: str | None) -> int | None:
    """Return to how many of its first numbers an embedding is cut (Kusupati et al., 2022: arXiv:2205.13147); None where
    it is kept as a whole. Raises EncoderError for settings that cannot be read."""
    stated = embedding_settings(name, revision).get("truncate_dim")
    if stated is not None and (type(stated) is not int or stated < 1):
        raise EncoderError(
            f"an embedding is cut to a whole number of numbers; {name!r} states truncate_dim {stated!r}: save it anew "
            "with `SentenceTransformer.save_pretrained(folder)`"
        )
    return stated


def check_reading(name: str, revision: str | None) -> None:
    """Raise ConfigError where the folder states that encoder or tokenizer work otherwise than their own files say."""
    settings = reading_settings(name, revision)
    odd = [key for argument in _ARGUMENTS for key in _keys(settings.get(argument)) if key not in _HARMLESS]
    text = (settings.get("modality_config") or {}).get("text") or {}
    odd += [f"{key} {text[key]!r}" for key, usual in _STATES.items() if text.get(key, usual) != usual]
    if odd:
        raise ConfigError(
            f"an embedding is made of the last states of an encoder as its own files describe it; {name!r} was trained "
            f"with {' and '.join(odd)} (sentence_bert_config.json): leave that out by embedding: mean, cls or last"
        )


def _keys(arguments: Any) -> Iterator[str]:
    for key, value in (arguments or {}).items():
        if isinstance(value, dict):
            yield from _keys(value)
        else:
            yield str(key)


def _settings(name: str, revision: str | None, pattern: str) -> Mapping[str, Any]:
    path = next((path for path in encoder_files(name, revision) if path.match(pattern)), None)
    try:
        return {} if path is None else read_mapping(path)
    except (OSError, ValueError, RecursionError) as error:
        assert path is not None, "nothing else is read"
        raise EncoderError(
            f"the settings of an encoder must be readable; {path.name} of {name!r} is not ({error}): save it anew with "
            "`SentenceTransformer.save_pretrained(folder)`"
        ) from error
