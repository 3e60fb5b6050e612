"""A Ray cluster on this machine: a head that takes no trials, and nodes of one core, each a process tree of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.sessions import Session, workers
from tests.services.waiting import TIME_LIMIT

__all__ = ["RayCluster"]

_NODES = 2
_ATTEMPTS = 3
_RAY = str(Path(sys.executable).parent / "ray")
_COMMON = ("--block", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0")
_STORE = 100 * 2**20  # bytes of shared memory for each node; sweeps hardly use it


@dataclass
class RayCluster:
    """It keeps its port when its head is killed and it is started anew. `ray stop` is never used: it would end the Ray
    processes of others too."""

    folder: Path
    environment: Mapping[str, str]
    port: int
    head: Session | None = None
    nodes: list[Session] = field(default_factory=list)
    _begun: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def sessions(self) -> list[Session]:
        """Those of the head and of all nodes."""
        return [*self.nodes, *([] if self.head is None else [self.head])]

    def start(self) -> None:
        """Start the head, then the nodes."""
        head = ("--head", f"--port={self.port}", "--node-ip-address=127.0.0.1", "--num-cpus=0")
        self.head = self._begin(*head, "--include-dashboard=false", "--no-monitor", f"--temp-dir={self.folder}")
        for _ in range(_NODES):
            self.add_node()

    def add_node(self) -> None:
        self.nodes.append(self._begin(f"--address={self.address}", "--num-cpus=1"))

    @property
    def busy(self) -> Session:
        """The node that trains, or any."""
        return next((each for each in self.nodes if workers([each])), self.nodes[0])

    def kill_node(self, node: Session) -> None:
        self.nodes.remove(node)
        node.kill()

    def kill_head(self) -> None:
        assert self.head is not None, "it runs"
        self.head.kill()
        self.head = None

    def end(self) -> None:
        for session in self.sessions:
            session.kill()
        self.head = None
        self.nodes.clear()

    def _begin(self, *arguments: str) -> Session:
        """Start a node, again if it fails: now and then Ray chooses a port that somebody else is just taking."""
        self.folder.mkdir(exist_ok=True)
        command = [_RAY, "start", *_COMMON, f"--object-store-memory={_STORE}", *arguments]
        for _ in range(_ATTEMPTS):
            self._begun += 1
            node = Session.begin(command, self.folder, self.environment, self.folder / f"start-{self._begun}.txt")
            if _started(node):
                return node
            node.kill()
        raise AssertionError(f"a node does not start: {node.said}")


def _started(node: Session) -> bool:
    deadline = time.monotonic() + TIME_LIMIT
    while node.running and time.monotonic() < deadline:
        if "Ray runtime started" in node.said:
            return True
        time.sleep(0.05)
    return False
