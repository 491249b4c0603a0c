"""A configuration of an earlier version still means what it meant.

`versions/` has a folder for each version that changed what a configuration can say, and never loses one: each configuration
there, and the policies that it gave to some repositories. `VERSIONS=write` writes the policies of a new configuration.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from blocks import ROOT

BINARY = ROOT / "target" / "debug" / "ecr-autopolicy"
CONFIGURATIONS = sorted(Path(__file__).with_name("versions").glob("*/*.json"))
REPOSITORIES = ["base/a", "ci-cache/a", "lambda/a", "prod/a", "public/a", "quarantine/a", "sandbox/a", "team/app", "tools/a"]
WHERE = ["--registry-id", "111122223333", "--region", "eu-west-1", "--tag", "team=payments"]


def run(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=True).stdout


def policy(configuration, repository):
    text = run("render", str(configuration), "--repository", repository, *WHERE)
    return json.loads(text) if text else None


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_still_means_what_it_meant(configuration):
    run("check", str(configuration))
    found = {repository: policy(configuration, repository) for repository in REPOSITORIES}
    stored = configuration.with_suffix(".policies")
    if os.environ.get("VERSIONS") == "write" and not stored.exists():
        stored.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(stored.read_text())


def test_there_are_configurations():
    assert CONFIGURATIONS
