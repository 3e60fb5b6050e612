"""One sweep that faults strike: its folder, its driver as a real process, and how far its ledger has come."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sweep.errors import SweepError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.stored import read_stored
from sweep.records.results import SweepResults
from tests.faults.fault_spec import NAME, fault_spec
from tests.faults.requirements import Requirement
from tests.faults.services import Services, environment
from tests.faults.strike import Strike
from tests.services.postgres_server import execute
from tests.services.sessions import Session, workers
from tests.services.waiting import TIME_LIMIT
from tests.sweeps.progress import Timeline, reports_in_journal, reports_in_postgres

__all__ = ["DUE_WITHIN", "FaultRun"]

DUE_WITHIN = 180.0  # seconds for what takes a few on an idle machine: a worker or a trial that is due

_DISK = "12m"


@dataclass
class FaultRun:
    """A sweep in a folder of its own, with the services that it may use. Create it by `opened`.

    name: what tells it from the other runs with its services. fault: the one whose turn it is. problems: what must
    not be. starts: of the driver. behind: whether MLflow may lack something for good reason when the driver has ended.
    deleted: the ids of sweeps whose ledgers were deleted.
    """

    services: Services
    name: str
    requirements: frozenset[Requirement]
    fault: str = ""
    strikes: list[Strike] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    started: float = 0.0
    starts: int = 0
    behind: bool = False
    deleted: set[str] = field(default_factory=set)
    timeline: Timeline = field(init=False)
    _driver: Session | None = None

    @classmethod
    @contextmanager
    def opened(cls, services: Services, name: str, requirements: frozenset[Requirement]) -> Iterator[FaultRun]:
        """A run whose sweep has not begun. Whatever it starts is ended with it; its folder stays."""
        run = cls(services, name, requirements)
        run.folder.mkdir()
        run.sweeps.mkdir()
        try:
            run._prepare()
            with run.timeline.followed():
                yield run
        finally:
            run._close()

    # ---- where things are

    @property
    def folder(self) -> Path:
        return self.services.folder / self.name

    @property
    def sweeps(self) -> Path:
        return self.folder / "sweeps"

    @property
    def directory(self) -> SweepDirectory:
        return SweepDirectory(self.sweeps / NAME)

    @property
    def encoder(self) -> Path:
        """The run's own one, if it has one; else the one that all runs share."""
        return (
            self.folder if Requirement.OWN_ENCODER in self.requirements else self.services.material.folder
        ) / "encoder"

    @property
    def data(self) -> Path:
        """The same for the sentences."""
        return (
            self.folder if Requirement.OWN_DATA in self.requirements else self.services.material.folder
        ) / "films.csv"

    @property
    def libraries(self) -> Path:
        """Where Python looks for libraries before it looks anywhere else."""
        return self.folder / "libraries"

    @property
    def switches(self) -> Path:
        """What the preloaded library looks at, see preload.c."""
        return self.folder / "switches"

    @property
    def experiment(self) -> str:
        return f"faults {self.name}"

    @property
    def store(self) -> Path:
        """The database of the sweep's MLflow store."""
        return self.services.mlflow.file if Requirement.SERVER in self.requirements else self.folder / "mlflow.db"

    # ---- the driver

    def start(self) -> None:
        """Start the driver, by the same command each time."""
        assert self._driver is None or not self.running, "one at a time"
        self._driver = self.begin(self.command)
        self.started = time.monotonic()
        self.starts += 1

    def kill(self) -> None:
        """Kill the driver, as the kernel does when memory is short."""
        self.driver.process.kill()
        self.driver.process.wait()

    @property
    def command(self) -> list[str]:
        """What a person types."""
        joined = ["--address", self.services.cluster.address] if Requirement.EMBEDDED not in self.requirements else []
        return ["run", "spec.yaml", *joined]

    @property
    def driver(self) -> Session:
        assert self._driver is not None, "start() comes first"
        return self._driver

    @property
    def running(self) -> bool:
        return self.driver.running

    @property
    def code(self) -> int:
        """The driver's exit code."""
        code = self.driver.process.poll()
        assert code is not None, "it runs"
        return code

    @property
    def workers(self) -> list[Any]:
        """The processes that train."""
        return workers([self.driver] if Requirement.EMBEDDED in self.requirements else self.services.cluster.sessions)

    def switch(self, *, seconds: int = 0, refused: int = 0) -> None:
        """Move the driver's clock by `seconds` from the right time, and refuse memory to the process `refused`."""
        with self.switches.open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("@qq", seconds, refused))

    def begin(self, arguments: Sequence[str], folder: Path | None = None, *, nice: bool = False) -> Session:
        """Start another command of the service, in the run's folder or in another one. nice: behind all others."""
        output = self.folder / f"output-{len(self.sessions) + 1}.txt"
        command = [*(["nice"] if nice else []), sys.executable, "-m", "sweep", *arguments]
        self.sessions.append(Session.begin(command, folder or self.folder, self._environment(), output))
        return self.sessions[-1]

    def end(self, session: Session) -> tuple[int, str]:
        """Let a command come to its end; exit code and output."""
        try:
            code = session.process.wait(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            self.expect(False, f"a command did not end within {TIME_LIMIT:g} s:\n{session.said}")
            session.kill()
            code = session.process.wait()
        self.expect("Traceback" not in session.said, f"a traceback: {session.said}")
        return code, session.said

    def call(self, *arguments: str) -> tuple[int, str]:
        """Run another command of the service to its end; exit code and output."""
        return self.end(self.begin(arguments))

    # ---- time

    @property
    def progress(self) -> int:
        """How many different reports the ledger holds."""
        return self.timeline.count()

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition for as long as the driver runs. Returns whether it was met."""
        self.comes(lambda: condition() or not self.running, seconds)
        return condition()

    def comes(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition, whether the driver runs or not. Returns whether it was met. Raises KeyboardInterrupt
        when all is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.services.over.is_set():
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def begun(self) -> bool:
        """Wait until the driver has the sweep's lock and its ledger. Returns whether that came to pass."""
        lock, own = self.directory.path / "driver.lock", f'"pid": {self.driver.process.pid}}}'
        return self.wait(
            lambda: lock.exists() and own in lock.read_text(encoding="utf-8") and self.directory.spec.exists(),
            DUE_WITHIN,
        )

    def sleep(self, seconds: float) -> None:
        """Let time pass for as long as the driver runs."""
        self.wait(lambda: False, seconds)

    def strike(self) -> None:
        """Note that the fault strikes now."""
        before = self.results()
        self.strikes.append(Strike(self.fault, time.monotonic(), self.progress, before, len(self.sessions)))

    def forget(self) -> None:
        """Note that what the ledger holds is deleted: nothing of it need be there afterwards."""
        found = self.results()
        self.deleted |= {found.sweep.id} if found is not None else set()
        for strike in self.strikes:
            strike.before = None

    def expect(self, condition: bool, problem: str) -> None:
        """Note a problem unless the condition holds."""
        if not condition:
            self.problems.append(f"{self.fault}: {problem}" if self.fault else problem)

    def results(self) -> SweepResults | None:
        """What the ledger holds, if the sweep has begun."""
        try:
            return read_stored(NAME, self.sweeps)[1].results()
        except SweepError:
            return None

    # ---- inside

    def _prepare(self) -> None:
        if Requirement.SMALL_DISK in self.requirements:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(self.sweeps)], check=True)
        if Requirement.OWN_ENCODER in self.requirements:
            shutil.copytree(self.services.material.encoder, self.encoder)
        if Requirement.OWN_DATA in self.requirements:
            shutil.copyfile(self.services.material.sentences, self.data)
        if Requirement.SERVER in self.requirements:
            self.services.mlflow.heal()
        else:
            self.services.material.store(self.store)
        ledger = self._create_database() if Requirement.POSTGRES in self.requirements else None
        count = reports_in_journal(self.directory.journal) if ledger is None else reports_in_postgres(ledger)
        self.timeline = Timeline(count, lambda: self._driver is None or self.running)
        self.switches.write_bytes(bytes(16))
        (self.folder / "spec.yaml").write_text(yaml.safe_dump(fault_spec(self, ledger)))

    def _create_database(self) -> str:
        name = f"run_{self.name}"
        execute(self.services.postgres.url, f"CREATE DATABASE {name}")
        return self.services.postgres.database(name)

    def _environment(self) -> dict[str, str]:
        own = environment(self.folder)
        own["PYTHONPATH"] = os.pathsep.join([str(self.libraries), own["PYTHONPATH"]])
        if self.requirements & {Requirement.CLOCK, Requirement.MEMORY}:
            own |= {"LD_PRELOAD": str(self.services.material.library), "FAULTS_SWITCHES": str(self.switches)}
            own["RAY_LD_PRELOAD_ON_WORKERS"] = "1"
        return own

    def _close(self) -> None:
        for session in self.sessions:
            session.kill()
        if self.sweeps.is_mount():
            kept = self.folder / "kept"
            shutil.copytree(self.sweeps, kept)
            subprocess.run(["umount", str(self.sweeps)], check=True)
            self.sweeps.rmdir()
            kept.rename(self.sweeps)
