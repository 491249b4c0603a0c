"""The stack with every switch on: what exists is brought in line, and what failed is tried again."""

import json
from contextlib import contextmanager

import pytest
from aws import ACCOUNT, REGION, STACK, LocalAws, raise_on_termination
from botocore.exceptions import ClientError
from steps import (
    CALL,
    ORG_PATH,
    PARAMETER,
    SERVICE_EVENT,
    WORKLOADS,
    create,
    creation_event,
    failure_queue,
    invoke,
    messages,
    outcome,
    role_without,
    service_event,
    statements,
    without_permission_to_call,
)

CI = "444455556666"
CACHE_SECONDS = "1"
SWITCHES = {"SweepOnParameterChange": "true", "SweepOnSchedule": "true", "RepairDrift": "true", "ReadTags": "true"}
FIRST = {"template": "organization-ou", "with": {"org_paths": [ORG_PATH]}}
BOTH = {
    "rules": [
        {"name": "Workloads", **FIRST},
        {"name": "Ci", "template": "account-list", "with": {"accounts": [CI]}},
    ]
}
BOTH_STATEMENTS = [
    {**WORKLOADS, "Sid": "AutoPolicyWorkloadsAllowPull"},
    {
        **WORKLOADS,
        "Sid": "AutoPolicyCiAllowPull",
        "Condition": {"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, CI]}},
    },
]
SCANNER = {
    "Sid": "ScannerReads",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{CI}:role/scanner"},
    "Action": "ecr:BatchGetImage",
}


@pytest.fixture(scope="module")
def aws():
    """A local AWS of its own; nothing in it waits long."""
    raise_on_termination()
    with LocalAws() as local:
        local.deploy(OrgPaths=ORG_PATH, PolicyCacheSeconds=CACHE_SECONDS, RepairDelaySeconds=1, **SWITCHES)
        yield local


@pytest.fixture(autouse=True)
def same_beginning(aws):
    """Every test finds the first configuration, nothing under way, and an empty failure queue."""
    yield
    settle(aws)
    if aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"] != json.dumps(FIRST):
        write(aws, FIRST)
        settle(aws)
    failure_queue(aws)


def length(aws, queue):
    """How many messages are in a queue, whether or not they can be seen."""
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=aws.outputs()[queue], AttributeNames=["All"])
    return sum(int(value) for name, value in attributes["Attributes"].items() if name.startswith("ApproximateNumber"))


def settle(aws):
    """Until everything that an event began has an end, in the policies or in the failure queue."""
    to_function = {aws.resource(name) for name in ("RepositoryCreatedRule", "ParameterChangedRule", "ScheduleRule")}

    def settled():
        ended = {each["event"] for each in aws.journal("invocation", failed=False)}
        ended |= {each["event"] for kind in ("failure destination", "dead letter") for each in aws.journal(kind)}
        begun = {each["event"] for each in aws.journal("event") if to_function & set(each["rules"])}
        return begun <= ended and not length(aws, "WorkQueueUrl")

    aws.wait_until(settled, "what is under way ends")


def write(aws, value, **options):
    """Writes the parameter, and gives the event that tells of it."""
    text = value if isinstance(value, str) else json.dumps(value)
    return tell(aws, "put_parameter", Value=text, **({"Overwrite": True} | options))


def tell(aws, call, **options):
    seen = len(aws.journal("event", parameter=PARAMETER))
    getattr(aws.client("ssm"), call)(Name=PARAMETER, **options)
    return aws.wait_for("event", count=seen + 1, parameter=PARAMETER)[-1]


def by_hand(aws, call, repository, ecr=None, role=None, **options):
    """Somebody, in a role perhaps, changes a policy, and CloudTrail tells of it."""
    name = "".join(word.capitalize() for word in call.split("_"))
    told = {"repository": repository, "name": name, "by": role}
    seen = len(aws.journal("event", **told))
    getattr(ecr or aws.client("ecr"), call)(repositoryName=repository, **options)
    return aws.wait_for("event", count=seen + 1, **told)[-1]


def only(*found):
    return json.dumps({"Version": "2012-10-17", "Statement": list(found)})


def has(aws, repository, expected):
    policy = aws.policy(repository)
    return policy is not None and statements(policy) == expected


def becomes(aws, repository, expected):
    aws.wait_until(lambda: has(aws, repository, expected), f"`{repository}` gets {[each['Sid'] for each in expected]}")


