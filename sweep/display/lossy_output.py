"""Output of a command that must not end because nobody reads it any more."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TextIO

__all__ = ["LossyOutput"]


class LossyOutput:
    """A stream that drops what cannot be written, since the reader of a pipe has left, the terminal is gone, or the
    disk behind it is full. All else is as the stream has it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
