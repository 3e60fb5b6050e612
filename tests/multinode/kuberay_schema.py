"""The schema of a RayJob, as the CustomResourceDefinition (CRD) of KubeRay 1.6 for ray.io/v1 has it.

That file is in no package: it is generated from KubeRay's Go types and, but for a few hundred lines, holds Kubernetes'
own types written out again and again (1.4 million characters). Here KubeRay's own fields are written down; what came
after 1.6 is unknown and so an error. Kubernetes' types are taken from its published schema, which the package
kubernetes-validate brings, in the strict form, which knows no other fields, and narrowed to what a CRD takes of them.

Compared on 26 November 2026, field by field, with two CRDs as text, of about 1.6 (gangli113/kuberay, 79cf0e5) and 1.7
(git-jxj/kuberay, abda028), and with the API reference of KubeRay 1.6.2. Left out: that `managedBy` stays as it was, and
that containers, ports and the like have different names. Kubernetes' types are newer than those in 1.6.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema  # type: ignore[import-untyped]
from referencing import Registry, Resource

__all__ = ["check"]

KUBERNETES = "v1.37.0"
_PUBLISHED = f"kubernetes-json-schema/{KUBERNETES}-local-strict/_definitions.json"
_BASE = "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s"

Schema = dict[str, Any]


def check(kind: str, document: Any) -> None:
    """Validate a document as a RayJob or as a kind of Kubernetes' core API (v1). Raises jsonschema.ValidationError."""
    schema = RAY_JOB if kind == "RayJob" else _core(kind)
    jsonschema.Draft202012Validator(schema, registry=_kubernetes()).validate(document)


