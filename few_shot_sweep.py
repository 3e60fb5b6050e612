"""The console command `few-shot-sweep`: `python -m sweep`, but from a folder in which a `sweep.py` may lie."""

import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["start"]


def start() -> None:
    """Run the command that was typed, unless another `sweep` comes before this project's, as PYTHONPATH may have it."""
    found = find_spec("sweep")
    origin = Path(found.origin) if found is not None and found.origin is not None else None
    if origin is None or not origin.samefile(Path(__file__).parent / "sweep" / "__init__.py"):
        sys.stderr.write(
            f"Python must import this project's module sweep, and would import {origin}; rename it, or take its "
            "folder, or an empty part, which is the working folder, off PYTHONPATH\n"
        )
        sys.exit(2)
    from sweep.__main__ import start as run

    run()
