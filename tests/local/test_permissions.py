"""Every permission of the function's role, taken away once: whatever needs it fails, and says what is missing."""

import json
import time
from contextlib import contextmanager

import pytest
from aws import ACCOUNT, REGION, STACK, LocalAws, raise_on_termination
from steps import (
    ORG_PATH,
    WORKLOADS,
    configuration,
    create,
    creation_event,
    failure_queue,
    invoke,
    outcome,
    role_document,
    role_without,
    scheduled_event,
    service_event,
    statements,
    without_permission_to_call,
)
from template import permissions

KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "Services",
            "Effect": "Allow",
            "Principal": {
                "Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com", f"logs.{REGION}.amazonaws.com"]
            },
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": "*",
        },
    ],
}


@pytest.fixture(scope="module")
def aws():
    """A stack with everything that brings permissions: the sweeps, tags, a key of one's own, traces, a boundary."""
    raise_on_termination()
    with LocalAws() as local:
        key = local.client("kms").create_key(Policy=json.dumps(KEY_POLICY))["KeyMetadata"]["Arn"]
        allowed = {"Effect": "Allow", "Action": sorted({action for _, action in permissions()}), "Resource": "*"}
        boundary = local.client("iam").create_policy(
            PolicyName="Boundary", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        )["Policy"]["Arn"]
        local.deploy(
            OrgPaths=ORG_PATH,
            PolicyCacheSeconds=0,
            SweepOnSchedule="true",
            ReadTags="true",
            Tracing="true",
            KmsKeyArn=key,
            PermissionsBoundaryArn=boundary,
            RepairDelaySeconds=0,
        )
        yield local


def denied_to_the_function(aws, action, event):
    """The function's own call: the answer has the label, and names the action."""
    answer = invoke(aws, event)
    assert answer.get("errorType") == "AccessDenied", answer
    assert action in answer["errorMessage"]


def a_creation(aws, action):
    denied_to_the_function(aws, action, creation_event("needed/app"))


def a_creation_without_rules(aws, action):
    with configuration(aws, '{"rules": []}'):
        denied_to_the_function(aws, action, creation_event("needed/app"))


def a_creation_by_ecr(aws, action):
    denied_to_the_function(aws, action, service_event("needed/app"))


def a_sweep(aws, action):
    denied_to_the_function(aws, action, scheduled_event())


def work_that_waits(aws, action):
    """Lambda takes nothing off the work queue, and says what it lacks."""
    assert aws.wait_for("poll", lacks=action)
    taken = len(aws.journal("invocation"))
    body = json.dumps(creation_event("needed/app"))
    aws.client("sqs").send_message(QueueUrl=aws.outputs()["WorkQueueUrl"], MessageBody=body)
    time.sleep(0.5)
    assert len(aws.journal("invocation")) == taken


def a_failed_event(aws, action):
    """Lambda cannot keep what failed: nothing is in the failure queue, and a metric tells of the loss."""
    failure_queue(aws)
    with configuration(aws, '{"rules": 7}'):
        first = create(aws, f"lost/{action.replace(':', '-').lower()}")
        assert first["answer"]["errorType"] == "ConfigurationInvalid"
        (kept,) = aws.wait_for("failure destination", event=first["event"])
    assert (kept["delivered"], kept["lacks"]) == (False, action)
    assert failure_queue(aws) == []


def an_invocation_whose(kind):
    def lacks(aws, action):
        """Lambda cannot write it down."""
        before = len(aws.journal(kind, lacks=action))
        invoke(aws, creation_event("needed/app"))
        assert aws.wait_for(kind, lacks=action, count=before + 1)

    return lacks


# What needs each permission. A new one without a line here fails.
NEEDED_BY = {
    ("RepositoryPolicies", "ecr:GetRepositoryPolicy"): a_creation,
    ("RepositoryPolicies", "ecr:SetRepositoryPolicy"): a_creation,
    ("RepositoryPolicies", "ecr:DeleteRepositoryPolicy"): a_creation_without_rules,
    ("RepositoryTags", "ecr:ListTagsForResource"): a_creation_by_ecr,
    ("Repositories", "ecr:DescribeRepositories"): a_sweep,
    ("Configuration", "ssm:GetParameter"): a_creation,
    ("MoreWork", "sqs:SendMessage"): a_sweep,
    ("Work", "sqs:ReceiveMessage"): work_that_waits,
    ("Work", "sqs:DeleteMessage"): work_that_waits,
    ("Work", "sqs:GetQueueAttributes"): work_that_waits,
    ("Failures", "sqs:SendMessage"): a_failed_event,
    ("Logs", "logs:CreateLogStream"): an_invocation_whose("log"),
    ("Logs", "logs:PutLogEvents"): an_invocation_whose("log"),
    ("Key", "kms:GenerateDataKey"): a_sweep,
    ("Key", "kms:Decrypt"): work_that_waits,
    ("Traces", "xray:PutTraceSegments"): an_invocation_whose("trace"),
    ("Traces", "xray:PutTelemetryRecords"): an_invocation_whose("trace"),
}


