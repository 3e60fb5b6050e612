"""The words of a text as a person sees them, and the tokens of each as a classifier's tokenizer makes them.

Shapes: N texts, T tokens of a text, B rows of a batch.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainable.errors import EncoderError

if TYPE_CHECKING:
    from trainable.classifier import Classifier

__all__ = ["NO_WORD", "TokenisedText", "Word", "padded", "split_words", "tokenised"]

NO_WORD = -1
"""Stands for the word of a special token, of the prompt, and of spaces that are tokens."""

_BATCH = 256
_JOINING = "'’-_"  # between letters they are part of a word
_IDEOGRAPHS = (("\u2e80", "\u30ff"), ("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word, a run of punctuation, or an ideograph.

    text: as it stands.
    before: the spaces between the word before and it.
    second: whether it stands in the second text of a pair.
    read: whether the classifier reads it; it does not where the text is cut to its longest input.
    """

    text: str
    before: str
    second: bool
    read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenisedText:
    """A text, or a pair, as a classifier reads it.

    words: all of them.
    inputs: the model's arguments by name, a number for each token.
    word_T: the place of each token's word among the words, or NO_WORD.
    """

    words: tuple[Word, ...]
    inputs: dict[str, NDArray[np.int64]]
    word_T: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.word_T)

    @property
    def read(self) -> NDArray[np.int64]:
        """The places of the words that the classifier reads."""
        return np.unique(self.word_T[self.word_T != NO_WORD])

    def only(self, words: NDArray[np.int64], stand_in: int) -> dict[str, NDArray[np.int64]]:
        """The inputs with the tokens of these words alone, and those that belong to no word. stand_in: the token that
        remains where none would, as in a decoder without special tokens."""
        kept_T = (self.word_T == NO_WORD) | np.isin(self.word_T, words)
        if kept_T.any():
            return {name: values_T[kept_T] for name, values_T in self.inputs.items()}
        kept = {name: values_T[:1].copy() for name, values_T in self.inputs.items()}
        kept["input_ids"][:] = stand_in
        return kept


def tokenised(
    classifier: Classifier, texts: Sequence[str], pairs: Sequence[str] | None = None
) -> tuple[TokenisedText, ...]:
    """Find the words of each text, or of each pair, and the tokens of each word.

    Raises EncoderError for a tokenizer that does not tell which letters a token stands for.
    """
    if not getattr(classifier.tokenizer, "is_fast", False):
        raise EncoderError(
            "words are explained by the letters that each token stands for; the tokenizer "
            f"{type(classifier.tokenizer).__name__} does not tell them: explain an arm of an encoder with a "
            "tokenizer.json"
        )
    return tuple(_tokenised(classifier, texts, pairs))


def padded(classifier: Classifier, rows: Sequence[dict[str, NDArray[np.int64]]]) -> dict[str, Any]:
    """The model's arguments for some rows, padded on the right to the longest, on the model's device."""
    import torch

    width, device = max(len(row["input_ids"]) for row in rows), next(classifier.model.parameters()).device
    padding = {"input_ids": int(classifier.tokenizer.pad_token_id)}
    found = {}
    for name in rows[0]:
        values_BT = np.full((len(rows), width), padding.get(name, 0), dtype=np.int64)
        for place, row in enumerate(rows):
            values_BT[place, : len(row[name])] = row[name]
        found[name] = torch.from_numpy(values_BT).to(device)
    return found


def split_words(text: str) -> Iterator[tuple[int, int]]:
    """The first and the last place, the latter excluded, of each word of a text."""
    first, before = 0, " "
    for place in range(len(text)):
        kind = _kind(text, place)
        if kind == "mark":  # accents and joiners belong to what they follow
            continue
        if kind != before or kind == "ideograph":
            if before != " ":
                yield first, place
            first, before = place, kind
    if before != " ":
        yield first, len(text)


def _kind(text: str, place: int) -> str:
    letter = text[place]
    category = unicodedata.category(letter)
    if letter.isspace() or category == "Cc":
        return " "
    if category[0] == "M" or category == "Cf":
        return "mark"
    if letter in _JOINING and 0 < place < len(text) - 1 and text[place - 1].isalnum() and text[place + 1].isalnum():
        return "word"
    if category[0] in "PS":
        return "punctuation"
    return "ideograph" if any(low <= letter <= high for low, high in _IDEOGRAPHS) else "word"


def _tokenised(classifier: Classifier, texts: Sequence[str], pairs: Sequence[str] | None) -> Iterator[TokenisedText]:
    for first in range(0, len(texts), _BATCH):
        part = slice(first, first + _BATCH)
        inputs = classifier.tokens(texts[part], None if pairs is None else pairs[part])
        real_BT = inputs["attention_mask"].numpy().astype(bool)
        for place, text in enumerate(texts[part]):
            own = {name: values_BT[place].numpy()[real_BT[place]] for name, values_BT in inputs.items()}
            pair = None if pairs is None else pairs[first + place]
            yield _of_encoding(classifier, inputs.encodings[place], own, text, pair)


def _of_encoding(
    classifier: Classifier, encoding: Any, inputs: dict[str, NDArray[np.int64]], text: str, pair: str | None
) -> TokenisedText:
    """Give each token to the word whose letters it stands for."""
    places = _places(classifier, text, pair)
    words = [(place, low, high) for place in places for low, high in split_words(place.text)]
    owners: dict[tuple[int, int], int] = {
        (place.sequence, place.offset + letter): number
        for number, (place, low, high) in enumerate(words)
        for letter in range(low, min(high, place.read))
    }
    real = [token for token, is_real in enumerate(encoding.attention_mask) if is_real]
    word_T = np.array([_owner(owners, encoding.sequence_ids[token], encoding.offsets[token]) for token in real])
    read, before = set(word_T.tolist()), [(place, high) for place, _, high in words]
    return TokenisedText(
        words=tuple(
            Word(
                text=place.text[low:high],
                before=place.text[before[number - 1][1] if number and before[number - 1][0] is place else 0 : low],
                second=place is not places[0],
                read=number in read,
            )
            for number, (place, low, high) in enumerate(words)
        ),
        inputs=inputs,
        word_T=word_T.astype(np.int64),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where a text stands in what the tokenizer reads: in which sequence, from which letter on, and how many of its
    letters."""

    sequence: int
    offset: int
    text: str
    read: int


def _places(classifier: Classifier, text: str, pair: str | None) -> list[_Place]:
    from trainable.classifier import cut_pair  # imported late: it loads torch

    prompt, separator = classifier.prompt, classifier.separator
    first = _Place(0, len(prompt), text, len(text))
    if pair is None:
        return [first]
    if not separator:
        return [first, _Place(1, 0, pair, len(pair))]
    cut, beginning = cut_pair(text, pair, classifier.tokenizer, separator, classifier.max_length, prompt)
    offset = len(f"{prompt}{cut} {separator} ")
    return [_Place(0, len(prompt), text, len(cut)), _Place(0, offset, pair, len(beginning))]


def _owner(owners: dict[tuple[int, int], int], sequence: int | None, offsets: tuple[int, int]) -> int:
    found = (owners.get((sequence, letter), NO_WORD) for letter in range(*offsets)) if sequence is not None else ()
    return next((word for word in found if word != NO_WORD), NO_WORD)
