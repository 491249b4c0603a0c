import pytest
from aws import LocalAws, raise_on_termination
from steps import ORG_PATH


@pytest.fixture(scope="session")
def aws():
    """The local AWS with the stack deployed in it, the role enforced, the configuration read for every event."""
    raise_on_termination()
    with LocalAws() as local:
        local.deploy(OrgPaths=ORG_PATH, PolicyCacheSeconds=0, LogLevel="DEBUG")
        yield local
