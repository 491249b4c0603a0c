"""CloudWatch: metrics out of the function's log and of the queues; alarms with their periods and what is missing."""

import json
import threading
import time

from ministack.services import cloudwatch, sns, sqs

from services.events import clock
from services.iam import service_may
from services.journal import note
from services.keys import service_may_send

CLOUDWATCH = "cloudwatch.amazonaws.com"
COMPARISONS = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}

# What was last seen of each queue, and when.
sampled = {}
# When each message was first seen, by the clock that can be put forward.
arrived = {}


def record(namespace, name, value, unit="None", dimensions=None):
    """In place of ministack's: by the clock that can be put forward."""
    values = value if isinstance(value, list) else None
    cloudwatch._store_datum(namespace, name, dict(dimensions or {}), clock(), unit, value, values, None, None)


def embedded(line):
    """The metrics in a line of the log, in CloudWatch's embedded metric format."""
    try:
        entry = json.loads(line)
        directives = entry["_aws"]["CloudWatchMetrics"]
    except (ValueError, TypeError, KeyError):
        return
    for directive in directives:
        for names in directive["Dimensions"]:
            # Without its dimensions or its value there is no metric.
            if not all(isinstance(entry.get(name), str) for name in names):
                continue
            dimensions = {name: entry[name] for name in names}
            for metric in directive["Metrics"]:
                if metric["Name"] in entry:
                    value = entry[metric["Name"]]
                    yield directive["Namespace"], metric["Name"], value, metric.get("Unit", "None"), dimensions


def from_log(text):
    for line in text.splitlines():
        for metric in embedded(line):
            record(*metric)
            namespace, name, value, unit, dimensions = metric
            note("metric", namespace=namespace, name=name, value=value, unit=unit, dimensions=dimensions)


def sample(queue):
    """Once a minute and at each change."""
    messages, now = list(queue["messages"]), time.time()
    visible = sum(message["visible_at"] <= now for message in messages)
    oldest = min((arrived.setdefault(message["id"], clock()) for message in messages), default=clock())
    seen = (visible, len(messages), int(clock()) // 60)
    if sampled.get(queue["url"]) == seen:
        return
    sampled[queue["url"]] = seen
    note("queue", queue=queue["name"], messages=len(messages), visible=visible)
    dimensions = {"QueueName": queue["name"]}
    record("AWS/SQS", "ApproximateNumberOfMessagesVisible", visible, "Count", dimensions)
    record("AWS/SQS", "ApproximateAgeOfOldestMessage", clock() - oldest, "Seconds", dimensions)


def is_breached(alarm, points, end):
    """Whether the period that ends there is over the threshold; None where nothing was measured."""
    measured = [point for point in points if end - alarm["Period"] < point["Timestamp"] <= end]
    if not measured:
        return None
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    value = cloudwatch._stat_value(cloudwatch._calc_stats(measured), statistic, measured)
    return COMPARISONS[alarm["ComparisonOperator"]](value, alarm["Threshold"])


def state_of(alarm):
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm["Dimensions"]))
    points = list(cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions), []))
    now, count = clock(), alarm["EvaluationPeriods"]
    periods = [is_breached(alarm, points, now - number * alarm["Period"]) for number in range(count)]
    missing = alarm["TreatMissingData"]
    if missing == "missing" and not any(each is not None for each in periods):
        return "INSUFFICIENT_DATA"
    breached = sum(missing == "breaching" if each is None else each for each in periods)
    return "ALARM" if breached >= alarm.get("DatapointsToAlarm", count) else "OK"


def evaluate(alarm):
    before, state = alarm["StateValue"], state_of(alarm)
    if state == before:
        return
    reason = f"{alarm['MetricName']} {alarm['ComparisonOperator']} {alarm['Threshold']}: {state}"
    alarm |= {"StateValue": state, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)


ministacks_actions = cloudwatch._dispatch_alarm_actions


def may_tell(topic, alarm):
    """Whether the topic's policy and its key's let CloudWatch publish."""
    found = sns._topics.get(topic)
    return (
        found is not None
        and service_may(CLOUDWATCH, "sns:Publish", topic, found["attributes"].get("Policy"), alarm)
        and service_may_send(CLOUDWATCH, found["attributes"], alarm)
    )


def tell(alarm, before, state, reason):
    key = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(state, "InsufficientDataActions")
    topics = alarm.get(key) or []
    told = [topic for topic in topics if may_tell(topic, alarm["AlarmArn"])]
    ministacks_actions({**alarm, key: told}, before, state, reason)
    refused = [topic for topic in topics if topic not in told]
    note("alarm", alarm=alarm["AlarmName"], state=state, before=before, told=told, refused=refused)


def watch():
    while True:
        time.sleep(0.1)
        try:
            for queue in list(sqs._queues.values()):
                sample(queue)
            for alarm in list(cloudwatch._alarms.values()):
                evaluate(alarm)
        except RuntimeError:
            # Something was made or removed meanwhile: look again.
            continue


def install():
    cloudwatch.record_metric = record
    # Alarms are looked at by the clock, and not when a metric is put.
    cloudwatch._evaluate_alarm = lambda alarm: None
    cloudwatch._dispatch_alarm_actions = tell
    threading.Thread(target=watch, daemon=True).start()
