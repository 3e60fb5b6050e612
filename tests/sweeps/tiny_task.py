"""Trials that cost almost nothing: a random encoder of two layers, and sentences that a few words tell apart."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from tests.sweeps.tiny_encoders import write_encoder

__all__ = ["TinyTask", "machine", "write_results"]

_WORDS = {"bad": ("bad", "awful", "poor"), "good": ("good", "great", "fine")}


@dataclass(frozen=True, slots=True)
class TinyTask:
    """Encoder and data in a folder."""

    folder: Path

    def write(self) -> None:
        """Write encoder and data."""
        encoder = self.folder / "encoder"
        encoder.mkdir()
        write_encoder(encoder)
        rows = [
            f"the film is {' '.join(words)},{label}" for label in _WORDS for words in product(_WORDS[label], repeat=3)
        ]
        (self.folder / "films.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")

    def write_spec(self, path: Path, name: str, **blocks: Mapping[str, Any]) -> None:
        """Write the spec of a sweep of this task. blocks: those that the two benchmarks do not share."""
        spec = {
            "name": name,
            "datasets": {"films": {"path": str(self.folder / "films.csv")}},
            "search": {"encoder_lr": {"low": 5e-4, "high": 2e-3, "log": True}},
            "trial": {"encoder": str(self.folder / "encoder"), "embedding": "mean", "max_length": 16},
            "pruning": {"rule": "none"},
            "resources": {"cpu": 1, "gpu": 0},
            **blocks,
        }
        path.write_text(yaml.safe_dump(spec, sort_keys=False))


def machine() -> dict[str, Any]:
    """What a result was measured on, and when."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
    }


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write them as JSON, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}")