@cache
def _kubernetes() -> Registry[Any]:
    published = _without_null(json.loads(files("kubernetes_validate").joinpath(_PUBLISHED).read_text(encoding="utf-8")))
    types = published["$defs"]
    types["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"anyOf": [_INTEGER, {"type": "string", **_QUANTITY}]}
    for kind in ("PodTemplateSpec", "Service"):
        types[f"io.k8s.api.core.v1.{kind}"]["properties"]["metadata"] = _METADATA
    registry: Registry[Any] = Resource.from_contents(published) @ Registry()
    return registry


def _without_null(schema: Any) -> Any:
    """Kubernetes takes null for a field that is not given; a CRD does not."""
    if isinstance(schema, list):
        return [_without_null(each) for each in schema if each != "null"]
    return {name: _without_null(each) for name, each in schema.items()} if isinstance(schema, dict) else schema


def _core(kind: str) -> Schema:
    return {"$ref": f"{_BASE}.api.core.v1.{kind}"}


def _closed(required: str = "", **properties: Schema) -> Schema:
    """An object that has no other fields. required: their names, between spaces."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _listed(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _one_of(*values: str) -> Schema:
    return {"enum": list(values)}


_TEXT, _SWITCH, _NUMBER = ({"type": kind} for kind in ("string", "boolean", "number"))
_INTEGER = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_DECIMAL = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_QUANTITY = {"pattern": rf"^[+-]?{_DECIMAL}([KMGTPE]i|[numkMGTPE]|[eE][+-]?{_DECIMAL})?$"}
_METADATA = _closed(annotations=_TEXTS, finalizers=_listed(_TEXT), labels=_TEXTS, name=_TEXT, namespace=_TEXT)
_MANAGERS = _one_of("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue")
_DELETION = _one_of("DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone")

_AUTOSCALER = _closed(
    env=_listed(_core("EnvVar")),
    envFrom=_listed(_core("EnvFromSource")),
    idleTimeoutSeconds=_INTEGER,
    image=_TEXT,
    imagePullPolicy=_TEXT,
    resources=_core("ResourceRequirements"),
    securityContext=_core("SecurityContext"),
    upscalingMode=_one_of("Default", "Aggressive", "Conservative"),
    version=_one_of("v1", "v2"),
    volumeMounts=_listed(_core("VolumeMount")),
)
_HEAD = _closed(
    "template",
    enableIngress=_SWITCH,
    headService=_core("Service"),
    labels=_TEXTS,
    rayStartParams=_TEXTS,
    resources=_TEXTS,
    serviceType=_TEXT,
    template=_core("PodTemplateSpec"),
)
_WORKERS = _closed(
    "groupName maxReplicas minReplicas template",
    groupName=_TEXT,
    idleTimeoutSeconds=_INTEGER,
    labels=_TEXTS,
    maxReplicas=_INTEGER,
    minReplicas=_INTEGER,
    numOfHosts=_INTEGER,
    rayStartParams=_TEXTS,
    replicas=_INTEGER,
    resources=_TEXTS,
    scaleStrategy=_closed(workersToDelete=_listed(_TEXT)),
    suspend=_SWITCH,
    template=_core("PodTemplateSpec"),
)
_CREDENTIAL = _closed(value=_TEXT, valueFrom=_core("EnvVarSource"))
_CLUSTER = _closed(
    "headGroupSpec",
    authOptions=_closed(
        mode=_one_of("disabled", "token"),
        enableK8sTokenAuth=_SWITCH,
        secretName=_TEXT,
    ),
    autoscalerOptions=_AUTOSCALER,
    enableInTreeAutoscaling=_SWITCH,
    gcsFaultToleranceOptions=_closed(
        "redisAddress",
        externalStorageNamespace=_TEXT,
        redisAddress=_TEXT,
        redisPassword=_CREDENTIAL,
        redisUsername=_CREDENTIAL,
    ),
    headGroupSpec=_HEAD,
    headServiceAnnotations=_TEXTS,
    managedBy=_MANAGERS,
    rayVersion=_TEXT,
    suspend=_SWITCH,
    upgradeStrategy=_closed(type=_one_of("Recreate", "None")),
    workerGroupSpecs=_listed(_WORKERS),
)
_SECONDS = _INTEGER | {"minimum": 0}
_CONDITION = {
    "oneOf": [
        _closed("jobDeploymentStatus", jobDeploymentStatus=_one_of("Failed"), ttlSeconds=_SECONDS),
        _closed("jobStatus", jobStatus=_one_of("SUCCEEDED", "FAILED"), ttlSeconds=_SECONDS),
    ]
}
_DELETION_RULE = _closed("condition policy", condition=_CONDITION, policy=_DELETION)
_DELETION_STRATEGY = {
    "oneOf": [
        _closed("deletionRules", deletionRules=_listed(_DELETION_RULE) | {"minItems": 1}),
        _closed("onFailure onSuccess", onFailure=_closed(policy=_DELETION), onSuccess=_closed(policy=_DELETION)),
    ]
}
_SPEC = _closed(
    activeDeadlineSeconds=_INTEGER,
    backoffLimit=_INTEGER,
    clusterSelector=_TEXTS,
    deletionStrategy=_DELETION_STRATEGY,
    entrypoint=_TEXT,
    entrypointNumCpus=_NUMBER,
    entrypointNumGpus=_NUMBER,
    entrypointResources=_TEXT,
    jobId=_TEXT,
    managedBy=_MANAGERS,
    metadata=_TEXTS,
    preRunningDeadlineSeconds=_INTEGER | {"minimum": 1},
    rayClusterSpec=_CLUSTER,
    runtimeEnvYAML=_TEXT,
    shutdownAfterJobFinishes=_SWITCH,
    submissionMode=_TEXT,
    submitterConfig=_closed(backoffLimit=_INTEGER),
    submitterPodTemplate=_core("PodTemplateSpec"),
    suspend=_SWITCH,
    ttlSecondsAfterFinished=_INTEGER,
)
RAY_JOB = _closed(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata={"$ref": f"{_BASE}.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
    spec=_SPEC,
)
