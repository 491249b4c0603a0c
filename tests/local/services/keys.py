"""KMS: who may use the key with which a queue or a topic is encrypted."""

from ministack import app
from ministack.services import kms, sqs

from services.iam import calling_role, role_may, service_may

TO_SEND = ("kms:GenerateDataKey", "kms:Decrypt")
TO_RECEIVE = ("kms:Decrypt",)


def key_of(attributes):
    """The ARN of a queue's or a topic's key, where it has one of its own."""
    key = kms._resolve_key(attributes.get("KmsMasterKeyId"))
    return key["Arn"] if key else None


def role_lacks(role, actions, attributes):
    """The first of these actions that the role may not do with the key."""
    key = key_of(attributes)
    if not key or not app.AUTH:
        return None
    return next((action for action in actions if not role_may(role, action, key, via="sqs")), None)


def service_may_send(service, attributes, source):
    """Whether the key's policy lets an AWS service encrypt messages."""
    key = key_of(attributes)
    policy = kms._resolve_key(key)["Policy"] if key else None
    return not key or all(service_may(service, action, key, policy, source) for action in TO_SEND)


def with_key(work, actions):
    """A call that fails where the caller may not use the queue's key."""

    def checked(data, url):
        queue, role = sqs._get_q(data.get("QueueUrl", url)), calling_role()
        lacks = role_lacks(role, actions, queue["attributes"]) if role else None
        if lacks:
            key = key_of(queue["attributes"])
            message = (
                f"User: {role} is not authorized to perform: {lacks} on resource: {key} because no identity-based "
                f"policy allows the {lacks} action (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)"
            )
            raise sqs._Err("KMS.AccessDeniedException", message)
        return work(data, url)

    return checked


def install():
    for name, actions in (("SendMessage", TO_SEND), ("SendMessageBatch", TO_SEND), ("ReceiveMessage", TO_RECEIVE)):
        sqs._HANDLERS[name] = with_key(sqs._HANDLERS[name], actions)
