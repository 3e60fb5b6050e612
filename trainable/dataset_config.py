"""The configuration of a dataset: where it lies, how it is read, and which of its classes are used."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

__all__ = ["FEW_ROWS", "DatasetConfig"]

FEW_ROWS = 400
"""Labelled rows below which they are few. A quarter of 400 is a test part of 100 rows, which leaves an accuracy of 80 %
open by 8 points to either side: with fewer, a part that is held out once would limit every answer, and so would labels
that are set aside for nothing but the selection."""

_NO_ENCODINGS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"}  # of Python's codecs


def _as_one_text(names: tuple[str, ...]) -> str:
    return json.dumps(names, ensure_ascii=False)


# One text in JSON, since every value of a flat configuration is a scalar.
_Names = Annotated[tuple[str, ...], PlainSerializer(_as_one_text, return_type=str, when_used="json")]


def _as_one_object(pairs: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(pairs), ensure_ascii=False)


# Pairs, since a configuration is hashed.
_Sentences = Annotated[
    tuple[tuple[str, str], ...],
    PlainSerializer(_as_one_object, return_type=str, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


class DatasetConfig(BaseModel):
    """Where a dataset lies and how it is read. Either `hub` or `path` is given; neither means the embedded data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="name of the dataset in cells, tables and MLflow", pattern=r"^[\w.\-]+$")
    hub: str | None = Field(None, description="Hugging Face dataset id, as `SetFit/subj`; give this or `path`")
    hub_config: str | None = Field(
        None, description="configuration of the hub dataset, as `sst2` of nyu-mll/glue; default: its only one"
    )
    revision: str | None = Field(
        None,
        description="commit of the hub dataset; default: the newest one when the sweep begins, which the sweep records",
    )
    path: str | None = Field(None, description="file (csv, tsv, jsonl, parquet) or folder; give this or `hub`")
    test_path: str | None = Field(
        None, description="file of the test part; default: `path` holds it, or it is held out of `path`"
    )
    senteval: str | None = Field(
        None,
        description="task (MR, CR, TREC, ...) whose SentEval folder `path` is; default: `path` has a format of its own",
    )
    text: str = Field("text", description="column of the sentence")
    text_pair: str | None = Field(
        None,
        description="column of the second sentence, for tasks on pairs: the encoder reads both as one input, of which "
        "the longer one is cut first, so that an encoder trained on single texts may embed them poorly; default: there "
        "is none",
    )
    label: str = Field("label", description="column of the class")
    train_split: str = Field("train", description="split that draws and validation rows are taken from")
    test_split: str | None = Field(
        None, description="split kept for the confirmation; default: `test`, else `validation`, else a held-out share"
    )
    test_share: float = Field(
        0.25, gt=0, lt=1, description="share of each class held out as the test part if the data has none"
    )
    holdout: Literal["fixed", "repeated", "auto"] = Field(
        "fixed",
        description="the test part of data that bring none: one for all draws (`fixed`), or one for each draw, so that "
        f"every row is tested many times (`repeated`); `auto`: repeated below {FEW_ROWS} labelled rows",
    )
    encoding: str | None = Field(
        None,
        description="encoding of text files that are not UTF-8, as `cp1252` or `shift_jis`; default: what is certain",
    )
    delimiter: str | None = Field(
        None,
        description="sign between the cells of a csv or tsv file, or `tab`; default: the one of `,`, `;`, `|` and tab "
        "that makes the named columns of the header",
    )
    drop: _Names | None = Field(None, description="classes to leave out, as `[misc, other]`; default: none")
    min_rows: int | None = Field(
        None,
        ge=2,
        description="rows that a class must have before a test part is held out, else it is left out; default: all "
        "classes stay",
    )
    descriptions: _Sentences | None = Field(
        None,
        description="a sentence on each class or on some, as `{refund: The customer wants money back.}`, for recipes "
        "that know the classes by their names; default: the names themselves",
    )

    @field_validator("encoding")
    @classmethod
    def _is_text_encoding(cls, encoding: str | None) -> str | None:
        try:
            is_text = encoding is None or (
                codecs.lookup(encoding).name not in _NO_ENCODINGS and isinstance("a".encode(encoding), bytes)
            )
        except (LookupError, ValueError):
            is_text = False
        if not is_text:
            raise ValueError(
                f"`encoding` is one that Python knows, as utf-8, cp1252 or shift_jis; received {encoding!r}"
            )
        return encoding

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, delimiter: str | None) -> str | None:
        delimiter = "tab" if delimiter in ("\t", "\\t") else delimiter
        if delimiter not in (None, "tab") and (
            len(delimiter) != 1 or delimiter.isalnum() or delimiter.isspace() or delimiter in "\"'"
        ):
            raise ValueError(f"`delimiter` is one sign, as `;` or `|`, or `tab`; received {delimiter!r}")
        return delimiter

    @field_validator("drop", mode="before")
    @classmethod
    def _are_class_names(cls, drop: Any) -> Any:
        """Takes one name for a list of it, numbers for names, and the text that `_as_one_text` writes."""
        if isinstance(drop, str):
            drop = _names_in(drop)
        if not isinstance(drop, list | tuple):
            return drop
        whole = [int(name) if isinstance(name, float) and name.is_integer() else name for name in drop]  # as in data
        names = [str(name) if isinstance(name, int | float) else name for name in whole]
        return sorted(set(names)) if all(isinstance(name, str) for name in names) else names

    @field_validator("descriptions", mode="before")
    @classmethod
    def _are_sentences(cls, descriptions: Any) -> Any:
        """Takes a mapping, numbers for names of classes, and the text that `_as_one_object` writes."""
        if isinstance(descriptions, str):
            descriptions = _object_in(descriptions)
        if not isinstance(descriptions, Mapping):
            return descriptions
        if empty := [name for name, sentence in descriptions.items() if not str(sentence or "").strip()]:
            raise ValueError(
                f"`descriptions` has a sentence for each class that it names; received none for {empty[0]!r}"
            )
        return tuple(sorted((str(name), sentence) for name, sentence in descriptions.items()))

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.hub is not None and self.path is not None:
            raise ValueError(f"give `hub` or `path`, not both; received hub={self.hub!r} and path={self.path!r}")
        if self.text_pair in (self.text, self.label):
            other = "text" if self.text_pair == self.text else "label"
            raise ValueError(f"`text_pair` names a column of its own; received {self.text_pair!r}, which is `{other}`")
        if self.senteval is not None and self.path is None:
            raise ValueError("`senteval` names the task of a local folder: give the folder as `path`")
        for name, value in (("encoding", self.encoding), ("delimiter", self.delimiter)):
            if value is not None and self.test_path is None and (self.path is None or self.senteval is not None):
                raise ValueError(
                    f"`{name}` is for files of your own, given as `path`; received {value!r}; leave it out"
                )
        return self


def _object_in(text: str) -> Any:
    """The object that a text spells in JSON, else the text itself, which is refused."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _names_in(text: str) -> Any:
    """The list that a text spells in JSON, else a list of the text itself."""
    try:
        names = json.loads(text)
    except ValueError:
        return [text]
    return names if isinstance(names, list) else [text]
