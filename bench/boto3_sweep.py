"""The script that one would write: `boto3_sweep.py [THREADS]` gives every repository the statement of statement.json.

It lists the repositories, reads each policy, and writes it only where the statement is not in it as it should be.
Statements that others wrote stay.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

OURS = json.loads((Path(__file__).parent / "statement.json").read_text())


def bring_in_line(ecr, name):
    """Whether the policy had to be written."""
    try:
        statements = json.loads(ecr.get_repository_policy(repositoryName=name)["policyText"])["Statement"]
    except ecr.exceptions.RepositoryPolicyNotFoundException:
        statements = []
    wanted = [statement for statement in statements if statement.get("Sid") != OURS["Sid"]] + [OURS]
    if wanted == statements:
        return False
    policy = {"Version": "2012-10-17", "Statement": wanted}
    ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy))
    return True


def outcome(ecr, name):
    try:
        return "written" if bring_in_line(ecr, name) else "unchanged"
    except (BotoCoreError, ClientError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return "failed"


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    # What botocore has for an API that throttles; a plain loop goes without.
    patient = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=threads)
    ecr = boto3.client("ecr", config=patient if threads > 1 else None)
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 1000})
    names = [repository["repositoryName"] for page in pages for repository in page["repositories"]]
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            outcomes = list(pool.map(lambda name: outcome(ecr, name), names))
    else:
        outcomes = [outcome(ecr, name) for name in names]
    print(", ".join(f"{outcomes.count(kind)} {kind}" for kind in ("written", "unchanged", "failed")))
    sys.exit("failed" in outcomes)


if __name__ == "__main__":
    main()
