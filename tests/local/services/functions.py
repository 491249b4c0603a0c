"""Lambda: the function's environment, its role's part in queues, failure destinations, answers to batches."""

import json

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc, sqs

from services import keys, metrics
from services.iam import role_may
from services.journal import note

TO_RECEIVE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
TO_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
TO_TRACE = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")


def lacks(role, actions, resource):
    """The first of these actions that the role may not do."""
    if not app.AUTH:
        return None
    return next((action for action in actions if not role_may(role, action, resource)), None)


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
    attributes = sqs._queue_by_arn(destination)["attributes"]
    lacking = lacks(role, ["sqs:SendMessage"], destination) or keys.role_lacks(role, keys.TO_SEND, attributes)
    if lacking is None:
        with sqs._queues_lock:
            ministacks_failure(destination, name, event, result)
    else:
        metrics.record("AWS/Lambda", "DestinationDeliveryFailures", 1, "Count", {"FunctionName": name})
    note("failure destination", event=event.get("id"), delivered=lacking is None, lacks=lacking)


ministacks_concurrency = lambda_svc._sqs_esm_concurrency
# What each queue's poller lacked the last time.
polled_without = {}


def concurrency(mapping, function, config, queue):
    """How many batches may be under way: none where the role may not read the queue."""
    arn, role = mapping["EventSourceArn"], function["config"]["Role"]
    lacking = lacks(role, TO_RECEIVE, arn) or keys.role_lacks(role, keys.TO_RECEIVE, queue["attributes"])
    if lacking != polled_without.get(arn):
        polled_without[arn] = lacking
        note("poll", queue=arn, lacks=lacking)
    if lacking is not None:
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


LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]


def kept(line, logging):
    """Whether Lambda's own filter lets a line of the log through; one without a level and a time counts as INFO."""
    if logging.get("LogFormat") != "JSON":
        return True
    try:
        entry = json.loads(line)
        level = entry["level"].upper() if "timestamp" in entry else "INFO"
    except (ValueError, TypeError, KeyError, AttributeError):
        level = "INFO"
    return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(logging.get("ApplicationLogLevel", "INFO"))


ministacks_logs = lambda_svc._emit_lambda_logs


def write_logs(function, request_id, text, error, duration, **source):
    """Lambda writes the log and the trace in the function's role, and CloudWatch finds the metrics in the log."""
    config = function.get("config") or function
    logging = config.get("LoggingConfig") or {}
    group = logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    text = "\n".join(line for line in (text or "").splitlines() if kept(line, logging))
    stream = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:log-stream:any"
    lacking = lacks(config["Role"], TO_LOG, stream)
    if lacking is None:
        ministacks_logs(function, request_id, text, error, duration, **source)
        metrics.from_log(text)
    note("log", function=config["FunctionName"], lacks=lacking)
    if (config.get("TracingConfig") or {}).get("Mode") == "Active":
        note("trace", function=config["FunctionName"], lacks=lacks(config["Role"], TO_TRACE, "*"))


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
    lambda_svc._emit_lambda_logs = write_logs
