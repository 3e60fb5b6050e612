"""Fuzz target: the reader of specs. `python -m tests.fuzz.spec CORPUS...`, see README.md here.

A content is a spec file; what stands after a line feed and `--set ` is an override.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.fuzz.driver import fuzz

__all__ = ["check"]

_OVERRIDE = b"\n--set "
_SLOWEST = 4.0  # seconds of CPU; a target that is watched runs at half its speed


def check(content: bytes) -> None:
    """Raises whatever a spec and its overrides should not be able to raise. Writes `spec.yaml` into the current
    folder."""
    from tests.sweeps.invariants import check_spec  # here, so that the driver imports what it covers first

    spec, *overrides = content.split(_OVERRIDE)
    path = Path.cwd() / "spec.yaml"
    path.write_bytes(spec)
    began = time.process_time()
    check_spec(path, tuple(each.decode("utf-8", errors="replace") for each in overrides[:3]))
    assert time.process_time() - began < _SLOWEST


if __name__ == "__main__":
    fuzz(check, "sweep.spec.reader", "tests.sweeps.invariants")
