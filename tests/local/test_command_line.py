"""The command line against the local AWS: plan, apply and plan again ends with nothing to do."""

import json
import subprocess

import pytest
from aws import ROOT
from steps import OWNERS, PARAMETER, create

BINARY = ROOT / "target" / "debug" / "ecr-autopolicy"
CONFIGURATION = {
    "rules": [
        {"name": "Organization", "repositories": ["cli/*"], "except": ["cli/private"],
         "template": "organization", "with": {"org_ids": ["o-a1b2c3d4e5"]}},
        {"name": "CiPush", "repositories": ["cli/cache"],
         "template": "account-list", "with": {"accounts": ["444455556666"], "access": "Push"}},
    ]
}  # fmt: skip
SCOPE = ["--repository", "cli/*"]


def run(aws, *arguments, status=0):
    command = [str(BINARY), *arguments, "--output", "json"]
    done = subprocess.run(command, env=aws.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == status, f"{done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def outcomes(swept):
    return {each["repository"].split("/", 1)[1]: each["outcome"] for each in swept["repositories"]}


def sids(policy):
    return [statement["Sid"] for statement in json.loads(policy)["Statement"]]


@pytest.fixture(scope="module")
def configuration(aws, tmp_path_factory):
    """Repositories that the function gave its policy, one of them with an owner's statement, and another configuration."""
    for name in ("cli/app", "cli/cache", "cli/owned", "cli/private"):
        create(aws, name)
    aws.client("ecr").set_repository_policy(repositoryName="cli/owned", policyText=OWNERS)
    path = tmp_path_factory.mktemp("cli") / "configuration.json"
    path.write_text(json.dumps(CONFIGURATION))
    return str(path)


def test_plan_apply_and_plan_ends_with_nothing_to_do(aws, configuration):
    planned = run(aws, "plan", configuration, *SCOPE, "--detailed-exitcode", status=2)
    expected = {"cli/app": "applied", "cli/cache": "applied", "cli/owned": "applied", "cli/private": "removed"}
    assert outcomes(planned) == expected
    assert {name: aws.policy(name) for name in expected}["cli/private"] is not None, "the plan changed something"

    applied = run(aws, "apply", configuration, *SCOPE, "--yes")
    assert outcomes(applied) == expected
    assert {each["repository"]: each["after"] for each in applied["repositories"]} == {
        each["repository"]: each["after"] for each in planned["repositories"]
    }
    assert sids(aws.policy("cli/cache")) == ["AutoPolicyOrganizationAllowPull", "AutoPolicyCiPushAllowPush"]
    assert sids(aws.policy("cli/owned")) == ["CiPushes", "AutoPolicyOrganizationAllowPull"]
    assert aws.policy("cli/private") is None

    again = run(aws, "plan", configuration, *SCOPE, "--detailed-exitcode")
    assert again["repositories"] == []
    assert again["summary"]["unchanged"] == 4


def test_a_saved_plan_leaves_alone_what_has_changed_since(aws, configuration, tmp_path):
    run(aws, "clear", *SCOPE, "--yes")
    saved = str(tmp_path / "today.plan")
    run(aws, "plan", configuration, *SCOPE, "--save", saved)
    aws.client("ecr").set_repository_policy(repositoryName="cli/app", policyText=OWNERS)
    applied = run(aws, "apply", "--plan", saved, "--yes", status=1)
    assert outcomes(applied) == {"cli/app": "failed", "cli/cache": "applied", "cli/owned": "applied"}
    assert sids(aws.policy("cli/app")) == ["CiPushes"]


def test_clear_leaves_the_owners_statements(aws, configuration):
    run(aws, "apply", configuration, *SCOPE, "--yes")
    run(aws, "clear", *SCOPE, "--yes")
    assert sids(aws.policy("cli/owned")) == ["CiPushes"]
    assert aws.policy("cli/cache") is None


def test_push_writes_the_parameter_and_the_source_can_be_the_parameter(aws, configuration):
    before = aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    try:
        pushed = run(aws, "push", configuration, "--parameter", PARAMETER, *SCOPE, "--yes")
        assert pushed["written"]
        assert json.loads(aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]) == CONFIGURATION
        run(aws, "apply", "--parameter", PARAMETER, *SCOPE, "--yes")
        assert run(aws, "plan", configuration, *SCOPE)["repositories"] == []
    finally:
        aws.client("ssm").put_parameter(Name=PARAMETER, Value=before, Overwrite=True)
