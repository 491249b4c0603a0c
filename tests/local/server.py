"""A local AWS: ministack, and what it lacks for a function that lives on the events of ECR.

- CloudTrail: ECR's write calls, and the repositories that ECR makes itself, reach the default event bus.
- ECR: pull-through cache rules; policies are checked and reformatted as ECR does.
- EventBridge and Lambda: permissions of targets, dead letters, retries and failure destinations.

Everything that happens on the way is written to the journal, a file with one JSON object a line.
"""

import contextvars
import copy
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import uuid
from pathlib import Path

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import ecr, eventbridge, lambda_svc, sqs

STATE = Path(os.environ["LOCAL_AWS_STATE"])
JOURNAL = STATE / "journal.jsonl"
HOLD = STATE / "hold"

journal_lock = threading.Lock()


def note(kind, **facts):
    with journal_lock, JOURNAL.open("a") as journal:
        journal.write(json.dumps({"kind": kind, **facts}) + "\n")


# CloudTrail

TRAILED = {"CreateRepository", "DeleteRepository", "SetRepositoryPolicy", "DeleteRepositoryPolicy"}


def lower_camel(value):
    """CloudTrail writes the names of ECR's members with a small first letter, those inside tags too."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: lower_camel(member) for key, member in value.items()}
    if isinstance(value, list):
        return [lower_camel(member) for member in value]
    return value


def record(event_type, identity, name, **members):
    now = time.gmtime()
    return {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        "eventSource": "ecr.amazonaws.com",
        "eventName": name,
        "awsRegion": get_region(),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": event_type,
        "managementEvent": True,
        "recipientAccountId": get_account_id(),
        "eventCategory": "Management",
        **members,
    }


def trail_call(name, request, answer, failed):
    caller = iam_evaluator.caller_arn()
    identity = {
        "type": "AssumedRole" if ":assumed-role/" in caller else "Root",
        "arn": caller,
        "accountId": get_account_id(),
    }
    response = None
    members = {}
    if failed:
        members["errorCode"] = str(answer.get("__type", "")).rpartition("#")[2]
        members["errorMessage"] = answer.get("message", "")
    else:
        response = copy.deepcopy(answer)
        if created := response.get("repository", {}).get("createdAt"):
            response["repository"]["createdAt"] = time.strftime("%b %d, %Y, %I:%M:%S %p", time.gmtime(created))
    detail = record(
        "AwsApiCall",
        identity,
        name,
        sourceIPAddress="127.0.0.1",
        requestParameters=lower_camel(request),
        responseElements=response,
        **members,
    )
    publish("AWS API Call via CloudTrail", detail)


def trail_own_creation(repository):
    detail = record(
        "AwsServiceEvent",
        {"accountId": get_account_id(), "invokedBy": "ecr.amazonaws.com"},
        "CreateRepository",
        sourceIPAddress="ecr.amazonaws.com",
        requestParameters=None,
        responseElements=None,
        serviceEventDetails={"repositoryName": repository},
    )
    publish("AWS Service Event via CloudTrail", detail)


matched = contextvars.ContextVar("matched")


def publish(detail_type, detail):
    """CloudTrail is slow: the event follows the call, and waits for as long as deliveries are held."""

    def deliver():
        while HOLD.exists():
            time.sleep(0.02)
        rules = []
        matched.set(rules)
        entry = {"Source": "aws.ecr", "DetailType": detail_type, "Detail": json.dumps(detail)}
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        request = detail["requestParameters"] or detail["serviceEventDetails"]
        note(
            "event",
            event=detail["eventID"],
            name=detail["eventName"],
            type=detail["eventType"],
            repository=request.get("repositoryName"),
            error=detail.get("errorCode"),
            rules=rules,
        )

    threading.Thread(target=contextvars.copy_context().run, args=(deliver,), daemon=True).start()


# ECR

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


def pull_through(request):
    """ECR creates the repository of an image that a pull-through cache rule names, at its first pull."""
    name = request.get("repositoryName", "")
    if name in ecr._repositories or name.partition("/")[0] not in pull_through_prefixes:
        return
    ecr._create_repository({"repositoryName": name})
    tag = next((image.get("imageTag") for image in request.get("imageIds", [])), None)
    ecr._put_image({"repositoryName": name, "imageManifest": '{"schemaVersion": 2}', "imageTag": tag})
    trail_own_creation(name)


ministacks_ecr = ecr.handle_request


async def ecr_with_trail(method, path, headers, body, query):
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    request = json.loads(body or b"{}")
    if action == "CreatePullThroughCacheRule":
        pull_through_prefixes[request["ecrRepositoryPrefix"]] = request["upstreamRegistryUrl"]
        return json_response({**request, "registryId": get_account_id(), "createdAt": int(time.time())})
    if action == "BatchGetImage":
        pull_through(request)
    answer = None
    sent = body
    if action == "SetRepositoryPolicy":
        text, answer = checked_policy(request.get("policyText", ""))
        sent = json.dumps({**request, "policyText": text}).encode()
    status, answer_headers, content = answer or await ministacks_ecr(method, path, headers, sent, query)
    if action in TRAILED:
        trail_call(action, request, json.loads(content), status >= 400)
    return status, answer_headers, content


# IAM

ministacks_resource_arn = iam_actions.extract_resource_arn


def resource_arn(service, method, path, headers, body, *rest):
    """What a request is about, where it says so by an ARN; ministack looks at names only."""
    arn = ministacks_resource_arn(service, method, path, headers, body, *rest)
    if service == "ecr":
        return json.loads(body or b"{}").get("resourceArn", arn)
    name = arn.partition(":parameter/")[2] if service == "ssm" else ""
    return name if name.startswith("arn:") else arn


# EventBridge and Lambda


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


def role_may(role, action, resource):
    context = iam_evaluator.EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
    )
    policies = iam_evaluator._gather_role_policies(role.rpartition("/")[2], get_account_id())
    return iam_evaluator.evaluate(context, policies).decision == "Allow"


ministacks_invoke_target = eventbridge._invoke_target


def invoke_target(target, event, rule, view=None):
    matched.get([]).append(rule["Name"])
    if parse_arn(target["Arn"]).service != "lambda":
        return ministacks_invoke_target(target, event, rule, view)
    payload = json.dumps((view or eventbridge._pattern_event_view(event)).event_with_detail())
    function, config, _ = lambda_svc._get_func_record_for_ref(target["Arn"])
    if function and service_may(
        "events.amazonaws.com", "lambda:InvokeFunction", config["FunctionArn"], function["policy"], rule["Arn"]
    ):
        invocation = lambda_svc._execution_record_for_config(function, config)
        return lambda_svc.invoke_async_with_retry(invocation, json.loads(payload))
    queue_arn = target.get("DeadLetterConfig", {}).get("Arn", "")
    queue = sqs._queue_by_arn(queue_arn) if queue_arn else None
    policy = queue["attributes"].get("Policy") if queue else None
    delivered = service_may("events.amazonaws.com", "sqs:SendMessage", queue_arn, policy, rule["Arn"])
    if delivered:
        eventbridge._dispatch_to_sqs(parse_arn(queue_arn), payload)
    note("dead letter", rule=rule["Name"], delivered=delivered)


ministacks_dispatch = lambda_svc._execute_function_dispatch


def execute(function, config, event, request_id, started):
    result = ministacks_dispatch(function, config, event, request_id, started)
    note(
        "invocation",
        function=config["FunctionName"],
        event=event.get("detail", {}).get("eventID") if isinstance(event, dict) else None,
        failed=bool(result.get("error")),
        answer=result.get("body"),
        log=result.get("log", ""),
    )
    return result


ministacks_failure = lambda_svc._route_async_failure


def route_failure(destination, name, event, result):
    role = lambda_svc._functions[name]["config"]["Role"]
    allowed = not app.AUTH or role_may(role, "sqs:SendMessage", destination)
    if allowed:
        ministacks_failure(destination, name, event, result)
    note("failure destination", event=event.get("detail", {}).get("eventID"), delivered=allowed)


ministacks_environment = lambda_svc._provided_worker_env


def environment(config, code_dir, port):
    """What Lambda gives a function, and nothing of this process's own environment."""
    given = ministacks_environment(config, code_dir, port)
    own = (config.get("Environment") or {}).get("Variables") or {}
    logging = config.get("LoggingConfig") or {}
    kept = {key: value for key, value in given.items() if key in own or key.startswith(("AWS_", "LAMBDA_", "_"))}
    kept["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    kept["AWS_LAMBDA_LOG_GROUP_NAME"] = logging.get("LogGroup", "")
    if logging.get("LogFormat") == "JSON":
        kept["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        kept["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel", "INFO")
    return kept


def end_with_parent():
    """Whoever started this server holds the other end of its standard input."""
    sys.stdin.read()
    shutil.rmtree(STATE, ignore_errors=True)
    os.killpg(os.getpgid(0), signal.SIGTERM)


def main():
    ecr.handle_request = ecr_with_trail
    iam_actions.extract_resource_arn = resource_arn
    eventbridge._invoke_target = invoke_target
    lambda_svc._execute_function_dispatch = execute
    lambda_svc._route_async_failure = route_failure
    lambda_svc._provided_worker_env = environment
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.argv[1:] = []
    app.main()


if __name__ == "__main__":
    main()
