"""The text that an encoder was trained to find before another one, such as `query: `."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainable.datasets.table import listing
from trainable.encoder.pooling import pools_prompt
from trainable.encoder.stated import embedding_settings
from trainable.errors import ConfigError, EncoderError

__all__ = ["prompt_text"]


def prompt_text(name: str, revision: str | None, asked: str | None) -> str:
    """Return what is put before every text: nothing for None and "none", the default that the encoder's folder states,
    if any, for "auto", the prompt of that name in it, or the text itself.

    Raises ConfigError for a single word that is no such name, and where the encoder was trained to leave the tokens of
    a prompt out of its embedding; EncoderError if the folder's prompts cannot be read.
    """
    if asked in (None, "none"):
        return ""
    assert asked is not None, "it was none"
    stated = embedding_settings(name, revision)
    prompts = _prompts(name, stated)
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


def _prompts(name: str, settings: Mapping[str, Any]) -> Mapping[Any, Any]:
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict):
        raise EncoderError(
            f"the prompts of an encoder are a mapping; those of {name!r} are none: save it anew with "
            "`SentenceTransformer.save_pretrained(folder)`"
        )
    return prompts
