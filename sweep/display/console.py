"""What commands write their lines with."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

__all__ = ["CommandConsole"]


class CommandConsole(Console):
    """Writes to `output`. Names come from specs and folders: brackets in them are no markup.

    Raises BrokenPipeError where the reader has left, as `| head` does.
    """

    def __init__(self, output: TextIO) -> None:
        # A pipe has no width: long lines are better there than folded ones.
        width = None if sys.stdout.isatty() else 200
        super().__init__(file=output, highlight=False, markup=False, emoji=False, width=width)

    def on_broken_pipe(self) -> None:
        """Instead of ending the process with code 1, as rich does."""
        raise BrokenPipeError
