"""SQS: messages are moved back from dead-letter queues, and none is lost between threads."""

import json
import threading
import time
from collections import defaultdict

from ministack.core.concurrency import esm_wake
from ministack.core.responses import new_uuid
from ministack.services import sqs

# The moves from each queue, the newest first.
moves = defaultdict(list)


def one_at_a_time(work):
    """ministack's threads write a queue's list of messages anew while others append to it."""

    def locked(*arguments):
        with sqs._queues_lock:
            return work(*arguments)

    return locked


def redrive_target(queue):
    return json.loads(queue["attributes"].get("RedrivePolicy") or "{}").get("deadLetterTargetArn")


def known_queue(arn, member):
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        message = f"The resource that you specified for the {member} parameter doesn't exist."
        raise sqs._Err("ResourceNotFoundException", message, 404)
    return queue


def start_move(data, _url):
    """Moves what is visible, at once. A message that came from no queue has no queue to go back to."""
    source_arn = data.get("SourceArn", "")
    source = known_queue(source_arn, "SourceArn")
    if source_arn not in map(redrive_target, sqs._queues.values()):
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.", 400)
    given = data.get("DestinationArn")
    if given:
        known_queue(given, "DestinationArn")
    now = time.time()
    visible = [message for message in source["messages"] if message["visible_at"] <= now]
    task = {
        "TaskHandle": new_uuid(),
        "Status": "COMPLETED",
        "SourceArn": source_arn,
        "ApproximateNumberOfMessagesToMove": len(visible),
        "ApproximateNumberOfMessagesMoved": 0,
        "StartedTimestamp": int(now * 1000),
    }
    if given:
        task["DestinationArn"] = given
    moves[source_arn].insert(0, task)
    for message in visible:
        destination = sqs._queue_by_arn(given or message["sys"].get("DeadLetterQueueSourceArn", ""))
        if destination is None:
            task |= {"Status": "FAILED", "FailureReason": "CouldNotDetermineMessageSource"}
            break
        source["messages"].remove(message)
        destination["messages"].append(as_new(message, now + sqs.queue_delay(destination)))
        task["ApproximateNumberOfMessagesMoved"] += 1
    esm_wake.set()
    return {"TaskHandle": task["TaskHandle"]}


def as_new(message, visible_at):
    sent = {"SentTimestamp": str(int(time.time() * 1000))}
    kept = {key: value for key, value in message["sys"].items() if key != "DeadLetterQueueSourceArn"}
    return {
        **message,
        "id": new_uuid(),
        "sent_at": time.time(),
        "visible_at": visible_at,
        "receipt_handle": None,
        "receive_count": 0,
        "first_receive_at": None,
        "sys": {**kept, **sent},
    }


def list_moves(data, _url):
    known_queue(data.get("SourceArn", ""), "SourceArn")
    return {"Results": moves[data["SourceArn"]][: data.get("MaxResults", 1)]}


def install():
    sqs._queues_lock = threading.RLock()
    sqs._HANDLERS |= {"StartMessageMoveTask": start_move, "ListMessageMoveTasks": list_moves}
    for name, handler in sqs._HANDLERS.items():
        # This one waits for messages, and takes the lock below each time that it looks.
        if name != "ReceiveMessage":
            sqs._HANDLERS[name] = one_at_a_time(handler)
    for name in ("_expire_retained", "_dlq_sweep", "_collect_msgs"):
        setattr(sqs, name, one_at_a_time(getattr(sqs, name)))
