"""The real template, deployed with `sam deploy` into a local AWS that enforces the function's role."""

import json
import time

import pytest
from aws import ACCOUNT, REGION, STACK
from botocore.exceptions import ClientError
from steps import (
    CALL,
    ECR,
    ORG_PATH,
    OWNERS,
    PARAMETER,
    SERVICE_EVENT,
    WORKLOADS,
    configuration,
    create,
    creation_event,
    failure_queue,
    invoke,
    messages,
    outcome,
    role_document,
    role_without,
    statements,
    without_permission_to_call,
)

# New repositories


def test_a_new_repository_gets_the_policy(aws):
    assert outcome(create(aws, "plain/app", tags=[{"Key": "team", "Value": "payments"}])) == "applied"
    assert statements(aws.policy("plain/app")) == [WORKLOADS]


def test_the_owners_statements_stay_as_they_were(aws):
    ecr = aws.client("ecr")
    with aws.slow_trail():
        ecr.create_repository(repositoryName="owned/app")
        ecr.set_repository_policy(repositoryName="owned/app", policyText=OWNERS)
        before = aws.policy("owned/app")
    aws.wait_for("event", repository="owned/app", name="SetRepositoryPolicy", count=2)
    after = aws.policy("owned/app")
    assert json.loads(after)["Id"] == "OwnedByCi"
    ours = statements(after)
    assert [each["Sid"] for each in ours] == ["CiPushes", "AutoPolicyAllowPull"]
    assert ours[1] == WORKLOADS
    ordered = [json.dumps(json.loads(policy)["Statement"][0]) for policy in (before, after)]
    assert ordered[0] == ordered[1], "value for value, and in the owner's order of keys"


def test_a_repository_that_ecr_makes_itself_gets_the_policy(aws):
    ecr = aws.client("ecr")
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="ecr-public", upstreamRegistryUrl="public.ecr.aws")
    name = "ecr-public/docker/library/alpine"
    ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "3"}])
    event = aws.wait_for("event", repository=name, type="AwsServiceEvent")[0]
    assert outcome(aws.wait_for("invocation", event=event["event"])[0]) == "applied"
    assert statements(aws.policy(name)) == [WORKLOADS]


def test_the_same_event_again_writes_nothing(aws):
    create(aws, "twice/app")
    writes = len(aws.wait_for("event", repository="twice/app", name="SetRepositoryPolicy"))
    (again,) = invoke(aws, creation_event("twice/app"))["outcomes"]
    assert again["outcome"] == "unchanged"
    assert len(aws.journal("event", repository="twice/app", name="SetRepositoryPolicy")) == writes


# Events that are none of ours


def test_a_failed_call_reaches_nobody(aws):
    create(aws, "failed/app")
    ecr = aws.client("ecr")
    with pytest.raises(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName="failed/app")
    failed = aws.wait_for("event", repository="failed/app", error="RepositoryAlreadyExistsException")[0]
    assert failed["rules"] == []
    assert aws.journal("invocation", event=failed["event"]) == []


def test_a_failed_call_that_arrives_all_the_same_is_ignored(aws):
    failed = creation_event("nobody/app", errorCode="RepositoryAlreadyExistsException", responseElements=None)
    answer = invoke(aws, failed)
    assert answer["outcomes"] == []
    assert "RepositoryAlreadyExistsException" in answer["ignored"]


def test_the_functions_own_writes_do_not_wake_it(aws):
    create(aws, "quiet/app")
    aws.client("ecr").delete_repository(repositoryName="quiet/app")
    aws.wait_for("event", repository="quiet/app", name="DeleteRepository")
    woken = {event["name"]: event["rules"] for event in aws.journal("event", repository="quiet/app")}
    assert woken == {
        "CreateRepository": [aws.outputs()["RuleName"]],
        "SetRepositoryPolicy": [],
        "DeleteRepository": [],
    }


