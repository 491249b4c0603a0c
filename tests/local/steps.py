"""What the tests of the deployed stack do, and what they expect again and again."""

import json
from contextlib import contextmanager

from aws import ACCOUNT, REGION, STACK

ORG_PATH = "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"
PARAMETER = f"/{STACK}/policy"
CALL = "AWS API Call via CloudTrail"
SERVICE_EVENT = "AWS Service Event via CloudTrail"
ECR = "ecr.amazonaws.com"
PULL = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetDownloadUrlForLayer",
]
WORKLOADS = {
    "Sid": "AutoPolicyAllowPull",
    "Effect": "Allow",
    "Principal": "*",
    "Action": PULL,
    "Condition": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ORG_PATH}},
}
OWNERS = """{
  "Version": "2012-10-17",
  "Id": "OwnedByCi",
  "Statement": [
    {
      "Action": ["ecr:PutImage", "ecr:BatchGetImage"],
      "Principal": {"AWS": ["444455556666", "arn:aws:iam::111122223333:role/ci"]},
      "Sid": "CiPushes",
      "Effect": "Allow"
    }
  ]
}"""


def statements(policy):
    """A policy's statements, the order of the actions aside."""
    found = json.loads(policy)["Statement"]
    return [
        {**each, "Action": sorted(each["Action"]) if isinstance(each["Action"], list) else each["Action"]}
        for each in found
    ]


def create(aws, name, **options):
    """Creates a repository, and waits for the event and for the function's first answer to it."""
    aws.client("ecr").create_repository(repositoryName=name, **options)
    event = aws.wait_for("event", repository=name, name="CreateRepository")[0]
    assert event["rules"] == [aws.outputs()["RuleName"]]
    return aws.wait_for("invocation", event=event["event"])[0]


def outcome(invocation):
    assert not invocation["failed"], invocation
    (one,) = invocation["answer"]["outcomes"]
    return one["outcome"]


def creation_event(name, **detail):
    """A CreateRepository call as CloudTrail tells it, for an invocation by hand."""
    repository = {
        "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}",
        "registryId": ACCOUNT,
        "repositoryName": name,
    }
    return {
        "version": "0",
        "id": "7fd2b2b0-5d0f-4f1c-9a64-2f9c1f7e0a11",
        "detail-type": CALL,
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": "2026-11-22T12:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": {
            "eventSource": ECR,
            "eventName": "CreateRepository",
            "eventType": "AwsApiCall",
            "awsRegion": REGION,
            "recipientAccountId": ACCOUNT,
            "requestParameters": {"repositoryName": name},
            "responseElements": {"repository": repository},
            **detail,
        },
    }


def service_event(name):
    """A creation by ECR itself, which has neither a request nor tags."""
    event = creation_event(name)
    event["detail-type"] = SERVICE_EVENT
    event["detail"] |= {
        "eventType": "AwsServiceEvent",
        "requestParameters": None,
        "responseElements": None,
        "serviceEventDetails": {"repositoryName": name},
    }
    return event


def scheduled_event():
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2026-11-22T12:00:00Z",
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/schedule"],
        "detail": {},
    }


def invoke(aws, event):
    answer = aws.client("lambda").invoke(FunctionName=aws.outputs()["FunctionName"], Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


@contextmanager
def configuration(aws, value):
    ssm = aws.client("ssm")
    before = ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    ssm.put_parameter(Name=PARAMETER, Value=value, Overwrite=True)
    try:
        yield
    finally:
        ssm.put_parameter(Name=PARAMETER, Value=before, Overwrite=True)


def role_document(aws):
    role = aws.outputs()["FunctionRoleArn"].rpartition("/")[2]
    return role, aws.client("iam").get_role_policy(RoleName=role, PolicyName="Function")["PolicyDocument"]


@contextmanager
def role_without(aws, action, sid=None):
    """The role without an action, in the statement of that id or in all of them."""
    iam = aws.client("iam")
    role, document = role_document(aws)
    less = json.loads(json.dumps(document))
    for statement in less["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if sid in (None, statement["Sid"]):
            # A statement needs an action; this one touches nothing that exists.
            statement["Action"] = [each for each in actions if each != action] or ["ecr:DescribeRegistry"]
    assert less != document
    iam.put_role_policy(RoleName=role, PolicyName="Function", PolicyDocument=json.dumps(less))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="Function", PolicyDocument=json.dumps(document))


@contextmanager
def without_permission_to_call(aws):
    """EventBridge may not call the function about creations."""
    function = aws.outputs()["FunctionName"]
    client = aws.client("lambda")
    rule = aws.client("events").describe_rule(Name=aws.outputs()["RuleName"])["Arn"]
    permissions = json.loads(client.get_policy(FunctionName=function)["Policy"])["Statement"]
    (permission,) = [each for each in permissions if rule in json.dumps(each["Condition"])]
    client.remove_permission(FunctionName=function, StatementId=permission["Sid"])
    try:
        yield
    finally:
        client.add_permission(
            FunctionName=function,
            StatementId=permission["Sid"],
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )


def failure_queue(aws):
    """Takes every message off the failure queue."""
    sqs = aws.client("sqs")
    url = aws.outputs()["FailureQueueUrl"]
    found = []
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in received:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(json.loads(message["Body"]))
    return found


def messages(logs, group):
    return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
