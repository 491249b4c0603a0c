"""Gives a new ECR repository the policy that an SSM parameter holds; statements of others stay as they are."""

import json
import os
import re
import time

import boto3

PARAMETER = os.environ["POLICY_PARAMETER"]
PREFIX = "AutoPolicy"
KEEP_SECONDS = 60
ROOT = re.compile(r"arn:[^:]+:iam::(\d{12}):root")

# Outside the handler, as AWS advises: they live as long as the process.
ssm = boto3.client("ssm")
ecr = boto3.client("ecr")
kept = {"statements": None, "until": 0.0}


def desired_statements():
    now = time.monotonic()
    if kept["statements"] is None or now >= kept["until"]:
        value = ssm.get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]
        statements = json.loads(value)["Statement"]
        kept["statements"] = [{**statement, "Sid": PREFIX + statement["Sid"]} for statement in statements]
        kept["until"] = now + KEEP_SECONDS
    return kept["statements"]


def current_policy(registry, name):
    try:
        return json.loads(ecr.get_repository_policy(registryId=registry, repositoryName=name)["policyText"])
    except ecr.exceptions.RepositoryPolicyNotFoundException:
        return None


def words(value, plain=str):
    """One word or a list of them, without order."""
    return frozenset(plain(word) for word in (value if isinstance(value, list) else [value]))


def account(principal):
    root = ROOT.fullmatch(principal)
    return root.group(1) if root else principal


def principals(value):
    kinds = {"AWS": value} if isinstance(value, str) else value
    return frozenset((kind, words(names, account)) for kind, names in kinds.items())


def tests(condition):
    return frozenset(
        (operator, key.lower(), words(values)) for operator, keys in condition.items() for key, values in keys.items()
    )


def meaning(statement):
    """ECR answers a policy in other words than it was written in, so that texts cannot be compared."""
    read = {
        "Principal": principals, "NotPrincipal": principals, "Condition": tests,
        "Action": lambda value: words(value, str.lower), "NotAction": lambda value: words(value, str.lower),
    }  # fmt: skip
    return frozenset((key, read.get(key, words)(value)) for key, value in statement.items())


def is_ours(statement):
    return statement.get("Sid", "").startswith(PREFIX)


def bring_in_line(registry, name):
    desired, current = desired_statements(), current_policy(registry, name)
    statements = current["Statement"] if current else []
    managed = [statement for statement in statements if is_ours(statement)]
    if {meaning(statement) for statement in managed} == {meaning(statement) for statement in desired}:
        return "unchanged"
    foreign = [statement for statement in statements if not is_ours(statement)]
    policy = {"Version": "2012-10-17", "Statement": foreign + desired}
    ecr.set_repository_policy(
        registryId=registry, repositoryName=name, policyText=json.dumps(policy, separators=(",", ":"))
    )
    return "applied"


def handler(event, context):
    detail = event["detail"]
    if detail["eventSource"] != "ecr.amazonaws.com" or detail["eventName"] != "CreateRepository":
        return {"outcomes": [], "ignored": "no repository was created"}
    if detail.get("errorCode"):
        return {"outcomes": [], "ignored": f"the call failed with {detail['errorCode']}"}
    repository = detail["responseElements"]["repository"]
    outcome = bring_in_line(repository["registryId"], repository["repositoryName"])
    print(json.dumps({"repository": repository["repositoryArn"], "outcome": outcome}))
    return {"outcomes": [{"repository": repository["repositoryArn"], "outcome": outcome}]}