@pytest.mark.parametrize(
    ("source", "detail_type", "detail", "expected"),
    [
        ("aws.ecr", CALL, {"eventSource": ECR}, True),
        ("aws.ecr", SERVICE_EVENT, {"eventSource": ECR}, True),
        ("aws.ecr", SERVICE_EVENT, {"eventSource": f"replication.{ECR}"}, True),
        ("aws.replication.ecr", SERVICE_EVENT, {"eventSource": f"replication.{ECR}"}, True),
        ("aws.ecr", CALL, {"eventSource": ECR, "errorCode": "AccessDenied"}, False),
        ("aws.ecr", CALL, {"eventSource": ECR, "eventName": "PutImage"}, False),
        ("aws.ecr-public", CALL, {"eventSource": "ecr-public.amazonaws.com"}, False),
        ("aws.codecommit", CALL, {"eventSource": "codecommit.amazonaws.com"}, False),
        ("aws.ecr", "ECR Image Action", {"eventSource": ECR}, False),
        ("forged", CALL, {"eventSource": ECR}, False),
    ],
)
def test_the_rule_picks_creations_in_ecr_only(aws, source, detail_type, detail, expected):
    events = aws.client("events")
    pattern = events.describe_rule(Name=aws.outputs()["RuleName"])["EventPattern"]
    event = creation_event("any/app")
    event |= {"source": source, "detail-type": detail_type}
    event["detail"] |= detail
    assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"] is expected


def test_nothing_else_wakes_it_unless_a_switch_says_so(aws):
    name = aws.outputs()["RuleName"]
    assert [rule["Name"] for rule in aws.client("events").list_rules()["Rules"]] == [name]
    create(aws, "unwatched/app")
    aws.client("ecr").delete_repository_policy(repositoryName="unwatched/app")
    (deleted,) = aws.wait_for("event", repository="unwatched/app", name="DeleteRepositoryPolicy")
    assert deleted["rules"] == []
    with configuration(aws, '{"rules": []}'):
        assert aws.wait_for("event", parameter=PARAMETER, name="Update")[-1]["rules"] == []
    assert aws.policy("unwatched/app") is None


# The parameter


def test_the_parameter_begins_with_what_the_stack_was_given(aws):
    value = aws.client("ssm").get_parameter(Name=aws.outputs()["PolicyParameterName"])["Parameter"]["Value"]
    assert json.loads(value) == {"template": "organization-ou", "with": {"org_paths": [ORG_PATH]}}


