"""What outside judges, cfn-lint and parliament, say of our policies.

They accept all that the templates write and all examples of the ECR user guide, and of the bad policies they reject
what they are able to see. `main.rs` beside this file holds our own verdict on the same files.
"""

import json
from pathlib import Path

import parliament
import pytest
from cfnlint.api import ManualArgs, lint

HERE = Path(__file__).parent


def policies(folder):
    return {path.stem: json.loads(path.read_text()) for path in sorted((HERE / folder).glob("*.json"))}


GOOD = policies("rendered") | policies("guide")
BAD = policies("bad")

# Bad policies that a judge does not reject, by the reason why it does not.
OPEN = {
    "open-by-all-of-no-values",
    "open-to-a-unit-of-any-organization",
    "open-to-all-networks",
    "open-to-all-organizations",
    "open-to-everyone",
    "open-to-everyone-but-one",
    "open-to-everyone-outside-an-organization",
    "open-to-everyone-who-tags-himself",
    "open-where-a-key-is-missing",
}
BLIND = {
    "cfn-lint": {
        "it does not ask whom a policy reaches": OPEN,
        "it looks at a condition's operators, not at keys and values": {
            "a-condition-that-tests-null",
            "a-condition-without-values",
            "a-date-that-is-none",
            "a-key-without-a-prefix",
            "a-network-that-is-none",
            "a-number-that-is-none",
            "a-truth-that-is-none",
            "an-arn-that-is-none",
        },
        "its pattern of an operator lets `IfExists` follow any": {"a-null-in-if-exists-form"},
        "its patterns of principals are those of resources of every service, and end early": {
            "a-group-as-principal",
            "a-principal-with-a-wildcard",
            "a-service-that-is-none",
            "an-empty-list-of-principals",
            "an-unknown-kind-of-principal",
        },
        "it knows the actions of every service, and does not ask whose policy it is": {"an-action-of-another-service"},
        "it takes a number for text": {"an-action-that-is-a-number"},
        "it lets a policy say nothing": {"an-empty-list-of-statements"},
        "it does not look at statement ids": {"a-sid-with-a-space", "two-statements-of-one-sid"},
        "policies of most other services have a resource": {"a-resource"},
    },
    "parliament": {
        "it does not ask whom a policy reaches": OPEN,
        "it does not know that a repository's policy needs a principal": {"no-principal"},
        "it takes a principal with an account's id in it, and any service": {
            "a-group-as-principal",
            "a-principal-with-a-wildcard",
            "a-service-that-is-none",
        },
        "it does not look for what is in a list that is empty": {
            "a-condition-without-values",
            "an-empty-list-of-actions",
            "an-empty-list-of-principals",
            "an-empty-list-of-statements",
        },
        "its pattern of a network takes any length of the prefix": {"a-network-that-is-none"},
        "it takes `IfExists` off every operator": {"a-null-in-if-exists-form"},
        "it wants a resource, which is why it gets a dummy elsewhere": {"a-resource"},
    },
}


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch):
    """cfn-lint would take those of the folder that the tests are run from."""
    monkeypatch.chdir(HERE)


def cfn_lint(policies):
    """What cfn-lint says of each policy, as the policy of a repository of its own."""
    names = {f"Repository{number}": name for number, name in enumerate(policies)}
    resources = {
        resource: {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryPolicyText": policies[name]}}
        for resource, name in names.items()
    }
    said = {name: [] for name in policies}
    for match in lint(json.dumps({"Resources": resources}), config=ManualArgs(regions=["eu-central-1"])):
        said[names[match.path[1]]].append(f"{match.rule.id} {match.message}")
    return said


def parliament_lint(policies):
    """What parliament says of each policy. It wants a resource, which a repository's policy has not."""
    return {name: parliament_on(policy) for name, policy in policies.items()}


def parliament_on(policy):
    policy = json.loads(json.dumps(policy))
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement, dict):
            statement.setdefault("Resource", "arn:aws:ecr:eu-central-1:111122223333:repository/team/app")
    try:
        findings = parliament.analyze_policy_string(json.dumps(policy)).findings
    except Exception as error:  # What it cannot even read, it does not accept.
        return [f"{type(error).__name__} {error}"]
    return [f"{finding.issue} {finding.detail}" for finding in findings if not is_about_the_dummy(finding)]


def is_about_the_dummy(finding):
    """`ecr:*` holds actions on the registry, which do not go with the repository that stands for the resource."""
    return finding.issue == "RESOURCE_MISMATCH" and all(
        mismatch["action"].startswith("ecr:") and mismatch["required_format"] == "*" for mismatch in finding.detail
    )


JUDGES = {"cfn-lint": cfn_lint, "parliament": parliament_lint}


@pytest.mark.parametrize("judge", JUDGES)
def test_what_we_write_is_accepted(judge):
    said = JUDGES[judge](GOOD)
    assert {name: findings for name, findings in said.items() if findings} == {}
    assert len(said) >= 40


@pytest.mark.parametrize("judge", JUDGES)
def test_what_we_refuse_is_rejected_unless_the_judge_is_blind_to_it(judge):
    said = JUDGES[judge](BAD)
    excused = sorted(name for names in BLIND[judge].values() for name in names)
    assert sorted(name for name, findings in said.items() if not findings) == excused
    assert len(said) >= 40
