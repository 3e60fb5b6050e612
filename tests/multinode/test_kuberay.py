"""kuberay.yaml: by the schema of a RayJob, and through the translation that Ray's autoscaler makes of it."""

from __future__ import annotations

import re
import shlex
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from sweep.cli.parser import command_parser
from tests.multinode.files import CLUSTER, read
from tests.multinode.kuberay_schema import check

CLUSTER_SPEC = "rayClusterSpec"
HEAD_POD, GPU_POD = f"{CLUSTER_SPEC}.headGroupSpec.template", f"{CLUSTER_SPEC}.workerGroupSpecs.0.template"


@pytest.fixture
def job() -> dict[str, Any]:
    return read("kuberay.yaml")


@pytest.fixture
def cluster(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["rayClusterSpec"]
    return spec


def test_the_job_is_one_by_the_schema(job: dict[str, Any]) -> None:
    check("RayJob", job)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("preRunningDeadlineSeconds", 0, "0 is less than"),
        ("backoffLimit", 2**31, "is greater than"),
        ("deletionStrategy", {}, "not valid under any"),
        ("deletionStrategy", {"deletionRules": [{"condition": {}, "policy": "DeleteSelf"}]}, "not valid under any"),
        (f"{CLUSTER_SPEC}.authOption", {"mode": "token"}, "authOption"),
        (f"{CLUSTER_SPEC}.authOptions.mode", "tokens", "tokens"),
        (f"{CLUSTER_SPEC}.autoscalerOptions.version", "v3", "v3"),
        (f"{CLUSTER_SPEC}.headGroupSpec.rayStartParams.num-cpus", 0, "0 is not of type"),
        (f"{HEAD_POD}.metadata", {"generateName": "head"}, "generateName"),
        (f"{HEAD_POD}.spec.container", [], "container"),
        (f"{HEAD_POD}.spec.initContainers.0.startupProbe.exec.command", "true", "'true' is not of type"),
        (f"{HEAD_POD}.spec.containers.0.image", None, "None is not of type"),
        (f"{HEAD_POD}.spec.containers.0.resources.limits.memory", "8GiB", "8GiB"),
        (f"{HEAD_POD}.spec.containers.0.resources.limits.cpu", 0.5, "0.5"),
        (f"{HEAD_POD}.spec.containers.0.volumeMount", [], "volumeMount"),
        (f"{CLUSTER_SPEC}.workerGroupSpecs.0.maxReplicas", "4", "'4' is not of type"),
        (f"{GPU_POD}.spec.tolerations.0.efect", "NoSchedule", "efect"),
    ],
)
def test_a_mistake_is_found(job: dict[str, Any], path: str, value: Any, told: str) -> None:
    put(job, path, value)
    with pytest.raises(jsonschema.ValidationError, match=told):
        check("RayJob", job)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("deletionStrategy", {"deletionRules": [{"condition": {"jobStatus": "FAILED"}, "policy": "DeleteSelf"}]}),
        ("deletionStrategy", {"onFailure": {"policy": "DeleteNone"}, "onSuccess": {"policy": "DeleteSelf"}}),
        (f"{HEAD_POD}.metadata", {"labels": {"team": "nlp"}}),
        (f"{HEAD_POD}.spec.containers.0.resources.limits", {"cpu": 2, "memory": "8.5Gi", "ephemeral-storage": "1e9"}),
    ],
)
def test_what_users_may_add_is_taken(job: dict[str, Any], path: str, value: Any) -> None:
    put(job, path, value)
    check("RayJob", job)


def put(job: dict[str, Any], path: str, value: Any) -> None:
    """Give a field of the job's spec, named by steps between dots, another value."""
    *steps, last = path.split(".")
    place: Any = job["spec"]
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value


def test_what_the_operator_checks_beyond_the_schema(job: dict[str, Any]) -> None:
    assert len(job["metadata"]["name"]) <= 47  # KubeRay makes longer names of it
    assert job["spec"]["ttlSecondsAfterFinished"] >= 0
    assert job["spec"]["backoffLimit"] >= 0


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
    check("PersistentVolumeClaim", claim)
    pod = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    for container in (*pod["containers"], *pod["initContainers"]):
        assert [mount["name"] for mount in container["volumeMounts"]] == [volume["name"]]


def test_the_entrypoint_is_a_command_of_ours(job: dict[str, Any], cluster: dict[str, Any]) -> None:
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:3] == ["python", "-m", "sweep"]
    options = command_parser().parse_args(words[3:])
    assert options.address == "auto"
    assert options.dir.startswith("/records/")
    assert "resources.gpu=1" in options.set
    assert f"budget.concurrency={cluster['workerGroupSpecs'][0]['maxReplicas']}" in options.set


def test_nothing_is_open_and_the_token_is_asked_for(cluster: dict[str, Any]) -> None:
    head = cluster["headGroupSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert (head["serviceType"], head["enableIngress"]) == ("ClusterIP", False)
    (driver,), (server,) = (head["template"]["spec"][kind] for kind in ("containers", "initContainers"))
    assert "--host=127.0.0.1" in server["command"]
    assert driver["env"] == [{"name": "MLFLOW_TRACKING_URI", "value": "http://127.0.0.1:5000"}]
    (worker,) = cluster["workerGroupSpecs"]
    assert worker["template"]["spec"]["automountServiceAccountToken"] is False


@pytest.mark.filterwarnings("ignore")  # MLflow 3.17 warns of its own parts when it is imported
def test_the_command_of_mlflow_is_one(cluster: dict[str, Any]) -> None:
    from mlflow.cli import cli

    server = cluster["headGroupSpec"]["template"]["spec"]["initContainers"][0]
    words: list[str] = server["command"] + server["args"]
    assert words[:2] == ["mlflow", "server"]
    options = cli.commands["server"].make_context("server", words[2:]).params
    assert options["backend_store_uri"] == "sqlite:////records/mlflow.db"
    assert options["artifacts_destination"] == "/records/artifacts"
    assert (options["host"], options["port"], int(options["workers"])) == ("127.0.0.1", 5000, 1)


def test_mlflow_is_started_again_where_the_pod_is_not(cluster: dict[str, Any]) -> None:
    """Beside containers of a pod with `Never` it would stay away, and where its probe is one of readiness, the workers
    would lose the head with it."""
    pod = cluster["headGroupSpec"]["template"]["spec"]
    (server,) = pod["initContainers"]
    assert (pod["restartPolicy"], server["restartPolicy"]) == ("Never", "Always")
    assert not [each for each in (server, *pod["containers"]) if {"readinessProbe", "livenessProbe"} & set(each)]


def test_the_head_begins_when_mlflow_answers_on_its_loopback(
    cluster: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = cluster["headGroupSpec"]["template"]["spec"]["initContainers"][0]["startupProbe"]
    python, option, code = probe["exec"]["command"]
    assert (python, option) == ("python", "-c")
    asked: list[tuple[str, float]] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: asked.append((url, timeout)))
    exec(code, {})  # noqa: S102  # as the container does
    ((url, seconds),) = asked
    assert url == "http://127.0.0.1:5000/health"
    assert seconds < probe["timeoutSeconds"]


def test_versions_are_those_of_the_lock(cluster: dict[str, Any]) -> None:
    lock = (CLUSTER.parent / "constraints.txt").read_text(encoding="utf-8")
    (ray,) = re.findall(r"^ray==(.+)$", lock, flags=re.MULTILINE)
    assert cluster["rayVersion"] == ray
    assert f"rayproject/ray:{ray}-py311" in (CLUSTER / "README.md").read_text(encoding="utf-8")
