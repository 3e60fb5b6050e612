"""The project as it is installed on the machines of tests: as it is here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.multinode.namespaces import lacking

__all__ = ["ROOT", "environment", "require_machines"]

ROOT = Path(__file__).parents[2]


def environment(**others: str) -> dict[str, str]:
    """Of a shell there: the programs and packages of these tests, one thread for each process, no model hub."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}:/usr/sbin:/sbin",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_worker_niceness": "0",  # else trials starve beside whatever else this machine does
        **others,
    }


def require_machines() -> None:
    """Skip, naming what is missing, where machines cannot be made."""
    if missing := lacking():
        pytest.skip(f"needs {missing}")
