"""Fuzz target: the readers of SentEval's folders. `python -m tests.fuzz.senteval CORPUS...`, see README.md here.

The first byte of a content chooses a task and one of its layouts; what follows are its files, parted by byte 0x1E.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fuzz.driver import fuzz

__all__ = ["check"]

_NEXT_FILE = b"\x1e"


def check(content: bytes) -> None:
    """Raises whatever the files of a task should not be able to raise. Writes them into a folder `task` of the current
    one."""
    from tests.sweeps.invariants import check_dataset  # here, so that the driver imports what it covers first
    from trainable import DatasetConfig
    from trainable.datasets.senteval import SENTEVAL_TASKS

    layouts = [(task, layout) for task, several in SENTEVAL_TASKS.items() for layout in several]
    task, layout = layouts[(content[0] if content else 0) % len(layouts)]
    folder = Path.cwd() / "task"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, file in zip((*layout.train, *layout.test), content[1:].split(_NEXT_FILE), strict=False):
        (folder / name).write_bytes(file)
    check_dataset(DatasetConfig(name="mine", path=str(folder), senteval=task), folder)


if __name__ == "__main__":
    fuzz(check, "trainable.datasets", "tests.sweeps.invariants")
