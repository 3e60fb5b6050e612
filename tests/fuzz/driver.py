"""Runs a target under atheris, a fuzzer that keeps what reaches new code. It is no dependency: see README.md here."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["fuzz"]


def fuzz(check: Callable[[bytes], None], *modules: str) -> None:
    """Call `check` with ever new contents, in an empty folder, until it raises or the time is up.

    modules: what is to be covered; imported here, so that nobody may have imported them before. The arguments of the
    command line are libFuzzer's, with paths made absolute.
    """
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["sweep", "trainable", "yaml"]):
        for module in modules:
            importlib.import_module(module)
    arguments = [str(Path(each).absolute()) if Path(each).exists() else each for each in sys.argv[1:]]
    os.chdir(tempfile.mkdtemp(prefix="fuzz-"))
    atheris.Setup([sys.argv[0], *arguments], check)
    atheris.Fuzz()
