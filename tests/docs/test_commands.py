"""Every command of the documents is run, and what the documents show of its output is what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from aws import ARCHITECTURE, REGION, LocalAws, raise_on_termination
from blocks import CONFIGURATION, DOCUMENTS, NOT_RUN, ROOT, RUN, SESSION, SHOWN, blocks, commands, session
from shell import Shell
from steps import ORG_PATH

BINARY = ROOT / "target" / "debug" / "ecr-autopolicy"
TOOLS = ("sam", "aws", "make", "cargo", "git")
# Commands that only look may look again: an event is on its way, or a queue's delay runs.
LOOKS = re.compile(r"ecr-autopolicy (check|doctor|plan|render|show)\b|sam logs\b|aws \w+ (describe|get|list)-")
PATIENCE = 60
WITH_BLOCKS = [document for document in DOCUMENTS if any(block.kind in (RUN, SESSION) for block in blocks(document))]
# These begin where nothing is deployed yet.
FROM_NOTHING = {"README.md", "first-deployment.md"}
# So that nobody waits here for what takes half a minute there.
PARAMETERS = ["PolicyCacheSeconds=0", "RepairDelaySeconds=1"]

LAMBDAS = {
    "Sid": "LambdaECRImageRetrievalPolicy",
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    "Condition": {"StringLike": {"aws:sourceArn": "arn:aws:lambda:eu-west-1:111122223333:function:*"}},
}
OURS = {
    "Sid": "AutoPolicyWorkloadsAllowPull",
    "Effect": "Allow",
    "Principal": "*",
    "Action": "ecr:BatchGetImage",
    "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
}
OWNERS = {
    "Sid": "CiPushes",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::444455556666:role/ci"},
    "Action": "ecr:PutImage",
}
# Repositories that are older than the stack, with their policies' statements.
REPOSITORIES = {
    "command-line.md": {"pay/checkout": [LAMBDAS], "pay/ledger": [], "sandbox/ada": [OURS]},
    "lambda.md": {"lambda/resize": []},
    "other-tools.md": {"terraform/app": [OWNERS]},
}
OTHERS = {"team/app": [OURS], "team/special": []}


def stand_ins(folder):
    """Commands by the names of the tools, and our own."""
    folder.mkdir()
    for tool in TOOLS:
        script = folder / tool
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/docs/stand_in.py" {tool} "$@"\n')
        script.chmod(0o755)
    (folder / BINARY.name).symlink_to(BINARY)


def furnish(folder):
    """What the documents' commands find in the folder that they are run in."""
    folder.mkdir()
    shutil.copytree(ROOT / "policies", folder / "policies")
    (folder / "fuzz").mkdir()
    (folder / ".aws-sam").symlink_to(ROOT / ".aws-sam")


def needs_aws(document):
    tools = {command.split()[0] for block in blocks(document) if block.kind in (RUN, SESSION) for command in commands(block)}
    return not tools.isdisjoint({"aws", "sam", BINARY.name})


@contextmanager
def local_aws(document):
    """The environment for commands, with what is there before the document's first one."""
    if not needs_aws(document):
        yield os.environ
        return
    with LocalAws() as aws:
        s3, trail, ecr = (aws.client(name) for name in ("s3", "cloudtrail", "ecr"))
        s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": REGION})
        trail.create_trail(Name="all", S3BucketName="trail", IsMultiRegionTrail=True)
        trail.start_logging(Name="all")
        if document.name not in FROM_NOTHING:
            for name, statements in REPOSITORIES.get(document.name, OTHERS).items():
                ecr.create_repository(repositoryName=name)
                if statements:
                    policy = {"Version": "2012-10-17", "Statement": statements}
                    ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy))
            aws.deploy(OrgPaths=ORG_PATH, **dict(each.split("=") for each in PARAMETERS))
        yield aws.environment


@contextmanager
def world(document, folder):
    with local_aws(document) as environment:
        stand_ins(folder / "bin")
        furnish(folder / "work")
        path = environment["PATH"]
        shell = Shell(folder, {
            **environment,
            "PATH": f"{folder / 'bin'}:{path}",
            "DOCS_PATH": path,
            "DOCS_ARCHITECTURE": ARCHITECTURE,
            # On an existing stack `sam deploy` keeps them.
            "DOCS_PARAMETERS": json.dumps(PARAMETERS if document.name in FROM_NOTHING else []),
            "SAM_CLI_POLL_DELAY": "0.5",
            "NO_COLOR": "1",
        })  # fmt: skip
        try:
            yield shell
        finally:
            shell.close()


def write(block, folder):
    if block.kind == CONFIGURATION and block.name:
        (folder / block.name).write_text(block.text)


def matches(shown, output):
    """Whether that is the output. A line `…` stands for any lines, and `…` in a line for anything in it."""
    pattern = ""
    for line in shown:
        if line == "…":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, output) is not None


def check_session(shell, block):
    for command, shown in session(block):
        deadline = time.monotonic() + PATIENCE
        while not matches(shown, output := without_ends(shell.run(command, strict=False)[1])):
            text = "\n".join(shown)
            waits = LOOKS.match(command) and time.monotonic() < deadline
            assert waits, f"{block.place}: `{command}`\nshows:\n{text}\nand says:\n{output}"
            time.sleep(0.5)


def without_ends(output):
    """The output without empty lines at its end, each line closed."""
    return "".join(line + "\n" for line in output.rstrip().splitlines())


@pytest.mark.parametrize("document", WITH_BLOCKS, ids=lambda document: document.stem)
def test_every_command_is_run(document, tmp_path):
    raise_on_termination()
    found = blocks(document)
    with world(document, tmp_path) as shell:
        # The first of each name is there from the beginning: a guide gives the command first.
        for block in reversed(found):
            write(block, tmp_path / "work")
        for block in found:
            write(block, tmp_path / "work")
            if block.kind == RUN:
                status, output = shell.run(block.text, strict=True)
                assert status == 0, f"{block.place}: ends with {status}:\n{block.text}\n{output}"
            elif block.kind == SESSION:
                check_session(shell, block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_block_is_of_a_kind_that_is_known(document):
    for block in blocks(document):
        assert block.kind in {RUN, SESSION, CONFIGURATION, *SHOWN}, f"{block.place}: nothing checks `{block.kind}`"
        if block.kind in SHOWN:
            first = re.search(r"(?m)^\$ |^(aws|sam|make|cargo|ecr-autopolicy) ", block.text)
            assert not first, f"{block.place}: a command that nobody runs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_json_block_is_a_configuration(document):
    for block in blocks(document):
        if block.kind == CONFIGURATION:
            done = subprocess.run([BINARY, "check", "-"], input=block.text, capture_output=True, text=True)
            # A mistake is there to be shown, by the command below it.
            expected = 1 if block.name.startswith("mistake") else 0
            assert done.returncode == expected, f"{block.place}: {done.stdout}{done.stderr}"
            assert "warning" not in done.stderr, f"{block.place}: {done.stderr}"


def test_the_table_of_what_is_not_run_holds_nothing_else():
    written = [command for document in DOCUMENTS for block in blocks(document)
               if block.kind in (RUN, SESSION) for command in commands(block)]  # fmt: skip
    for begin in NOT_RUN:
        assert any(f"{command} ".startswith(f"{begin} ") for command in written), f"no document has `{begin}`"
