"""Buckets of clouds on this machine's loopback: S3 as moto has it, Google's as its emulator has it."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.services.mlflow_server import free_port

__all__ = ["Bucket", "google_bucket", "s3_bucket"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """One named `sweeps`. environment: what makes programs find it. names: of the files in it."""

    scheme: str
    environment: Mapping[str, str]
    names: Callable[[], Sequence[str]]


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """A bucket of AWS, for whoever has keys."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        s3 = boto3.client(
            "s3",
            region_name="us-west-2",
            endpoint_url=address,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106  # moto takes any
        )
        s3.create_bucket(Bucket="sweeps", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-west-2"}
        yield Bucket(
            "s3",
            {"AWS_ENDPOINT_URL": address, **keys},
            lambda: [each["Key"] for each in s3.list_objects_v2(Bucket="sweeps").get("Contents", [])],
        )
    finally:
        server.stop()


@contextmanager
def google_bucket() -> Iterator[Bucket]:
    """A bucket of Google's, for machines of a project: they ask for their rights, as those in the cloud do.

    They have those of Ray's service account, `roles/storage.objectAdmin`: objects, and nothing about the bucket itself.
    """
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    handlers = pytest.importorskip("gcp_storage_emulator.handlers.buckets")
    port = free_port()
    address = f"http://127.0.0.1:{port}"

    def names() -> list[str]:
        with urllib.request.urlopen(f"{address}/storage/v1/b/sweeps/o") as answer:  # noqa: S310  # ours
            return [each["name"] for each in json.load(answer).get("items", [])]

    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="sweeps")
    with _refused(emulator.HANDLERS, handlers.get), server, _metadata() as metadata:
        environment = {"GCE_METADATA_ROOT": metadata, "GCE_METADATA_HOST": metadata, "GCE_METADATA_IP": metadata}
        for name in ("CLOUD_STORAGE_EMULATOR_ENDPOINT", "STORAGE_EMULATOR_HOST"):  # Arrow's library, and Google's
            environment[name] = address
        yield Bucket("gs", environment, names)


@contextmanager
def _refused(routes: Iterable[tuple[str, dict[str, Any]]], handler: Any) -> Iterator[None]:
    """While the context is open, what a handler of the emulator answers takes a right that nobody has."""

    def refuse(request: Any, response: Any, *rest: Any) -> None:
        response.status = HTTPStatus.FORBIDDEN
        response.json({"error": {"code": 403, "message": "does not have storage.buckets.get access"}})

    served = [(methods, name) for _, methods in routes for name, each in methods.items() if each is handler]
    assert served
    for methods, name in served:
        methods[name] = refuse
    try:
        yield
    finally:
        for methods, name in served:
            methods[name] = handler


class _Metadata(BaseHTTPRequestHandler):
    """What a machine in Google's cloud is told of itself: its project, its account, and a token."""

    def do_GET(self) -> None:
        account = {"email": "head@my-project", "aliases": ["default"], "scopes": ["cloud-platform"]}
        token = {"access_token": "testing", "expires_in": 3600, "token_type": "Bearer"}
        if "/token" in self.path:
            self._say(json.dumps(token), "application/json")
        elif "recursive" in self.path:
            self._say(json.dumps(account), "application/json")
        else:
            self._say("my-project", "application/text")

    def _say(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


@contextmanager
def _metadata() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
