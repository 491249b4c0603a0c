"""Starts the local AWS, deploys the stack into it, and follows what happens there."""

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
BUILT_TEMPLATE = ROOT / ".aws-sam" / "local" / "template.yaml"
ACCOUNT = "111122223333"
REGION = "eu-west-1"
STACK = "ecr-autopolicy"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())


class Failure(Exception):
    """Something that the reader of a terminal must know, without a traceback."""


def raise_on_termination():
    """Lets SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that everything started is stopped."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LocalAws:
    """The server process, its state directory, and clients for it. Both end with the `with` block."""

    def __enter__(self):
        if sys.platform != "linux" or ARCHITECTURE is None:
            raise Failure("the local AWS runs the function's own binary, which needs Linux on x86_64 or arm64")
        self.state = Path(tempfile.mkdtemp(prefix="ecr-autopolicy-"))
        self.journal_path = self.state / "journal.jsonl"
        self.server_log = self.state / "server.log"
        self.process = None
        try:
            # Between asking for a free port and using it, another process may take it.
            for _ in range(3):
                if self.start():
                    return self
            raise Failure(f"the local AWS does not start:\n{self.server_log.read_text()[-2000:]}")
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def start(self):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.state),
            "TMPDIR": str(self.state),
            "STATE_DIR": str(self.state / "state"),
            "S3_DATA_DIR": str(self.state / "s3"),
            "LOCAL_AWS_STATE": str(self.state),
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AUTH": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1",
            "IOT_MTLS_ENABLED": "false",
            "SFTP_ENABLED": "false",
            "DOCKER_HOST": "unix:///nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with self.server_log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("server.py"))],
                env=environment,
                cwd=self.state,
                # While this process lives, so does the pipe, and the server; Ctrl-C is for this process alone.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=1):
                    return True
            except OSError:
                time.sleep(0.05)
        self.stop_server()
        return False

    def stop_server(self):
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                # The server leads a group of its own, in which the function's processes are too.
                os.killpg(self.process.pid, number)
                self.process.wait(5)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                continue
        self.process.stdin.close()
        self.process = None

    def stop(self):
        self.stop_server()
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def environment(self):
        """For commands that talk to the local AWS; nothing of the caller's own AWS set-up comes through."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SAM_CLI_"))}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": str(self.state / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.state / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "TMPDIR": str(self.state),
        }

    @cache
    def client(self, service, key=ACCOUNT, secret="test", token=None):
        """A client for the account itself, or for whoever has these credentials."""
        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"mode": "standard", "max_attempts": 1}, connect_timeout=5, read_timeout=60),
        )

    def deploy(self, **parameters):
        """A real `sam deploy` of the built template; its output, or Failure with it. Parameters stay from last time."""
        if not BUILT_TEMPLATE.exists():
            raise Failure("nothing is built yet: `make build` does it")
        overrides = [f'{name}="{value}"' for name, value in {"Architecture": ARCHITECTURE, **parameters}.items()]
        return self.sam(
            "deploy",
            "--template-file", str(BUILT_TEMPLATE),
            "--no-confirm-changeset",
            "--no-progressbar",
            "--parameter-overrides", *overrides,
        )  # fmt: skip

    def delete(self):
        """A real `sam delete`."""
        return self.sam("delete", "--no-prompts")

    def sam(self, command, *arguments):
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("sam")), command,
                "--config-file", str(ROOT / "samconfig.toml"),
                "--stack-name", STACK,
                *arguments,
            ],
            env=self.environment,
            cwd=self.state,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode:
            raise Failure(f"`sam {command}` failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def set_up(self, stack, **parameters):
        """What another deployment of the same template does, without packaging the function once more."""
        cloudformation, s3 = self.client("cloudformation"), self.client("s3")
        template = cloudformation.get_template(StackName=STACK, TemplateStage="Original")["TemplateBody"]
        bucket = s3.list_buckets()["Buckets"][0]["Name"]
        # It is longer than what a request may hold.
        s3.put_object(Bucket=bucket, Key="template", Body=template.encode())
        request = {
            "StackName": stack,
            "TemplateURL": f"{self.endpoint}/{bucket}/template",
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        }
        if stack == STACK:
            declared = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Parameters"]
            request["Parameters"] += [
                {"ParameterKey": each["ParameterKey"], "UsePreviousValue": True}
                for each in declared
                if each["ParameterKey"] not in parameters
            ]
            cloudformation.update_stack(**request)
            done = "stack_update_complete"
        else:
            cloudformation.create_stack(**request)
            done = "stack_create_complete"
        cloudformation.get_waiter(done).wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def outputs(self):
        stack = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    @contextmanager
    def slow_trail(self):
        """CloudTrail delivers nothing until the block ends, as it may for minutes on AWS."""
        hold = self.state / "hold"
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    def refuse_a_write(self):
        """ECR refuses its next SetRepositoryPolicy for its rate."""
        (self.state / "refuse").touch()

    def ahead(self):
        """The seconds by which the local AWS's clock is ahead."""
        ahead = self.state / "ahead"
        return float(ahead.read_text()) if ahead.exists() else 0

    def let_pass(self, seconds):
        """Puts the clock of schedules, metrics and alarms forward."""
        # The server reads this many times a second: never half of it.
        new = self.state / "ahead.new"
        new.write_text(str(self.ahead() + seconds))
        new.replace(self.state / "ahead")

    def resource(self, name):
        """The physical id of one of the stack's resources, or None where a condition leaves it out."""
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}.get(name)

    def journal(self, kind, **facts):
        if not self.journal_path.exists():
            return []
        # The server may be in the middle of a line.
        lines = self.journal_path.read_text().splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [e for e in entries if e["kind"] == kind and facts.items() <= e.items()]

    def wait_for(self, kind, count=1, seconds=30, **facts):
        """The journal's entries of that kind, once there are as many."""
        deadline = time.monotonic() + seconds
        while len(found := self.journal(kind, **facts)) < count:
            if time.monotonic() > deadline:
                log = self.server_log.read_text()[-3000:]
                raise Failure(f"no {kind} {facts} within {seconds} seconds; the local AWS says:\n{log}")
            time.sleep(0.02)
        return found

    def wait_until(self, holds, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                log = self.server_log.read_text()[-3000:]
                raise Failure(f"{what}: not within {seconds} seconds; the local AWS says:\n{log}")
            time.sleep(0.05)

    def policy(self, repository):
        """The repository's policy as ECR gives it, or None."""
        ecr = self.client("ecr")
        try:
            return ecr.get_repository_policy(repositoryName=repository)["policyText"]
        except ecr.exceptions.RepositoryPolicyNotFoundException:
            return None
