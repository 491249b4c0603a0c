"""The journal, a file with one JSON object a line, and the files by which a test steers the local AWS."""

import json
import os
import threading
from pathlib import Path

STATE = Path(os.environ["LOCAL_AWS_STATE"])
JOURNAL = STATE / "journal.jsonl"
# While it is there, CloudTrail delivers nothing.
HOLD = STATE / "hold"
# ECR refuses its next write for its rate, and takes it away.
REFUSE = STATE / "refuse"
# The seconds by which the schedules' clock is ahead.
AHEAD = STATE / "ahead"

lock = threading.Lock()


def note(kind, **facts):
    with lock, JOURNAL.open("a") as journal:
        journal.write(json.dumps({"kind": kind, **facts}) + "\n")
