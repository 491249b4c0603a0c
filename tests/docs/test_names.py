"""What the documents name exists, and what exists is in the documents."""

import json
import re
import subprocess

import pytest
import yaml
from blocks import DOCUMENTS, ROOT, RUN, SESSION, blocks, commands, prose

BINARY = ROOT / "target" / "debug" / "ecr-autopolicy"
DOCS = {document.name: document.read_text() for document in DOCUMENTS}
EVERYTHING = "\n".join(DOCS.values())
SOURCES = {
    path: path.read_text()
    for pattern in ("template.yaml", "Makefile", "Cargo.toml", ".cargo/config.toml", "src/**/*.rs", "policies/**/*.json")
    for path in sorted(ROOT.glob(pattern))
}
# AWS's own words that stand in no source of ours, and what they are.
FOREIGN_WORDS = {
    "CreateRepository": "an action of ECR",
    "RepositoryPolicyText": "CloudFormation's property",
    "TriggeredRules": "a metric of EventBridge",
    "FailedInvocations": "a metric of EventBridge",
    "AWS_ENDPOINT_URL": "a variable of AWS's SDKs",
    "CREATE_ON_PUSH": "what a creation template of ECR applies to",
    "PULL_THROUGH_CACHE": "what a creation template of ECR applies to",
    "INSTA_UPDATE": "a variable of insta",
    "AutoPolicyAllowPull": "an example of a statement's id",
    "AutoPolicyWorkloadsAllowPull": "an example of a statement's id",
}
FOREIGN_FLAGS = {
    "--parameter-overrides": "sam deploy",
    "--with-decryption": "aws ssm get-parameter",
    "--remap-path-prefix": "rustc",
}


class Loader(yaml.SafeLoader):
    """Reads a template with CloudFormation's short forms of functions."""


Loader.add_multi_constructor("!", lambda loader, _, node: None)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(), Loader)


def rows(document, *headings):
    """The rows of the tables that have these headings."""
    found, inside = [], False
    for line in DOCS[document].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells == list(headings):
            inside = True
        elif inside and not set(line) <= set("|-"):
            found.append(cells)
    assert found, f"{document} has no table {headings}"
    return found


def table(document, column, *headings):
    """The words in backticks of a column of these tables."""
    return [word for cells in rows(document, *headings) for word in re.findall(r"`([^`]+)`", cells[column])]


def code(document):
    """What stands in backticks in the prose."""
    return re.findall(r"`([^`\n]+)`", prose(document))


