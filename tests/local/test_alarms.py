"""The alarms and the dashboard: they look at metrics that are written, ring when they should, and tell the topic."""

import json
import re
import time
from datetime import UTC, datetime, timedelta

import picture
import pytest
from aws import STACK, LocalAws, raise_on_termination
from picture import PICTURE
from steps import (
    ORG_PATH,
    OWNERS,
    configuration,
    create,
    creation_event,
    failure_queue,
    invoke,
    role_without,
    scheduled_event,
)
from template import branches, resources, template

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
DAYS_WITHOUT_CREATIONS = 2
OURS = "ecr-autopolicy"
FUNCTION, TYPED = {"FunctionName"}, {"FunctionName", "ErrorType"}

# What AWS documents of its own metrics: these dimensions, alone or together.
OF_AWS = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): [{"QueueName"}],
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): [{"QueueName"}],
    ("AWS/Lambda", "Errors"): [FUNCTION],
    ("AWS/Lambda", "Throttles"): [FUNCTION],
    ("AWS/Lambda", "DestinationDeliveryFailures"): [FUNCTION],
    ("AWS/Events", "InvocationsFailedToBeSentToDlq"): [{"RuleName"}],
}

# What the function writes.
OF_THE_FUNCTION = {
    **{
        (OURS, name): [FUNCTION]
        for name in (
            *("Applied", "Removed", "Unchanged", "Skipped", "Gone", "Ignored", "Creations"),
            *("SecondsToPolicy", "Corrected", "Queued", "Swept", "Throttled"),
        )
    },
    (OURS, "Failed"): [FUNCTION, TYPED],
}

ERROR_TYPES = {
    *("InvalidEvent", "ConfigurationMissing", "ConfigurationInvalid", "PolicyTooLarge"),
    *("PolicyRejected", "AccessDenied", "Throttled", "ServiceUnavailable"),
}


def allow(service, action, resource):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def aws():
    """A stack with every alarm, a topic made elsewhere, and a queue that hears what the topic is told."""
    raise_on_termination()
    with LocalAws() as local:
        sns, sqs = local.client("sns"), local.client("sqs")
        topic = sns.create_topic(Name="operations")["TopicArn"]
        local.inbox = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=local.inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        may_publish = allow("cloudwatch.amazonaws.com", "sns:Publish", topic)
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=may_publish)
        may_send = allow("sns.amazonaws.com", "sqs:SendMessage", arn)
        sqs.set_queue_attributes(QueueUrl=local.inbox, Attributes={"Policy": may_send})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        local.deploy(
            OrgPaths=ORG_PATH,
            PolicyCacheSeconds=0,
            SweepOnSchedule="true",
            # Not while the tests let days pass.
            SweepSchedule="rate(1000 days)",
            RepairDelaySeconds=0,
            DaysWithoutCreations=DAYS_WITHOUT_CREATIONS,
            AlarmTopicArn=topic,
        )
        yield local


# What they look at


def watched(alarm):
    return (alarm["Namespace"], alarm["MetricName"]), {each["Name"] for each in alarm["Dimensions"]}


def on_the_dashboard():
    """The metrics of each widget, as namespace, name and dimensions."""
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    text = re.sub(r"^\s*\$\{If\w+\}\n", "", board["Properties"]["DashboardBody"]["Fn::Sub"][0], flags=re.M)
    for widget in json.loads(text)["widgets"]:
        for namespace, *rest in widget["properties"].get("metrics", []):
            if isinstance(namespace, dict):
                continue
            name, *rest = rest
            pairs = [each for each in rest if isinstance(each, str)]
            yield (namespace, name), dict(zip(pairs[::2], pairs[1::2], strict=True))


@pytest.mark.parametrize("name", resources("AWS::CloudWatch::Alarm"))
def test_every_alarm_watches_a_metric_that_somebody_writes(name):
    metric, dimensions = watched(resources("AWS::CloudWatch::Alarm")[name]["Properties"])
    assert dimensions in {**OF_AWS, **OF_THE_FUNCTION}[metric]


def test_the_dashboard_shows_metrics_that_somebody_writes_and_all_of_the_functions_but_one():
    shown = list(on_the_dashboard())
    for metric, dimensions in shown:
        assert set(dimensions) in {**OF_AWS, **OF_THE_FUNCTION}[metric]
    assert {metric for metric, _ in shown if metric[0] == OURS} == set(OF_THE_FUNCTION) - {(OURS, "Ignored")}
    assert {dimensions["ErrorType"] for _, dimensions in shown if "ErrorType" in dimensions} == ERROR_TYPES


