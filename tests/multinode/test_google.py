"""gcp.yaml through Ray's own bootstrap, and the machines that Ray asks for then, against a pretend Google Cloud."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.multinode.files import prepared, read
from tests.multinode.pretend_google import PretendGoogle

pytest.importorskip("googleapiclient", reason="needs google-api-python-client")

PROJECT, REGION, ZONE = (read("gcp.yaml")["provider"][name] for name in ("project_id", "region", "availability_zone"))
ACCOUNT = f"ray-autoscaler-sa-v1@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def google(home: Path) -> Iterator[PretendGoogle]:
    """An empty project, which answers for all of Google, and asks for no credentials."""
    import google.auth
    import httplib2
    from google.auth.credentials import AnonymousCredentials

    pretended, credentials = PretendGoogle(PROJECT), AnonymousCredentials()  # type: ignore[no-untyped-call]

    def request(http: Any, uri: str, method: str = "GET", body: Any = None, *others: Any, **more: Any) -> Any:
        status, content = pretended.answer(method, uri, body)
        return httplib2.Response({"status": str(status)}), json.dumps(content).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))  # Ray writes its SSH key there
        patch.setattr(google.auth, "default", lambda *args, **kwargs: (credentials, PROJECT))
        patch.setattr(httplib2.Http, "request", request)
        yield pretended


@pytest.fixture(scope="module")
def config(google: PretendGoogle) -> dict[str, Any]:
    """gcp.yaml, as `ray up` hands it to the head."""
    from ray.autoscaler._private.providers import _get_node_provider_cls

    ready = prepared(read("gcp.yaml"))
    bootstrapped: dict[str, Any] = _get_node_provider_cls(ready["provider"]).bootstrap_config(ready)
    return bootstrapped


@pytest.fixture(scope="module")
def provider(config: dict[str, Any]) -> Any:
    from ray.autoscaler._private.providers import _get_node_provider

    return _get_node_provider(config["provider"], config["cluster_name"], use_cache=False)


@pytest.fixture(scope="module")
def machines(google: PretendGoogle, config: dict[str, Any], provider: Any) -> dict[str, dict[str, Any]]:
    """What Google was asked for, by type: the head as `ray up` asks, a machine with a GPU as the autoscaler does."""
    types = config["available_node_types"]
    asked = {"head": {**config["head_node"], **types["head"]["node_config"]}, "gpu": types["gpu"]["node_config"]}
    for name, node_config in asked.items():
        kind = "head" if name == "head" else "worker"
        tags = {"ray-node-name": f"ray-few-shot-sweep-{kind}", "ray-node-type": kind, "ray-user-node-type": name}
        provider.create_node(copy.deepcopy(node_config), tags, 1)
    return dict(zip(asked, google.bodies("compute.instances.insert"), strict=True))


def test_machines_are_of_the_zone_with_disks_and_the_projects_network(machines: dict[str, dict[str, Any]]) -> None:
    kinds = {name: each["machineType"] for name, each in machines.items()}
    assert kinds == {
        "head": f"zones/{ZONE}/machineTypes/e2-standard-4",
        "gpu": f"zones/{ZONE}/machineTypes/g2-standard-4",
    }
    for each in machines.values():
        (disk,) = each["disks"]
        assert disk["boot"]
        assert disk["autoDelete"]
        (interface,) = each["networkInterfaces"]
        assert interface["subnetwork"].startswith(f"projects/{PROJECT}/regions/{REGION}/")


def test_machines_with_a_gpu_are_spot_go_when_they_must_and_have_no_rights(machines: dict[str, dict[str, Any]]) -> None:
    assert machines["gpu"]["scheduling"] == {
        "onHostMaintenance": "TERMINATE",
        "provisioningModel": "SPOT",
        "instanceTerminationAction": "DELETE",
    }
    assert "serviceAccounts" not in machines["gpu"]
    assert "scheduling" not in machines["head"]
    assert [each["email"] for each in machines["head"]["serviceAccounts"]] == [ACCOUNT]


def test_the_head_gets_the_rights_that_the_page_names(google: PretendGoogle, config: dict[str, Any]) -> None:
    roles = {each["role"]: each["members"] for each in google.policy["bindings"]}
    given = ("storage.objectAdmin", "compute.admin", "iam.serviceAccountUser", "iam.roleViewer")
    assert roles == {f"roles/{name}": [f"serviceAccount:{ACCOUNT}"] for name in given}


def test_the_key_is_the_users_and_his_alone(google: PretendGoogle, config: dict[str, Any], home: Path) -> None:
    (item,) = google.metadata["items"]
    assert item["key"] == "ssh-keys"
    assert item["value"].startswith("ubuntu:ssh-rsa ")
    key = Path(config["auth"]["ssh_private_key"])
    assert key.is_relative_to(home)
    assert key.stat().st_mode & 0o077 == 0


def test_machines_are_found_again_by_their_type_and_given_back(
    google: PretendGoogle, machines: dict[str, dict[str, Any]], provider: Any
) -> None:
    (gpu,) = provider.non_terminated_nodes({"ray-user-node-type": "gpu"})
    assert gpu == machines["gpu"]["name"]
    assert len(provider.non_terminated_nodes({})) == 2
    provider.terminate_node(gpu)
    assert list(google.machines) == [machines["head"]["name"]]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("scheduling.provisioningModl", "SPOT", "provisioningModl"),
        ("scheduling.provisioningModel", "SPOTTED", "SPOTTED"),
        ("disks.0.autoDelete", "yes", "'yes' is not of type"),
        ("disks.0.initializeParams.sourceimage", "ubuntu", "sourceimage"),
    ],
)
def test_a_mistake_would_be_found(config: dict[str, Any], provider: Any, path: str, value: Any, told: str) -> None:
    node_config = copy.deepcopy(config["available_node_types"]["gpu"]["node_config"])
    *steps, last = path.split(".")
    place: Any = node_config
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    with pytest.raises(jsonschema.ValidationError, match=told):
        provider.create_node(node_config, {"ray-node-name": "worker", "ray-node-type": "worker"}, 1)
