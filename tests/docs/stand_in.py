"""Stands in front of `sam`, `aws`, `make`, `cargo` and `git`, so that the documents' commands are run as they are written.

It answers what the table in `blocks.py` names, gives the local AWS's address and the built template to the others, and says yes.
"""

import json
import os
import shlex
import subprocess
import sys

from blocks import NOT_RUN, ROOT

REAL = ROOT / ".venv" / "bin"


def deploy(arguments):
    """`sam deploy` of what `make build` has built, for this machine's processor."""
    overrides = [f"Architecture={os.environ['DOCS_ARCHITECTURE']}", *json.loads(os.environ["DOCS_PARAMETERS"])]
    if "--parameter-overrides" not in arguments:
        arguments = [*arguments, "--parameter-overrides"]
    at = arguments.index("--parameter-overrides") + 1
    arguments = [*arguments[:at], *overrides, *arguments[at:]]
    built = ROOT / ".aws-sam" / "local" / "template.yaml"
    return ["--template-file", str(built), "--config-file", str(ROOT / "samconfig.toml"), "--no-progressbar", *arguments]


def main(tool, arguments):
    line = shlex.join([tool, *arguments])
    if any(line == begin or line.startswith(begin + " ") for begin in NOT_RUN):
        if tool == "make":
            return subprocess.run(["/usr/bin/env", "make", "-n", *arguments], cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode
        return 0
    if tool == "sam" and arguments[:1] == ["deploy"]:
        arguments = ["deploy", *deploy(arguments[1:])]
    if tool == "aws":
        # Version 1 knows no endpoint of the environment for SQS.
        arguments = ["--endpoint-url", os.environ["AWS_ENDPOINT_URL"], *arguments]
    return subprocess.run([str(REAL / tool), *arguments], check=False, input=b"y\n").returncode


if __name__ == "__main__":
    os.environ["PATH"] = os.environ["DOCS_PATH"]
    sys.exit(main(sys.argv[1], sys.argv[2:]))
