"""One-time setup of an AWS account for a cluster: its bucket, the rights of its head, its firewall.

    python cluster/aws_account.py cluster/gpu.yaml --ssh-from 203.0.113.7/32

Names and region are read from the cluster's file. What exists already is kept, except in the firewall: of the
rules that let networks in, at whatever port, only that for SSH is there afterwards. So run it again when your address
has changed, name the networks of all who use the cluster, and keep rules of your own in another security group. It uses
the same credentials as `ray up`, with rights over IAM.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

SPREADING = 15.0  # seconds until all of AWS knows a new profile, as Ray waits for its own


class AccountError(ValueError):
    """Something is wrong with the cluster's file or the account; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names in a cluster's file of what it needs in the account.

    cluster: name of the cluster.
    region: the AWS region.
    bucket: the bucket of SWEEP_STORE.
    profile: instance profile and role of the head.
    firewall: the security group.
    """

    cluster: str
    region: str
    bucket: str
    profile: str
    firewall: str


def read_names(file: Path) -> Names:
    """Read the names from a cluster's file.

    Raises AccountError if the file is no cluster of `type: aws` with a bucket, a firewall and a profile.
    """
    try:
        text = file.read_text(encoding="utf-8")
        config = yaml.safe_load(text)
        provider = config["provider"]
        head = config["available_node_types"][config["head_node_type"]]["node_config"]
        (bucket,) = set(re.findall(r"SWEEP_STORE=s3://([^/\s']+)", text))
        return Names(
            cluster=config["cluster_name"],
            region=provider["region"],
            bucket=bucket,
            profile=head["IamInstanceProfile"]["Name"],
            firewall=provider["security_group"]["GroupName"],
        )
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise AccountError(
            f"a cluster's file must name region, bucket (SWEEP_STORE=s3://...), instance profile and security group; "
            f"{file} does not ({error!r}); compare it with cluster/gpu.yaml"
        ) from error


def head_policy(names: Names) -> dict[str, Any]:
    """The IAM policy of the head: it may use its bucket, and start, tag and terminate machines of its own cluster.

    It may not pass a role to a machine, so the machines that it starts have no rights.
    """
    bucket = f"arn:aws:s3:::{names.bucket}"
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    own = {"StringEquals": {"aws:ResourceTag/ray-cluster-name": names.cluster}}
    images = f"arn:aws:ssm:{names.region}::parameter/aws/service/deeplearning/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow(["s3:ListBucket", "s3:GetBucketLocation"], bucket),
            _allow(objects, f"{bucket}/*"),
            _allow(["ec2:Describe*"], "*"),
            _allow(["ssm:GetParameters"], images),
            _allow(["ec2:RunInstances"], "*", {"StringEquals": {"aws:RequestedRegion": names.region}}),
            _allow(["ec2:CreateTags"], "*", {"StringEquals": {"ec2:CreateAction": "RunInstances"}}),
            _allow(["ec2:CreateTags", "ec2:TerminateInstances"], "arn:aws:ec2:*:*:instance/*", own),
        ],
    }


def _allow(actions: Sequence[str], resource: str, condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def make_bucket(names: Names) -> None:
    """Create the bucket, with all public access blocked. AWS encrypts its contents."""
    s3 = boto3.client("s3", region_name=names.region)
    place = {} if names.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": names.region}}
    try:
        s3.create_bucket(Bucket=names.bucket, **place)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    except s3.exceptions.BucketAlreadyExists as error:
        raise AccountError(
            f"a bucket's name must be free in the whole world; {names.bucket!r} is not; choose another in SWEEP_STORE"
        ) from error
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=names.bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))


def make_profile(names: Names) -> None:
    """Create the head's role and instance profile, and the role that AWS itself needs before the first spot machine.

    The rights for each cluster are a policy of their own: a head whose policy is replaced by that of another cluster
    could no longer end its machines.
    """
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    _create_if_missing(iam.create_role, RoleName=names.profile, AssumeRolePolicyDocument=document)
    policy = json.dumps(head_policy(names))
    name = f"{names.cluster}.{names.region}"
    iam.put_role_policy(RoleName=names.profile, PolicyName=name, PolicyDocument=policy)
    _create_if_missing(iam.create_instance_profile, InstanceProfileName=names.profile)
    if not iam.get_instance_profile(InstanceProfileName=names.profile)["InstanceProfile"]["Roles"]:
        iam.add_role_to_instance_profile(InstanceProfileName=names.profile, RoleName=names.profile)
        time.sleep(SPREADING)
    _create_if_missing(iam.create_service_linked_role, AWSServiceName="spot.amazonaws.com")


def _create_if_missing(create: Callable[..., Any], **arguments: str) -> None:
    try:
        create(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("EntityAlreadyExists", "InvalidInput"):  # the latter of linked roles
            raise


def make_firewall(names: Names, ssh_from: Sequence[str]) -> None:
    """Create a security group in the default VPC that allows SSH from some networks, and all traffic in the cluster.

    In one that exists, all other networks are shut out, at every port: a cluster is open to what is documented only.
    Rules for other security groups of the account stay.

    Ray uses a group of this name without changing it, as long as it has rules. Raises AccountError without a default
    VPC.
    """
    ec2 = boto3.client("ec2", region_name=names.region)
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise AccountError(f"the region needs a default VPC; {names.region} has none; `aws ec2 create-default-vpc`")
    group = _group(ec2, names.firewall, vpcs[0]["VpcId"])
    rules = group["IpPermissions"]
    everything = [rule for rule in rules if rule["IpProtocol"] == "-1"]
    if not any(pair["GroupId"] == group["GroupId"] for rule in everything for pair in rule["UserIdGroupPairs"]):
        internal = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]}
        ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[internal])
    if outside := list(filter(None, map(_outside, rules))):
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=outside)
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": each} for each in ssh_from]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[ssh])


def _outside(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a rule that lets in networks; empty if there is none.

    AWS keeps all sources for the same ports as one rule, so the cluster's own machines may be in it too.
    """
    ports = {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in rule}
    sources = {name: rule[name] for name in ("IpRanges", "Ipv6Ranges", "PrefixListIds") if rule.get(name)}
    return {**ports, **sources} if sources else {}


def _group(ec2: Any, name: str, vpc: str) -> dict[str, Any]:
    wanted = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
    if not ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]:
        ec2.create_security_group(GroupName=name, VpcId=vpc, Description="Machines of one Ray cluster")
    group: dict[str, Any] = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]
    return group


def _network(text: str) -> str:
    network = ipaddress.IPv4Network(text)
    if network.prefixlen < 8:
        raise argparse.ArgumentTypeError(f"{text} allows SSH from almost everywhere; give your own network")
    return str(network)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 2 if the file or the account does not allow it."""
    parser = argparse.ArgumentParser(description="Make the bucket, the head's rights and the firewall of a cluster.")
    parser.add_argument("file", type=Path, help="the cluster's file, cluster/gpu.yaml")
    parser.add_argument(
        "--ssh-from", type=_network, required=True, nargs="+", metavar="NETWORK", help="as 203.0.113.7/32"
    )
    options = parser.parse_args(arguments)
    try:
        names = read_names(options.file)
        make_bucket(names)
        make_profile(names)
        make_firewall(names, sorted(set(options.ssh_from)))
    except (AccountError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    print(f"{names.region}: bucket {names.bucket}, role {names.profile}, firewall {names.firewall}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
