"""The template as its author wrote it: what it says before any parameter is known."""

import yaml
from aws import ROOT


class Tagged(yaml.SafeLoader):
    """Reads CloudFormation's short forms, `!Ref Function` as `{"Ref": "Function"}`."""


def long_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Tagged.add_multi_constructor("!", long_form)


def template():
    return yaml.load((ROOT / "template.yaml").read_text(), Tagged)


def resources(kind):
    """The resources of a type, by their names."""
    return {name: each for name, each in template()["Resources"].items() if each["Type"] == kind}


def branches(value):
    """What a value may be, whichever conditions hold."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        _, yes, no = value["Fn::If"]
        return branches(yes) + branches(no)
    return [] if value == {"Ref": "AWS::NoValue"} else [value]


def permissions():
    """Everything that the function's role may do at most: each statement's id with each of its actions."""
    (role,) = resources("AWS::IAM::Role").values()
    statements = [
        statement
        for policy in role["Properties"]["Policies"]
        for each in policy["PolicyDocument"]["Statement"]
        for statement in branches(each)
    ]
    return [
        (statement["Sid"], action)
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]