def own_writes(aws, **facts):
    role = aws.outputs()["FunctionRoleArn"]
    return [
        event
        for name in ("SetRepositoryPolicy", "DeleteRepositoryPolicy")
        for event in aws.journal("event", name=name, by=role, **facts)
    ]


def fleet(aws, prefix, count=23):
    names = [f"{prefix}/app{number:02}" for number in range(count)]
    for name in names:
        create(aws, name)
    return names


# The parameter


def test_every_repository_follows_the_parameter(aws):
    names = fleet(aws, "fleet")
    owned = names.pop()
    by_hand(aws, "set_repository_policy", owned, policyText=only(SCANNER))
    becomes(aws, owned, [SCANNER, WORKLOADS])
    for value, expected in ((BOTH, BOTH_STATEMENTS), (FIRST, [WORKLOADS])):
        assert write(aws, value)["rules"] == [aws.resource("ParameterChangedRule")]
        for name in names:
            becomes(aws, name, expected)
        becomes(aws, owned, [SCANNER, *expected])
        settle(aws)


def test_no_process_goes_on_with_the_value_that_it_remembers(aws):
    ecr = aws.client("ecr")
    # Longer than it takes to sweep.
    aws.set_up(STACK, PolicyCacheSeconds="5")
    # Many at once, so that several processes remember the first value, and use it after the change.
    for when in ("before", "during"):
        with aws.slow_trail():
            names = [f"remembered/{when}{number}" for number in range(8)]
            for name in names:
                ecr.create_repository(repositoryName=name)
            if when == "during":
                write(aws, BOTH)
        events = [aws.wait_for("event", repository=name, name="CreateRepository")[0] for name in names]
        for event in events:
            aws.wait_for("invocation", event=event["event"])
    for name in [f"remembered/{when}{number}" for when in ("before", "during") for number in range(8)]:
        becomes(aws, name, BOTH_STATEMENTS)
    settle(aws)
    aws.set_up(STACK, PolicyCacheSeconds=CACHE_SECONDS)


def test_an_invalid_value_changes_nothing_and_the_log_says_so(aws):
    create(aws, "steady/app")
    settle(aws)
    writes = len(own_writes(aws))
    event = write(aws, '{"rules": 7}')
    aws.wait_for("invocation", event=event["event"])
    settle(aws)
    logs, group = aws.client("logs"), aws.outputs()["LogGroupName"]
    aws.wait_until(lambda: "ConfigurationInvalid" in "".join(messages(logs, group)), "the log says so")
    write(aws, FIRST)
    settle(aws)
    assert len(own_writes(aws)) == writes
    assert has(aws, "steady/app", [WORKLOADS])


def test_a_label_or_a_deletion_is_no_new_value_and_a_new_parameter_is(aws):
    create(aws, "renewed/app")
    assert tell(aws, "label_parameter_version", Labels=["live"])["rules"] == []
    try:
        assert tell(aws, "delete_parameter")["rules"] == []
    finally:
        made = write(aws, BOTH, Type="String", Overwrite=False)
    assert (made["name"], made["rules"]) == ("Create", [aws.resource("ParameterChangedRule")])
    becomes(aws, "renewed/app", BOTH_STATEMENTS)


# Policies that somebody else changed


@pytest.fixture(scope="module")
def people(aws):
    """Who changes policies by hand: the account itself, a user, and somebody in a role."""
    iam = aws.client("iam")
    everything = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}]}
    )
    iam.create_user(UserName="somebody")
    iam.put_user_policy(UserName="somebody", PolicyName="Registry", PolicyDocument=everything)
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="Developer", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="Developer", PolicyName="Registry", PolicyDocument=everything)
    session = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="somebody")["Credentials"]
    return {
        "account": {},
        "user": {"ecr": aws.client("ecr", key["AccessKeyId"], key["SecretAccessKey"])},
        "role": {
            "ecr": aws.client("ecr", session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]),
            "role": role,
        },
    }


@pytest.mark.parametrize("who", ["account", "user", "role"])
def test_a_policy_that_somebody_deletes_returns(aws, people, who):
    name = f"deleted/by-{who}"
    create(aws, name)
    event = by_hand(aws, "delete_repository_policy", name, **people[who])
    assert event["rules"] == [aws.resource("PolicyChangedRule")]
    becomes(aws, name, [WORKLOADS])


def test_what_somebody_adds_stays_and_ours_returns(aws):
    create(aws, "edited/app")
    by_hand(aws, "set_repository_policy", "edited/app", policyText=only(SCANNER))
    becomes(aws, "edited/app", [SCANNER, WORKLOADS])


