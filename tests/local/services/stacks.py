"""CloudFormation: properties of a template that ministack leaves out."""

from ministack.services import iam, lambda_svc, sns
from ministack.services.cloudformation import provisioners


def reserve(function, properties):
    reserved = properties.get("ReservedConcurrentExecutions")
    lambda_svc._functions[function]["concurrency"] = None if reserved is None else int(reserved)


def limit(role, properties):
    iam._roles[role]["PermissionsBoundary"] = properties.get("PermissionsBoundary")


def encrypt(topic, properties):
    if "KmsMasterKeyId" in properties:
        sns._topics[topic]["attributes"]["KmsMasterKeyId"] = properties["KmsMasterKeyId"]


def followed_by(provision, complete):
    def provisioned(*arguments, **named):
        made = provision(*arguments, **named)
        # An update has the old properties, too, before the new.
        complete(made[0], [each for each in arguments if isinstance(each, dict)][-1])
        return made

    return provisioned


def install():
    completions = {"AWS::Lambda::Function": reserve, "AWS::IAM::Role": limit, "AWS::SNS::Topic": encrypt}
    for kind, complete in completions.items():
        handlers = provisioners._RESOURCE_HANDLERS[kind]
        for name in ("create", "update"):
            handlers[name] = followed_by(handlers[name], complete)
