"""gpu.yaml and aws_account.py against a pretend AWS, in this process: no network, no credentials.

moto checks names, types and values of requests, and keeps what they make. It enforces no rights, knows no capacity, and
boots nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.multinode.files import CLUSTER, prepared, read

boto3 = pytest.importorskip("boto3")
HOME_NETWORK, OTHER_NETWORK = "203.0.113.7/32", "198.51.100.0/24"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An AWS account as gpu.yaml wants it."""
    from moto import mock_aws

    from cluster.aws_account import main

    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # Ray writes its SSH key there
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # the file's region must count, not this one
        patch.setattr("cluster.aws_account.SPREADING", 0.0)
        assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", HOME_NETWORK]) == 0
        yield


@pytest.fixture(scope="module")
def config(account: None) -> dict[str, Any]:
    """gpu.yaml, as `ray up` hands it to the head."""
    from ray.autoscaler._private.providers import _get_node_provider_cls

    ready = prepared(read("gpu.yaml"))
    provider = _get_node_provider_cls(ready["provider"])
    bootstrapped: dict[str, Any] = provider.bootstrap_config(provider.fillout_available_node_types_resources(ready))
    return bootstrapped


@pytest.fixture
def ec2(account: None) -> Any:
    return boto3.client("ec2", region_name=read("gpu.yaml")["provider"]["region"])


def test_resources_are_those_of_the_types_of_machines(config: dict[str, Any], ec2: Any) -> None:
    head, gpu = (config["available_node_types"][name] for name in ("head", "gpu"))
    (kind,) = ec2.describe_instance_types(InstanceTypes=[gpu["node_config"]["InstanceType"]])["InstanceTypes"]
    assert gpu["resources"]["CPU"] == kind["VCpuInfo"]["DefaultVCpus"]
    assert gpu["resources"]["GPU"] == sum(each["Count"] for each in kind["GpuInfo"]["Gpus"])
    assert head["resources"]["CPU"] == 0
    assert "GPU" not in head["resources"]


def test_all_zones_of_the_region_are_tried(config: dict[str, Any], ec2: Any) -> None:
    subnets = {each["SubnetId"]: each["AvailabilityZone"] for each in ec2.describe_subnets()["Subnets"]}
    for kind in config["available_node_types"].values():
        assert {subnets[each] for each in kind["node_config"]["SubnetIds"]} == set(subnets.values())
    assert len(set(subnets.values())) >= 3


def test_only_the_given_network_and_the_cluster_itself_are_let_in(config: dict[str, Any], ec2: Any) -> None:
    (group,) = {
        each for kind in config["available_node_types"].values() for each in kind["node_config"]["SecurityGroupIds"]
    }
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert found["GroupName"] == "few-shot-sweep"
    rules = {
        (rule["IpProtocol"], rule.get("FromPort")): (
            [each["CidrIp"] for each in rule["IpRanges"]],
            [each["GroupId"] for each in rule["UserIdGroupPairs"]],
        )
        for rule in found["IpPermissions"]
    }
    assert {key[0] for key in rules} == {"tcp", "-1"}
    assert rules["tcp", 22] == ([HOME_NETWORK], [])
    assert [each for key, each in rules.items() if key[0] == "-1"] == [([], [group])]


def launch(config: dict[str, Any], kind: str) -> str:
    """Start one machine through Ray's own node provider. Returns its id."""
    from ray.autoscaler._private.providers import _get_node_provider
    from ray.autoscaler.tags import TAG_RAY_NODE_KIND, TAG_RAY_USER_NODE_TYPE

    provider = _get_node_provider(config["provider"], config["cluster_name"], use_cache=False)
    node_config = dict(config["available_node_types"][kind]["node_config"])
    role = "head" if kind == "head" else "worker"
    tags = {TAG_RAY_NODE_KIND: role, TAG_RAY_USER_NODE_TYPE: kind}
    (machine,) = provider.create_node(node_config, tags, 1)
    assert machine in provider.non_terminated_nodes({})
    provider.set_node_tags(machine, {"ray-node-status": "up-to-date"})
    return str(machine)