def test_a_refused_change_wakes_nobody(aws):
    create(aws, "refused/app")
    ecr = aws.client("ecr")
    with pytest.raises(ecr.exceptions.InvalidParameterException):
        ecr.set_repository_policy(repositoryName="refused/app", policyText="{}")
    assert aws.wait_for("event", repository="refused/app", error="InvalidParameterException")[0]["rules"] == []


def test_the_functions_own_writes_wake_nobody(aws):
    create(aws, "quiet/app")
    write(aws, BOTH)
    becomes(aws, "quiet/app", BOTH_STATEMENTS)
    by_hand(aws, "delete_repository_policy", "quiet/app")
    becomes(aws, "quiet/app", BOTH_STATEMENTS)
    # At the creation, after the change, after the deletion.
    written = aws.wait_for("event", count=3, repository="quiet/app", by=aws.outputs()["FunctionRoleArn"])
    settle(aws)
    assert own_writes(aws, repository="quiet/app") == written
    assert [event["name"] for event in written] == ["SetRepositoryPolicy"] * 3
    assert all(event["rules"] == [] for event in own_writes(aws))


def test_a_writer_who_disagrees_gets_one_answer_to_each_write(aws):
    create(aws, "disputed/app")
    settle(aws)
    before = len(own_writes(aws, repository="disputed/app"))
    for _ in range(3):
        by_hand(aws, "set_repository_policy", "disputed/app", policyText=only(SCANNER))
        becomes(aws, "disputed/app", [SCANNER, WORKLOADS])
    settle(aws)
    assert len(own_writes(aws, repository="disputed/app")) == before + 3
    # Many at once are mended together.
    for _ in range(8):
        by_hand(aws, "set_repository_policy", "disputed/app", policyText=only(SCANNER))
    settle(aws)
    assert has(aws, "disputed/app", [SCANNER, WORKLOADS])
    assert before + 3 < len(own_writes(aws, repository="disputed/app")) <= before + 3 + 8


def test_a_message_that_comes_again_writes_no_more(aws):
    create(aws, "twice/app")
    by_hand(aws, "delete_repository_policy", "twice/app")
    becomes(aws, "twice/app", [WORKLOADS])
    settle(aws)
    before = own_writes(aws, repository="twice/app")
    again = creation_event("twice/app", eventName="DeleteRepositoryPolicy", responseElements=None)
    for _ in range(2):
        aws.client("sqs").send_message(QueueUrl=aws.outputs()["WorkQueueUrl"], MessageBody=json.dumps(again))
    settle(aws)
    assert has(aws, "twice/app", [WORKLOADS])
    assert own_writes(aws, repository="twice/app") == before


# The schedule


def test_what_no_event_told_of_is_found_by_the_schedule(aws):
    names = fleet(aws, "scheduled", 12)
    settle(aws)
    with aws.slow_trail():
        for name in names[::2]:
            aws.client("ecr").delete_repository_policy(repositoryName=name)
        aws.let_pass(24 * 3600)
        for name in names:
            becomes(aws, name, [WORKLOADS])
    woken = aws.journal("event", type="Scheduled Event")
    assert {rule for event in woken for rule in event["rules"]} == {aws.resource("ScheduleRule")}


# Tags


def test_a_repository_that_opts_out_is_left_alone(aws):
    off = [{"Key": "ecr-autopolicy", "Value": "off"}]
    assert outcome(create(aws, "opted/out", tags=off)) == "skipped"
    create(aws, "opted/in")
    by_hand(aws, "set_repository_policy", "opted/out", policyText=only(SCANNER))
    write(aws, BOTH)
    becomes(aws, "opted/in", BOTH_STATEMENTS)
    settle(aws)
    assert has(aws, "opted/out", [SCANNER])
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/opted/out"
    aws.client("ecr").untag_resource(resourceArn=arn, tagKeys=["ecr-autopolicy"])
    by_hand(aws, "delete_repository_policy", "opted/out")
    becomes(aws, "opted/out", BOTH_STATEMENTS)


def test_rules_with_tags_count_in_sweeps(aws):
    create(aws, "tagged/payments", tags=[{"Key": "team", "Value": "payments"}])
    create(aws, "tagged/other", tags=[{"Key": "team", "Value": "other"}])
    write(aws, {"rules": [{"name": "Pay", "tags": {"team": "pay*"}, **FIRST}]})
    becomes(aws, "tagged/payments", [{**WORKLOADS, "Sid": "AutoPolicyPayAllowPull"}])
    aws.wait_until(lambda: aws.policy("tagged/other") is None, "no rule, no statement")


