"""The template as a whole: what it says of itself, what it tags, and what its end leaves behind."""

import json
import re

import pytest
from aws import ROOT, STACK, LocalAws, raise_on_termination
from steps import ORG_PATH, PARAMETER, creation_event, invoke
from template import resources, template

ALARM = "AWS::CloudWatch::Alarm"


@pytest.fixture(scope="module")
def aws():
    raise_on_termination()
    with LocalAws() as local:
        local.deploy(OrgPaths=ORG_PATH, PolicyCacheSeconds=0)
        yield local


def test_the_application_in_the_repository_is_this_version():
    application = template()["Metadata"]["AWS::ServerlessRepo::Application"]
    manifest = (ROOT / "Cargo.toml").read_text()
    assert application["SemanticVersion"] == re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)[1]
    assert application["SpdxLicenseId"] == re.search(r'^license = "(.+)"$', manifest, re.MULTILINE)[1]
    assert (ROOT / application["LicenseUrl"]).is_file() and (ROOT / application["ReadmeUrl"]).is_file()
    # What the repository takes.
    assert len(application["Description"]) <= 256 and len(application["Name"]) <= 140
    assert re.fullmatch(r"[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?", application["Author"])
    assert len(application["Labels"]) <= 10
    assert all(re.fullmatch(r"[a-zA-Z0-9+\-_:/@]{1,127}", label) for label in application["Labels"])


def test_every_parameter_stands_in_one_group_has_a_label_and_is_described():
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    declared = template()["Parameters"]
    assert sorted(grouped) == sorted(declared) == sorted(interface["ParameterLabels"])
    assert all(each["Description"] for each in declared.values())


def test_every_exception_from_a_check_has_its_reason():
    for resource in template()["Resources"].values():
        for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert skipped["comment"].endswith(".")


def test_whatever_keeps_data_says_what_becomes_of_it():
    kinds = ("AWS::SQS::Queue", "AWS::SSM::Parameter", "AWS::Logs::LogGroup", "AWS::KMS::Key")
    fates = {name: each.get("DeletionPolicy") for kind in kinds for name, each in resources(kind).items()}
    assert fates == {
        "WorkQueue": "Delete",
        "FailureQueue": "Delete",
        "PolicyParameter": "RetainExceptOnCreate",
        "FunctionLogs": "Delete",
        "AlarmTopicKey": "Delete",
    }
    assert all("UpdateReplacePolicy" in each for kind in kinds for each in resources(kind).values())


def test_what_is_deployed_has_the_tags_of_samconfig(aws):
    stack = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    assert {"Key": "application", "Value": "ecr-autopolicy"} in stack["Tags"]
    outputs = aws.outputs()
    role = outputs["FunctionRoleArn"].rpartition("/")[2]
    of_role = aws.client("iam").list_role_tags(RoleName=role)["Tags"]
    of_parameter = aws.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=PARAMETER)["TagList"]
    for tags in (of_role, of_parameter):
        assert {"Key": "application", "Value": "ecr-autopolicy"} in tags
    of_function = aws.client("lambda").list_tags(Resource=outputs["FunctionArn"])["Tags"]
    of_queues = [
        aws.client("sqs").list_queue_tags(QueueUrl=outputs[queue])["Tags"]
        for queue in ("WorkQueueUrl", "FailureQueueUrl")
    ]
    for tags in (of_function, *of_queues):
        assert tags["application"] == "ecr-autopolicy"


def test_the_dashboard_is_sound_without_what_the_switches_bring(aws):
    cloudwatch = aws.client("cloudwatch")
    board = cloudwatch.get_dashboard(DashboardName=aws.outputs()["DashboardName"])["DashboardBody"]
    (listed,) = [each["properties"]["alarms"] for each in json.loads(board)["widgets"] if each["type"] == "alarm"]
    made = cloudwatch.describe_alarms()["MetricAlarms"]
    assert sorted(listed) == sorted(alarm["AlarmArn"] for alarm in made)
    assert not {"CorrectedAlarm", "NoCreationsAlarm"} & {name for name in resources(ALARM) if aws.resource(name)}


def test_the_end_of_the_stack_leaves_the_parameter_and_the_policies_and_a_new_stack_takes_them_up(aws):
    ecr, ssm, outputs = aws.client("ecr"), aws.client("ssm"), aws.outputs()
    ecr.create_repository(repositoryName="outlives/app")
    aws.wait_until(lambda: aws.policy("outlives/app"), "the policy is there")
    edited = '{"rules": []}'
    ssm.put_parameter(Name=PARAMETER, Value=edited, Overwrite=True)
    aws.delete()
    assert ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"] == edited
    assert aws.policy("outlives/app") is not None
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("logs").describe_log_groups()["logGroups"] == []
    assert aws.client("events").list_rules()["Rules"] == []
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert aws.client("cloudwatch").list_dashboards()["DashboardEntries"] == []
    roles = aws.client("iam").list_roles()["Roles"]
    assert outputs["FunctionRoleArn"] not in [role["Arn"] for role in roles]
    aws.deploy(OrgPaths="", ExistingPolicyParameter=PARAMETER, PolicyCacheSeconds=0)
    (taken_up,) = invoke(aws, creation_event("outlives/app"))["outcomes"]
    assert taken_up["outcome"] == "removed"
