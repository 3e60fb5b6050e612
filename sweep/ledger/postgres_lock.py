"""One driver at a time for a sweep whose ledger is in a Postgres database, wherever the drivers run.

Every connection that a driver writes through holds a shared advisory lock, whose key is made of the sweep's name. So
what is written is written by a driver that holds the sweep, and a connection that comes back after a cut either shares
the lock again, or finds the driver that has taken the sweep meanwhile. A driver begins by holding the lock alone for a
moment. Locks end with their connections: what a dead driver held is free at once, and within a minute if its whole
machine has vanished.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
import uuid
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sweep.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

__all__ = ["PostgresLock", "driver"]

# Two drivers that meet here are told apart by their application names.
_OTHERS = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) | objid::bigint = %s AND application_name <> current_setting('application_name')
"""
_NOTICE_DEAD_PEERS = """
    SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
           set_config('tcp_keepalives_count', '3', false)
"""


_LINGERS = 3.0  # seconds that a busy server may take for that


@cache
def driver() -> str:
    """This process, as its connections call themselves: `sweep TOKEN PID HOST`, at most 63 ASCII characters."""
    host = socket.gethostname().encode("ascii", "replace").decode()
    return f"sweep {uuid.uuid4().hex[:8]} {os.getpid()} {host}"[:63]


@dataclass(frozen=True, slots=True)
class PostgresLock:
    """The right of this process to write a sweep. name: the sweep; where: its database, without passwords."""

    name: str
    where: str

    @property
    def key(self) -> int:
        """The lock's key, a signed number of 64 bits."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big", signed=True)

    def begin(self, connection: DBAPIConnection, record: object) -> None:
        """Take the sweep on its first connection. Raises LedgerError if anybody holds it, even this very process."""
        given_up = time.monotonic() + _LINGERS
        while not _ask(connection, "SELECT pg_try_advisory_lock(%s)", self.key):
            other = _ask(connection, _OTHERS, self.key)
            if other or time.monotonic() > given_up:
                raise self._in_use(other or driver())
            time.sleep(0.05)  # the server may not have ended a connection yet that this process has closed
        _ask(connection, "SELECT pg_advisory_lock_shared(%s)", self.key)
        _ask(connection, "SELECT pg_advisory_unlock(%s)", self.key)
        _ask(connection, _NOTICE_DEAD_PEERS)
        connection.commit()

    def join(self, connection: DBAPIConnection, record: object) -> None:
        """Hold the sweep on one more connection. Raises LedgerError if another driver holds it."""
        shared = _ask(connection, "SELECT pg_try_advisory_lock_shared(%s)", self.key)
        other = _ask(connection, _OTHERS, self.key)
        if other or not shared:
            raise self._in_use(other)
        _ask(connection, _NOTICE_DEAD_PEERS)
        connection.commit()

    def _in_use(self, other: str | None) -> LedgerError:
        match = re.fullmatch(r"sweep \w+ (\d+) (.*)", other or "")
        owner = f"process {match[1]} on {match[2]}" if match else "another process"
        return LedgerError(
            f"one driver may run a sweep at a time; {self.name} in {self.where} is in use by {owner}; wait for it, "
            "stop it, or give this sweep another name (`--set name=...`)"
        )


def _ask(connection: DBAPIConnection, statement: str, *values: object) -> Any:
    """The first value of the answer, None if there is none."""
    cursor = connection.cursor()
    try:
        cursor.execute(statement, values)
        row = cursor.fetchone()
        return row[0] if row else None
    finally:
        cursor.close()