@pytest.mark.parametrize(("kind", "lifecycle"), [("head", None), ("gpu", "spot")])
def test_machines_are_launched_as_they_should_be(
    config: dict[str, Any], ec2: Any, kind: str, lifecycle: str | None
) -> None:
    machine = launch(config, kind)
    (found,) = ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"]
    assert found.get("InstanceLifecycle") == lifecycle
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert found["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert found.get("IamInstanceProfile", {}).get("Arn", "").endswith("few-shot-sweep-head" if kind == "head" else "")
    assert ("IamInstanceProfile" in found) == (kind == "head")
    volumes = [each["Ebs"]["VolumeId"] for each in found["BlockDeviceMappings"]]
    (disk,) = ec2.describe_volumes(VolumeIds=volumes)["Volumes"]
    assert (disk["Encrypted"], disk["VolumeType"], disk["Size"]) == (True, "gp3", 150)
    assert found["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"]


def test_a_spot_machine_has_no_price_of_its_own() -> None:
    market = read("gpu.yaml")["available_node_types"]["gpu"]["node_config"]["InstanceMarketOptions"]
    assert market == {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}


def test_the_head_may_do_what_ray_does_there(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request that the autoscaler makes for a GPU machine's life is among the actions of the head's policy."""
    import botocore.client
    from ray.autoscaler._private.providers import _get_node_provider

    allowed = [action for statement in stored_policy()["Statement"] for action in statement["Action"]]
    made = set()
    make = botocore.client.BaseClient._make_api_call

    def note(self: Any, operation: str, arguments: Any) -> Any:
        made.add(f"{self.meta.service_model.service_name}:{operation}")
        return make(self, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    machine = launch(config, "gpu")
    _get_node_provider(config["provider"], config["cluster_name"], use_cache=False).terminate_node(machine)
    assert {"ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateTags"} <= made
    for action in made:
        assert any(fnmatch(action, each) for each in allowed), action
    assert "iam:PassRole" not in allowed


def stored_policy(name: str = "few-shot-sweep.us-west-2") -> dict[str, Any]:
    iam = boto3.client("iam")
    assert name in iam.list_role_policies(RoleName="few-shot-sweep-head")["PolicyNames"]
    assert not iam.list_attached_role_policies(RoleName="few-shot-sweep-head")["AttachedPolicies"]
    document: dict[str, Any] = iam.get_role_policy(RoleName="few-shot-sweep-head", PolicyName=name)["PolicyDocument"]
    return document


def test_the_head_reaches_one_bucket_and_its_own_machines(account: None) -> None:
    statements = stored_policy()["Statement"]
    buckets = {each["Resource"] for each in statements if each["Action"][0].startswith("s3:")}
    assert buckets == {"arn:aws:s3:::my-bucket", "arn:aws:s3:::my-bucket/*"}
    (ending,) = [each for each in statements if "ec2:TerminateInstances" in each["Action"]]
    assert ending["Condition"] == {"StringEquals": {"aws:ResourceTag/ray-cluster-name": "few-shot-sweep"}}
    assert "*" not in {action for each in statements for action in each["Action"]}


@pytest.mark.parametrize("other", [{"cluster": "second"}, {"region": "us-east-1"}])
def test_a_second_cluster_leaves_the_first_its_rights(account: None, other: dict[str, str]) -> None:
    """Both files name the same profile. Without its rights, the first head could not end its machines."""
    from cluster import aws_account

    before = stored_policy()
    second = dataclasses.replace(aws_account.read_names(CLUSTER / "gpu.yaml"), **other)
    aws_account.make_profile(second)
    policy = f"{second.cluster}.{second.region}"
    assert stored_policy() == before != stored_policy(policy)
    boto3.client("iam").delete_role_policy(RoleName="few-shot-sweep-head", PolicyName=policy)


def test_a_new_profile_is_waited_for_and_a_known_one_is_not(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS refuses a machine whose profile is a few seconds old."""
    from cluster import aws_account

    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    names = dataclasses.replace(aws_account.read_names(CLUSTER / "gpu.yaml"), profile="another-head")
    for _ in range(2):
        aws_account.make_profile(names)
    assert waited == [aws_account.SPREADING]


def test_two_people_come_in_from_two_networks(account: None, ec2: Any) -> None:
    from cluster.aws_account import main

    before = sources(ec2)
    assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", OTHER_NETWORK, HOME_NETWORK, HOME_NETWORK]) == 0
    assert sources(ec2) == before | {("tcp", 22, OTHER_NETWORK)}
    assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", HOME_NETWORK]) == 0
    assert sources(ec2) == before


def test_the_bucket_is_in_the_region_and_closed(account: None) -> None:
    s3 = boto3.client("s3")
    assert s3.get_bucket_location(Bucket="my-bucket")["LocationConstraint"] == "us-west-2"
    closed = s3.get_public_access_block(Bucket="my-bucket")["PublicAccessBlockConfiguration"]
    assert closed == dict.fromkeys(closed, True)
    assert len(closed) == 4


def test_run_again_the_account_is_as_before_but_for_the_network(config: dict[str, Any], ec2: Any) -> None:
    from cluster.aws_account import main

    def rules() -> str:
        wanted = [{"Name": "group-name", "Values": ["few-shot-sweep"]}]
        (group,) = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
        return json.dumps(sorted(group["IpPermissions"], key=lambda rule: rule["IpProtocol"]), sort_keys=True)

    before = rules()
    try:
        assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", OTHER_NETWORK]) == 0
        assert rules() == before.replace(HOME_NETWORK, OTHER_NETWORK)
    finally:
        assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", HOME_NETWORK]) == 0
    assert rules() == before


def sources(ec2: Any) -> set[tuple[str, int | None, str]]:
    """Who is let in by the firewall of gpu.yaml: protocol, first port, and a network or a security group."""
    wanted = [{"Name": "group-name", "Values": ["few-shot-sweep"]}]
    (group,) = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    return {
        (rule["IpProtocol"], rule.get("FromPort"), source[key])
        for rule in group["IpPermissions"]
        for name, key in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("UserIdGroupPairs", "GroupId"))
        for source in rule[name]
    }


def test_a_firewall_that_was_opened_by_hand_is_closed_and_the_cluster_stays_together(account: None, ec2: Any) -> None:
    """AWS keeps a network and the cluster itself as one rule if the ports are the same."""
    from cluster.aws_account import main

    before = sources(ec2)
    (own,) = {source for _, _, source in before if source.startswith("sg-")}
    wide = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": OTHER_NETWORK}], "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/64"}]}
    page = {"IpProtocol": "tcp", "FromPort": 8265, "ToPort": 8265, "IpRanges": [{"CidrIp": OTHER_NETWORK}]}
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[wide, page])
    assert len(sources(ec2)) == len(before) + 3
    assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", HOME_NETWORK]) == 0
    assert sources(ec2) == before


