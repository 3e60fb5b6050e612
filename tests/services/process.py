"""Run a command as a user would, and measure its wall time and the memory of its processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

__all__ = ["CommandFailedError", "ProcessRun", "clean_environment", "run_command"]

SAMPLE_SECONDS = 0.5


class CommandFailedError(Exception):
    """A command ended with another exit code than 0; the message has the end of its output."""


@dataclass(frozen=True, slots=True)
class ProcessRun:
    """started, ended: seconds since the epoch.

    driver_mib, worker_mib: peaks of resident memory, of the command's own process and of the largest process below it
    (0 if there was none).
    """

    started: float
    ended: float
    driver_mib: float
    worker_mib: float

    @property
    def wall(self) -> float:
        """Seconds from the start of the process to its end."""
        return self.ended - self.started


def run_command(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> ProcessRun:
    """Run `command` in `folder`, its output in `folder`/output.log. Raises CommandFailedError."""
    log = folder / "output.log"
    peaks: dict[int, float] = {}
    with log.open("wb") as output:
        started = time.time()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while not _ended(process):
                _sample(process.pid, peaks)
        except BaseException:
            _kill(process)
            raise
        ended = time.time()
    if process.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise CommandFailedError(f"{' '.join(command)} ended with exit code {process.returncode}:\n{tail}")
    driver = peaks.pop(process.pid, 0.0)
    return ProcessRun(started, ended, driver_mib=driver, worker_mib=max(peaks.values(), default=0.0))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=SAMPLE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _sample(root: int, peaks: dict[int, float]) -> None:
    """Raise each living process's entry in `peaks` to the most it has used."""
    for process in _tree(root):
        try:
            peaks[process.pid] = max(peaks.get(process.pid, 0.0), _peak_mib(process))
        except (psutil.Error, OSError):  # it ended meanwhile
            continue


def _tree(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _peak_mib(process: psutil.Process) -> float:
    """Linux keeps a process's high-water mark, so that no peak between two samples is missed; elsewhere, memory now."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        lines = (line.split() for line in status.read_text().splitlines())
        return next((int(words[1]) / 1024 for words in lines if words[:1] == ["VmHWM:"]), 0.0)
    return float(process.memory_info().rss) / 2**20


def _kill(process: subprocess.Popen[bytes]) -> None:
    for each in reversed(_tree(process.pid)):
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def clean_environment(folder: Path, root: Path) -> dict[str, str]:
    """This environment without settings of the tools, one thread for each process, no network, caches in `folder`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "RAY_", "TUNE_", "HF_"))
    }
    return kept | {
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "huggingface"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "CUDA_VISIBLE_DEVICES": "",
    }
