"""The texts that stand for the classes of a dataset: their descriptions, or else their names as words."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from trainable.datasets.table import listing
from trainable.datasets.text_data import Rows

if TYPE_CHECKING:
    from trainable.dataset_config import DatasetConfig
    from trainable.datasets.text_data import TextData

__all__ = ["class_rows", "name_in_words", "silent_names"]

_NEW_WORD = re.compile(r"_+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SILENT = re.compile(
    r"(?:[a-z]|label|class|category|cluster|group|intent|topic|type)?[\W\d_]*|true|false|yes|no", re.IGNORECASE
)


def name_in_words(name: str) -> str:
    """Return the name of a class as words: `card_lost` and `CardLost` are `card lost` and `Card Lost`."""
    return " ".join(_NEW_WORD.sub(" ", name).split()) or name


def class_rows(config: DatasetConfig, data: TextData, template: str = "{}") -> Rows:
    """Return one row for each class, in their order: its description, or else its name in the template, at `{}`."""
    described = dict(config.descriptions or ())
    texts = (described.get(name) or template.replace("{}", name_in_words(name)) for name in data.class_names)
    return _rows(tuple(texts))


def silent_names(config: DatasetConfig, data: TextData) -> tuple[str, ...]:
    """Return a note if names of classes, such as `0` or `label_3`, do not say what the class means, and no description
    does."""
    described = dict(config.descriptions or ())
    silent = [name for name in data.class_names if name not in described and _SILENT.fullmatch(name_in_words(name))]
    if not silent:
        return ()
    return (
        f"classes are told apart by their names, and {listing(silent)} say{'' if len(silent) > 1 else 's'} nothing: "
        f"give a sentence for each as `datasets.{config.name}.descriptions`",
    )


@cache
def _rows(texts: tuple[str, ...]) -> Rows:
    """The same object for the same texts, by which their tokens are kept."""
    return Rows(texts, None, np.arange(len(texts), dtype=np.int64))
