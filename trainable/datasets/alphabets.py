"""Which encodings make words of bytes beyond ASCII: those whose characters are the letters of one language.

A byte beyond ASCII is a letter in every encoding of one byte a character, so that nothing but the words tells them
apart: `señor` in Windows-1252 is `seńor` in Windows-1250, and Polish has that letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

__all__ = ["RARE", "USUAL", "fitting", "is_text"]

# The letters of each language beyond ASCII, in lower case. German letters and é stand in names everywhere.
_WESTERN = tuple(
    letters + "äöüßé"
    for letters in (
        "àáâåæçèêëíîïñóôøùúûÿœ",  # French, English with borrowed words
        "áíñóúïçàèò",  # Spanish, Catalan
        "àáâãçêíóôõú",  # Portuguese
        "àèìíîòóùú",  # Italian
        "áàèëíïóúêâçñ",  # Dutch, German
        "æøåóòôêèàâ",  # Danish, Norwegian
        "åšžàáë",  # Swedish, Finnish
        "áíóúýþæð",  # Icelandic
    )
)
_CENTRAL = tuple(
    letters + "äöüßé"
    for letters in (
        "ąćęłńóśźż",  # Polish
        "áčďěíňóřšťúůýž",  # Czech
        "áčďíľňóôšťúýž",  # Slovak, without its rare ĺ and ŕ: å and à in cp1252
        "áíóőúű",  # Hungarian
        "âîăşţ",  # Romanian
        "čćđšž",  # Croatian, Slovenian, Bosnian
        "ëç",  # Albanian
    )
)
_RUSSIAN = "а-яё"
_JAPANESE, _KOREAN, _TRADITIONAL = "ぁ-ゖァ-ヺー一-鿿々", "가-힣", "一-鿿"
_SIMPLIFIED = bytes(b for lead in range(0xB0, 0xF8) for trail in range(0xA1, 0xFF) for b in (lead, trail)).decode(
    "gb2312", errors="ignore"
)
_EAST_ASIAN = {_JAPANESE, _KOREAN, _TRADITIONAL, _SIMPLIFIED}

USUAL: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "cp1252": _WESTERN,
        "cp1250": _CENTRAL,
        "cp1251": (_RUSSIAN, "а-яіїєґ", "а-яіў", "а-шђјљњћџѓќѕ"),
        "koi8_r": (_RUSSIAN,),
        "cp1253": ("α-ωάέήίόύώϊϋΐΰ",),
        "cp1254": ("âçğıîöşüû\u0307é",),
        "cp1255": ("א-ת",),
        "cp1256": ("ء-يپچژگک",),
        "cp1257": ("ąčęėįšųūžéäöü", "āčēģīķļņšūžéäöü", "äõöüšžé"),
        "cp874": ("ก-ฺเ-๎",),
        "shift_jis": (_JAPANESE,),
        "euc_jp": (_JAPANESE,),
        "gb18030": (_SIMPLIFIED,),
        "big5": (_TRADITIONAL,),
        "euc_kr": (_KOREAN,),
    }
)
"""The alphabets of the languages of each encoding that Windows and mail programs write."""

RARE: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "iso8859_15": _WESTERN,
        "iso8859_2": _CENTRAL,
        "mac_roman": _WESTERN,
        "cp850": _WESTERN,
        "cp852": _CENTRAL,
        "cp866": (_RUSSIAN,),
        "iso8859_5": (_RUSSIAN,),
        "mac_cyrillic": (_RUSSIAN,),
    }
)
"""Those of old systems. They are suggested and never assumed: too many of their texts look like something else."""

_CONTROL = re.compile("[\x80-\x9f\ufffd\ue000-\uf8ff]")  # and private characters, which wrong Chinese encodings give
_LETTER = r"[^\W\d_ªº²³¹¼½¾]"
_WORD = re.compile(f"{_LETTER}+")
_COMBINING = "\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0e31-\u0e4e"
_SIGNS = "\xa0\xad\u3000-\u303f\u30fb\uff00-\uff60©®°·´¿¡§«»±×÷†‡•…‹›–—‘’“”‚„‰€£¥¢฿₪№™−،؛؟"
_ODD_SIGN = re.compile(rf"[^\w\s\x00-\x7f{_COMBINING}{_SIGNS}]|[\x00-\x7f][{_COMBINING}๐-๙٠-٩]")
_SIGN_IN_WORD = re.compile(
    rf"{_LETTER}[ªº²³¹¼½¾©®°¿¡§«»±†‡•‹›“”‚„‰€£¥¢™]+{_LETTER}|(?<!{_LETTER})[^\W\d_\x00-\x7fªº²³¹¼½¾](?=[0-9])"
)


def fitting(words: Sequence[bytes], encodings: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return, by encoding, the words as it reads them, for those encodings that make words of one language of them."""
    found = {}
    for encoding, languages in encodings.items():
        try:
            read = [word.decode(encoding) for word in words]
        except UnicodeDecodeError:
            continue
        if is_text(read) and any(_is_language(read, letters) for letters in languages):
            found[encoding] = read
    return found


def is_text(words: Iterable[str]) -> bool:
    """Return whether no word has a control character, which no text has and wrong encodings give."""
    return not any(_CONTROL.search(word) for word in words)


def _is_language(words: Sequence[str], letters: str) -> bool:
    """Return whether all words with letters beyond ASCII, and the signs around them, can be of the language.

    An accent that is misread as another script gives a letter of it among Latin ones, or before a digit.
    """
    text = "\n".join(words)
    foreign = [word for word in _WORD.findall(text) if not word.isascii()]
    is_asian, is_latin = letters in _EAST_ASIAN, letters[0] < "ʰ"
    own = re.compile(f"[{'a-z' if is_asian or is_latin else ''}{letters}]+")
    if _ODD_SIGN.search(text) or not all(own.fullmatch(word.lower()) for word in foreign):
        return False
    if not is_latin and not _has_pairs(foreign, letters):
        return False
    return is_asian or not (_SIGN_IN_WORD.search(text) or any(map(_changes_case, foreign)))


def _has_pairs(words: Sequence[str], letters: str) -> bool:
    """Return whether there are words, and most have two such letters in a row: a misread accent gives a single one."""
    if letters == _JAPANESE and not any(re.search("[ぁ-ゖァ-ヺ]", word) for word in words):
        return False
    return bool(words) and 2 * sum(re.search(f"[{letters}]{{2}}", word.lower()) is not None for word in words) >= len(
        words
    )


def _changes_case(word: str) -> bool:
    return any(before.islower() and char.isupper() and not char.isascii() for before, char in pairwise(word))
