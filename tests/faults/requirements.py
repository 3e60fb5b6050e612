"""What a fault requires of the sweep that it strikes, and whether that can be had on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Set
from enum import StrEnum
from pathlib import Path

__all__ = ["Requirement", "agree", "lacking"]


class Requirement(StrEnum):
    """One property of the sweep that a fault strikes."""

    CLUSTER = "a Ray cluster that the driver joins"
    EMBEDDED = "Ray started by the driver itself"
    JOURNAL = "the ledger in a file"
    POSTGRES = "the ledger in Postgres"
    SMALL_DISK = "a small disk for the sweep's folder"
    SERVER = "an MLflow server, which the sweep does not require"
    CLOCK = "a clock of the driver that can be moved"
    LOCAL_STORE = "an MLflow store in a file"
    OWN_DATA = "data that no other sweep reads"
    OWN_ENCODER = "an encoder that no other sweep reads, and little time_limit with it"
    POISON = "an encoder among the searched ones that has a NaN"
    MEMORY = "memory that workers can be refused"


_CONFLICTS = (
    {Requirement.CLUSTER, Requirement.EMBEDDED},
    {Requirement.JOURNAL, Requirement.POSTGRES},
    {Requirement.SMALL_DISK, Requirement.POSTGRES},
    {Requirement.LOCAL_STORE, Requirement.SERVER},
    {Requirement.CLOCK, Requirement.EMBEDDED},  # Ray's own processes would see it jump
    {Requirement.OWN_ENCODER, Requirement.POISON},
)


def agree(requirements: Set[Requirement]) -> bool:
    """Whether one sweep can have all of them."""
    return not any(pair <= requirements for pair in _CONFLICTS)


def lacking(requirements: Set[Requirement]) -> str:
    """What they need of this machine that it does not have; empty if there is nothing."""
    missing = {
        Requirement.POSTGRES: "" if any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) else "postgresql (Debian)",
        Requirement.SMALL_DISK: "" if os.geteuid() == 0 else "the right to mount a tmpfs (root)",
        Requirement.CLOCK: "" if shutil.which("cc") else "gcc (Debian)",
        Requirement.MEMORY: "" if shutil.which("cc") else "gcc (Debian)",
    }
    return ", ".join(filter(None, (missing.get(need, "") for need in sorted(requirements))))
