"""kuberay.yaml: by the fields that KubeRay documents, and through the translation that Ray's autoscaler makes of it."""

from __future__ import annotations

import re
import shlex
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from sweep.cli import _parser
from tests.multinode.files import CLUSTER, read

STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITIES = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^\d+(\.\d+)?(m|[KMGT]i?)?$"}}


def closed(required: str, **properties: Any) -> dict[str, Any]:
    """The schema of an object that has no other fields. required: their names, between spaces."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def listed(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


TEXT, NUMBER, SWITCH = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
CONTAINER = closed(
    "name image resources",
    name=TEXT,
    image=TEXT,
    command=listed(TEXT),
    args=listed(TEXT),
    env=listed(closed("name value", name=TEXT, value=TEXT)),
    resources=closed("requests limits", requests=QUANTITIES, limits=QUANTITIES),
    volumeMounts=listed(closed("name mountPath", name=TEXT, mountPath=TEXT)),
)
POD = closed(
    "containers restartPolicy",
    nodeSelector=STRINGS,
    tolerations=listed(
        closed(
            "key operator effect",
            key=TEXT,
            operator={"enum": ["Exists"]},
            effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        )
    ),
    restartPolicy={"enum": ["Never", "Always", "OnFailure"]},
    automountServiceAccountToken=SWITCH,
    securityContext=closed("fsGroup", fsGroup=NUMBER),
    containers=listed(CONTAINER),
    volumes=listed(closed("name", name=TEXT, persistentVolumeClaim=closed("claimName", claimName=TEXT))),
)
TEMPLATE = closed("spec", spec=POD)
# The fields of ray.io/v1 that are used, with the types and values of KubeRay 1.6.2's reference.
CLUSTER_SPEC = closed(
    "rayVersion headGroupSpec workerGroupSpecs",
    rayVersion=TEXT,
    authOptions=closed("mode", mode={"enum": ["disabled", "token"]}),
    enableInTreeAutoscaling=SWITCH,
    autoscalerOptions=closed(
        "version",
        version={"enum": ["v1", "v2"]},
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        idleTimeoutSeconds=NUMBER,
    ),
    headGroupSpec=closed(
        "template",
        serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
        enableIngress=SWITCH,
        rayStartParams=STRINGS,
        template=TEMPLATE,
    ),
    workerGroupSpecs=listed(
        closed(
            "groupName minReplicas maxReplicas template",
            groupName=TEXT,
            replicas=NUMBER,
            minReplicas=NUMBER,
            maxReplicas=NUMBER,
            rayStartParams=STRINGS,
            template=TEMPLATE,
        )
    ),
)
JOB = closed(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=closed("name", name={"type": "string", "maxLength": 47}),  # KubeRay makes longer names of it
    spec=closed(
        "entrypoint rayClusterSpec",
        entrypoint=TEXT,
        shutdownAfterJobFinishes=SWITCH,
        ttlSecondsAfterFinished=NUMBER,
        backoffLimit=NUMBER,
        rayClusterSpec=CLUSTER_SPEC,
    ),
)


@pytest.fixture
def job() -> dict[str, Any]:
    return read("kuberay.yaml")


@pytest.fixture
def cluster(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["rayClusterSpec"]
    return spec


def test_the_job_has_documented_fields_only(job: dict[str, Any]) -> None:
    jsonschema.validate(job, JOB)


def test_a_wrong_field_is_found(job: dict[str, Any], cluster: dict[str, Any]) -> None:
    cluster["authOption"] = cluster.pop("authOptions")
    with pytest.raises(jsonschema.ValidationError, match="authOption"):
        jsonschema.validate(job, JOB)


def test_rays_autoscaler_understands_the_cluster(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    resource = {"metadata": {"name": "few-shot-sweep", "namespace": "default"}, "spec": cluster}
    config = _derive_autoscaling_config_from_ray_cr(resource)
    head, gpu = config["available_node_types"]["headgroup"], config["available_node_types"]["gpu"]
    assert (head["resources"]["CPU"], head["max_workers"]) == (0, 0)
    assert (gpu["resources"]["CPU"], gpu["resources"]["GPU"]) == (4, 1)
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, 4)
    assert config["idle_timeout_minutes"] == 5


def test_the_job_goes_when_it_has_ended_and_its_records_stay(job: dict[str, Any]) -> None:
    assert job["spec"]["shutdownAfterJobFinishes"]
    _, claim = yaml.safe_load_all((CLUSTER / "kuberay.yaml").read_text(encoding="utf-8"))
    assert claim["kind"] == "PersistentVolumeClaim"
    pod = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    for container in pod["containers"]:
        assert [mount["name"] for mount in container["volumeMounts"]] == [volume["name"]]


def test_the_entrypoint_is_a_command_of_ours(job: dict[str, Any], cluster: dict[str, Any]) -> None:
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:3] == ["python", "-m", "sweep"]
    options = _parser().parse_args(words[3:])
    assert options.address == "auto"
    assert options.dir.startswith("/records/")
    assert "resources.gpu=1" in options.set
    assert f"budget.concurrency={cluster['workerGroupSpecs'][0]['maxReplicas']}" in options.set


def test_nothing_is_open_and_the_token_is_asked_for(cluster: dict[str, Any]) -> None:
    head = cluster["headGroupSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert (head["serviceType"], head["enableIngress"]) == ("ClusterIP", False)
    driver, server = head["template"]["spec"]["containers"]
    assert "--host=127.0.0.1" in server["command"]
    assert driver["env"] == [{"name": "MLFLOW_TRACKING_URI", "value": "http://127.0.0.1:5000"}]
    (worker,) = cluster["workerGroupSpecs"]
    assert worker["template"]["spec"]["automountServiceAccountToken"] is False


@pytest.mark.filterwarnings("ignore")  # MLflow 3.17 warns of its own parts when it is imported
def test_the_command_of_mlflow_is_one(cluster: dict[str, Any]) -> None:
    from mlflow.cli import cli

    server = cluster["headGroupSpec"]["template"]["spec"]["containers"][1]
    words: list[str] = server["command"] + server["args"]
    assert words[:2] == ["mlflow", "server"]
    options = cli.commands["server"].make_context("server", words[2:]).params
    assert options["backend_store_uri"] == "sqlite:////records/mlflow.db"
    assert options["artifacts_destination"] == "/records/artifacts"
    assert (options["host"], options["port"], int(options["workers"])) == ("127.0.0.1", 5000, 1)


def test_versions_are_those_of_the_lock(cluster: dict[str, Any]) -> None:
    lock = (CLUSTER.parent / "constraints.txt").read_text(encoding="utf-8")
    (ray,) = re.findall(r"^ray==(.+)$", lock, flags=re.MULTILINE)
    assert cluster["rayVersion"] == ray
    assert f"rayproject/ray:{ray}-py311" in (CLUSTER / "README.md").read_text(encoding="utf-8")
