"""Configuration, tokenizer and model of an encoder, as transformers reads them: weights from safetensors only."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainable.encoder.files import check_config, check_index
from trainable.encoder.lower_case import lower_as_stated
from trainable.encoder.places import CHOICES, place_of
from trainable.errors import EncoderError
from trainable.loading import load_training_libraries
from trainable.quiet import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["read", "read_config"]


def read_config(name: str, place: Path | str, revision: str | None) -> dict[str, Any]:
    """Return the content of config.json; nothing if it holds no mapping. Raises EncoderError if it cannot be read."""
    try:
        if isinstance(place, str):
            from huggingface_hub import hf_hub_download

            place = Path(hf_hub_download(place, "config.json", revision=revision)).parent
        config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    except Exception as error:  # of several libraries: HTTP, name service, offline mode, unknown ids, broken files
        raise EncoderError(_why_not(name, place, error)) from error
    return config if isinstance(config, dict) else {}


def _why_not(name: str, place: Path | str, error: BaseException) -> str:
    said = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
    if "does not appear to have a file named" in str(error) or "no file named" in str(error):
        rule = "only weights in safetensors are read, never pickles: save it anew with `model.save_pretrained(folder)`"
    elif "tiktoken" in str(error) and importlib.util.find_spec("sentencepiece") is None:
        # so the library says of every tokenizer that it cannot read without sentencepiece
        said = "it has no tokenizer.json, but a tokenizer of SentencePiece, such as spm.model"
        rule = (
            "install sentencepiece (`pip install sentencepiece`) on every machine that trains, or save the tokenizer "
            "anew where it is installed: `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`"
        )
    elif (kind := _unknown_kind(str(error))) is not None:
        said, rule = kind, "choose an encoder of another kind, such as roberta-base"
    elif isinstance(place, str) and os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        rule = f"the hub may not be asked, since HF_HUB_OFFLINE is set, and the id is not cached: {CHOICES}"
    else:
        rule = CHOICES
    return f"the encoder {name!r} cannot be loaded ({said}): {rule}"


def _unknown_kind(said: str) -> str | None:
    """Return why transformers has no sequence classifier of an encoder's kind, where that is what it says."""
    if "for this kind of AutoModel" in said:
        found = re.search(r"transformers\.models\.(\w+)\.", said)
        kind = "its kind" if found is None else f"its kind, {found[1]}"
        return f"transformers has no sequence classifier of {kind}, as which an encoder is trained"
    found = re.search(r"model type `([^`]*)` but Transformers does not recognize", said)
    if found is not None:
        return (
            f"transformers {version('transformers')} does not know its kind, {found[1]}, and code that comes with an "
            "encoder is never run"
        )
    return None


def read(
    name: str, revision: str | None, num_classes: int
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel, Mapping[str, Any]]:
    """Return tokenizer and model, and what transformers says of the loading. Raises EncoderError if it cannot be."""
    load_training_libraries()
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    source: dict[str, Any] = {"trust_remote_code": False}
    place = place_of(name, revision)
    if isinstance(place, str):
        source["revision"] = revision or "main"
    check_config(name, read_config(name, place, revision))
    try:
        check_index(name, place, revision)
        with quiet():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(place, **source)
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
            tokenizer = lower_as_stated(name, revision, tokenizer)
    except (MemoryError, EncoderError):
        raise
    except BaseException as error:  # the readers of configuration, tokenizer and weights have exceptions of their own
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of code in Rust
            raise
        raise EncoderError(_why_not(name, place, error)) from error
    return tokenizer, model, loading