def test_the_deployed_role_has_every_permission_of_the_template(aws):
    _, document = role_document(aws)
    deployed = [
        (statement["Sid"], action)
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]
    assert sorted(deployed) == sorted(permissions()) == sorted(NEEDED_BY)


@contextmanager
def ready(aws):
    """A repository without its policy, or with it, as the case wants; afterwards the queues are empty again."""
    ecr = aws.client("ecr")
    if not aws.journal("event", repository="needed/app"):
        create(aws, "needed/app")
    yield ecr
    for queue in ("WorkQueueUrl", "FailureQueueUrl"):
        aws.client("sqs").purge_queue(QueueUrl=aws.outputs()[queue])


@pytest.mark.parametrize(("sid", "action"), permissions())
def test_each_permission_is_needed_and_what_lacks_it_names_it(aws, sid, action):
    provoke = NEEDED_BY[sid, action]
    with ready(aws) as ecr:
        if action == "ecr:SetRepositoryPolicy":
            ecr.delete_repository_policy(repositoryName="needed/app")
        with role_without(aws, action, sid):
            provoke(aws, action)
        # With it, the same works again.
        (again,) = invoke(aws, creation_event("needed/app"))["outcomes"]
        assert again["outcome"] in ("applied", "unchanged")
        assert statements(aws.policy("needed/app")) == [WORKLOADS]


def test_the_boundary_limits_the_role(aws):
    role, _ = role_document(aws)
    attached = aws.client("iam").get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert attached.endswith(":policy/Boundary")
    actions = {action for _, action in permissions()}

    def allow(actions):
        statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        aws.client("iam").create_policy_version(PolicyArn=attached, PolicyDocument=document, SetAsDefault=True)

    allow(actions - {"ecr:GetRepositoryPolicy"})
    try:
        denied_to_the_function(aws, "ecr:GetRepositoryPolicy", creation_event("needed/app"))
    finally:
        allow(actions)


def test_a_stack_with_a_key_of_its_own_uses_it_wherever_something_rests(aws):
    (key,) = {statement["Resource"] for statement in role_document(aws)[1]["Statement"] if statement["Sid"] == "Key"}
    outputs = aws.outputs()
    for queue in ("WorkQueueUrl", "FailureQueueUrl"):
        attributes = aws.client("sqs").get_queue_attributes(QueueUrl=outputs[queue], AttributeNames=["All"])
        assert attributes["Attributes"]["KmsMasterKeyId"] == key
    (group,) = aws.client("logs").describe_log_groups(logGroupNamePrefix=outputs["LogGroupName"])["logGroups"]
    assert group["kmsKeyId"] == key


def test_events_of_a_key_that_does_not_let_them_are_not_kept(aws):
    """The part of the key's policy that the guide asks for is needed."""
    kms = aws.client("kms")
    (key,) = {statement["Resource"] for statement in role_document(aws)[1]["Statement"] if statement["Sid"] == "Key"}
    try:
        with without_permission_to_call(aws):
            for policy, kept in (({**KEY_POLICY, "Statement": KEY_POLICY["Statement"][:1]}, False), (KEY_POLICY, True)):
                kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
                before = len(aws.journal("dead letter"))
                aws.client("ecr").create_repository(repositoryName=f"undelivered/{str(kept).lower()}")
                assert aws.wait_for("dead letter", count=before + 1)[-1]["delivered"] is kept
    finally:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(KEY_POLICY))


def test_the_stack_sets_concurrency_aside_and_traces_where_it_is_told_to(aws):
    client, function = aws.client("lambda"), aws.outputs()["FunctionName"]
    assert client.get_function_configuration(FunctionName=function)["TracingConfig"]["Mode"] == "Active"
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=function)
    aws.set_up(STACK, ReservedConcurrency="7", Tracing="false")
    assert client.get_function_concurrency(FunctionName=function)["ReservedConcurrentExecutions"] == 7
    assert client.get_function_configuration(FunctionName=function)["TracingConfig"]["Mode"] == "PassThrough"
    assert "Traces" not in {statement["Sid"] for statement in role_document(aws)[1]["Statement"]}
    assert outcome(create(aws, "reserved/app")) == "applied"