def test_the_cluster_is_let_in_at_all_ports_where_it_was_at_one(account: None, ec2: Any) -> None:
    from cluster.aws_account import main

    before = sources(ec2)
    (own,) = {source for _, _, source in before if source.startswith("sg-")}
    everything = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": own}]}
    one = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": own}]}
    ec2.revoke_security_group_ingress(GroupId=own, IpPermissions=[everything])
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[one])
    assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", HOME_NETWORK]) == 0
    assert sources(ec2) == before | {("tcp", 5432, own)}
    ec2.revoke_security_group_ingress(GroupId=own, IpPermissions=[one])


def test_a_file_without_a_bucket_is_refused(account: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cluster.aws_account import main

    file = tmp_path / "gpu.yaml"
    file.write_text((CLUSTER / "gpu.yaml").read_text(encoding="utf-8").replace("SWEEP_STORE=s3://", "SWEEP_STORE=/"))
    for path in (file, tmp_path / "none.yaml", CLUSTER / "onprem.yaml"):
        assert main([str(path), "--ssh-from", HOME_NETWORK]) == 2
        assert "must name region, bucket" in capsys.readouterr().err


@pytest.mark.parametrize("network", ["0.0.0.0/0", "everybody", "203.0.113.7/8"])
def test_a_network_that_is_none_or_everybody_is_refused(
    account: None, network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from cluster.aws_account import main

    with pytest.raises(SystemExit) as end:
        main([str(CLUSTER / "gpu.yaml"), "--ssh-from", network])
    assert end.value.code == 2
    assert "--ssh-from" in capsys.readouterr().err


def test_without_credentials_one_sentence_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No account is asked: there is nothing to ask it with."""
    from cluster.aws_account import main

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert main([str(CLUSTER / "gpu.yaml"), "--ssh-from", HOME_NETWORK]) == 2
    assert "credentials" in capsys.readouterr().err
