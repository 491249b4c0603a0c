"""A local AWS: ministack, and what it lacks for a function that lives on the events of ECR.

- CloudTrail: ECR's write calls, and the repositories that ECR makes itself, reach the default event bus.
- ECR: pages of repositories, pull-through cache rules; policies are checked and reformatted as ECR does.
- EventBridge and Lambda: permissions of targets, dead letters, retries and failure destinations, batches of messages.
- SQS: messages are moved back from dead-letter queues. SSM: a parameter's changes reach the default event bus.
- CloudWatch: metrics are read out of the function's log, and alarms are looked at as their periods say.
- IAM and KMS: what AWS does in the function's role, and with the key of a queue or a topic, needs its permission.
- CloudFormation: reserved concurrency, permissions boundaries, and keys of topics.

Everything that happens on the way is written to the journal, a file with one JSON object a line.
"""

import os
import shutil
import signal
import sys
import threading

from ministack import app

from services import ecr, events, functions, iam, keys, metrics, parameters, queues, stacks
from services.journal import STATE


def end_with_parent():
    """Whoever started this server holds the other end of its standard input."""
    sys.stdin.read()
    shutil.rmtree(STATE, ignore_errors=True)
    os.killpg(os.getpgid(0), signal.SIGTERM)


def main():
    for service in (ecr, events, functions, iam, keys, metrics, parameters, queues, stacks):
        service.install()
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.argv[1:] = []
    app.main()


if __name__ == "__main__":
    main()
