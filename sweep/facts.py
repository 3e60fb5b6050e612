"""What a sweep ran on: commit, versions and hardware, for the record."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["environment_facts"]

_PACKAGES = (
    "few-shot-sweep",
    "ray",
    "optuna",
    "torch",
    "transformers",
    "datasets",
    "pytorch-metric-learning",
    "mlflow",
)


def environment_facts() -> Mapping[str, str]:
    """Facts about this process: `python`, `platform`, `cpus`, `git_commit` and `version.PACKAGE`."""
    facts = {"python": platform.python_version(), "platform": platform.platform(), "cpus": str(os.cpu_count())}
    for package in _PACKAGES:
        try:
            facts[f"version.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    commit = _git_commit()
    return {**facts, "git_commit": commit} if commit else facts


def _git_commit() -> str:
    """The commit of the code that runs, with `-dirty` if it was changed since; empty outside a repository."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