def test_tags_need_their_permission(aws):
    create(aws, "denied/tags")
    event = service_event("denied/tags")
    with role_without(aws, "ecr:ListTagsForResource"):
        denied = invoke(aws, event)
    assert denied["errorType"] == "AccessDenied"
    assert "ecr:ListTagsForResource" in denied["errorMessage"]
    assert invoke(aws, event)["outcomes"][0]["outcome"] == "unchanged"


# What failed


@contextmanager
def impatient(aws):
    """What the function could not do is seen again after a second, and not after minutes."""
    sqs = aws.client("sqs")
    url = aws.outputs()["WorkQueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def look_into(aws, queue):
    """The messages of a queue, which stay in it."""
    sqs = aws.client("sqs")
    url = aws.outputs()[queue]
    found = {}
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2).get("Messages"):
        found |= {each["MessageId"]: json.loads(each["Body"]) for each in received}

    def can_be_seen():
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"]) == len(found)

    aws.wait_until(can_be_seen, "the messages can be seen again")
    return list(found.values())


def move_back(aws):
    """What the console does with «Start DLQ redrive» to a queue of one's choice."""
    sqs = aws.client("sqs")
    outputs = aws.outputs()
    sqs.start_message_move_task(SourceArn=outputs["FailureQueueArn"], DestinationArn=outputs["WorkQueueArn"])

    def moved():
        (task,) = sqs.list_message_move_tasks(SourceArn=outputs["FailureQueueArn"])["Results"]
        assert task["Status"] in ("RUNNING", "COMPLETED"), task
        return task["Status"] == "COMPLETED"

    aws.wait_until(moved, "the messages are moved")


def about(message):
    """The repository that a failed event is about."""
    request = message.get("requestPayload", message).get("detail", {}).get("requestParameters") or {}
    return request.get("repositoryName")


def test_whatever_failed_is_kept_and_succeeds_once_the_cause_is_mended(aws):
    create(aws, "mended/drifted")
    create(aws, "mended/swept")
    settle(aws)
    ecr = aws.client("ecr")
    with impatient(aws):
        with role_without(aws, "ecr:SetRepositoryPolicy"):
            # The function fails: Lambda's record of it.
            ecr.create_repository(repositoryName="mended/created")
            aws.wait_for("event", repository="mended/created", name="CreateRepository")
            # The queue's message fails: the rule's event, or the function's own batch.
            by_hand(aws, "delete_repository_policy", "mended/drifted")
            write(aws, BOTH)
            # The function is not reached: the event.
            with without_permission_to_call(aws):
                ecr.create_repository(repositoryName="mended/undelivered")
                aws.wait_for("dead letter", rule=aws.outputs()["RuleName"])
            settle(aws)
        kept = look_into(aws, "FailureQueueUrl")
        shapes = {about(each): "record" if "requestPayload" in each else "event" for each in kept if about(each)}
        assert shapes == {"mended/created": "record", "mended/drifted": "event", "mended/undelivered": "event"}
        batches = [each["sweep"] for each in kept if "sweep" in each]
        swept = [name for batch in batches for name in batch["repositories"]]
        assert "mended/swept" in swept
        assert all((batch["registry"], batch["region"]) == (ACCOUNT, REGION) for batch in batches)
        assert len(kept) == 3 + len(batches)
        move_back(aws)
        settle(aws)
    for name in ("created", "drifted", "undelivered", "swept"):
        assert has(aws, f"mended/{name}", BOTH_STATEMENTS)
    assert length(aws, "FailureQueueUrl") == 0


def test_a_sweep_that_could_not_begin_is_tried_again(aws):
    create(aws, "again/app")
    settle(aws)
    with impatient(aws):
        with role_without(aws, "ecr:DescribeRepositories"):
            event = write(aws, BOTH)
            settle(aws)
        assert has(aws, "again/app", [WORKLOADS])
        (kept,) = look_into(aws, "FailureQueueUrl")
        # Whether the first invocation fails or a message to itself is the function's affair.
        assert "sweep" in kept or kept["requestPayload"]["id"] == event["event"]
        move_back(aws)
        settle(aws)
    assert has(aws, "again/app", BOTH_STATEMENTS)
    assert length(aws, "FailureQueueUrl") == 0


