"""Lambda: the function's environment, its role's part in queues, failure destinations, answers to batches."""

import json

from ministack import app
from ministack.services import lambda_svc, sqs

from services.iam import role_may
from services.journal import note

TO_RECEIVE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def event_in(body):
    """The id of the event that a message holds, as it came or in Lambda's record of a failure."""
    try:
        content = json.loads(body)
        return content.get("requestPayload", content).get("id")
    except (ValueError, AttributeError):
        return None


ministacks_dispatch = lambda_svc._execute_function_dispatch


def execute(function, config, event, request_id, started):
    result = ministacks_dispatch(function, config, event, request_id, started)
    event = event if isinstance(event, dict) else {}
    note(
        "invocation",
        function=config["FunctionName"],
        event=event.get("id"),
        messages={each["messageId"]: each["body"] for each in event.get("Records", [])},
        events=[event_in(each["body"]) for each in event.get("Records", [])],
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
        with sqs._queues_lock:
            ministacks_failure(destination, name, event, result)
    note("failure destination", event=event.get("id"), delivered=allowed)


ministacks_concurrency = lambda_svc._sqs_esm_concurrency


def concurrency(mapping, function, config, queue):
    """How many batches may be under way: none where the role may not read the queue."""
    arn = mapping["EventSourceArn"]
    if app.AUTH and not all(role_may(function["config"]["Role"], action, arn) for action in TO_RECEIVE):
        return 0
    scaling = {key: int(value) for key, value in (mapping.get("ScalingConfig") or {}).items()}
    return ministacks_concurrency({**mapping, "ScalingConfig": scaling}, function, config, queue)


def sound_answer(answer, messages):
    """Whether Lambda can read which messages failed; if not, all of them did."""
    if answer in (None, "", {}):
        return True
    if not isinstance(answer, dict):
        return False
    failures = answer.get("batchItemFailures") or []
    return isinstance(failures, list) and all(
        isinstance(each, dict) and each.get("itemIdentifier") in messages for each in failures
    )


ministacks_execution = lambda_svc._execute_function


def execute_function(function, event):
    result = ministacks_execution(function, event)
    records = event.get("Records", []) if isinstance(event, dict) else []
    if records and not result.get("error"):
        messages = [each.get("messageId") for each in records]
        if not sound_answer(result.get("body"), messages):
            return {**result, "error": True}
    return result


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


def install():
    lambda_svc._execute_function_dispatch = execute
    lambda_svc._execute_function = execute_function
    lambda_svc._route_async_failure = route_failure
    lambda_svc._sqs_esm_concurrency = concurrency
    lambda_svc._provided_worker_env = environment
