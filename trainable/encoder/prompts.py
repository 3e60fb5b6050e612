"""The text that an encoder was trained to find before another one, such as `query: `."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainable.datasets.table import listing
from trainable.encoder.files import read_mapping
from trainable.encoder.places import encoder_files
from trainable.encoder.pooling import pools_prompt
from trainable.errors import ConfigError, EncoderError

__all__ = ["prompt_text"]

_FILE = "config_sentence_transformers.json"


def prompt_text(name: str, revision: str | None, asked: str | None) -> str:
    """Return what is put before every text: nothing for None and "none", the default that the encoder's folder states,
    if any, for "auto", the prompt of that name in it, or the text itself.

    Raises ConfigError for a single word that is no such name, and where the encoder was trained to leave the tokens of
    a prompt out of its embedding; EncoderError if the folder's prompts cannot be read.
    """
    if asked in (None, "none"):
        return ""
    assert asked is not None, "it was none"
    stated = _stated(name, revision)
    prompts = stated.get("prompts") or {}
    default = stated.get("default_prompt_name")
    if asked == "auto":
        text = str(prompts.get(default) or "")
    elif asked in prompts:
        text = str(prompts[asked] or "")
    elif asked.isalnum():
        known = f"; it states {listing(sorted(map(str, prompts)))}" if prompts else "; it states none"
        raise ConfigError(
            "prompt must be auto, none, the name of a prompt that the encoder states, or a text such as 'query: '; "
            f"received {asked!r} for {name!r}{known}: choose one of these, or write the text out"
        )
    else:
        text = asked
    if text and not pools_prompt(name, revision):
        raise ConfigError(
            f"a prompt is embedded with its text; {name!r} was trained to leave the prompt {text!r} out of the pooling "
            "(include_prompt): set prompt: none"
        )
    return text


def _stated(name: str, revision: str | None) -> Mapping[str, Any]:
    path = next((path for path in encoder_files(name, revision) if path.name == _FILE), None)
    if path is None:
        return {}
    try:
        stated = read_mapping(path)
        if not isinstance(stated.get("prompts") or {}, dict):
            raise ValueError("its prompts are no mapping")
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(
            f"the prompts of an encoder must be readable; {_FILE} of {name!r} is not ({error}): save it anew with "
            "`SentenceTransformer.save_pretrained(folder)`"
        ) from error
    return stated