def test_a_message_that_is_none_of_ours_is_kept_and_its_neighbours_succeed(aws):
    create(aws, "neighbour/app")
    settle(aws)
    with aws.slow_trail():
        aws.client("ecr").delete_repository_policy(repositoryName="neighbour/app")
        good = {"sweep": {"registry": ACCOUNT, "region": REGION, "repositories": ["neighbour/app", "neighbour/none"]}}
        bodies = ["hello", '{"sweep": 7}', json.dumps(good)]
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        with impatient(aws):
            aws.client("sqs").send_message_batch(QueueUrl=aws.outputs()["WorkQueueUrl"], Entries=entries)
            becomes(aws, "neighbour/app", [WORKLOADS])
            settle(aws)
    sqs = aws.client("sqs")
    kept = sqs.receive_message(QueueUrl=aws.outputs()["FailureQueueUrl"], MaxNumberOfMessages=10)
    assert sorted(each["Body"] for each in kept["Messages"]) == sorted(bodies[:2])
    sqs.purge_queue(QueueUrl=aws.outputs()["FailureQueueUrl"])


def test_a_change_that_cannot_be_queued_is_kept(aws):
    create(aws, "unqueued/app")
    settle(aws)
    sqs = aws.client("sqs")
    url = aws.outputs()["WorkQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    try:
        by_hand(aws, "delete_repository_policy", "unqueued/app")
        assert aws.wait_for("dead letter", rule=aws.resource("PolicyChangedRule"))[-1]["delivered"]
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=policy)
    move_back(aws)
    becomes(aws, "unqueued/app", [WORKLOADS])


# The stack


def test_every_rule_has_retries_and_somewhere_for_its_dead_letters(aws):
    events = aws.client("events")
    outputs = aws.outputs()
    function, work = outputs["FunctionArn"], outputs["WorkQueueArn"]
    targets = {}
    for name in ("RepositoryCreatedRule", "ParameterChangedRule", "ScheduleRule", "PolicyChangedRule"):
        (target,) = events.list_targets_by_rule(Rule=aws.resource(name))["Targets"]
        assert target["DeadLetterConfig"]["Arn"] == outputs["FailureQueueArn"]
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
        targets[name] = target["Arn"]
    assert set(targets.values()) == {function, work}
    assert [name for name, arn in targets.items() if arn == work] == ["PolicyChangedRule"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=outputs["FailureQueueUrl"], AttributeNames=["Policy"])
    (statement,) = json.loads(attributes["Attributes"]["Policy"])["Statement"]
    rules = [events.describe_rule(Name=aws.resource(name))["Arn"] for name in targets]
    assert sorted(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(rules)


def test_the_work_queue_waits_and_gives_up_as_it_should(aws):
    outputs = aws.outputs()
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=outputs["WorkQueueUrl"], AttributeNames=["All"])
    queue = attributes["Attributes"]
    assert queue["SqsManagedSseEnabled"] == "true"
    assert queue["DelaySeconds"] == "1"
    redrive = json.loads(queue["RedrivePolicy"])
    assert (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])) == (outputs["FailureQueueArn"], 5)
    client = aws.client("lambda")
    function = client.get_function_configuration(FunctionName=outputs["FunctionName"])
    assert int(queue["VisibilityTimeout"]) >= 6 * function["Timeout"]
    assert function["Environment"]["Variables"]["WORK_QUEUE_URL"] == outputs["WorkQueueUrl"]
    (mapping,) = client.list_event_source_mappings(FunctionName=outputs["FunctionName"])["EventSourceMappings"]
    assert mapping["EventSourceArn"] == outputs["WorkQueueArn"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert int(mapping["ScalingConfig"]["MaximumConcurrency"]) == 2


def issuer(arn):
    return {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"type": "Role", "arn": arn}}}