def test_every_alarm_says_what_to_do_first_and_tells_every_topic():
    for name, alarm in resources("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        assert re.search(r"\b[Ff]irst\b", properties["AlarmDescription"]), name
        assert len(properties["AlarmDescription"]) <= 1024
        for key in {"AlarmActions", "OKActions"} & set(properties):
            with_both, without_given = branches(properties[key])[0], branches(properties[key])[1:]
            assert with_both[0] == {"Ref": "AlarmTopicArn"}
            assert branches(with_both[1]) == [{"Ref": "AlarmTopic"}]
            assert without_given == [[{"Ref": "AlarmTopic"}], []]


def test_every_alarm_is_on_the_dashboard():
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    body, given = board["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in resources("AWS::CloudWatch::Alarm"):
        assert f"${{{name}.Arn}}" in body + json.dumps(given)


def test_no_level_of_the_log_can_be_chosen_at_which_lambda_would_drop_the_metrics():
    assert template()["Parameters"]["LogLevel"]["AllowedValues"] == ["TRACE", "DEBUG", "INFO"]


def test_the_deployed_dashboard_is_sound(aws):
    (alarms,) = [widget["properties"]["alarms"] for widget in dashboard(aws)["widgets"] if widget["type"] == "alarm"]
    described = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert sorted(alarms) == sorted(alarm["AlarmArn"] for alarm in described)
    assert len(alarms) == len(resources("AWS::CloudWatch::Alarm"))
    assert "${" not in json.dumps(dashboard(aws))
    # Nothing overlaps, and nothing sticks out.
    cells = set()
    for widget in dashboard(aws)["widgets"]:
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert x < 24 and (x, y) not in cells
                cells.add((x, y))


def dashboard(aws):
    cloudwatch = aws.client("cloudwatch")
    return json.loads(cloudwatch.get_dashboard(DashboardName=aws.outputs()["DashboardName"])["DashboardBody"])


def test_the_picture_shows_the_dashboard_of_the_template():
    drawn = PICTURE.read_text()
    for widget in picture.body()["widgets"]:
        title = widget["properties"].get("title") or widget["properties"]["markdown"].splitlines()[0].lstrip("# ")
        assert f">{title}</text>" in drawn
    assert drawn == picture.draw(), "draw it again with `make dashboard-picture`"


# What the function writes


def test_the_function_writes_the_metrics_that_are_looked_at_and_no_other(aws):
    ecr, function = aws.client("ecr"), aws.outputs()["FunctionName"]
    for name in ("measured/app", "measured/owned"):
        create(aws, name)
    invoke(aws, creation_event("measured/app"))
    invoke(aws, creation_event("measured/app", errorCode="AccessDenied", responseElements=None))
    invoke(aws, creation_event("measured/gone"))
    for value in ('{"rules": 7}', '{"rules": []}'):
        with configuration(aws, value):
            invoke(aws, creation_event("measured/app"))
    ecr.set_repository_policy(repositoryName="measured/owned", policyText=OWNERS)
    rule = {"template": "deny-pull", "on_existing_policy": "skip"}
    with configuration(aws, json.dumps(rule)):
        invoke(aws, creation_event("measured/owned"))
    # Nobody told of this one.
    aws.refuse_a_write()
    invoke(aws, scheduled_event())
    aws.wait_until(lambda: aws.journal("metric", name="Corrected"), "the sweep corrects what nobody told of")
    written = {}
    for metric in aws.journal("metric"):
        written.setdefault((metric["namespace"], metric["name"]), set()).add(frozenset(metric["dimensions"]))
        assert metric["dimensions"]["FunctionName"] == function
        assert metric["dimensions"].get("ErrorType", "InvalidEvent") in ERROR_TYPES
    assert written == {name: set(map(frozenset, dimensions)) for name, dimensions in OF_THE_FUNCTION.items()}


def test_a_broken_configuration_rings_and_a_mended_one_ends_it(aws):
    for name in ("InvalidConfigurationAlarm", "FailureQueueAlarm"):
        end(aws, name, HOUR)
    with configuration(aws, '{"rules": 7}'):
        create(aws, "broken/app")
        for name in ("InvalidConfigurationAlarm", "FailureQueueAlarm"):
            becomes(aws, name, "ALARM")
    outputs = aws.outputs()
    move = {"SourceArn": outputs["FailureQueueArn"], "DestinationArn": outputs["WorkQueueArn"]}
    aws.client("sqs").start_message_move_task(**move)
    aws.wait_until(lambda: aws.policy("broken/app"), "the failed event succeeds")
    for name in ("InvalidConfigurationAlarm", "FailureQueueAlarm"):
        end(aws, name, HOUR)


# When they ring


def described(aws, name):
    (alarm,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[aws.resource(name)])["MetricAlarms"]
    return alarm


def measure(aws, name, value):
    """Writes the metric that the alarm looks at, with its dimensions."""
    alarm = described(aws, name)
    now = datetime.now(UTC) + timedelta(seconds=aws.ahead())
    datum = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": value, "Timestamp": now}
    aws.client("cloudwatch").put_metric_data(Namespace=alarm["Namespace"], MetricData=[datum])


def becomes(aws, name, state):
    aws.wait_until(lambda: described(aws, name)["StateValue"] == state, f"{name} becomes {state}", seconds=15)


def told(aws):
    """Takes off the inbox what the topic was told."""
    sqs, found = aws.client("sqs"), []
    while received := sqs.receive_message(QueueUrl=aws.inbox, MaxNumberOfMessages=10).get("Messages", []):
        for message in received:
            sqs.delete_message(QueueUrl=aws.inbox, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            found.append((body["AlarmName"], body["NewStateValue"]))
    return found


# What is measured in each period, oldest first: just too little, and just enough; and each period's seconds.
RINGS = {
    "InvalidConfigurationAlarm": ([0], [1], 5 * MINUTE),
    "FailedAlarm": ([1, None, None], [1, None, 1], 5 * MINUTE),
    "FunctionErrorsAlarm": ([1, None, None], [1, 1], 5 * MINUTE),
    "LostEventsAlarm": ([0], [1], 5 * MINUTE),
    "UndeliveredAlarm": ([0], [1], 5 * MINUTE),
    "CorrectedAlarm": ([0], [3], HOUR),
    "FailureQueueAlarm": ([0], [1], 5 * MINUTE),
    "WorkQueueAgeAlarm": ([HOUR], [HOUR + 1], 5 * MINUTE),
    "ThrottledAlarm": ([301, 301, 301, 301, 301, 300], [301] * 6, 5 * MINUTE),
    "FunctionThrottlesAlarm": ([2, None, None], [None, 1, 1], 5 * MINUTE),
    "NoCreationsAlarm": ([*[None] * (DAYS_WITHOUT_CREATIONS - 1), 1], [None] * DAYS_WITHOUT_CREATIONS, DAY),
}
# What ends it, where the end of its cause is not enough.
ENDS = {"NoCreationsAlarm": 1}


def test_every_alarm_has_its_line():
    assert set(RINGS) == set(resources("AWS::CloudWatch::Alarm"))


def measure_each(aws, name, values, period):
    """Writes a value in each period, or none; the last period is the one that goes on."""
    for number, value in enumerate(values):
        if number:
            aws.let_pass(period)
        if value is not None:
            measure(aws, name, value)


def end(aws, name, period):
    aws.let_pass(10 * period)
    if name in ENDS:
        measure(aws, name, ENDS[name])
    becomes(aws, name, "OK")


@pytest.mark.parametrize("name", RINGS)
def test_an_alarm_rings_when_it_should_and_tells_the_topic(aws, name):
    too_little, enough, period = RINGS[name]
    facts = {"alarm": aws.resource(name)}
    end(aws, name, period)
    before = len(aws.journal("alarm", **facts))
    measure_each(aws, name, too_little, period)
    # Looked at many times a second, it would have rung.
    time.sleep(0.5)
    aws.let_pass(period - 1)
    time.sleep(0.5)
    assert len(aws.journal("alarm", **facts)) == before
    end(aws, name, period)
    told(aws)
    before = len(aws.journal("alarm", **facts))
    aws.let_pass(period + 1)
    measure_each(aws, name, enough, period)
    becomes(aws, name, "ALARM")
    end(aws, name, period)
    rung, ended = aws.wait_for("alarm", count=before + 2, **facts)[before:]
    assert (rung["state"], ended["state"]) == ("ALARM", "OK")
    assert rung["refused"] == ended["refused"] == []
    heard = [state for alarm, state in told(aws) if alarm == facts["alarm"]]
    ends_are_told = "OKActions" in resources("AWS::CloudWatch::Alarm")[name]["Properties"]
    assert heard == (["ALARM", "OK"] if ends_are_told else ["ALARM"])


def test_a_message_in_the_failure_queue_rings_until_it_is_gone(aws):
    sqs, url = aws.client("sqs"), aws.outputs()["FailureQueueUrl"]
    aws.let_pass(HOUR)
    becomes(aws, "FailureQueueAlarm", "OK")
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(creation_event("kept/app")))
    becomes(aws, "FailureQueueAlarm", "ALARM")
    aws.let_pass(HOUR)
    assert described(aws, "FailureQueueAlarm")["StateValue"] == "ALARM"
    failure_queue(aws)
    aws.let_pass(HOUR)
    becomes(aws, "FailureQueueAlarm", "OK")


def test_work_that_nobody_takes_rings(aws):
    sqs, url = aws.client("sqs"), aws.outputs()["WorkQueueUrl"]
    with role_without(aws, "sqs:ReceiveMessage"):
        aws.wait_for("poll", lacks="sqs:ReceiveMessage")
        aws.let_pass(HOUR)
        becomes(aws, "WorkQueueAgeAlarm", "OK")
        # Its age counts from when it is seen, and other messages were seen before it.
        waiting = {"queue": aws.resource("WorkQueue").rpartition("/")[2], "visible": 1}
        seen = len(aws.journal("queue", **waiting))
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(creation_event("waiting/app")))
        aws.wait_for("queue", count=seen + 1, **waiting)
        aws.let_pass(HOUR - MINUTE)
        time.sleep(0.5)
        assert described(aws, "WorkQueueAgeAlarm")["StateValue"] == "OK"
        aws.let_pass(2 * MINUTE)
        becomes(aws, "WorkQueueAgeAlarm", "ALARM")
    aws.wait_until(lambda: aws.journal("poll")[-1]["lacks"] is None, "the queue is polled again")


def test_an_event_that_cannot_be_kept_rings(aws):
    aws.let_pass(HOUR)
    becomes(aws, "LostEventsAlarm", "OK")
    with role_without(aws, "sqs:SendMessage", "Failures"), configuration(aws, '{"rules": 7}'):
        first = create(aws, "lost/app")
        assert not aws.wait_for("failure destination", event=first["event"])[0]["delivered"]
    becomes(aws, "LostEventsAlarm", "ALARM")


def test_a_topic_for_mails_is_encrypted_and_alarms_may_use_it(aws):
    aws.set_up(STACK, AlarmEmail="operations@example.com")
    try:
        topic = aws.outputs()["AlarmTopicArn"]
        sns = aws.client("sns")
        key = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"]
        assert aws.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "operations@example.com")
        alarm = described(aws, "FailureQueueAlarm")
        assert topic in alarm["AlarmActions"] and len(alarm["AlarmActions"]) == 2
        aws.let_pass(HOUR)
        becomes(aws, "InvalidConfigurationAlarm", "OK")
        measure(aws, "InvalidConfigurationAlarm", 1)
        becomes(aws, "InvalidConfigurationAlarm", "ALARM")
        ring = aws.journal("alarm", alarm=aws.resource("InvalidConfigurationAlarm"), state="ALARM")[-1]
        assert topic in ring["told"] and ring["refused"] == []
    finally:
        aws.set_up(STACK, AlarmEmail="")


