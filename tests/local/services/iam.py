"""Who calls, what a call needs, and who may."""

import json
import time

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam

ministacks_action = iam_actions.extract_iam_action
ministacks_resource_arn = iam_actions.extract_resource_arn


def action(service, *request):
    """A batch of messages needs what one message needs."""
    name = ministacks_action(service, *request)
    return name.removesuffix("Batch") if service == "sqs" and name else name


def resource_arn(service, method, path, headers, body, *rest):
    """What a request is about, where it says so by an ARN; ministack looks at names only."""
    arn = ministacks_resource_arn(service, method, path, headers, body, *rest)
    if service == "ecr" and headers.get("x-amz-target", "").endswith(".DescribeRepositories"):
        return f"arn:aws:ecr:{get_region()}:{get_account_id()}:repository/*"
    if service == "ecr":
        return json.loads(body or b"{}").get("resourceArn", arn)
    name = arn.partition(":parameter/")[2] if service == "ssm" else ""
    return name if name.startswith("arn:") else arn


def service_may(service, action, resource, policy, source):
    """Whether a resource's policy lets an AWS service act for one of its own resources."""
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={"aws:sourcearn": source, "aws:sourceaccount": get_account_id()},
    )
    return iam_evaluator.evaluate_resource_policy(policy, context, service=service).decision == "Allow"


def role_may(role, action, resource, via=None):
    """Whether a role's policies and its boundary allow something, perhaps by way of another service."""
    context = iam_evaluator.EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={"kms:viaservice": f"{via}.{get_region()}.amazonaws.com"} if via else {},
    )
    name = role.rpartition("/")[2]
    policies = iam_evaluator._gather_role_policies(name, get_account_id())
    boundary = iam_evaluator._permissions_boundary(iam._roles, name, get_account_id())
    return iam_evaluator.evaluate(context, policies, *boundary).decision == "Allow"


def calling_role():
    """The role in whose session the caller is, or None."""
    caller = iam_evaluator.caller_arn()
    if ":assumed-role/" not in caller:
        return None
    return iam._roles[caller.partition(":assumed-role/")[2].split("/", 1)[0]]["Arn"]


def caller_identity():
    """The caller as CloudTrail tells it: only a role's session has a session context."""
    caller = iam_evaluator.caller_arn()
    account = get_account_id()
    known = {"arn": caller, "accountId": account, "accessKeyId": "ASIAIOSFODNN7EXAMPLE"}
    if ":user/" in caller:
        return {
            "type": "IAMUser",
            "principalId": "AIDACKCEVSXAMPLEUSER1",
            **known,
            "userName": caller.rpartition("/")[2],
        }
    if ":assumed-role/" not in caller:
        return {"type": "Root", "principalId": account, **known}
    name, session = caller.partition(":assumed-role/")[2].split("/", 1)
    role = iam._roles[name]
    issuer = {
        "type": "Role",
        "principalId": role["RoleId"],
        "arn": role["Arn"],
        "accountId": account,
        "userName": name,
    }
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "type": "AssumedRole",
        "principalId": f"{role['RoleId']}:{session}",
        **known,
        "sessionContext": {
            "sessionIssuer": issuer,
            "attributes": {"creationDate": began, "mfaAuthenticated": "false"},
        },
    }


def install():
    iam_actions.extract_iam_action = action
    iam_actions.extract_resource_arn = resource_arn
