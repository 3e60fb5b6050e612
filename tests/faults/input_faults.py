"""Faults of what a sweep reads: data, encoders and libraries that change between a kill and the next command. See
tests.faults.faults."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults.fault_run import FaultRun
from tests.faults.refusals import refused

__all__ = ["change_data", "change_encoder", "change_versions"]

_ENCODER_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "model.safetensors": lambda content: content[:-1] + bytes([content[-1] ^ 1]),  # the last bit of the last weight
    "config.json": lambda content: content.replace(b'"gelu"', b'"relu"'),
    "tokenizer.json": lambda content: content.replace(b'"good"', b'"goood"'),
}
_OTHER = {"good": "bad", "bad": "good"}


def change_data(run: FaultRun, rng: Random) -> None:
    """Some rows are gone, and one has another label."""
    if not run.begun():
        return
    run.kill()
    header, *rows = run.data.read_text(encoding="utf-8").splitlines()
    del rows[-rng.randint(4, 8) :]
    number = rng.randrange(len(rows))
    text, _, label = rows[number].rpartition(",")
    rows[number] = f"{text},{_OTHER[label]}"
    changed = "\n".join([header, *rows, ""]).encode()
    words = ("dataset films: rows of the pool: was", "dataset films: texts and labels of the pool: have changed")
    _refused_while_changed(run, run.data, changed, *words)


def change_encoder(run: FaultRun, rng: Random) -> None:
    """One of its files is another one: its weights, its configuration or its tokenizer's."""
    if not run.begun():
        return
    run.kill()
    name, change = rng.choice(list(_ENCODER_CHANGES.items()))
    path = run.encoder / name
    _refused_while_changed(run, path, change(path.read_bytes()), f"encoder 1: {name}: have changed")


def change_versions(run: FaultRun, rng: Random) -> None:
    """A library is upgraded, as far as its metadata tell, which are all that the sweep knows of it. What is trained
    from then on says so, see tests.faults.version_checks."""
    if not run.begun():
        return
    run.kill()
    library, version = rng.choice(("torch", "transformers")), f"99.{len(run.strikes)}"
    installed = run.libraries / f"{library}.dist-info"
    shutil.rmtree(installed, ignore_errors=True)
    installed.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n"
    (installed / "METADATA").write_text(metadata, encoding="utf-8")
    run.strike()
    run.strikes[-1].upgrade = f"{library} {version}"


def _refused_while_changed(run: FaultRun, path: Path, changed: bytes, *words: str) -> None:
    """The driver is refused while the file is changed; then it is put back."""
    whole = path.read_bytes()
    run.expect(changed != whole, f"{path} is as it was")
    path.write_bytes(changed)
    refused(run, *words, "undo the change")
    path.write_bytes(whole)
    run.strike()
