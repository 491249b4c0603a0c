"""Shows on a local AWS what the stack does to repositories, and checks that it does it."""

import signal

# Until there is something to clean up, Ctrl-C just ends it.
signal.signal(signal.SIGINT, signal.SIG_DFL)

import json
import os
import select
import shlex
import shutil
import sys
import textwrap
import time

from aws import ACCOUNT, ARCHITECTURE, REGION, Failure, LocalAws, raise_on_termination

WIDTH = max(72, min(96, shutil.get_terminal_size((96, 24)).columns - 1))
PARAMETER = "/ecr-autopolicy/policy"
ORG_PATH = "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"
CI_ACCOUNT = "444455556666"

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

WORKLOADS_PULL = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:DescribeRepositories",
        "ecr:GetDownloadUrlForLayer",
    ],
    "Condition": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ORG_PATH}},
}
CI_PUSH = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": [
        "ecr:BatchCheckLayerAvailability",
        "ecr:CompleteLayerUpload",
        "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    ],
    "Condition": {"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, CI_ACCOUNT]}},
}
OWNERS = {
    "Sid": "ScannerReads",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{CI_ACCOUNT}:role/scanner"},
    "Action": ["ecr:BatchGetImage", "ecr:DescribeImageScanFindings"],
}


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def say(text=""):
    print(text, flush=True)


def tell(text):
    say(textwrap.fill(text, WIDTH))


def pause():
    """Time to read a screen: some seconds, or until Enter. Nobody reads a pipe."""
    if sys.stdout.isatty() and sys.stdin.isatty():
        print(paint("2", "\n(Enter goes on at once)"), end="", flush=True)
        if select.select([sys.stdin], [], [], 6)[0]:
            sys.stdin.readline()
        print("\r\033[K" if COLOUR else "", end="", flush=True)


def title(number, text):
    say()
    say(paint("1", f"{number}  {text}"))
    say()


def command(*words):
    """The command line that does on AWS what the demo does next, broken before options where it is long."""
    line, lines = "$", []
    words = [shlex.quote(word) for word in words]
    for number, word in enumerate(words):
        # An option stays with its value.
        follower = words[number + 1] if word.startswith("--") and number + 1 < len(words) else ""
        if len(line) + 2 + len(word) + len(follower) > WIDTH - 2:
            lines.append(line + " \\")
            line = "   "
        line += " " + word
    say("\n".join(paint("36", each) for each in [*lines, line]))


def packed(value, column):
    """JSON in as few lines as fit, each below what it belongs to."""
    flat = json.dumps(value)
    if not isinstance(value, (dict, list)) or column + len(flat) <= WIDTH:
        return [flat]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    members = (
        [(json.dumps(key) + ": ", member) for key, member in value.items()]
        if isinstance(value, dict)
        else [("", member) for member in value]
    )
    lines = [opening]
    for number, (head, member) in enumerate(members):
        end = closing if number == len(members) - 1 else ","
        flat = head + json.dumps(member) + end
        if number and column + len(lines[-1]) + 1 + len(flat) <= WIDTH:
            lines[-1] += " " + flat
            continue
        if number:
            lines.append(" ")
        below = head and column + 1 + len(flat) > WIDTH >= column + 3 + len(flat) - len(head)
        shift = 3 if below else 1 + len(head)
        inner = packed(member, column + shift)
        if below:
            lines[-1] += head.rstrip()
            lines += [" " * shift + line for line in inner]
        else:
            lines[-1] += head + inner[0]
            lines += [" " * shift + line for line in inner[1:]]
        lines[-1] += end
    return lines


def show(document, known=None):
    """A policy or a configuration, each statement or rule below the other; `+` marks those not in `known`."""
    key = "Statement" if "Statement" in document else "rules"
    rest = [f"{json.dumps(name)}: {json.dumps(value)}, " for name, value in document.items() if name != key]
    say(f"    {{{''.join(rest)}{json.dumps(key)}: [")
    for number, member in enumerate(document[key]):
        comma = "," if number < len(document[key]) - 1 else ""
        lines = packed(member, 6)
        lines[-1] += comma
        is_new = known is not None and member not in known[key]
        for line in lines:
            say(paint("32", f"  +   {line}") if is_new else f"      {line}")
    say("    ]}")


def show_policy(when, text, before=None):
    if text is None:
        say(f"{when}: no policy")
        return
    say(f"{when} (`+` is new):" if before else f"{when}:")
    show(json.loads(text), json.loads(before) if before else None)


