"""Names as figures show them: cut to the room there is, and replaced by a number where no font has their letters.

A figure is drawn with the font that is part of matplotlib, so that it is the same on every machine; letters that this
font lacks are taken from other fonts, where the machine has any that have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties
    from matplotlib.ft2font import FT2Font

__all__ = ["fitted", "fonts", "is_legible", "method_labels", "named", "width", "wrapped"]

_PARTS = re.compile(r"(/|, )")
_SHORT = 8  # letters of a part, which is then cut no further
_BESIDE = 2.6  # inches beside a figure
_OWN = "DejaVu Sans"
_OTHERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "PingFang SC",
    "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "SimHei",
    "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Telugu", "Noto Sans Thai",
    "Lohit Devanagari", "Nirmala UI", "Kohinoor Devanagari", "Leelawadee UI", "FreeSans", "Arial Unicode MS",
)  # fmt: skip


@cache
def fonts() -> tuple[str, ...]:
    """The families that figures are drawn with: matplotlib's own, then those of this machine for other scripts."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return (_OWN, *(family for family in _OTHERS if family in there))


def is_legible(text: str) -> bool:
    """Whether the fonts of a figure have every letter of a text."""
    return all(any(font.get_char_index(ord(letter)) for font in _faces()) for letter in text if not letter.isspace())


def fitted(text: str, inches: float, size: float = 9.0, *, bold: bool = False) -> str:
    """The text if it is no wider than so many inches; of a wider one, the middle of its longest parts is left out.

    Parts are what stands between slashes or commas, so that a cell keeps its method however long its dataset is called.

    A line break is a space, since no font has a letter for it.

    size: of the font, in points.
    """
    parts = _PARTS.split(_line(text))
    while width("".join(parts), size, bold) > inches:
        longest = max(range(len(parts)), key=lambda place: len(parts[place]))
        if len(parts[longest]) <= _SHORT:
            return _cut_to(text, inches, size, bold)
        parts[longest] = _cut(parts[longest].replace("…", ""), len(parts[longest]) - 3)
    return "".join(parts)


def wrapped(text: str, inches: float, size: float = 9.0, *, bold: bool = False) -> str:
    """The text in at most two lines that are no wider than so many inches, parted between words where that is easy."""
    text = _line(text)
    if width(text, size, bold) <= inches:
        return text
    most = next(count for count in range(len(text), 0, -1) if width(text[:count], size, bold) <= inches or count == 1)
    word = max(text.rfind(mark, most // 2, most) + 1 for mark in " _/")
    first = text[: word or most]
    return f"{first.rstrip()}\n{fitted(text[len(first) :].lstrip(), inches, size, bold=bold)}"


def named(
    texts: Iterable[str], kind: str, inches: float, size: float = 9.0, *, bold: bool = False, lines: int = 1
) -> Mapping[str, str]:
    """The label of each text: cut to `inches` on each of so many lines, and different for different texts.

    A text of letters that no font has is called `kind` and its number among the texts, as `class 3`; a part of such
    letters is left out, and the number stands before the others.
    """
    cut = wrapped if lines > 1 else fitted
    labels: dict[str, str] = {}
    for number, text in enumerate(dict.fromkeys(texts), start=1):
        known = "".join(part if is_legible(part) else "…" for part in _PARTS.split(text))
        label = cut(known, inches, size, bold=bold)
        if known != text or label in labels.values():
            label = cut(f"{number}: {known}", inches, size, bold=bold)
        labels[text] = f"{kind} {number}" if known == "…" else label
    return labels


def method_labels(methods: Sequence[str]) -> list[str]:
    """The labels of methods beside their lines in a figure, where arms that are called by an encoder can be long."""
    labels = named(methods, "method", _BESIDE)
    return [labels[method] for method in methods]


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut_to(text: str, inches: float, size: float, bold: bool) -> str:
    """The text with as many letters as fit; the middle is left out."""
    fits, fails = 1, len(text)  # numbers of letters that are kept
    while fails - fits > 1:
        kept = (fits + fails) // 2
        fits, fails = (kept, fails) if width(_cut(text, kept), size, bold) <= inches else (fits, kept)
    return _cut(text, fits)


def _cut(text: str, kept: int) -> str:
    head = (kept + 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (kept - head) :]}"


@cache
def _faces() -> Sequence[FT2Font]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return tuple(get_font(findfont(FontProperties(family=[family]))) for family in fonts())


@lru_cache(maxsize=100_000)
def width(text: str, size: float = 9.0, bold: bool = False) -> float:
    """How wide a figure writes a text, in inches. size: of the font, in points."""
    from matplotlib.textpath import text_to_path

    pixels, _, _ = text_to_path.get_text_width_height_descent(text, _properties(size, bold), ismath=False)
    return float(pixels) / 72


@cache
def _properties(size: float, bold: bool) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=list(fonts()), size=size, weight="bold" if bold else "normal")
