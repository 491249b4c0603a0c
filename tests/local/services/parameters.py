"""SSM: a parameter's changes reach the default event bus; the value is not in the event."""

from ministack.services import ssm

from services.events import publish

ministacks = {
    name: getattr(ssm, name)
    for name in ("_put_parameter", "_delete_parameter", "_delete_parameters", "_label_parameter_version")
}


def tell(operation, parameter):
    detail = {"operation": operation, "name": parameter["Name"], "type": parameter["Type"]}
    if parameter["Description"]:
        detail["description"] = parameter["Description"]
    publish(
        "aws.ssm",
        "Parameter Store Change",
        detail,
        [parameter["ARN"]],
        type="Parameter Store Change",
        name=operation,
        parameter=parameter["Name"],
    )


def after(name, touched):
    """The call, and then an event for each parameter that it touched."""

    def handle(data):
        before = dict(ssm._parameters.items())
        answer = ministacks[name](data)
        if answer[0] < 400:
            for operation, parameter in touched(data, before):
                tell(operation, parameter)
        return answer

    return handle


def put(data, before):
    return [("Update" if data["Name"] in before else "Create", ssm._parameters[data["Name"]])]


def deleted(_data, before):
    return [("Delete", parameter) for name, parameter in before.items() if name not in ssm._parameters]


def labelled(data, before):
    return [("LabelParameterVersion", before[data["Name"]])] if data["Name"] in before else []


def install():
    ssm._put_parameter = after("_put_parameter", put)
    ssm._delete_parameter = after("_delete_parameter", deleted)
    ssm._delete_parameters = after("_delete_parameters", deleted)
    ssm._label_parameter_version = after("_label_parameter_version", labelled)