def check(repository, text, statements):
    def plain(statement):
        action = statement["Action"]
        return {**statement, "Action": sorted(action) if isinstance(action, list) else action}

    actual = [plain(statement) for statement in json.loads(text or '{"Statement": []}')["Statement"]]
    if actual != [plain(statement) for statement in statements]:
        raise Failure(f"the policy of `{repository}` is not what it should be: {text or 'there is none'}")


def watch(aws, repository, before, statements):
    """Lets CloudTrail deliver, and shows what the rule and the function made of it."""
    event = aws.wait_for("event", repository=repository, name="CreateRepository")[0]
    if not event["rules"]:
        raise Failure(f"the rule did not match the event of `{repository}`: {event}")
    answer = aws.wait_for("invocation", event=event["event"])[0]
    if answer["failed"]:
        raise Failure(f"the function failed for `{repository}`: {answer['answer']}\n{answer['log']}")
    outcomes = [each["outcome"] for each in answer["answer"]["outcomes"]] or ["nothing"]
    kind = {"AwsApiCall": "API call", "AwsServiceEvent": "service event"}[event["type"]]
    say()
    say(f"  CloudTrail ({kind}) > EventBridge rule > function: {paint('1', ', '.join(outcomes))}")
    after = aws.policy(repository)
    show_policy("after", after, before)
    check(repository, after, statements)


def deploy(aws):
    title("1 of 8", "Deploy the stack")
    tell(
        f"A local AWS on {aws.endpoint} stands in for account {ACCOUNT}, {REGION}; nothing leaves this machine. "
        "The function is the real binary, under the template's own IAM role, enforced."
    )
    say()
    overrides = {
        "OrgPaths": ORG_PATH,
        "SweepOnParameterChange": "true",
        "RepairDrift": "true",
        "RepairDelaySeconds": "2",
        "PolicyCacheSeconds": "0",
        "Architecture": ARCHITECTURE,
    }
    command("sam", "deploy", "--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items()))
    start = time.monotonic()
    aws.deploy(**overrides)
    resources = aws.client("cloudformation").describe_stack_resources(StackName="ecr-autopolicy")["StackResources"]
    say(f"  {len(resources)} resources in {time.monotonic() - start:.0f} seconds")
    say()
    command("aws", "ssm", "get-parameter", "--name", PARAMETER, "--query", "Parameter.Value", "--output", "text")
    value = aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    say(f"  {value}")
    say()
    tell("From now on every new repository lets this organizational unit, and everything below it, pull.")


def plain_repository(aws):
    title("2 of 8", "A new repository")
    command("aws", "ecr", "create-repository", "--repository-name", "payments/api")
    with aws.slow_trail():
        aws.client("ecr").create_repository(repositoryName="payments/api")
        before = aws.policy("payments/api")
        show_policy("before", before)
    watch(aws, "payments/api", before, [{"Sid": "AutoPolicyAllowPull", **WORKLOADS_PULL}])


def owned_repository(aws):
    title("3 of 8", "A new repository whose owner set a policy at once")
    command("aws", "ecr", "create-repository", "--repository-name", "payments/worker")
    command(
        "aws", "ecr", "set-repository-policy", "--repository-name", "payments/worker",
        "--policy-text", "file://owner.json",
    )  # fmt: skip
    with aws.slow_trail():
        ecr = aws.client("ecr")
        ecr.create_repository(repositoryName="payments/worker")
        owners = {"Version": "2012-10-17", "Statement": [OWNERS]}
        ecr.set_repository_policy(repositoryName="payments/worker", policyText=json.dumps(owners))
        before = aws.policy("payments/worker")
        show_policy("before", before)
    watch(aws, "payments/worker", before, [OWNERS, {"Sid": "AutoPolicyAllowPull", **WORKLOADS_PULL}])


def cached_repository(aws):
    title("4 of 8", "A repository that ECR creates itself, for a pull-through cache")
    name = "ecr-public/nginx/nginx"
    ecr = aws.client("ecr")
    command(
        "aws", "ecr", "create-pull-through-cache-rule", "--ecr-repository-prefix", "ecr-public",
        "--upstream-registry-url", "public.ecr.aws",
    )  # fmt: skip
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="ecr-public", upstreamRegistryUrl="public.ecr.aws")
    command("docker", "pull", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}:stable")
    with aws.slow_trail():
        ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "stable"}])
        before = aws.policy(name)
        show_policy("before", before)
    watch(aws, name, before, [{"Sid": "AutoPolicyAllowPull", **WORKLOADS_PULL}])


