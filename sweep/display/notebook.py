"""What a person sees in a notebook while a sweep runs: the table of a terminal, in the output of the cell."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from sweep.display.progress import Progress
from sweep.ledger.ledger import Ledger
from sweep.scheduling.dispatcher import Dispatcher

__all__ = ["NotebookProgress", "in_notebook"]

_PERIOD = 1.0  # seconds between two pictures
_WIDTH = 110
_PLACE = "<pre style='line-height:normal;font-family:monospace'>{code}</pre>"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def _watching() -> Progress:
    return Progress(_console(record=False, force_terminal=True), resumes="the same cell resumes it")


def _console(*, record: bool, force_terminal: bool) -> Console:
    """A console that writes to nowhere. Rich would show each of its outputs in the cell itself."""
    return Console(
        file=io.StringIO(),
        force_jupyter=False,
        force_terminal=force_terminal,
        record=record,
        width=_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


@dataclass(slots=True)
class NotebookProgress:
    """Shows a running sweep in one output of the cell, which is replaced every second."""

    _progress: Progress = field(default_factory=_watching)
    _shown: Any = None

    @contextmanager
    def showing(self, ledger: Ledger, dispatcher: Dispatcher) -> Iterator[None]:
        """Show the sweep for as long as the context is open; then one line of it stays."""
        from IPython.display import display

        self._progress.watch(ledger, dispatcher)
        shown = self._shown = display(self._picture(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        over = threading.Event()

        def refresh() -> None:
            while not over.wait(_PERIOD):
                shown.update(self._picture(), raw=True)

        thread = threading.Thread(target=refresh, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            shown.update({"text/plain": f"{ledger.name}: {self._progress.headline()}"}, raw=True)

    def changed(self, key: str) -> None:
        """A trial or confirmation changed; the next picture shows it."""
        self._progress.changed(key)

    def told(self, said: str) -> None:
        """What is done with the winners, in the place of the line that stays."""
        from IPython.display import display

        content = {"text/plain": f"refit: {said}"}
        if self._shown is None:
            self._shown = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(content, raw=True)

    def _picture(self) -> dict[str, Any]:
        console = _console(record=True, force_terminal=False)
        console.print(self._progress.table())
        html = console.export_html(inline_styles=True, code_format=_PLACE, clear=False)
        return {"text/plain": console.export_text(), "text/html": html}
