"""Encoders whose folder says that texts are read in lower case, as sentence-transformers wrote before version 6."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from trainable.encoder.stated import reading_settings
from trainable.errors import EncoderError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["lower_as_stated"]


def lower_as_stated(name: str, revision: str | None, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return the tokenizer, one that lowers its texts where `do_lower_case` of `sentence_bert_config.json` says so, or
    the file of that kind which is named after another architecture.

    Raises EncoderError for a file that cannot be read, and for a tokenizer in Python, which cannot be told.
    """
    if reading_settings(name, revision).get("do_lower_case") is not True:
        return tokenizer
    if not tokenizer.is_fast:
        raise EncoderError(
            f"{name!r} reads texts in lower case (do_lower_case), which its tokenizer in Python cannot be told: save "
            "it anew with `SentenceTransformer.save_pretrained(folder)`"
        )
    return _lowered(tokenizer)


def _lowered(tokenizer: Any) -> PreTrainedTokenizerBase:
    """Return such a tokenizer, of the class that is read from its file as it is: the classes of architectures make
    theirs anew from the vocabulary, and would forget this once it is kept."""
    from tokenizers.normalizers import Lowercase, Sequence
    from transformers import PreTrainedTokenizerFast

    present = tokenizer.backend_tokenizer.normalizer
    tokenizer.backend_tokenizer.normalizer = Sequence([Lowercase(), *([] if present is None else [present])])
    names = tokenizer.model_input_names
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        read: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder, model_input_names=names)
    return read