def test_without_topic_days_or_schedule_there_is_neither_action_nor_alarm_for_them(aws):
    aws.set_up(STACK, AlarmTopicArn="", DaysWithoutCreations="0", SweepOnSchedule="false", Dashboard="false")
    try:
        assert aws.resource("CorrectedAlarm") is None
        assert aws.resource("NoCreationsAlarm") is None
        assert aws.resource("StackDashboard") is None
        for alarm in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]:
            assert alarm["AlarmActions"] == alarm["OKActions"] == []
    finally:
        declared = {"DaysWithoutCreations": str(DAYS_WITHOUT_CREATIONS), "SweepOnSchedule": "true", "Dashboard": "true"}
        aws.set_up(STACK, **declared)


@pytest.mark.parametrize(
    "parameters",
    [
        {"AlarmEmail": "operations"},
        {"AlarmTopicArn": "operations"},
        {"DaysWithoutCreations": "8"},
        {"KmsKeyArn": "alias/aws/sqs"},
        {"ReservedConcurrency": "2"},
        {"PermissionsBoundaryArn": "Boundary"},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_what_aws_would_refuse_is_refused_before_anything_is_made(aws, parameters):
    (name,) = parameters
    with pytest.raises(aws.client("cloudformation").exceptions.ClientError, match=name):
        aws.set_up("refused", PolicyTemplate="none", **parameters)
    assert name in template()["Parameters"]
