"""ECR: its calls are trailed, policies checked and reformatted, repositories listed by pages and made by pulls."""

import base64
import json
import re
import time

from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import ecr

from services import trail
from services.journal import REFUSE

# ECR may give fewer than were asked for; so few show who does not go on.
PAGE = 10

pull_through_prefixes = {}


def refuse_policy(reason):
    message = f"Invalid parameter at 'PolicyText' failed to satisfy constraint: '{reason}'"
    return error_response_json("InvalidParameterException", message, 400)


def as_ecr_keeps_it(policy):
    """Lists of one become their member, account ids become root ARNs."""

    def single(value):
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    def principal(kind, value):
        values = value if isinstance(value, list) else [value]
        if kind == "AWS":
            values = [f"arn:aws:iam::{v}:root" if re.fullmatch(r"\d{12}", v) else v for v in values]
        return single(values)

    statements = policy["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for key in statement:
            if key in ("Action", "NotAction"):
                statement[key] = single(statement[key])
            elif key in ("Principal", "NotPrincipal") and isinstance(statement[key], dict):
                statement[key] = {kind: principal(kind, value) for kind, value in statement[key].items()}
            elif key == "Condition":
                for operands in statement[key].values():
                    operands.update({name: single(value) for name, value in operands.items()})
    return policy


def checked_policy(text):
    """The text that ECR keeps, or its refusal."""
    if len(text) > 10240:
        return None, refuse_policy("Policy exceeds the maximum length of 10240 characters")
    try:
        policy = json.loads(text)
        statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
        sound = bool(statements) and all(
            statement["Effect"] in ("Allow", "Deny")
            and "Resource" not in statement
            and ("Principal" in statement or "NotPrincipal" in statement)
            and ("Action" in statement or "NotAction" in statement)
            for statement in statements
        )
        if sound:
            return json.dumps(as_ecr_keeps_it(policy), indent=2, separators=(",", " : ")), None
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return None, refuse_policy("Invalid repository policy provided")


def page_of_repositories(request):
    """The names after the one in the token; ministack cuts the list off and says nothing."""
    after = base64.b64decode(request.get("nextToken", "")).decode()
    names = [name for name in sorted(ecr._repositories) if name > after]
    page = names[: min(PAGE, request.get("maxResults", 100))]
    answer = {"repositories": [ecr._repo_shape(ecr._repositories[name]) for name in page]}
    if len(page) < len(names):
        answer["nextToken"] = base64.b64encode(page[-1].encode()).decode()
    return json_response(answer)


def pull_through(request):
    """ECR creates the repository of an image that a pull-through cache rule names, at its first pull."""
    name = request.get("repositoryName", "")
    if name in ecr._repositories or name.partition("/")[0] not in pull_through_prefixes:
        return
    ecr._create_repository({"repositoryName": name})
    tag = next((image.get("imageTag") for image in request.get("imageIds", [])), None)
    ecr._put_image({"repositoryName": name, "imageManifest": '{"schemaVersion": 2}', "imageTag": tag})
    trail.own_creation(name)


ministacks_ecr = ecr.handle_request


async def handle_request(method, path, headers, body, query):
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    request = json.loads(body or b"{}")
    if action == "CreatePullThroughCacheRule":
        pull_through_prefixes[request["ecrRepositoryPrefix"]] = request["upstreamRegistryUrl"]
        return json_response({**request, "registryId": get_account_id(), "createdAt": int(time.time())})
    if action == "DescribeRepositories" and not request.get("repositoryNames"):
        return page_of_repositories(request)
    if action == "BatchGetImage":
        pull_through(request)
    answer = None
    sent = body
    if action == "SetRepositoryPolicy" and REFUSE.exists():
        REFUSE.unlink()
        return error_response_json("ThrottlingException", "Rate exceeded", 400)
    if action == "SetRepositoryPolicy":
        text, answer = checked_policy(request.get("policyText", ""))
        sent = json.dumps({**request, "policyText": text}).encode()
    status, answer_headers, content = answer or await ministacks_ecr(method, path, headers, sent, query)
    if action in trail.TRAILED:
        trail.call(action, request, json.loads(content), status >= 400)
    return status, answer_headers, content


def install():
    ecr.handle_request = handle_request
