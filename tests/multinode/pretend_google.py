"""Google Cloud as far as Ray's launcher asks it, in this process.

A request must be one that Google's published descriptions of its interfaces know (the package google-api-python-client
brings them), with a body that they describe, to the last field: real servers refuse what they do not know too. What
requests make is kept. No rights are enforced, there is capacity without end, and nothing boots.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema  # type: ignore[import-untyped]

__all__ = ["Call", "PretendGoogle"]

_INTERFACES = ("cloudresourcemanager.v1", "compute.v1", "iam.v1")
_DONE = {"name": "operation", "status": "DONE"}
_LABEL = re.compile(r"labels\.([\w-]+) = ([\w-]+)")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of an interface. body: the schema of what it is sent, if anything."""

    name: str
    verb: str
    path: re.Pattern[str]
    body: Json | None


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was answered. method: its name in Google's description. where: what its address says."""

    method: str
    where: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class PretendGoogle:
    """A project, in which a region has one network. machines: those that run, by name. policy: who may do what."""

    project: str
    calls: list[Call] = field(default_factory=list)
    machines: dict[str, Json] = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    policy: Json = field(default_factory=lambda: {"bindings": []})
    accounts: dict[str, Json] = field(default_factory=dict)

    def answer(self, verb: str, address: str, body: str | bytes | None) -> tuple[int, Json]:
        """Status and content for a request. Raises AssertionError or jsonschema.ValidationError for one that Google
        does not describe."""
        call = _understood(verb, address, json.loads(body) if body else None)
        self.calls.append(call)
        return self._answers[call.method](call)

    def bodies(self, method: str) -> list[Any]:
        """What the calls of a method have sent, in their order."""
        return [call.body for call in self.calls if call.method == method]

    @property
    def _answers(self) -> Mapping[str, Callable[[Call], tuple[int, Json]]]:
        return {
            "cloudresourcemanager.projects.get": lambda call: (
                200,
                {"projectId": self.project, "lifecycleState": "ACTIVE"},
            ),
            "cloudresourcemanager.projects.getIamPolicy": lambda call: (200, self.policy),
            "cloudresourcemanager.projects.setIamPolicy": self._set_policy,
            "iam.projects.serviceAccounts.get": self._account,
            "iam.projects.serviceAccounts.create": self._create_account,
            "compute.projects.get": lambda call: (
                200,
                {"name": self.project, "commonInstanceMetadata": self.metadata},
            ),
            "compute.projects.setCommonInstanceMetadata": self._set_metadata,
            "compute.globalOperations.get": lambda call: (200, _DONE),
            "compute.zoneOperations.get": lambda call: (200, _DONE),
            "compute.subnetworks.list": self._networks,
            "compute.instances.insert": self._insert,
            "compute.instances.get": lambda call: (200, self.machines[call.where["instance"]]),
            "compute.instances.list": self._list,
            "compute.instances.delete": self._delete,
        }

    def _set_policy(self, call: Call) -> tuple[int, Json]:
        self.policy = call.body["policy"]
        return 200, self.policy

    def _account(self, call: Call) -> tuple[int, Json]:
        account = self.accounts.get(call.where["serviceAccountsId"])
        return (404, {"error": {"code": 404}}) if account is None else (200, account)

    def _create_account(self, call: Call) -> tuple[int, Json]:
        email = f"{call.body['accountId']}@{self.project}.iam.gserviceaccount.com"
        self.accounts[email] = {"email": email, "projectId": self.project}
        return 200, self.accounts[email]

    def _set_metadata(self, call: Call) -> tuple[int, Json]:
        self.metadata = call.body
        return 200, _DONE

    def _networks(self, call: Call) -> tuple[int, Json]:
        return 200, {"items": [{"selfLink": f"projects/{self.project}/regions/{call.where['region']}/default"}]}

    def _insert(self, call: Call) -> tuple[int, Json]:
        self.machines[call.body["name"]] = {**call.body, "status": "RUNNING", "labelFingerprint": "1"}
        return 200, _DONE

    def _list(self, call: Call) -> tuple[int, Json]:
        wanted = dict(_LABEL.findall(call.where["filter"]))
        return 200, {"items": [each for each in self.machines.values() if wanted.items() <= each["labels"].items()]}

    def _delete(self, call: Call) -> tuple[int, Json]:
        del self.machines[call.where["instance"]]
        return 200, _DONE


def _understood(verb: str, address: str, body: Any) -> Call:
    parts = urlsplit(address)
    place = f"{parts.scheme}://{parts.netloc}{parts.path}"
    for method in _methods():
        if method.verb == verb and (found := method.path.fullmatch(place)):
            assert (body is None) == (method.body is None), f"{method.name} has a body, or has none"
            if method.body is not None:
                jsonschema.Draft202012Validator(method.body).validate(body)
            where = {name: unquote(value) for name, value in found.groupdict().items()}
            return Call(method.name, {**where, **dict(parse_qsl(parts.query))}, body)
    raise AssertionError(f"Google describes no such request: {verb} {address}")


@cache
def _methods() -> tuple[_Method, ...]:
    found: list[_Method] = []
    for name in _INTERFACES:
        text = (files("googleapiclient") / f"discovery_cache/documents/{name}.json").read_text(encoding="utf-8")
        document = json.loads(text)
        kinds = {kind: _schema(each) for kind, each in document["schemas"].items()}
        found += _described(document, document["baseUrl"], kinds)
    return tuple(found)


def _described(resource: Json, base: str, kinds: Json) -> Iterator[_Method]:
    for method in resource.get("methods", {}).values():
        path = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/:]+)", re.escape(base + method.get("flatPath", method["path"])))
        body = {"$defs": kinds, "$ref": f"#/$defs/{method['request']['$ref']}"} if "request" in method else None
        yield _Method(method["id"], method["httpMethod"], re.compile(path), body)
    for each in resource.get("resources", {}).values():
        yield from _described(each, base, kinds)


def _schema(described: Json) -> Json:
    """JSON Schema of a type as it is described, which has no other fields than those named. Numbers of 64 bits are
    described as strings, which is how answers have them; requests may have numbers."""
    if "$ref" in described:
        return {"$ref": f"#/$defs/{described['$ref']}"}
    kind = described["type"]
    if kind == "object":
        others = described.get("additionalProperties")
        return {
            "type": "object",
            "properties": {name: _schema(each) for name, each in described.get("properties", {}).items()},
            "additionalProperties": _schema(others) if others else "properties" not in described,
        }
    if kind == "array":
        return {"type": "array", "items": _schema(described["items"])}
    types = ["string", "integer"] if described.get("format") in {"int64", "uint64"} else [kind]
    return {} if kind == "any" else {"type": types, **{key: described[key] for key in ("enum",) if key in described}}
