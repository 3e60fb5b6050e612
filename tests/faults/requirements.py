"""What a fault needs of the sweep that it strikes, and whether that can be had on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Set
from enum import StrEnum
from pathlib import Path

__all__ = ["Need", "agree", "lacking"]


class Need(StrEnum):
    """One property of a scene."""

    CLUSTER = "a Ray cluster that the driver joins"
    EMBEDDED = "Ray started by the driver itself"
    JOURNAL = "the ledger in a file"
    POSTGRES = "the ledger in Postgres"
    SMALL_DISK = "a small disk for the sweep's folder"
    SERVER = "an MLflow server, which the sweep does not require"
    CLOCK = "a clock of the driver that can be moved"
    OWN_ENCODER = "an encoder that no other sweep reads, and little patience with it"
    POISON = "an encoder among the searched ones that has a NaN"
    MEMORY = "memory that workers can be refused"


_CONFLICTS = (
    {Need.CLUSTER, Need.EMBEDDED},
    {Need.JOURNAL, Need.POSTGRES},
    {Need.SMALL_DISK, Need.POSTGRES},
    {Need.CLOCK, Need.EMBEDDED},  # Ray's own processes would see it jump
    {Need.OWN_ENCODER, Need.POISON},
)


def agree(needs: Set[Need]) -> bool:
    """Whether one scene can have all of them."""
    return not any(pair <= needs for pair in _CONFLICTS)


def lacking(needs: Set[Need]) -> str:
    """What they need of this machine that it does not have; empty if there is nothing."""
    missing = {
        Need.POSTGRES: "" if any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) else "postgresql (Debian)",
        Need.SMALL_DISK: "" if os.geteuid() == 0 else "the right to mount a tmpfs (root)",
        Need.CLOCK: "" if shutil.which("cc") else "gcc (Debian)",
        Need.MEMORY: "" if shutil.which("cc") else "gcc (Debian)",
    }
    return ", ".join(filter(None, (missing.get(need, "") for need in sorted(needs))))