@pytest.mark.parametrize(
    ("detail_type", "detail", "expected"),
    [
        (CALL, {"userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/somebody"}}, True),
        (CALL, {"userIdentity": {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}}, True),
        (CALL, {"userIdentity": {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"}}, True),
        (CALL, {"userIdentity": {"type": "AWSAccount", "accountId": CI}}, True),
        (CALL, {"userIdentity": {"type": "IAMUser", "sessionContext": {"attributes": {}}}}, True),
        (CALL, {"userIdentity": issuer(f"arn:aws:iam::{ACCOUNT}:role/Developer")}, True),
        (CALL, {"userIdentity": issuer("the function's")}, False),
        (CALL, {"eventName": "DeleteRepositoryPolicy"}, True),
        (CALL, {"eventName": "GetRepositoryPolicy"}, False),
        (CALL, {"eventName": "PutRegistryPolicy"}, False),
        (CALL, {"errorCode": "AccessDenied"}, False),
        (CALL, {"eventSource": "ecr-public.amazonaws.com"}, False),
        (SERVICE_EVENT, {}, False),
    ],
)
def test_the_rule_picks_policies_that_others_changed(aws, detail_type, detail, expected):
    events = aws.client("events")
    pattern = events.describe_rule(Name=aws.resource("PolicyChangedRule"))["EventPattern"]
    event = creation_event("any/app", eventName="SetRepositoryPolicy", userIdentity=issuer("another"))
    event["detail-type"] = detail_type
    event["detail"] |= json.loads(json.dumps(detail).replace("the function's", aws.outputs()["FunctionRoleArn"]))
    assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"] is expected


@contextmanager
def another_stack(aws, **parameters):
    """A stack beside the first, which touches none of its statements; it is gone afterwards."""
    cloudformation = aws.client("cloudformation")
    aws.set_up("another", PolicyTemplate="none", StatementPrefix="Another", **parameters)
    try:
        found = cloudformation.describe_stack_resources(StackName="another")["StackResources"]
        yield {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}
    finally:
        cloudformation.delete_stack(StackName="another")
        waiter = cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName="another", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        aws.client("ssm").delete_parameter(Name="/another/policy")


SWITCHED = {
    "ParameterChangedRule",
    "ParameterChangedPermission",
    "ScheduleRule",
    "SchedulePermission",
    "PolicyChangedRule",
    "WorkQueuePolicy",
}


TO_SWEEP = {"Repositories": "ecr:DescribeRepositories", "MoreWork": "sqs:SendMessage"}


@pytest.mark.parametrize(
    ("switch", "resources", "permissions"),
    [
        ("SweepOnParameterChange", {"ParameterChangedRule", "ParameterChangedPermission"}, TO_SWEEP),
        ("SweepOnSchedule", {"ScheduleRule", "SchedulePermission"}, TO_SWEEP),
        ("RepairDrift", {"PolicyChangedRule", "WorkQueuePolicy"}, {}),
        ("ReadTags", set(), {"RepositoryTags": "ecr:ListTagsForResource"}),
    ],
)
def test_each_switch_brings_what_it_needs_and_no_more(aws, switch, resources, permissions):
    with another_stack(aws, **{switch: "true"}) as found:
        assert SWITCHED & set(found) == resources
        role = aws.client("iam").get_role_policy(RoleName=found["FunctionRole"], PolicyName="Function")
        granted = {each["Sid"]: each["Action"] for each in role["PolicyDocument"]["Statement"]}
        always = {"RepositoryPolicies", "Configuration", "Work", "Failures", "Logs"}
        assert {sid: action for sid, action in granted.items() if sid not in always} == permissions
        function = aws.client("lambda").get_function_configuration(FunctionName=found["Function"])
        read_tags = function["Environment"]["Variables"]["READ_TAGS"]
        assert read_tags == ("true" if switch == "ReadTags" else "false")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"SweepSchedule": "rate(1 days)"}, "SweepSchedule"),
        ({"SweepSchedule": "every day"}, "SweepSchedule"),
        ({"RepairDelaySeconds": "901"}, "RepairDelaySeconds"),
        ({"SweepConcurrency": "1"}, "SweepConcurrency"),
        ({"RepairDrift": "yes"}, "RepairDrift"),
    ],
)
def test_what_aws_would_refuse_is_refused_before_anything_is_made(aws, parameters, reason):
    with pytest.raises(ClientError, match=reason):
        aws.set_up("refused", PolicyTemplate="none", **parameters)


@pytest.mark.parametrize(
    ("name", "form"),
    [("shared", "name"), ("/shared/policy", "name"), ("/shared/policy", "arn"), ("flat", "arn"), ("/flatter", "arn")],
)
def test_a_parameter_made_elsewhere_is_followed(aws, name, form, request):
    ssm = aws.client("ssm")
    ssm.put_parameter(Name=name, Value=json.dumps(FIRST), Type="String", Overwrite=True)
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name.lstrip('/')}"
    aws.set_up(STACK, ExistingPolicyParameter=arn if form == "arn" else name)
    repository = f"elsewhere/{request.node.callspec.indices['name']}"
    create(aws, repository)
    becomes(aws, repository, [WORKLOADS])
    ssm.put_parameter(Name=name, Value=json.dumps(BOTH), Overwrite=True)
    becomes(aws, repository, BOTH_STATEMENTS)
    settle(aws)
