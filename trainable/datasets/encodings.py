"""The text of a file in any encoding: UTF-8, what the user names, or what alone makes words of the file's bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from trainable.datasets.alphabets import RARE, USUAL, fitting, is_text
from trainable.datasets.table import shortened
from trainable.errors import DataError

__all__ = ["text_of"]

_CHECKED = 20_000  # different words of a file by which encodings are told apart
_SUGGESTED = 6  # encodings in one message
_SHOWN = 3  # lines in one message

_BOMS = (  # those of UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_REMEDY = "set `encoding` of the dataset to the right one, or save the file as UTF-8"

# The characters that cp1252 has for single bytes beyond ASCII, by which UTF-8 that was read as cp1252 is recognised.
_BYTE_OF = {
    bytes([code]).decode("cp1252", errors="replace").replace("\ufffd", chr(code)): code for code in range(128, 256)
}
_MISREAD = re.compile(f"(?<![A-ZÀ-Þ])[{''.join(_BYTE_OF)}]{{2,}}")


def text_of(
    path: Path, content: bytes, encoding: str | None = None, otherwise: str | None = None
) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file without its byte order mark, and notes on how it was read.

    encoding: what the user says it is; default: by its mark, else UTF-8 where that is valid, else what certainly fits.
    otherwise: the encoding that the file's format prescribes where the bytes are not UTF-8.

    Raises DataError, with lines and the encodings that fit, for a wrong encoding, and where none is certain.
    """
    for mark, name in _BOMS:
        if content.startswith(mark):
            return _strictly(path, content, name), ()
    if encoding is not None:
        return _as_asked(path, content, encoding)
    if b"\x00" in content:
        return _without_mark(path, content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return _otherwise(path, content, otherwise)
    return text, _misread_notes(path, text)


def _strictly(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding).removeprefix("\ufeff")
    except (UnicodeError, ValueError) as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content.count(b"\n", 0, at) + 1
        fits = "" if encoding.startswith("utf") else _suggestions(_words(content))
        raise DataError(
            f"{path}, line {line}: must be {encoding} throughout; received {_bytes_at(content, at)}{fits}; correct the "
            "line, or set `encoding` of the dataset to the one that the file is in"
        ) from error


def _as_asked(path: Path, content: bytes, encoding: str) -> tuple[str, tuple[str, ...]]:
    """Read a file in the encoding that the user names for all files of the dataset, unless it certainly is UTF-8."""
    if not content.isascii() and _decodes(content, "utf-8") and not _makes_text(content, encoding):
        return content.decode(), (f"{path.name} is UTF-8, not {encoding}: read as UTF-8",)
    text = _strictly(path, content, encoding)
    if not is_text([text]):
        return text, (f"{path.name}: control characters come out of {encoding}{_suggestions(_words(content))}",)
    return text, _misread_notes(path, text)


def _makes_text(content: bytes, encoding: str) -> bool:
    return _decodes(content, encoding) and is_text([text := content.decode(encoding)]) and not _misread(text)


def _without_mark(path: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    """Read UTF-16 without a byte order mark, which begins with ASCII and a zero; return other files as they are."""
    encoding = "utf-16-le" if content[0] else "utf-16-be"
    start = content[:2].replace(b"\x00", b"").decode("latin-1")
    if len(start) == 1 and start.isascii() and start.isprintable() and _makes_text(content, encoding):
        return content.decode(encoding), (f"{path.name} has no byte order mark: read as {encoding}",)
    return content.decode("latin-1"), ()


def _otherwise(path: Path, content: bytes, prescribed: str | None) -> tuple[str, tuple[str, ...]]:
    """Read what is not UTF-8 as the format prescribes, else in the one encoding that fits. Raises DataError if none."""
    wrong, right = _lines_by_validity(content)
    where = f"line{'s' if len(wrong) > 1 else ''} {', '.join(map(str, wrong[:_SHOWN]))}"
    if prescribed is not None:
        text = content.decode(prescribed)
        doubt = "" if is_text([text]) else f", which gives control characters{_suggestions(_words(content))}"
        return text, (f"{path.name} is not UTF-8 ({where}): read as {prescribed}{doubt}",)
    if right:
        raise DataError(
            f"{path}: must be in one encoding; {where} ({_first_words(content)}) cannot be UTF-8, and line {right} is; "
            f"correct {'these lines' if len(wrong) > 1 else 'the line'}, or {_REMEDY}"
        )
    fits = _fitting(content)
    if len({tuple(read) for read in fits.values()}) == 1:
        encoding, read = next(iter(fits.items()))
        return content.decode(encoding), (
            f"{path.name} is not UTF-8 ({where}, `{_word(read[0])}`): read as {encoding}",
        )
    what = "more than one encoding fits" if fits else "no encoding is certain"
    raise DataError(f"{path}: {where} ({_first_words(content)}): not UTF-8, and {what}"
                    f"{_suggestions(_words(content))}; {_REMEDY}")  # fmt: skip


def _fitting(content: bytes) -> dict[str, list[str]]:
    """Return the words beyond ASCII by encoding, for those usual encodings that fit them and decode the whole file."""
    fits = fitting(_words(content), USUAL)
    return {encoding: read for encoding, read in fits.items() if _makes_text(content, encoding)}


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _lines_by_validity(content: bytes) -> tuple[list[int], int | None]:
    """Return the numbers of the lines that are not UTF-8, and of the first that is UTF-8 beyond ASCII."""
    wrong, right = [], None
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.isascii():
            if not _decodes(line, "utf-8"):
                wrong.append(number)
            elif right is None:
                right = number
    return wrong, right


def _words(content: bytes) -> list[bytes]:
    """Return the different words that have bytes beyond ASCII, in the order of the file."""
    found = re.finditer(rb"[^\s]*[\x80-\xff][^\s]*", content)
    return list(islice(dict.fromkeys(match[0] for match in found), _CHECKED))


def _suggestions(words: Sequence[bytes]) -> str:
    """Return the end of a message: the encodings that fit, each with a word by which a reader can choose."""
    if not words:
        return ""
    fits = fitting(words, USUAL)
    fits |= {} if len(fits) > 1 else fitting(words, RARE)
    if not fits:
        readable = {encoding: _read(words, encoding) for encoding in (*USUAL, *RARE)}
        fits = {encoding: read for encoding, read in readable.items() if read is not None and is_text(read)}
    distinct = {tuple(read): encoding for encoding, read in reversed(fits.items())}
    shown = list(islice(reversed(distinct.items()), _SUGGESTED))
    telling = next((i for i in range(len(words)) if len({read[i] for read, _ in shown}) == len(shown)), 0)
    listed = ", ".join(f"{encoding} (`{_word(read[telling])}`)" for read, encoding in shown)
    return f"; possible: {listed}" if listed else ""


def _read(words: Sequence[bytes], encoding: str) -> list[str] | None:
    try:
        return [word.decode(encoding) for word in words]
    except UnicodeDecodeError:
        return None


def _bytes_at(content: bytes, at: int) -> str:
    return f"byte 0x{content[at]:02x}" if at < len(content) else "a cut character"


def _first_words(content: bytes) -> str:
    wrong = next((word for word in _words(content) if not _decodes(word, "utf-8")), b"")
    return f"`{_word(wrong.decode('utf-8', errors='surrogateescape'), 40)}`"


def _word(text: str, limit: int = 30) -> str:
    """Return a word for a message, without the delimiters and quotes around it, and with escapes for odd bytes."""
    word = next((part for part in re.split(r'[",;|]', text) if not part.isascii()), text)
    return shortened(word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), limit)


def _misread(text: str) -> list[str]:
    """Return what looks like UTF-8 that was read as cp1252 and saved again, as `Ã©` for `é`."""
    if text.isascii():
        return []
    runs = dict.fromkeys(match[0] for match in _MISREAD.finditer(text))
    return [run for run in runs if _decodes(bytes(_BYTE_OF[char] for char in run), "utf-8")]


def _misread_notes(path: Path, text: str) -> tuple[str, ...]:
    misread = _misread(text)
    if not misread:
        return ()
    meant = bytes(_BYTE_OF[char] for char in misread[0]).decode()
    line = text[: text.index(misread[0])].count("\n") + 1
    return (
        f"{path.name}, line {line}: `{shortened(misread[0])}` looks like a misread `{shortened(meant)}` (UTF-8 that "
        "was once read as cp1252); the texts are kept as they are",
    )