RULES = [
    {"name": "Workloads", "template": "organization-ou", "with": {"org_paths": [ORG_PATH]}},
    {
        "name": "CiPush",
        "repositories": ["ci-cache/*"],
        "template": "account-list",
        "with": {"accounts": [CI_ACCOUNT], "access": "Push"},
    },
]
FOLLOWED = {"Sid": "AutoPolicyWorkloadsAllowPull", **WORKLOADS_PULL}


def write_parameter(aws, rules):
    """Changes the configuration, and gives the event that tells of it."""
    command("aws", "ssm", "put-parameter", "--overwrite", "--name", PARAMETER, "--value", "file://configuration.json")
    show({"rules": rules})
    changes = len(aws.journal("event", parameter=PARAMETER))
    aws.client("ssm").put_parameter(Name=PARAMETER, Value=json.dumps({"rules": rules}), Overwrite=True)
    return aws.wait_for("event", count=changes + 1, parameter=PARAMETER)[-1]


def sids(text):
    return [statement["Sid"] for statement in json.loads(text or '{"Statement": []}')["Statement"]]


def tuning(aws):
    title("5 of 8", "Tune it: edit the parameter, and every repository follows (SweepOnParameterChange)")
    write_parameter(aws, RULES)
    say()
    say("  Parameter Store > EventBridge rule > function > work queue > function:")
    kept = {"payments/api": [], "payments/worker": [OWNERS], "ecr-public/nginx/nginx": []}
    for name, owners in kept.items():
        expected = [each["Sid"] for each in [*owners, FOLLOWED]]
        aws.wait_until(lambda: sids(aws.policy(name)) == expected, f"`{name}` follows")
        say(f"    {name:24}{paint('1', ', '.join(expected))}")
        check(name, aws.policy(name), [*owners, FOLLOWED])


def next_repository(aws):
    title("6 of 8", "The next repository gets both rules")
    name = "ci-cache/layers"
    command("aws", "ecr", "create-repository", "--repository-name", name)
    with aws.slow_trail():
        aws.client("ecr").create_repository(repositoryName=name)
        before = aws.policy(name)
        show_policy("before", before)
    watch(aws, name, before, [FOLLOWED, {"Sid": "AutoPolicyCiPushAllowPush", **CI_PUSH}])


def drift(aws):
    title("7 of 8", "Somebody deletes a policy, and it returns (RepairDrift)")
    name = "payments/api"
    command("aws", "ecr", "delete-repository-policy", "--repository-name", name)
    aws.client("ecr").delete_repository_policy(repositoryName=name)
    show_policy("before", aws.policy(name))
    say()
    aws.wait_until(lambda: aws.policy(name), "the policy returns")
    say("  CloudTrail > EventBridge rule > work queue, two seconds later > function")
    show_policy("after", aws.policy(name))
    check(name, aws.policy(name), [FOLLOWED])


def mistake(aws):
    title("8 of 8", "A mistake changes nothing")
    names = ["payments/api", "payments/worker", "ecr-public/nginx/nginx", "ci-cache/layers"]
    before = {name: aws.policy(name) for name in names}
    event = write_parameter(aws, [{"template": "organisation-ou", "with": {"org_paths": [ORG_PATH]}}])
    answer = aws.wait_for("invocation", event=event["event"])[0]
    if not answer["failed"]:
        raise Failure(f"the function took an invalid configuration: {answer}")
    say()
    say(f"  Parameter Store > EventBridge rule > function: {paint('1', answer['answer']['errorType'])}")
    tell(answer["answer"]["errorMessage"])
    say()
    if {name: aws.policy(name) for name in names} != before:
        raise Failure("an invalid configuration changed a policy")
    if not aws.wait_for("failure destination", event=event["event"])[0]["delivered"]:
        raise Failure("the failure queue did not get the event")
    tell("Every policy is as it was. The failure queue has the event, to be tried again when the mistake is mended.")


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise_on_termination()
    steps = [
        deploy,
        plain_repository,
        owned_repository,
        cached_repository,
        tuning,
        next_repository,
        drift,
        mistake,
    ]
    try:
        with LocalAws() as aws:
            for step in steps:
                if step is not steps[0]:
                    pause()
                step(aws)
    except Failure as failure:
        say()
        print(f"{paint('31', 'failed')}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say()
        print("stopped; nothing is left running", file=sys.stderr)
        return 130
    say()
    say(paint("1", "Each policy was checked. The local AWS is gone again."))
    say("In an account of your own: sam build && sam deploy --guided (put .venv/bin on your PATH first: it has both tools)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
