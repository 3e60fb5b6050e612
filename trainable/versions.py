"""The versions of what decides the numbers of a training."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["versions"]

_PACKAGES = ("torch", "transformers")


@cache
def versions() -> str:
    """The training code of this project by a hash of its source, and the libraries that compute, by their versions:
    `trainable 3f2a9c12, torch 2.13.0, transformers 5.23.0`."""
    return ", ".join([f"trainable {_source_hash()}", *(f"{package} {_version(package)}" for package in _PACKAGES)])


def _source_hash() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
