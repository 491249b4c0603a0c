"""EventBridge: events of AWS's own services, permissions of targets, dead letters, a clock that can be put forward."""

import contextvars
import json
import threading
import time

from ministack.core.arn import parse_arn
from ministack.services import cloudwatch, eventbridge, lambda_svc, sqs

from services.iam import service_may
from services.journal import AHEAD, note
from services.keys import service_may_send

EVENTS = "events.amazonaws.com"

matched = contextvars.ContextVar("matched")


def publish(source, detail_type, detail, resources=(), until=lambda: True, **facts):
    """Delivers an event to the default bus after the call that caused it, once `until` says so."""

    def deliver():
        while not until():
            time.sleep(0.02)
        rules = []
        matched.set(rules)
        entry = {
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": list(resources),
        }
        answer = eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        (put,) = json.loads(answer[2])["Entries"]
        note("event", event=put["EventId"], rules=rules, **facts)

    threading.Thread(target=contextvars.copy_context().run, args=(deliver,), daemon=True).start()


ministacks_invoke_target = eventbridge._invoke_target


def invoke_target(target, event, rule, view=None):
    matched.get([]).append(rule["Name"])
    if event["DetailType"] == "Scheduled Event":
        note("event", event=event["EventId"], type=event["DetailType"], rules=[rule["Name"]])
    arn = parse_arn(target["Arn"])
    payload = json.dumps((view or eventbridge._pattern_event_view(event)).event_with_detail())
    if arn.service == "lambda":
        delivered = to_function(target["Arn"], payload, rule)
    elif arn.service == "sqs":
        delivered = to_queue(target["Arn"], payload, rule)
    else:
        return ministacks_invoke_target(target, event, rule, view)
    if not delivered:
        kept = to_queue(target.get("DeadLetterConfig", {}).get("Arn", ""), payload, rule)
        if not kept:
            cloudwatch.record_metric(
                "AWS/Events", "InvocationsFailedToBeSentToDlq", 1, "Count", {"RuleName": rule["Name"]}
            )
        note("dead letter", rule=rule["Name"], event=event["EventId"], delivered=kept)


def to_function(arn, payload, rule):
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not service_may(
        EVENTS, "lambda:InvokeFunction", config["FunctionArn"], function["policy"], rule["Arn"]
    ):
        return False
    invocation = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(invocation, json.loads(payload))
    return True


def to_queue(arn, payload, rule):
    queue = sqs._queue_by_arn(arn) if arn else None
    if not queue or not service_may(EVENTS, "sqs:SendMessage", arn, queue["attributes"].get("Policy"), rule["Arn"]):
        return False
    if not service_may_send(EVENTS, queue["attributes"], rule["Arn"]):
        return False
    with sqs._queues_lock:
        eventbridge._dispatch_to_sqs(parse_arn(arn), payload)
    return True


def clock():
    return time.time() + (float(AHEAD.read_text()) if AHEAD.exists() else 0)


def install():
    eventbridge._invoke_target = invoke_target
    eventbridge._now_ts = clock
    eventbridge._SCHEDULER_TICK_INTERVAL = 0.2
