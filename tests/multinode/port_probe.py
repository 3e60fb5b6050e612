"""What a client on the network hears from the ports of a machine: without a token, with a wrong one, with the right.

    python -m tests.multinode.port_probe HOST PORT... < TOKEN

prints for each port, for each kind of token, what answers, as JSON: pages by HTTP, and by gRPC one harmless method of
each service of Ray.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from enum import StrEnum
from typing import Any

import grpc  # type: ignore[import-untyped]

__all__ = ["HEALTH", "STATISTICS", "Answers", "Nature", "nature"]

Answers = Mapping[str, Mapping[str, str]]
"""By kind of token, then by page or method: what came back, in a word."""

HEALTH = "/grpc.health.v1.Health/Check"
STATISTICS = "/ray.rpc.CoreWorkerService/GetCoreWorkerStats"
# Not RaySyncer's StartSync: in Ray 2.60, one call of it without a node's id ends the server, even without a token.
METHODS = (
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.InternalKVGcsService/InternalKVKeys",
    "/ray.rpc.JobInfoGcsService/GetAllJobInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    STATISTICS,
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.ReporterService/HealthCheck",
    "/ray.rpc.LogService/ListLogs",
    "/ray.rpc.RayletDriver/ClusterInfo",
    HEALTH,
)
PAGES = ("/api/version", "/api/jobs/", "/nodes", "/metrics", "/logs", "/")
_TIME_LIMIT = 20.0  # seconds: a busy machine answers late, and only a port that never does costs them
_COUNTERS = "counters"  # a page for Prometheus
_REFUSED = {"401", "403", "UNAUTHENTICATED"}
_UNKNOWN = {"UNIMPLEMENTED", "UNAVAILABLE", "BadStatusLine"}  # another service, or another protocol
_CLOSED = {"ConnectionRefusedError", "UNAVAILABLE"}


class Nature(StrEnum):
    """What a port is to a stranger: closed to the network, of no protocol of Ray's, a page of counters at whatever
    path, guarded by the token; else open."""

    CLOSED = "closed"
    FOREIGN = "foreign"
    COUNTERS = "counters"
    GUARDED = "guarded"
    OPEN = "open"


def nature(answers: Answers) -> Nature:
    """Judged by the answers without a token and with a wrong one, the bare sign of life aside."""
    heard = {answer for kind in ("none", "wrong") for name, answer in answers[kind].items() if name != HEALTH}
    if heard <= _CLOSED:
        return Nature.CLOSED
    if heard <= _UNKNOWN:
        return Nature.FOREIGN
    if heard <= {_COUNTERS, "UNAVAILABLE"}:
        return Nature.COUNTERS
    admitted = any(
        answers["none"][name] in _REFUSED and answer not in _REFUSED for name, answer in answers["right"].items()
    )
    return Nature.GUARDED if heard <= _REFUSED | _UNKNOWN and admitted else Nature.OPEN


def knock(host: str, port: int, token: str) -> dict[str, dict[str, str]]:
    """Try a port with every kind of token. token: the right one."""
    kinds: dict[str, str | None] = {"none": None, "wrong": "0" * len(token), "right": token}
    return {kind: {**_pages(host, port, each), **_calls(host, port, each)} for kind, each in kinds.items()}


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def _pages(host: str, port: int, token: str | None) -> dict[str, str]:
    return {path: _page(host, port, path, token) for path in PAGES}


def _page(host: str, port: int, path: str, token: str | None) -> str:
    with closing(http.client.HTTPConnection(host, port, timeout=_TIME_LIMIT)) as connection:
        try:
            connection.request("GET", path, headers=_headers(token))
            response = connection.getresponse()
            for_prometheus = response.headers.get("Content-Type", "").startswith("text/plain; version=")
            return _COUNTERS if for_prometheus else str(response.status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__


def _calls(host: str, port: int, token: str | None) -> dict[str, str]:
    with grpc.insecure_channel(f"{host}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        return {method: _call(channel, method, token) for method in METHODS}


def _call(channel: Any, method: str, token: str | None) -> str:
    call = channel.unary_unary(method)  # an empty message is a valid one for every method
    try:
        call(b"", metadata=tuple(_headers(token).items()), timeout=_TIME_LIMIT)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def main() -> None:
    host, *ports = sys.argv[1:]
    token = sys.stdin.read().strip()
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda port: knock(host, int(port), token), ports)
        print(json.dumps(dict(zip(ports, answers, strict=True))))


if __name__ == "__main__":
    main()
