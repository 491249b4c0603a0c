"""CloudTrail: ECR's write calls, and the repositories that ECR makes itself, reach the default event bus."""

import copy
import time
import uuid

from ministack.core.responses import get_account_id, get_region

from services.events import publish
from services.iam import caller_identity
from services.journal import HOLD

TRAILED = {"CreateRepository", "DeleteRepository", "SetRepositoryPolicy", "DeleteRepositoryPolicy"}


def lower_camel(value):
    """CloudTrail writes the names of ECR's members with a small first letter, those inside tags too."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: lower_camel(member) for key, member in value.items()}
    if isinstance(value, list):
        return [lower_camel(member) for member in value]
    return value


def record(event_type, identity, name, **members):
    return {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "eventSource": "ecr.amazonaws.com",
        "eventName": name,
        "awsRegion": get_region(),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": event_type,
        "managementEvent": True,
        "recipientAccountId": get_account_id(),
        "eventCategory": "Management",
        **members,
    }


def call(name, request, answer, failed):
    response = None
    members = {}
    if failed:
        members["errorCode"] = str(answer.get("__type", "")).rpartition("#")[2]
        members["errorMessage"] = answer.get("message", "")
    else:
        response = copy.deepcopy(answer)
        if created := response.get("repository", {}).get("createdAt"):
            response["repository"]["createdAt"] = time.strftime("%b %d, %Y, %I:%M:%S %p", time.gmtime(created))
    detail = record(
        "AwsApiCall",
        caller_identity(),
        name,
        sourceIPAddress="127.0.0.1",
        requestParameters=lower_camel(request),
        responseElements=response,
        **members,
    )
    deliver("AWS API Call via CloudTrail", detail)


def own_creation(repository):
    detail = record(
        "AwsServiceEvent",
        {"accountId": get_account_id(), "invokedBy": "ecr.amazonaws.com"},
        "CreateRepository",
        sourceIPAddress="ecr.amazonaws.com",
        requestParameters=None,
        responseElements=None,
        serviceEventDetails={"repositoryName": repository},
    )
    deliver("AWS Service Event via CloudTrail", detail)


def deliver(detail_type, detail):
    """CloudTrail is slow: its events wait for as long as deliveries are held."""
    request = detail["requestParameters"] or detail["serviceEventDetails"]
    publish(
        "aws.ecr",
        detail_type,
        detail,
        until=lambda: not HOLD.exists(),
        name=detail["eventName"],
        type=detail["eventType"],
        repository=request.get("repositoryName"),
        error=detail.get("errorCode"),
        by=detail["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {}).get("arn"),
    )
