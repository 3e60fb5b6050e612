"""A real MLflow server for tests, and the line to it, which can be slow or broken."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.services.waiting import wait_until

__all__ = ["Line", "Server", "free_port"]

DEFAULT_EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"


@dataclass
class Server:
    """`mlflow server` on this machine. It keeps its port and its data over a restart. begun: is told the leader of each
    new session."""

    folder: Path
    database: str
    port: int
    process: subprocess.Popen[bytes] | None = None
    begun: Callable[[int], None] = lambda leader: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database, "--workers", "1"]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--port", str(self.port)]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight processes that nobody uses
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.begun(self.process.pid)
        wait_until(self.answers)

    def kill(self) -> None:
        """As a power cut: the server and the workers that it started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{DEFAULT_EXPERIMENT}", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):  # nobody listens yet, or what does answers in part
            return False


@dataclass
class Line:
    """What lies between client and server: it counts requests, and can delay them or lose their answers."""

    server_port: int
    requests: list[str] = field(default_factory=list)
    delay: Callable[[str], float] = lambda path: 0.0
    loses: Callable[[str], bool] = lambda path: False
    status: int | None = None  # answer everything with this

    def open(self) -> ThreadingHTTPServer:
        line = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                line.requests.append(path)
                time.sleep(line.delay(path))
                try:
                    status, content = (line.status, b"denied") if line.status else line.ask(self, body)
                    if line.loses(path):
                        raise ConnectionAbortedError
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True  # the server is down, the answer is lost, or the client did not wait

            def log_request(self, *_: object) -> None:
                pass

            do_GET = do_POST = do_PUT = forward

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Connection")}
            connection.request(request.command, request.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