def in_sources(word):
    return any(re.search(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", text) for text in SOURCES.values())


def help_of(*command):
    return subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, check=True).stdout


COMMANDS = re.findall(r"(?m)^  ([a-z]+)  ", help_of().split("Commands:")[1].split("Options:")[0])
FLAGS = {command: set(re.findall(r"--[a-z][a-z-]+", help_of(command))) for command in COMMANDS if command != "help"}
ANY_FLAG = set().union(*FLAGS.values(), {"--version", "--help"})


def test_every_parameter_of_the_stack_is_in_the_reference_with_its_default():
    named = {name.strip("`"): default.strip("`") for name, default, _ in rows("stack.md", "parameter", "default", "meaning")}
    assert named == {name: str(each["Default"]) for name, each in TEMPLATE["Parameters"].items()}


def test_every_output_of_the_stack_is_in_the_reference():
    assert sorted(table("stack.md", 0, "output", "what it is")) == sorted(TEMPLATE["Outputs"])


def test_every_alarm_of_the_stack_is_in_the_guide():
    alarms = [name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"]
    names = re.findall(r"AlarmName: !Sub \$\{AWS::StackName\}-(.+)", (ROOT / "template.yaml").read_text())
    assert len(names) == len(alarms)
    assert sorted(table("operations.md", 0, "alarm", "it is wrong that", "first")) == sorted(names)


def test_every_template_is_in_the_guide_with_its_variables():
    named = rows("configuration.md", "template", "`with`", "who may do what")
    variables = {name.strip("`"): sorted(re.findall(r"`([a-z_]+)`", those)) for name, those, _ in named}
    files = (ROOT / "policies").glob("*.json")
    assert variables == {path.stem: sorted(json.loads(path.read_text())["variables"]) for path in files}


def test_every_access_level_is_in_the_guide():
    levels = [path.stem for path in (ROOT / "policies" / "access-levels").glob("*.json")]
    assert sorted(set(table("configuration.md", 0, "access level", "allows"))) == sorted(levels)


def test_every_error_type_is_in_the_guide():
    labels = re.findall(r'=> "(\w+)",', (ROOT / "src" / "error.rs").read_text())
    assert sorted(table("failures.md", 0, "type", "what to do")) == sorted(labels)


def test_every_metric_is_in_the_guide():
    source = (ROOT / "src" / "function" / "metrics.rs").read_text().split("#[cfg(test)]")[0]
    metrics = set(re.findall(r'=> "([A-Z]\w+)",', source)) | set(re.findall(r'\("([A-Z]\w+)", json!', source))
    assert set(table("operations.md", 0, "metric", "counts")) == metrics
    assert set(re.findall(r'\["ecr-autopolicy", "(\w+)"', (ROOT / "template.yaml").read_text())) <= metrics


def test_every_permission_of_the_role_is_in_the_security_model():
    role = (ROOT / "template.yaml").read_text().split("  FunctionRole:")[1].split("\n  FunctionLogs:")[0]
    allowed = set(re.findall(r"- ([a-z]+:[A-Za-z]+)\n", role)) | set(re.findall(r"Action: ([a-z]+:[A-Za-z]+)\n", role))
    allowed.discard("sts:AssumeRole")
    assert set(table("security-model.md", 0, "permission", "on", "why")) == allowed


def test_every_command_and_check_is_in_the_guides():
    named = " ".join(table("command-line.md", 0, "command", "does"))
    assert {word for word in named.split() if word in COMMANDS} == {command for command in COMMANDS if command != "help"}
    topics = re.findall(r'Self::\w+ => "([a-z-]+)",', (ROOT / "src/cli/doctor/diagnosis.rs").read_text())
    assert sorted(table("operations.md", 0, "check", "fails or warns when")) == sorted(topics)


def test_every_field_of_the_log_is_in_the_guide():
    written = {"timestamp", "level", "message"}
    for path, text in SOURCES.items():
        if path.suffix == ".rs" and "cli" not in path.parts:
            written |= logged(text)
    assert set(table("operations.md", 0, "field", "meaning")) == written


def logged(source):
    """The names of the fields that the source gives to the macros of tracing, and to its own that is made of these."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', "", source)
    plain = re.sub(r"tracing::(error|warn|info|debug|\$level)!\(|tell!\(\w+,", "\0", plain)
    # What stands in parentheses is no name of a field.
    while plain != (flat := re.sub(r"\([^()\0]*\)", "", plain)):
        plain = flat
    pieces = [piece.strip() for given in re.findall(r"\0([^\0)]*)\)", plain) for piece in given.split(",")]
    return {re.match(r"[%?]?(\w+)", piece)[1] for piece in pieces if piece and not piece.startswith("$")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_name_in_the_documents_exists(document):
    for word in set(code(document)):
        if re.fullmatch(r"([A-Z][a-z0-9]+){2,}|[A-Z]+(_[A-Z]+)+", word) and word not in FOREIGN_WORDS:
            assert in_sources(word), f"{document.name}: there is no `{word}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_flag_in_the_documents_exists(document):
    for block in blocks(document):
        if block.kind in (RUN, SESSION):
            for command in commands(block):
                words = command.split()
                if words[0] == BINARY.name and not words[1].startswith("-"):
                    check_flags(f"{block.place}: {command}", words[1], words)
    for text in code(document):
        words = text.split()
        if words[0] == BINARY.name and len(words) > 1 and not words[1].startswith("-"):
            check_flags(f"{document.name}: {text}", words[1], words)
        elif words[0] in COMMANDS and any(word.startswith("--") for word in words):
            check_flags(f"{document.name}: {text}", words[0], words)
        elif words[0].startswith("--"):
            known = words[0].split("=")[0] in ANY_FLAG or words[0] in FOREIGN_FLAGS
            assert known, f"{document.name}: no command has `{words[0]}`"


def check_flags(place, command, words):
    assert command in FLAGS, f"{place}: there is no command `{command}`"
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in FLAGS[command], f"{place}: `{command}` has no `{word}`"


def test_the_words_of_others_are_still_used():
    for word in [*FOREIGN_WORDS, *FOREIGN_FLAGS]:
        assert f"`{word}" in EVERYTHING, f"no document has `{word}`"