def test_an_edited_parameter_takes_effect(aws):
    rules = [
        {"name": "Workloads", "template": "organization-ou", "with": {"org_paths": [ORG_PATH]}},
        {"name": "Ci", "template": "account-list", "repositories": ["ci/*"], "with": {"accounts": ["444455556666"]}},
    ]
    with configuration(aws, json.dumps({"rules": rules})):
        create(aws, "ci/app")
        create(aws, "other/app")
    both = statements(aws.policy("ci/app"))
    assert [each["Sid"] for each in both] == ["AutoPolicyWorkloadsAllowPull", "AutoPolicyCiAllowPull"]
    assert both[1]["Condition"] == {"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, "444455556666"]}}
    assert statements(aws.policy("other/app")) == [{**WORKLOADS, "Sid": "AutoPolicyWorkloadsAllowPull"}]


@pytest.mark.parametrize("value", [" ", '{"rules": []}'], ids=["white space", "no rules"])
def test_a_cleared_parameter_takes_our_statements_away_and_nothing_else(aws, value, request):
    name = f"cleared/{request.node.callspec.indices['value']}"
    create(aws, f"{name}/ours")
    ecr = aws.client("ecr")
    with aws.slow_trail():
        ecr.create_repository(repositoryName=f"{name}/owned")
        ecr.set_repository_policy(repositoryName=f"{name}/owned", policyText=OWNERS)
    aws.wait_for("event", repository=f"{name}/owned", name="SetRepositoryPolicy", count=2)
    with configuration(aws, value):
        assert outcome(create(aws, f"{name}/new")) == "unchanged"
        for each in ("ours", "owned"):
            (cleared,) = invoke(aws, creation_event(f"{name}/{each}"))["outcomes"]
            assert cleared["outcome"] == "removed"
    assert aws.policy(f"{name}/new") is None
    assert aws.policy(f"{name}/ours") is None
    assert [each["Sid"] for each in statements(aws.policy(f"{name}/owned"))] == ["CiPushes"]


# The role


def test_the_role_allows_what_the_code_calls_and_no_more(aws):
    iam = aws.client("iam")
    role, document = role_document(aws)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["Function"]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    outputs = aws.outputs()
    granted = {each["Sid"]: (each["Action"], each["Resource"]) for each in document["Statement"]}
    logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{outputs['LogGroupName']}:*"
    assert granted == {
        "RepositoryPolicies": (
            [
                "ecr:DeleteRepositoryPolicy",
                "ecr:GetRepositoryPolicy",
                "ecr:SetRepositoryPolicy",
            ],
            f"arn:aws:ecr:*:{ACCOUNT}:repository/*",
        ),
        "Configuration": ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PARAMETER}"),
        "Work": (["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], outputs["WorkQueueArn"]),
        "Failures": ("sqs:SendMessage", outputs["FailureQueueArn"]),
        "Logs": (["logs:CreateLogStream", "logs:PutLogEvents"], logs),
    }


@pytest.mark.parametrize("action", ["ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy", "ssm:GetParameter"])
def test_a_missing_permission_is_named_and_the_event_kept(aws, action):
    name = f"denied/{action.replace(':', '/').lower()}"
    failure_queue(aws)
    with role_without(aws, action):
        first = create(aws, name)
        assert first["failed"]
        assert first["answer"]["errorType"] == "AccessDenied"
        assert action in first["answer"]["errorMessage"]
        aws.wait_for("invocation", event=first["event"], count=3)
        assert aws.wait_for("failure destination", event=first["event"])[0]["delivered"]
    (kept,) = failure_queue(aws)
    assert kept["requestPayload"]["detail"]["requestParameters"]["repositoryName"] == name
    assert kept["responsePayload"]["errorType"] == "AccessDenied"


def test_a_permission_that_few_configurations_need_is_needed(aws):
    name = "denied/delete"
    create(aws, name)
    with configuration(aws, '{"rules": []}'):
        with role_without(aws, "ecr:DeleteRepositoryPolicy"):
            denied = invoke(aws, creation_event(name))
        assert denied["errorType"] == "AccessDenied"
        assert "ecr:DeleteRepositoryPolicy" in denied["errorMessage"]
        (allowed,) = invoke(aws, creation_event(name))["outcomes"]
        assert allowed["outcome"] == "removed"


def test_without_its_permission_the_failure_destination_gets_nothing(aws):
    failure_queue(aws)
    with role_without(aws, "sqs:SendMessage"), configuration(aws, '{"rules": 7}'):
        first = create(aws, "denied/failures")
        assert first["answer"]["errorType"] == "ConfigurationInvalid"
        assert not aws.wait_for("failure destination", event=first["event"])[0]["delivered"]
    assert failure_queue(aws) == []


# Failures, logs


def test_failures_have_somewhere_to_go(aws):
    outputs = aws.outputs()
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=outputs["FailureQueueUrl"], AttributeNames=["All"])
    queue = attributes["Attributes"]
    assert queue["SqsManagedSseEnabled"] == "true"
    assert queue["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    events = aws.client("events")
    (target,) = events.list_targets_by_rule(Rule=outputs["RuleName"])["Targets"]
    assert target["DeadLetterConfig"]["Arn"] == queue["QueueArn"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    asynchronous = aws.client("lambda").get_function_event_invoke_config(
        FunctionName=outputs["FunctionName"], Qualifier="$LATEST"
    )
    assert asynchronous["MaximumRetryAttempts"] == 2
    assert asynchronous["DestinationConfig"]["OnFailure"]["Destination"] == queue["QueueArn"]


def test_an_event_that_cannot_be_delivered_is_kept(aws):
    failure_queue(aws)
    with without_permission_to_call(aws):
        aws.client("ecr").create_repository(repositoryName="undelivered/app")
        assert aws.wait_for("dead letter")[0]["delivered"]
    (kept,) = failure_queue(aws)
    assert kept["detail"]["requestParameters"]["repositoryName"] == "undelivered/app"
    assert aws.policy("undelivered/app") is None


def test_the_log_is_json_and_ends_some_day(aws):
    create(aws, "logged/app")
    logs = aws.client("logs")
    group = aws.outputs()["LogGroupName"]
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["retentionInDays"] == 30
    deadline = time.monotonic() + 10
    while not (lines := [m for m in messages(logs, group) if "logged/app" in m]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert lines
    assert all(json.loads(line)["level"] for line in lines)


# Stack updates; they come last, because they change what the others look at


def test_the_additional_policy_is_attached_and_detached_and_the_edit_survives(aws):
    iam = aws.client("iam")
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}],
    }
    arn = iam.create_policy(PolicyName="ReadsKey", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    role, _ = role_document(aws)
    edited = '{"rules": []}'
    with configuration(aws, edited):
        aws.deploy(AdditionalPolicyArn=arn)
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        assert [each["PolicyArn"] for each in attached] == [arn]
        aws.deploy(AdditionalPolicyArn="")
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        assert aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"] == edited


@pytest.mark.parametrize(
    ("name", "form"),
    [("shared", "name"), ("/shared/policy", "name"), ("/shared/policy", "arn")],
    ids=["flat name", "path", "ARN"],
)
def test_a_parameter_made_elsewhere_is_read(aws, name, form, request):
    ssm = aws.client("ssm")
    rule = {"template": "account-list", "with": {"accounts": ["444455556666"]}}
    ssm.put_parameter(Name=name, Value=json.dumps(rule), Type="SecureString", Overwrite=True)
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name.lstrip('/')}"
    aws.set_up(STACK, ExistingPolicyParameter=arn if form == "arn" else name)
    granted = {each["Sid"]: each["Resource"] for each in role_document(aws)[1]["Statement"]}
    assert granted["Configuration"] == arn
    repository = f"elsewhere/{request.node.callspec.indices['name']}"
    assert outcome(create(aws, repository)) == "applied"
    (statement,) = statements(aws.policy(repository))
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, "444455556666"]}}
    left = ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    assert json.loads(left), "the stack's own parameter stays when the stack lets go of it"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "PolicyTemplate `organization-ou` needs OrgPaths"),
        ({"PolicyTemplate": "account-list"}, "PolicyTemplate `account-list` needs Accounts"),
        (
            {"PolicyTemplate": "none", "PolicyParameterName": "/a", "ExistingPolicyParameter": "/b"},
            "give PolicyParameterName or ExistingPolicyParameter, not both",
        ),
        ({"OrgPaths": "*/r-ab12/ou-ab12-cd34ef56/*"}, "OrgPaths"),
        ({"OrgPaths": ORG_PATH, "StatementPrefix": "AutoPolicyTwo"}, "StatementPrefix"),
    ],
    ids=["no paths", "no accounts", "two parameters", "any organization", "overlapping prefix"],
)
def test_impossible_combinations_are_refused_before_anything_is_made(aws, parameters, reason):
    with pytest.raises(ClientError, match=reason):
        aws.set_up("impossible", **parameters)


@pytest.mark.parametrize(
    ("parameters", "value"),
    [
        ({"PolicyTemplate": "none"}, {"rules": []}),
        (
            {"PolicyTemplate": "account-list", "Accounts": "444455556666,777788889999"},
            {"template": "account-list", "with": {"accounts": ["444455556666", "777788889999"]}},
        ),
        (
            {"OrgPaths": f"{ORG_PATH},o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"},
            {
                "template": "organization-ou",
                "with": {"org_paths": [ORG_PATH, "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"]},
            },
        ),
    ],
    ids=["none", "accounts", "paths"],
)
def test_the_first_value_is_valid(aws, parameters, value, request):
    stack = f"first-{request.node.callspec.indices['parameters']}"
    aws.set_up(stack, **parameters)
    first = aws.client("ssm").get_parameter(Name=f"/{stack}/policy")["Parameter"]
    assert json.loads(first["Value"]) == value
    assert first["Type"] == "String"
